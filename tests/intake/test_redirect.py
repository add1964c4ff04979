"""退回转办: the hukou is elsewhere now, and where a case goes that nobody answers for."""

import json

import pytest

from contracts import exchange, intake, subsidy
from contracts.envelope import decode
from deploy.homes import directory_document, make_root
from services.intake.store import cases as store
from services.intake.store import tables
from shared.directory import sign_directory
from tests.builders import LANZHOU, SANYA, WEIHAI, Country
from tests.intake.cases import MOVED, UNREGISTERED, calm, states, verbs, withdraw


def redirect(country: Country, city: str, case_id: str, office: str, to: str) -> None:
    country.act(city, subsidy.RedirectApplicationV1, case_id, office, to_division=to)
    country.settle()


def work_items(country: Country, city: str) -> list[str]:
    return [row.kind for row in country[city].rows("intake", tables.work_items)]


def test_the_population_registry_sends_a_case_to_where_the_hukou_is_now(country: Country) -> None:
    case_id = country.take_in(SANYA, MOVED)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "redirected"), (3, "accepted")]
    assert country[SANYA].leg(case_id).redirects == 1
    assert country[LANZHOU].told(subsidy.TaskOpenedV1) == []
    country.decide(SANYA, case_id, "460204", approve=True)
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "redirected"), (3, "closed")]
    assert [step["leg_no"] for step in country[SANYA].story(case_id)["steps"] if step["verb"] == "decide"] == [3]
    assert [clock["ended_on"] != "" for leg in country[LANZHOU].story(case_id)["legs"] for clock in leg["clocks"]] == [
        True,
        True,
    ]
    assert calm(country)


def test_a_city_to_which_a_case_comes_back_works_for_the_new_county(wide_country: Country) -> None:
    country = wide_country
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    redirect(country, LANZHOU, case_id, "620102001", "371082")
    redirect(country, WEIHAI, case_id, "371082001", "620103")
    assert states(country, LANZHOU, case_id)[-1] == (4, "accepted")
    (*_, task) = country[LANZHOU].told(subsidy.TaskOpenedV1)
    assert (task.data["division"], task.data["task"]["offices"]) == ("620103", ["620103001"])
    assert {step["leg_no"] for step in country[LANZHOU].story(case_id)["steps"]} == {1, 2, 3, 4}
    with country[LANZHOU].works["intake"].begin() as work:
        assert store.get_case(work, case_id).division == "620103"
    country.act(LANZHOU, subsidy.CheckApplicationV1, case_id, "620103001")
    country.settle()
    assert "check" in verbs(country, SANYA, case_id)
    assert calm(country)


def test_a_clerk_cannot_redirect_a_case_to_its_own_county_or_to_a_place_that_is_none(country: Country) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    for to in ("620102", "620102002", "990101", "62010", "371082ABC"):
        redirect(country, LANZHOU, case_id, "620102001", to)
    codes = [heard.data["code"] for heard in country[LANZHOU].told(subsidy.ActRefusedV1)]
    assert codes == ["same_division", "same_division", "division_unknown", "division_unknown", "division_unknown"]
    assert states(country, LANZHOU, case_id)[-1] == (2, "accepted")


def test_after_the_third_redirect_a_person_must_look(wide_country: Country) -> None:
    country = wide_country
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    ways = [(LANZHOU, "620102001", "371082"), (WEIHAI, "371082001", "620103"), (LANZHOU, "620103001", "371002")]
    for city, office, to in ways:
        redirect(country, city, case_id, office, to)
        assert country[SANYA].leg(case_id).state == "in_progress"
    redirect(country, WEIHAI, case_id, "371002001", "620102")
    leg = country[SANYA].leg(case_id)
    assert (leg.state, leg.redirects) == ("needs_attention", 4)
    (item,) = country[SANYA].told(intake.WorkItemOpenedV1)
    assert item.data["kind"] == "redirected_too_often"
    assert work_items(country, SANYA) == ["redirected_too_often"]
    withdraw(country, SANYA, case_id)
    country.settle()
    assert country[SANYA].leg(case_id).state == "withdrawn"
    assert calm(country)


