"""补领结婚证: given out anew anywhere, of the marriage that is held elsewhere, and with its day."""

from typing import Any

import pytest

from contracts import certificate, intake, marriage
from contracts.envelope import Json
from services.certificate import store as certificates
from services.marriage.store import reissues, tables
from shared.outbox import Work
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, clerk
from tests.marriage.partings import FIRST, FIRST_DAY, OPENS, accept, confirm, day, ending, noted, record, sign, state
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_SHE,
    PAPERS,
    SHE,
    calm,
    couple,
    findings,
    last_task,
    married,
    refusals,
    run_timer,
    wed,
    withdraw,
)

NEW = "BJ620102-2025-000001"


@pytest.fixture
def couple_of_sanya(country: Country) -> str:
    """A couple that married in 三亚."""
    return wed(country)


def ask(country: Country, he: Json = HE, she: Json = SHE, city: str = LANZHOU, **answers: str) -> str:
    """One of a couple wants the certificate anew; the case id. All settled."""
    said = {"certificate_no": FIRST} | answers
    facts: Json = {"matter": "marriage-certificate-reissue", "office": OFFICES[city], "answers": said}
    case_id = country.take_in(city, *couple(he, she), **facts | {"materials": PAPERS})
    country.settle()
    return case_id


def act(country: Country, case_id: str, *, approve: bool = True, **changes: Any) -> None:
    """A clerk of 兰州 gives it out, or refuses; all settled."""
    data = {"expected_version": 1, "actor": clerk("registrar", OFFICES[LANZHOU]), "approve": approve} | changes
    country.say(LANZHOU, marriage.RegisterMarriageV1, case_id, data, {"reasons": []})
    country.settle()


def states(country: Country, city: str = LANZHOU) -> list[str]:
    return [row.state for row in country[city].rows("marriage", tables.reissues)]


def statuses(country: Country, city: str = LANZHOU) -> list[str]:
    return [row.status for row in country[city].rows("certificate", certificates.certificates)]


def test_a_certificate_is_given_out_anew_anywhere_with_the_day_and_number_of_the_registration(
    country: Country, couple_of_sanya: str
) -> None:
    case_id = ask(country)
    assert last_task(country[LANZHOU], case_id)["task"]["offices"] == [OFFICES[LANZHOU]]
    act(country, case_id)
    (issued,) = country[LANZHOU].rows("certificate", certificates.certificates)
    assert (issued.face["certificate_no"], issued.face["first_certificate_no"]) == (NEW, FIRST)
    assert (issued.face["registered_on"], issued.status) == ("2025-10-09", "valid")
    (row,) = married(country)
    assert (row.certificate_no, row.state, row.archive["certificates"]) == (FIRST, "valid", [FIRST, NEW])
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"
    assert calm(country)


def test_numbers_of_reissues_run_without_gaps_beside_those_of_registrations(
    country: Country, couple_of_sanya: str
) -> None:
    for _ in (1, 2):
        act(country, ask(country))
    given = [row.face["certificate_no"] for row in country[LANZHOU].rows("certificate", certificates.certificates)]
    assert sorted(given) == [NEW, "BJ620102-2025-000002"]
    assert married(country)[0].archive["certificates"] == [FIRST, *sorted(given)]


def test_a_marriage_is_found_and_ended_by_the_number_of_its_newer_certificate(
    country: Country, couple_of_sanya: str
) -> None:
    act(country, ask(country))
    record(country, WEIHAI, ending(certificate_no=NEW, on="2025-10-09"), registering_division="460204")
    assert married(country)[0].state == "ended_by_death"
    assert (statuses(country), statuses(country, SANYA)) == (["revoked"], ["revoked"])
    assert calm(country)


@pytest.mark.parametrize("answers", [{}, {"certificate_no": "J460204-2025-000009"}])
def test_nothing_is_given_out_of_a_marriage_that_is_not_valid_or_not_on_record(
    country: Country, couple_of_sanya: str, answers: dict[str, str]
) -> None:
    if not answers:
        record(country, WEIHAI, ending(on="2025-10-09"))
    case_id = ask(country, **answers)
    code = "marriage_unknown" if answers else "reissue_of_ended_marriage"
    assert findings(country[LANZHOU], case_id) == {code: False}
    act(country, case_id)
    assert refusals(country[LANZHOU], case_id) == [code]
    act(country, case_id, approve=False)
    assert (states(country), statuses(country)) == (["refused"], [])
    assert calm(country)


def test_a_marriage_that_ends_before_the_clerk_acts_is_shown_and_given_out_no_more(
    country: Country, couple_of_sanya: str
) -> None:
    case_id = ask(country)
    record(country, WEIHAI, ending(on="2025-10-09"))
    assert findings(country[LANZHOU], case_id) == {"reissue_of_ended_marriage": False}
    act(country, case_id)
    assert refusals(country[LANZHOU], case_id) == ["reissue_of_ended_marriage"]


