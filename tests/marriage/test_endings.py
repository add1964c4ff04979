"""How marriages end without an application, at the node that holds them, and how an error is put right."""

import datetime
import random
from typing import Any

import pytest

from contracts import certificate, claims, intake, marriage
from contracts.envelope import Json
from services.certificate import store as certificates
from services.marriage.store import tables
from shared import clock
from shared.audit import audit_rows
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, clerk
from tests.marriage.partings import (
    PAPER,
    confirm,
    day,
    ending,
    living,
    named,
    noted,
    record,
    states,
    why,
)
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    add_spouse,
    calm,
    locked,
    married,
    refusals,
    run_timer,
    settle_anyhow,
    switch,
    wed,
)
from tests.replay import hold_back

JUDGMENT = {"kind": "民事判决书", "issuer": "某人民法院", "number": "(2025)某民初1号", "on": "2025-10-10"}
ERROR = {"kind": "撤销死亡登记证明", "issuer": "某派出所", "number": "某证第2号", "on": "2025-10-12"}


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 11th."""
    case_id = wed(country)
    day(country, hand, "2025-10-11")
    return case_id


def judged(ground: str = "divorce_by_court", **changes: Any) -> Json:
    return ending(ground, document=JUDGMENT, **changes)


def withdrawn(**changes: Any) -> Json:
    return ending("", on="2025-10-12", document=ERROR) | changes


def certificate_states(country: Country, city: str = SANYA) -> list[str]:
    return [row.status for row in country[city].rows("certificate", certificates.certificates)]


def history(country: Country) -> list[str]:
    (row,) = married(country, SANYA)
    return [entry["what"] for entry in row.archive["history"]]


# --- death -----------------------------------------------------------------------------------------------------------


def test_a_death_certificate_seen_anywhere_ends_the_marriage_where_it_is_held(
    country: Country, couple_of_sanya: str
) -> None:
    request = record(country, WEIHAI, ending())
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert (states(country), living(country[SANYA]), locked(country)) == (["ended_by_death"], 0, [])
    (revoked,) = country[SANYA].told(certificate.CertificateRevokedV1, couple_of_sanya)
    assert (certificate_states(country), revoked.data["certificate"]["status"]) == (["revoked"], "revoked")
    assert history(country) == ["registered", "ended:death"]
    assert calm(country)


def test_a_widow_marries_again_in_a_third_city(country: Country, couple_of_sanya: str) -> None:
    record(country, WEIHAI, ending())
    wed(country, LANZHOU, OTHER_HE, SHE)
    assert (states(country, SANYA), states(country, LANZHOU)) == (["ended_by_death"], ["valid"])
    assert calm(country)


def test_the_same_request_again_is_answered_again_and_nothing_happens(country: Country, couple_of_sanya: str) -> None:
    request = record(country, WEIHAI, ending())
    kept = married(country, SANYA)
    wish = {name: value for name, value in ending().items() if name != "declined"}
    office = {"code": OFFICES[WEIHAI], "name": "某登记处", "node": WEIHAI, "phone": ""}
    with country[WEIHAI].works["marriage"].begin() as work:
        work.tell(marriage.EndMarriageV1, request, {"office": office}, wish, to=SANYA)
    country.settle()
    assert married(country, SANYA) == kept
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert calm(country)


def test_a_register_of_deaths_ends_only_what_is_held_here(country: Country, couple_of_sanya: str) -> None:
    dead = {"person": named(HE), "on": "2025-10-10", "document": PAPER}
    for city in (LANZHOU, SANYA, SANYA):
        country.say(city, marriage.NoteDeathV1, clock.new_id(), {"source": "population"}, dead)
        country.settle()
    assert states(country) == ["ended_by_death"]
    assert history(country) == ["registered", "ended:death"]
    assert calm(country)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"certificate_no": "J460204-2025-000002"}, "marriage_unknown"),
        ({"persons": [named(HE), named(OTHER_SHE)]}, "marriage_unknown"),
        ({"persons": [named(HE), named(HE)]}, "marriage_unknown"),
        ({"on": "2025-10-08"}, "ended_before_it_began"),
        ({"on": "2025-10-12"}, "ended_in_future"),
    ],
)
def test_the_holder_ends_nothing_that_is_not_its_record(
    country: Country, couple_of_sanya: str, changes: Json, code: str
) -> None:
    request = record(country, WEIHAI, ending(**changes))
    assert noted(country[WEIHAI], request) == ["sent", "refused"]
    assert why(country[WEIHAI], request) == [code]
    assert (states(country), living(country[SANYA]), len(locked(country))) == (["valid"], 2, 2)
    assert calm(country)


def test_what_has_ended_is_not_ended_again_but_may_be_void_from_the_beginning(
    country: Country, couple_of_sanya: str
) -> None:
    record(country, WEIHAI, ending())
    again = record(country, LANZHOU, ending())
    assert why(country[LANZHOU], again) == ["marriage_ended"]
    void = record(country, LANZHOU, judged("bigamy"))
    confirm(country, LANZHOU, void)
    assert (noted(country[LANZHOU], void)[-1], states(country)) == ("ended", ["void"])
    assert calm(country)


# --- by two people ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "state"),
    [
        ("divorce_by_court", "dissolved"),
        ("declared_dead", "ended_by_death"),
        ("under_age", "void"),
        ("coercion", "revoked"),
        ("impersonation", "revoked"),
    ],
)
def test_a_judgment_ends_the_marriage_once_a_second_clerk_has_compared_it(
    country: Country, couple_of_sanya: str, ground: str, state: str
) -> None:
    request = record(country, LANZHOU, judged(ground))
    assert (noted(country[LANZHOU], request), states(country)) == (["recorded"], ["valid"])
    confirm(country, LANZHOU, request)
    assert noted(country[LANZHOU], request) == ["recorded", "sent", "ended"]
    assert (states(country), locked(country)) == ([state], [])
    assert calm(country)


def test_who_recorded_an_ending_does_not_confirm_it(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request, "first")
    assert refusals(country[LANZHOU], request) == ["same_clerk"]
    assert states(country) == ["valid"]


def test_a_rejected_ending_goes_nowhere_and_is_not_confirmed_later(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request, approve=False)
    confirm(country, LANZHOU, request)
    assert noted(country[LANZHOU], request) == ["recorded", "rejected"]
    assert refusals(country[LANZHOU], request) == ["ending_confirmed"]
    assert states(country) == ["valid"]


@pytest.mark.parametrize(
    ("changes", "wish", "code"),
    [
        ({}, judged("divorce_registered"), "ending_by_application"),
        ({"office": "620102"}, judged(), "office_without_power"),
        ({}, judged(certificate_no="兰结字第12号"), "certificate_number_malformed"),
        ({"registering_division": "110101"}, judged(), "division_not_joined"),
    ],
)
def test_what_cannot_be_recorded_is_refused_at_the_counter(
    country: Country, changes: Json, wish: Json, code: str
) -> None:
    request = record(country, LANZHOU, wish, **changes)
    assert refusals(country[LANZHOU], request) == [code]
    assert country[LANZHOU].rows("marriage", tables.requests) == []


def test_everybody_who_touches_a_recorded_ending_is_on_record(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request)
    here = [(row.actor, row.act) for row in country[LANZHOU].rows("marriage", audit_rows)]
    there = [(row.actor, row.act) for row in country[SANYA].rows("marriage", audit_rows) if row.subject == request]
    assert sorted(here) == sorted([("first", "record_ending"), ("second", "confirm_ending")] * 2)
    assert there == [(LANZHOU, "end_marriage")] * 2


# --- back ------------------------------------------------------------------------------------------------------------


def back(country: Country, city: str = WEIHAI, **changes: Any) -> str:
    """Two clerks record that a death was none."""
    request = record(country, city, withdrawn(**changes))
    confirm(country, city, request)
    return request


def test_a_death_reported_wrongly_is_taken_back_and_both_are_married_as_before(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    record(country, WEIHAI, ending())
    day(country, hand, "2025-10-12")
    request = back(country)
    assert noted(country[WEIHAI], request) == ["recorded", "sent", "restored"]
    assert (states(country), living(country[SANYA])) == (["valid"], 2)
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert certificate_states(country) == ["valid"]
    assert history(country) == ["registered", "ended:death", "restored"]
    assert calm(country)


def test_a_marriage_that_came_back_ends_like_every_other(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    record(country, WEIHAI, ending())
    day(country, hand, "2025-10-12")
    back(country)
    record(country, LANZHOU, ending(on="2025-10-12"))
    assert (states(country), locked(country), certificate_states(country)) == (["ended_by_death"], [], ["revoked"])
    assert calm(country)


def test_a_court_that_annuls_a_marriage_while_it_is_to_come_back_leaves_both_free(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    record(country, WEIHAI, ending())
    day(country, hand, "2025-10-12")
    death, void = record(country, SANYA, withdrawn()), record(country, SANYA, judged("bigamy"))
    data = {"actor": clerk("second", OFFICES[SANYA]), "approve": True}
    country.say(SANYA, marriage.ConfirmEndingV1, death, data)
    country.work()
    country.say(SANYA, marriage.ConfirmEndingV1, void, data)
    country.settle()
    assert (states(country), locked(country)) == (["void"], [])
    assert [row.state for row in country[SANYA].rows("marriage", tables.restorations)] == ["refused"]
    assert (noted(country[SANYA], death)[-1], why(country[SANYA], death)) == ("refused", ["not_ended_by_death"])
    assert calm(country)


def declared(country: Country) -> None:
    """He is declared dead, and the marriage ends by it."""
    confirm(country, WEIHAI, record(country, WEIHAI, ending("declared_dead")))


def test_after_a_declaration_of_death_a_second_marriage_keeps_the_first_ended_though_it_has_ended_too(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    declared(country)
    wed(country, SANYA, OTHER_HE, SHE)
    second = judged(he=OTHER_HE, certificate_no="J460204-2025-000002", on="2025-10-11")
    confirm(country, SANYA, record(country, SANYA, second))
    assert locked(country) == []
    day(country, hand, "2025-10-12")
    request = back(country)
    assert (states(country, SANYA), locked(country)) == (["ended_by_death", "dissolved"], [])
    whats = [entry["what"] for entry in married(country, SANYA)[0].archive["history"]]
    assert (noted(country[WEIHAI], request)[-1], whats[-1]) == ("ended", "not_restored")
    assert calm(country)


@pytest.mark.parametrize(("since", "came_back"), [("2025-10-10", False), ("2020-05-20", True)])
def test_a_marriage_elsewhere_that_came_after_the_declaration_of_death_is_known_from_the_national_registry(
    country: Country, couple_of_sanya: str, hand: HandClock, since: str, came_back: bool
) -> None:
    declared(country)
    until = datetime.date(2025, 10, 11)
    add_spouse(country, SHE["id_number"], since=datetime.date.fromisoformat(since), until=until)
    day(country, hand, "2025-10-12")
    back(country)
    assert (states(country) == ["valid"], history(country)[-1] == "not_restored") == (came_back, not came_back)
    assert locked(country) == [("locked", True, SANYA)] * 2 * came_back
    assert calm(country)


def test_while_the_national_registry_is_silent_nothing_comes_back_and_nobody_is_kept_locked(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    declared(country)
    day(country, hand, "2025-10-12")
    switch(country[SANYA], "down")
    request = back(country)
    run_timer(country, SANYA, "restore_again")
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    assert noted(country[WEIHAI], request)[-1] == "sent"
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "restore_again")
    assert (states(country), noted(country[WEIHAI], request)[-1]) == (["valid"], "restored")
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


def test_a_death_that_was_none_waits_until_the_claims_of_that_very_marriage_are_released(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    withheld = hold_back(country[LANZHOU], "claims", claims.ReleaseClaimV1)
    record(country, WEIHAI, ending())
    day(country, hand, "2025-10-12")
    request = back(country)
    assert (states(country), noted(country[WEIHAI], request)[-1]) == (["ended_by_death"], "sent")
    assert country[SANYA].told(marriage.RestorationBlockedV1) == []
    withheld.let_in()
    country.settle()
    run_timer(country, SANYA, "restore_again")
    assert (states(country), noted(country[WEIHAI], request)[-1]) == (["valid"], "restored")
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


@pytest.mark.parametrize("ground", ["death", "declared_dead"])
def test_a_marriage_whose_widow_has_married_again_does_not_come_back(
    country: Country, couple_of_sanya: str, hand: HandClock, ground: str
) -> None:
    request = record(country, WEIHAI, ending(ground))
    confirm(country, WEIHAI, request)
    wed(country, LANZHOU, OTHER_HE, SHE)
    day(country, hand, "2025-10-12")
    request = back(country)
    assert (states(country, SANYA), states(country, LANZHOU)) == (["ended_by_death"], ["valid"])
    blocked = country[SANYA].told(marriage.RestorationBlockedV1)
    (kept,) = country[SANYA].rows("marriage", tables.restorations)
    if ground == "declared_dead":  # so says 民法典 51: it stays ended
        assert (noted(country[WEIHAI], request)[-1], kept.state, blocked) == ("ended", "kept", [])
        assert history(country)[-1] == "not_restored"
    else:
        assert why(country[WEIHAI], request) == ["remarried_after_wrong_report"]
        assert (kept.state, len(blocked)) == ("blocked", 1)
    assert locked(country) == [("locked", True, LANZHOU)] * 2
    assert calm(country)


def test_a_blocked_restoration_is_a_work_item_of_the_office_that_has_the_record_until_a_clerk_closes_it(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    record(country, WEIHAI, ending())
    wed(country, LANZHOU, OTHER_HE, SHE)
    day(country, hand, "2025-10-12")
    request = back(country)
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1, request)
    assert (opened.data["kind"], opened.data["office"]) == ("restoration_blocked", OFFICES[SANYA])
    close = {"item_id": opened.data["item_id"]}, {"reason": "已与两地登记机关核对,告知当事人向人民法院提起诉讼"}
    for office in ("460203-mr", OFFICES[SANYA]):
        data = close[0] | {"actor": clerk("clerk-3", office)}
        country.say(SANYA, intake.CloseWorkItemV1, request, data, close[1])
        country.settle()
    (refused,) = country[SANYA].told(intake.ActRefusedV1, request)
    (closed,) = country[SANYA].told(intake.WorkItemClosedV1, request)
    assert (refused.data["code"], closed.data["closed_by"]) == ("office_not_concerned", "clerk-3")
    assert calm(country)


def test_a_spouse_who_does_not_want_it_back_stays_free_after_a_declaration_of_death(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    request = record(country, WEIHAI, ending("declared_dead"))
    confirm(country, WEIHAI, request)
    day(country, hand, "2025-10-12")
    back(country, declined=True)
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    assert history(country)[-1] == "not_restored"
    assert calm(country)


def test_only_a_death_is_taken_back(country: Country, couple_of_sanya: str, hand: HandClock) -> None:
    request = record(country, WEIHAI, judged())
    confirm(country, WEIHAI, request)
    request = back(country)
    assert why(country[WEIHAI], request) == ["not_ended_by_death"]
    assert states(country) == ["dissolved"]


# --- in any order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_two_cities_that_end_one_marriage_in_any_order_end_it_once(
    country: Country, couple_of_sanya: str, seed: int
) -> None:
    requests = {WEIHAI: clock.new_id(), LANZHOU: clock.new_id()}
    for city, request in requests.items():
        data = {"actor": clerk("first", OFFICES[city]), "registering_division": ""}
        country.say(city, marriage.RecordEndingV1, request, data, ending())
    settle_anyhow(country, random.Random(seed))
    assert sorted(noted(country[city], request)[-1] for city, request in requests.items()) == ["ended", "refused"]
    assert history(country) == ["registered", "ended:death"]
    assert (living(country[SANYA]), locked(country)) == (0, [])
    assert calm(country)
