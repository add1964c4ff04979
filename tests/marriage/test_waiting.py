"""What a wedding waits for, and how it goes on: the registry, the lease, a change of mind, letters in any order."""

import random
from typing import Any

import pytest

from contracts import claims, intake, marriage
from contracts.envelope import Json
from services.marriage.store import divorces, tables
from shared.outbox import Work
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock
from tests.marriage.weddings import (
    HE,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    act,
    add_spouse,
    apply,
    calm,
    examine,
    findings,
    kept,
    last_task,
    later,
    locked,
    married,
    refusals,
    register,
    report_again,
    run_claims_timer,
    run_only,
    run_timer,
    settle_anyhow,
    switch,
    wed,
    withdraw,
)
from tests.replay import hold_back, record


def examined(country: Country) -> str:
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id)
    return case_id


# --- the national registry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "seconds"), [("down", 0), ("slow", 5), ("wrong", 0)])
def test_no_answer_of_the_registry_is_a_wait_and_its_answer_registers(
    country: Country, mode: str, seconds: float
) -> None:
    switch(country[SANYA], mode, seconds)
    case_id = wed(country)
    assert kept(country, SANYA, case_id).registration.state == "registering"
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["national_registry"]
    run_timer(country, SANYA, "ask_registry_again")
    assert married(country) == []
    assert locked(country) == [("held", False, SANYA)] * 2
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "ask_registry_again")
    assert len(married(country)) == 1
    assert calm(country)


def test_a_registry_that_comes_back_with_a_spouse_voids_the_signature(country: Country) -> None:
    switch(country[SANYA], "down")
    case_id = wed(country)
    add_spouse(country, HE["id_number"])
    run_timer(country, SANYA, "ask_registry_again")
    assert kept(country, SANYA, case_id).registration.state == "examined"
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    register(country, SANYA, case_id, approve=False)
    assert country[SANYA].told(marriage.ApplicationDecidedV1, case_id)[0].data["result"] == "refused"
    assert locked(country) == []


def test_a_mistake_of_the_registry_is_put_right_and_the_registrar_signs_anew(country: Country) -> None:
    add_spouse(country, HE["id_number"])
    case_id = wed(country)
    assert married(country) == []
    add_spouse(country, HE["id_number"], gone=True)
    register(country, SANYA, case_id)
    assert len(married(country)) == 1


@pytest.mark.parametrize(("mode", "seconds"), [("down", 0), ("slow", 5), ("wrong", 0)])
def test_a_report_without_an_answer_is_looked_for_and_not_sent_twice(
    country: Country, mode: str, seconds: float
) -> None:
    case_id = examined(country)
    act(country, SANYA, marriage.RegisterMarriageV1, case_id)
    country.work()  # the registry has said "none" by now; the locks come by mail
    switch(country[SANYA], mode, seconds)
    country.settle()
    assert len(married(country)) == 1
    assert report(country) == "unknown"
    switch(country[SANYA], "up")
    report_again(country)
    assert report(country) == "sent"
    path = country[SANYA].node.home / "reports.jsonl"
    assert len(path.read_text("utf-8").splitlines()) == 1


def report(country: Country) -> str:
    (row,) = country[SANYA].rows("marriage", tables.reports)
    return str(row.state)


# --- a change of mind ------------------------------------------------------------------------------------------------


def test_a_couple_that_changes_its_mind_after_the_examination_is_free(country: Country) -> None:
    case_id = examined(country)
    withdraw(country, SANYA, case_id)
    country.settle()
    assert kept(country, SANYA, case_id).registration.state == "dropped"
    assert locked(country) == []
    register(country, SANYA, case_id)
    assert refusals(country[SANYA], case_id) == ["application_ended"]
    wed(country, WEIHAI, HE, OTHER_SHE)
    wed(country, LANZHOU, OTHER_HE, SHE)
    assert len(married(country)) == 2
    assert calm(country)


