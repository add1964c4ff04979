"""补正期限: who is asked and brings nothing does not keep a case open in silence for ever."""

import dataclasses

import pytest

from contracts import intake, subsidy
from contracts.matters import every_matter
from services.intake.rules.legs import Leg, State, ask_supplement, move, supplement_until
from services.intake.store import tables
from services.intake.usecases import clocks
from shared import calendar, clock
from tests.builders import LANZHOU, SANYA, Country, HandClock, stop_clock
from tests.intake.cases import ask_supplement as asked_in_lanzhou
from tests.intake.cases import calm, material, orphan, states, supplement, withdraw

ASKED_AT, LAST_DAY, TOO_LATE = "2025-10-09T09:00:00+08:00", "2025-11-19T23:00:00+08:00", "2025-11-20T09:00:00+08:00"


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, ASKED_AT)


def a_day_passes(country: Country, *cities: str) -> None:
    for city in cities or (SANYA, LANZHOU):
        clocks.list_unsupplemented(country[city].works["intake"])
    country.settle()


def lapsed(country: Country, city: str, case_id: str) -> list[str]:
    told = country[city].told(intake.WorkItemOpenedV1, case_id)
    return [it.data["text"] for it in told if it.data["kind"] == "supplement_lapsed"]


def asked(country: Country) -> str:
    case_id = country.take_in(SANYA)
    country.settle()
    asked_in_lanzhou(country, case_id)
    return case_id


def test_every_matter_says_how_long_a_supplement_is_awaited_and_on_what_basis() -> None:
    for matter in every_matter():
        assert matter.supplement_days
        assert matter.supplement_basis


def test_the_last_day_is_counted_in_working_days_and_forgotten_with_the_supplement() -> None:
    leg = Leg("case", 1, "accepting", SANYA, State.IN_PROGRESS, 3)
    since = clock.legal_date(clock.instant(ASKED_AT))
    waiting = ask_supplement(leg, since)
    assert str(supplement_until(waiting, 30, calendar.standard())) == "2025-11-19"
    assert supplement_until(leg, 30, calendar.standard()) is None
    assert move(waiting, "supplement") == dataclasses.replace(leg, version=5)
    assert move(waiting, "ask_withdrawal").supplement_since == since


def test_the_applicant_is_told_until_when_to_supplement(country: Country, hand: HandClock) -> None:
    asked(country)
    assert "于 2025-11-19(含)前" in country[SANYA].notices()[0]["text"]


def test_an_unanswered_request_becomes_one_work_item_of_the_office_that_took_the_case_in(
    country: Country, hand: HandClock
) -> None:
    case_id = asked(country)
    hand.set(LAST_DAY)
    a_day_passes(country)
    assert lapsed(country, SANYA, case_id) == []
    hand.set(TOO_LATE)
    for _ in range(2):
        a_day_passes(country)
    assert ["2025-11-19" in words for words in lapsed(country, SANYA, case_id)] == [True]
    assert lapsed(country, LANZHOU, case_id) == []
    assert country[SANYA].leg(case_id).state == country[LANZHOU].leg(case_id, "competent").state
    assert country[SANYA].leg(case_id).state == "supplement_required"  # nothing was closed


def test_papers_missing_at_the_counter_are_not_awaited_in_silence_either(country: Country, hand: HandClock) -> None:
    case_id = orphan(country)
    country.settle()
    assert country[LANZHOU].leg(case_id).state == "supplement_required"
    hand.set(TOO_LATE)
    a_day_passes(country)
    assert len(lapsed(country, LANZHOU, case_id)) == 1


def test_the_supplement_that_comes_late_is_taken_all_the_same(country: Country, hand: HandClock) -> None:
    case_id = asked(country)
    hand.set(TOO_LATE)
    a_day_passes(country)
    supplement(country, SANYA, case_id, material("low-income"))
    assert country[LANZHOU].leg(case_id, "competent").state == "accepted"
    assert country[SANYA].leg(case_id).supplement_since is None
    hand.set("2026-06-01T09:00:00+08:00")
    a_day_passes(country)
    assert len(lapsed(country, SANYA, case_id)) == 1


def test_the_window_withdraws_it_as_not_supplemented_and_the_person_can_apply_anew(
    country: Country, hand: HandClock
) -> None:
    case_id = asked(country)
    hand.set(TOO_LATE)
    withdraw(country, SANYA, case_id)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    notes = [step["note"] for step in country[SANYA].story(case_id)["steps"] if step["verb"] == "withdraw"]
    assert "2025-11-19 前未补正" in notes
    assert "逾期未补正" in country[SANYA].notices()[-1]["text"]
    again = country.take_in(SANYA)
    country.settle()
    assert states(country, SANYA, again) == [(1, "in_progress"), (2, "accepted")]
    assert calm(country)


def test_a_case_that_never_left_the_counter_is_ended_with_a_notice_too(country: Country, hand: HandClock) -> None:
    case_id = orphan(country)
    country.settle()
    hand.set(TOO_LATE)
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, "620102001")
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn")]
    assert "逾期未补正" in country[LANZHOU].notices()[-1]["text"]


def test_a_withdrawal_in_time_is_the_applicants_own(country: Country, hand: HandClock) -> None:
    case_id = asked(country)
    hand.set(LAST_DAY)
    withdraw(country, SANYA, case_id)
    country.work()
    hand.set(TOO_LATE)  # the other city answers a day later
    country.settle()
    assert "按您的申请撤回" in country[SANYA].notices()[-1]["text"]
    notes = {step["note"] for step in country[SANYA].story(case_id)["steps"] if step["verb"] == "withdraw"}
    assert notes == {""}


def test_nobody_is_chased_while_nothing_is_missing(country: Country, hand: HandClock) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(LANZHOU, subsidy.CheckApplicationV1, case_id, "620102001")
    country.settle()
    hand.set("2026-06-01T09:00:00+08:00")
    a_day_passes(country)
    assert country[SANYA].rows("intake", tables.work_items) == []
