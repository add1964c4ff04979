"""A death that was none: when a marriage comes back at the node that holds it, and when it does not."""

import datetime
from typing import Any

import pytest

from contracts import claims, intake, marriage
from services.marriage.store import tables
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, clerk
from tests.marriage.books import OLD, enter, line
from tests.marriage.partings import (
    certificate_states,
    confirm,
    day,
    ending,
    history,
    judged,
    living,
    named,
    noted,
    record,
    states,
    why,
    withdrawn,
)
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    SHE,
    add_spouse,
    calm,
    locked,
    married,
    run_timer,
    switch,
    wed,
)
from tests.replay import hold_back


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


def test_a_marriage_of_an_old_book_with_a_foreign_document_comes_back_like_any_other(country: Country) -> None:
    foreign = HE | {"id_type": "passport", "id_number": "USA-512345678"}
    both = {"certificate_no": OLD, "persons": [named(foreign), named(SHE)]}
    enter(country, line(he=foreign, id_type_1="passport"))
    record(country, LANZHOU, ending(on="2025-10-09", **both), registering_division="620102")
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    confirm(country, LANZHOU, record(country, LANZHOU, withdrawn(**both), registering_division="620102"))
    assert (states(country), len(locked(country))) == (["valid"], 2)
    assert calm(country)