@pytest.mark.parametrize("seed", range(5))
def test_a_withdrawal_that_meets_the_registration_leaves_one_of_both(country: Country, seed: int) -> None:
    chance = random.Random(seed)
    case_id = examined(country)
    act(country, SANYA, marriage.RegisterMarriageV1, case_id)
    country.work()
    for body in country.mail[: chance.randrange(3)]:
        country.mail.remove(body)
        country.deliver(body)
        country.work()
    withdraw(country, SANYA, case_id)
    settle_anyhow(country, chance)
    wed_here = len(married(country))
    state = kept(country, SANYA, case_id).registration.state
    assert (wed_here, state) in {(1, "registered"), (0, "dropped")}
    assert locked(country) == [("locked", True, SANYA)] * 2 * wed_here
    assert calm(country)


def test_a_withdrawal_that_overtook_its_application_ends_it_and_reserves_nobody(country: Country) -> None:
    withheld = hold_back(country[SANYA], "marriage", intake.ApplicationAcceptedV1)
    case_id = apply(country)
    country.settle()
    withdraw(country, SANYA, case_id)
    country.settle()
    withheld.let_in()
    country.settle()
    assert kept(country, SANYA, case_id).registration.state == "dropped"
    assert locked(country) == []
    assert calm(country)


def test_a_withdrawal_locks_its_case_before_it_looks_what_kind_of_case_it_is(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = apply(country)
    country.settle()
    order: list[str] = []
    lock, find = Work.lock, divorces.find_divorce

    def noted_lock(work: Work, key: str, *, shared: bool = False) -> None:
        if work.service == "marriage":
            order.append(f"lock {key}")
        lock(work, key, shared=shared)

    def noted_find(work: Work, of_case: str) -> Any:
        order.append(f"find {of_case}")
        return find(work, of_case)

    withdraw(country, SANYA, case_id)
    monkeypatch.setattr(Work, "lock", noted_lock)
    monkeypatch.setattr(divorces, "find_divorce", noted_find)
    country.settle()
    assert order[:2] == [f"lock {case_id}", f"find {case_id}"]
    assert kept(country, SANYA, case_id).registration.state == "dropped"


# --- the lease -------------------------------------------------------------------------------------------------------


def test_a_lease_is_renewed_once_before_it_ends(country: Country, hand: HandClock) -> None:
    case_id = examined(country)
    first = kept(country, SANYA, case_id).held_until
    run_timer(country, SANYA, "renew_leases")
    assert kept(country, SANYA, case_id).held_until == first  # too early
    later(hand, 110 * 60)
    for _ in range(2):
        run_timer(country, SANYA, "renew_leases")
    assert len(country[SANYA].told(marriage.TaskOpenedV1, case_id)) == 1
    assert kept(country, SANYA, case_id).held_until.startswith("2025-10-09T04:50")
    assert kept(country, SANYA, case_id).renewed


def test_a_lease_that_was_lost_is_regained_and_the_signature_still_stands(country: Country, hand: HandClock) -> None:
    switch(country[SANYA], "down")
    case_id = wed(country)
    first = kept(country, SANYA, case_id).registration
    lose_lease(country, hand)
    again = kept(country, SANYA, case_id).registration
    assert (again.state, again.hold) == ("registering", "held")
    assert again.attempt != first.attempt
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["national_registry"]
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "ask_registry_again")
    assert len(married(country)) == 1
    assert calm(country)


def test_a_lease_that_was_lost_to_another_couple_stays_lost(country: Country, hand: HandClock) -> None:
    switch(country[SANYA], "down")
    case_id = wed(country)
    unheard = hold_back(country[SANYA], "marriage", claims.ClaimsLostV1)
    lose_lease(country, hand)
    wed(country, WEIHAI, HE, OTHER_SHE)
    unheard.let_in()
    country.settle()
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["locked_elsewhere"]
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    register(country, SANYA, case_id, approve=False)
    assert country[SANYA].told(marriage.ApplicationDecidedV1, case_id)[0].data["result"] == "refused"
    assert len(married(country)) == 1
    assert calm(country)