@pytest.mark.parametrize(("to", "kind"), [("110101", "division_not_joined"), ("371002", "division_not_joined")])
def test_a_case_redirected_to_where_nobody_answers_waits_for_a_person(country: Country, to: str, kind: str) -> None:
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    redirect(country, LANZHOU, case_id, "620102001", to)
    assert country[SANYA].leg(case_id).state == "needs_attention"
    assert work_items(country, SANYA) == [kind]
    assert not country.mail


def test_a_case_that_was_handed_over_again_hears_only_the_city_that_holds_it(country: Country) -> None:
    case_id = country.take_in(SANYA, MOVED)
    country.work()
    (forwarded,), country.mail = country.mail, []
    country.deliver(forwarded)
    country.work()
    late, country.mail = country.mail, []
    for body in late:
        country.deliver(body)
    country.settle()
    before = country[SANYA].story(case_id)
    for body in late:
        with country[SANYA].works["exchange"].begin() as work:
            work.retell(
                decode(
                    body.replace(decode(body).id, f"{decode(body).id[:-4]}0000").replace(f',"destnode":"{SANYA}"', "")
                )
            )
    country.settle()
    assert country[SANYA].story(case_id) == before
    assert calm(country)


# --- 送错 ------------------------------------------------------------------------------------------------------------


def sent_back(country: Country, case_id: str, kind: str = intake.ApplicationForwardedV1.type) -> None:
    """兰州's exchange hands the waiting letter back: it does not answer for that division."""
    country.mail.clear()
    data = {"message_id": case_id, "message_type": kind, "division": "620102", "directory_version": 1}
    with country[LANZHOU].works["exchange"].begin() as work:
        work.tell(exchange.MessageMisdirectedV1, case_id, data, to=SANYA)
    country.settle()


def test_a_case_sent_back_by_its_city_waits_for_a_person(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.work()
    sent_back(country, case_id)
    assert country[SANYA].leg(case_id).state == "needs_attention"
    assert work_items(country, SANYA) == ["misdirected"]
    assert calm(country)


def test_a_withdrawn_case_that_is_sent_back_is_over(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.work()
    withdraw(country, SANYA, case_id)
    country.work()
    sent_back(country, case_id)
    assert country[SANYA].leg(case_id).state == "withdrawn"
    assert calm(country)


def test_only_a_case_is_sent_back_that_the_city_was_given(country: Country) -> None:
    case_id = country.take_in(SANYA, MOVED)
    country.settle()
    before = country[SANYA].leg(case_id)
    sent_back(country, case_id)  # another city holds it by now
    assert country[SANYA].leg(case_id) == before
    later = country.take_in(SANYA)
    country.settle()
    sent_back(country, later, intake.ApplicationWithdrawnV1.type)
    assert country[SANYA].leg(later).state == "in_progress"


def test_a_case_sent_back_goes_to_the_city_that_a_newer_directory_names(wide_country: Country) -> None:
    country = wide_country
    case_id = country.take_in(SANYA)
    country.work()
    node = country[SANYA].node
    document = directory_document({code: country[code].node.keys for code in country.cities}, version=2_000_000_000)
    for row in document["nodes"]:
        row["divisions"] = {LANZHOU: [], WEIHAI: [WEIHAI, LANZHOU]}.get(row["code"], row["divisions"])
    signed = sign_directory(json.loads(json.dumps(document)), make_root(node.home.parent))
    (node.home / "directory.json").write_text(signed, "utf-8")
    sent_back(country, case_id)
    assert country[SANYA].leg(case_id).state == "needs_attention"  # 威海 has no office for 兰州's people
    (declined,) = country[SANYA].told(intake.ApplicationDeclinedV1)
    assert [reason["code"] for reason in declined.data["reasons"]] == ["no_competent_office"]
    assert (declined.data["leg"]["node"], declined.data["ask_office"]["code"]) == (WEIHAI, "460204001")
    assert calm(country)