def test_a_couple_divorces_with_a_certificate_that_was_given_out_anew_elsewhere(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    act(country, ask(country))
    day(country, hand, FIRST_DAY)
    case_id = accept(country, WEIHAI, certificate_no=NEW)
    assert (state(country, case_id, WEIHAI), refusals(country[WEIHAI], case_id)) == ("cooling", [])
    day(country, hand, OPENS)
    run_timer(country, WEIHAI, "turn_days")
    sign(country, WEIHAI, case_id)
    assert (state(country, case_id, WEIHAI), married(country)[0].state) == ("registered", "dissolved")
    assert statuses(country) == ["revoked"]
    assert calm(country)


def test_an_ending_recorded_by_the_number_of_a_newer_certificate_reaches_the_holder(
    country: Country, couple_of_sanya: str
) -> None:
    act(country, ask(country))
    request = record(country, WEIHAI, ending(on="2025-10-09", certificate_no=NEW))
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert married(country)[0].state == "ended_by_death"
    assert calm(country)


def test_a_newer_certificate_is_given_out_anew_once_more(country: Country, couple_of_sanya: str) -> None:
    act(country, ask(country))
    act(country, ask(country, certificate_no=NEW))
    assert married(country)[0].archive["certificates"] == [FIRST, NEW, "BJ620102-2025-000002"]
    faces = [
        row.face["first_certificate_no"] for row in country[LANZHOU].rows("certificate", certificates.certificates)
    ]
    assert faces == [FIRST, FIRST]
    assert calm(country)


def test_by_the_number_of_a_newer_certificate_nobody_else_is_told_who_has_the_record(
    country: Country, couple_of_sanya: str
) -> None:
    act(country, ask(country))
    other = ask(country, HE, OTHER_SHE, certificate_no=NEW)
    assert findings(country[LANZHOU], other) == {"marriage_unknown": False}


def test_why_a_marriage_ended_is_told_to_whoever_ended_it_and_to_no_other_city(
    country: Country, couple_of_sanya: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(country)
    told: list[tuple[str, str]] = []

    def tell(work: Work, contract: Any, subject: str, *rest: Any, to: str = "") -> str:
        if contract is marriage.MarriageEndedV1:
            told.append((to, rest[1]["ground"]))
        return once(work, contract, subject, *rest, to=to)

    once = Work.tell
    monkeypatch.setattr(Work, "tell", tell)
    record(country, SANYA, ending(on="2025-10-09"))
    assert sorted(told) == [(SANYA, "death"), (LANZHOU, "")]
    assert calm(country)


def test_what_was_given_out_anew_is_valid_again_when_the_death_was_none(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    act(country, ask(country))
    other = ask(country)
    record(country, SANYA, ending(on="2025-10-09"))
    assert (statuses(country), findings(country[LANZHOU], other)) == (["revoked"], {"reissue_of_ended_marriage": False})
    day(country, hand, "2025-10-12")
    document = {"kind": "撤销死亡登记证明", "issuer": "某派出所", "number": "某证第2号", "on": "2025-10-12"}
    confirm(country, SANYA, record(country, SANYA, ending("", on="2025-10-12", document=document)))
    assert (statuses(country), statuses(country, SANYA)) == (["valid"], ["valid"])
    assert findings(country[LANZHOU], other) == {}
    act(country, other)
    assert statuses(country) == ["valid", "valid"]
    assert calm(country)


def test_while_the_holder_is_silent_nothing_is_given_out_or_refused(country: Country, couple_of_sanya: str) -> None:
    facts = {"matter": "marriage-certificate-reissue", "office": OFFICES[LANZHOU], "materials": PAPERS}
    case_id = country.take_in(LANZHOU, *couple(), **facts, answers={"certificate_no": FIRST})
    country.work()  # the letter to 三亚 lies in the mail
    assert last_task(country[LANZHOU], case_id)["missing_facts"] == ["marriage_record"]
    data = {"expected_version": 1, "actor": clerk("registrar", OFFICES[LANZHOU])}
    for approve in (True, False):
        country.say(LANZHOU, marriage.RegisterMarriageV1, case_id, data | {"approve": approve}, {"reasons": []})
        country.work()
    assert refusals(country[LANZHOU], case_id) == ["holder_silent", "ground_not_lawful"]
    country.settle()
    act(country, case_id)
    assert states(country) == ["reissued"]


def test_a_lawful_reissue_is_not_refused_and_only_the_accepting_office_acts(
    country: Country, couple_of_sanya: str
) -> None:
    case_id = ask(country)
    act(country, case_id, approve=False)
    act(country, case_id, actor=clerk("registrar", "620103-mr"))
    act(country, case_id, expected_version=2)
    assert refusals(country[LANZHOU], case_id) == ["ground_not_lawful", "office_not_accepting", "version_changed"]
    assert states(country) == ["asked"]


def test_who_withdraws_gets_nothing_and_who_names_no_holder_is_told_why(country: Country, couple_of_sanya: str) -> None:
    case_id = ask(country)
    withdraw(country, LANZHOU, case_id)
    country.settle()
    assert (states(country), len(country[LANZHOU].told(intake.ApplicationClosedV1, case_id))) == (["dropped"], 1)
    other = ask(country, HE, OTHER_SHE, certificate_no="旧字第1号")
    assert findings(country[LANZHOU], other) == {"certificate_number_malformed": False}
    assert country[LANZHOU].told(certificate.CertificateIssuedV1) == []
    with country[LANZHOU].works["marriage"].begin() as work:
        found = reissues.find_reissue(work, other)
    assert found
    assert found.found is None