def test_who_has_not_signed_is_not_reserved_again_unasked(country: Country, hand: HandClock) -> None:
    case_id = examined(country)
    lose_lease(country, hand)
    later(hand, 3600)
    run_timer(country, SANYA, "wake_applications")
    assert kept(country, SANYA, case_id).registration.hold == "none"
    assert last_task(country[SANYA], case_id)["missing_facts"] == ["claims_lost"]
    register(country, SANYA, case_id)
    assert refusals(country[SANYA], case_id) == ["persons_not_reserved"]
    act(country, SANYA, marriage.ReserveAgainV1, case_id)
    country.settle()
    register(country, SANYA, case_id)
    assert len(married(country)) == 1


def test_who_has_signed_is_reserved_again_by_itself_however_long_it_takes(country: Country, hand: Any) -> None:
    switch(country[SANYA], "down")  # the national registry: both wait for it until their lease ends
    case_id = wed(country)
    later(hand, 2 * 3600 + 60)
    run_only(country, WEIHAI, "sweep", "claims")
    first = apply(country, WEIHAI, OTHER_HE, SHE)
    country.settle()
    for _ in range(18):
        later(hand, 10 * 60)
        run_timer(country, SANYA, "wake_applications")
        run_timer(country, WEIHAI, "renew_leases")
        assert kept(country, SANYA, case_id).registration.hold == "none"
    withdraw(country, WEIHAI, first)
    country.settle()
    switch(country[SANYA], "up")
    later(hand, 10 * 60)
    run_timer(country, SANYA, "wake_applications")
    run_timer(country, SANYA, "ask_registry_again")
    assert kept(country, SANYA, case_id).registration.state == "registered"
    assert calm(country)


def lose_lease(country: Country, hand: HandClock) -> None:
    later(hand, 121 * 60)
    for city in (LANZHOU, WEIHAI):
        run_claims_timer(country, city, "sweep")


# --- letters in any order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_letters_in_any_order_and_twice_lead_to_one_marriage(country: Country, hand: Any, seed: int) -> None:
    chance = random.Random(seed)
    case_id = apply(country)
    settle_anyhow(country, chance)
    act(country, SANYA, marriage.ExamineApplicationV1, case_id)
    settle_anyhow(country, chance)
    act(country, SANYA, marriage.RegisterMarriageV1, case_id)
    settle_anyhow(country, chance)
    assert len(married(country)) == 1
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


def test_every_message_to_marriage_taken_twice_changes_nothing(country: Country) -> None:
    heard = record(country[SANYA], "marriage")
    wed(country)
    before = [country[SANYA].rows("marriage", table) for table in tables.metadata.sorted_tables]
    told = len(country[SANYA].heard)
    for body in list(heard.bodies):
        country[SANYA].bus.stations["marriage"].doors.handle(country[SANYA].works["marriage"], body)  # type: ignore[union-attr]
    country.settle()
    assert [country[SANYA].rows("marriage", table) for table in tables.metadata.sorted_tables] == before
    assert len(country[SANYA].heard) == told


@pytest.mark.parametrize("contract", [claims.ClaimsHeldV1, claims.ClaimsLockedV1, claims.ClaimsLostV1])
def test_words_about_another_attempt_or_for_another_service_change_nothing(
    country: Country, contract: type[Any]
) -> None:
    case_id = examined(country)
    before = kept(country, SANYA, case_id)
    for name, attempt in (("marriage", "0" * 36), ("divorce", before.registration.attempt)):
        data: Json = {"attempt": attempt, "asked_by": name}
        data |= {"until": before.held_until} if contract is claims.ClaimsHeldV1 else {}
        data |= {"denials": [{"number": 0, "why": "ended"}]} if contract is claims.ClaimsLostV1 else {}
        country.say(SANYA, contract, case_id, data)
    country.settle()
    assert kept(country, SANYA, case_id) == before
    assert calm(country)
