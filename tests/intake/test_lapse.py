"""补正期限: who is asked and brings nothing does not keep a case open in silence for ever."""

import dataclasses
import datetime

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json, Unreadable, read_data
from contracts.matters import every_matter
from services.intake.rules.legs import Leg, State, ask_supplement, has_lapsed, move
from services.intake.store import tables
from services.intake.usecases import clocks
from services.subsidy.service import end_supplements
from tests.builders import LANZHOU, SANYA, Country, HandClock, clerk, stop_clock
from tests.contracts.examples import example
from tests.intake.cases import MISSING, UNREGISTERED, calm, material, orphan, refusal, states, supplement, withdraw
from tests.intake.cases import ask_supplement as asked_in_lanzhou

ASKED_AT, LAST_DAY, TOO_LATE = "2025-10-09T09:00:00+08:00", "2025-11-19T23:00:00+08:00", "2025-11-20T09:00:00+08:00"
NO_LONGER_UNDER_WAY = "2025-11-25T09:00:00+08:00"  # five days later


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, ASKED_AT)


def a_day_passes(country: Country, *cities: str) -> None:
    for city in cities or (SANYA, LANZHOU):
        clocks.list_lapsed_supplements(country[city].works["intake"])
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


def test_the_last_day_stays_with_the_leg_and_is_forgotten_with_the_supplement() -> None:
    leg, until = Leg("case", 1, "accepting", SANYA, State.IN_PROGRESS, 3), datetime.date(2025, 11, 19)
    waiting = ask_supplement(leg, until)
    assert [has_lapsed(waiting, until + datetime.timedelta(days)) for days in (0, 1)] == [False, True]
    assert not has_lapsed(leg, until)
    assert move(waiting, "supplement") == dataclasses.replace(leg, version=5)
    assert move(waiting, "ask_withdrawal").supplement_until == until


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
    assert country[SANYA].leg(case_id).supplement_until is None
    hand.set("2026-06-01T09:00:00+08:00")
    a_day_passes(country)
    assert len(lapsed(country, SANYA, case_id)) == 1


def test_the_window_withdraws_it_as_not_supplemented_and_the_person_can_apply_anew(
    country: Country, hand: HandClock
) -> None:
    case_id = asked(country)
    hand.set(TOO_LATE)
    withdraw(country, SANYA, case_id, supplement_lapsed=True)
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
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, "620102002", supplement_lapsed=True)
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn")]
    assert "逾期未补正" in country[LANZHOU].notices()[-1]["text"]


def test_what_the_deciding_office_ends_while_a_supplement_is_awaited_is_not_told_as_not_supplemented(
    country: Country, hand: HandClock
) -> None:
    case_id = asked(country)
    dropped = {"leg_no": 2, "version": 3, "at": "2025-10-10T01:00:00.000000Z"}
    country.say(LANZHOU, subsidy.ApplicationDroppedV1, case_id, dropped)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert "已终止办理,未作决定" in country[SANYA].notices()[-1]["text"]


def words_of_withdrawal(country: Country, case_id: str) -> set[str]:
    return {step["note"] for step in country[SANYA].story(case_id)["steps"] if step["verb"] == "withdraw"}


@pytest.mark.parametrize("day", [LAST_DAY, TOO_LATE])
@pytest.mark.parametrize("kind", ["citizen", "channel", "clerk"])
def test_a_withdrawal_is_the_applicants_own_unless_a_clerk_says_that_nothing_was_brought(
    country: Country, hand: HandClock, kind: str, day: str
) -> None:
    case_id = asked(country)
    hand.set(day)
    data = {"expected_version": country[SANYA].leg(case_id).version}
    data |= {"actor": {"id": "x", "kind": kind, "office": "460204001" if kind == "clerk" else ""}}
    country.say(SANYA, intake.WithdrawApplicationV1, case_id, data, {"reason": ""})
    country.work()
    hand.set(TOO_LATE)  # the other city answers a day later
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "withdrawn"), (2, "withdrawn")]
    assert "按您的申请撤回" in country[SANYA].notices()[-1]["text"]
    assert words_of_withdrawal(country, case_id) == {""}


@pytest.mark.parametrize(
    ("kind", "day", "code"),
    [
        ("citizen", TOO_LATE, "act_not_allowed"),
        ("channel", TOO_LATE, "act_not_allowed"),
        ("clerk", LAST_DAY, "supplement_not_lapsed"),
    ],
)
def test_only_a_clerk_ends_a_case_as_not_supplemented_and_only_when_its_last_day_is_over(
    country: Country, hand: HandClock, kind: str, day: str, code: str
) -> None:
    case_id = asked(country)
    hand.set(day)
    data = {"expected_version": country[SANYA].leg(case_id).version, "supplement_lapsed": True}
    data |= {"actor": {"id": "x", "kind": kind, "office": "460204001" if kind == "clerk" else ""}}
    country.say(SANYA, intake.WithdrawApplicationV1, case_id, data, {"reason": ""})
    country.settle()
    assert (refusal(country, SANYA)["code"], refusal(country, SANYA)["field"]) == (code, "supplement_lapsed")
    assert country[SANYA].leg(case_id).state == "supplement_required"


def test_another_office_of_the_city_ends_nobodys_case_as_not_supplemented(country: Country, hand: HandClock) -> None:
    case_id = asked(country)
    hand.set(TOO_LATE)
    country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204", supplement_lapsed=True)
    country.settle()
    assert refusal(country, SANYA)["code"] == "office_not_accepting"
    assert country[SANYA].leg(case_id).state == "supplement_required"


def test_nothing_lapses_where_nothing_was_asked_for(country: Country, hand: HandClock) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    withdraw(country, SANYA, case_id, supplement_lapsed=True)
    country.settle()
    assert refusal(country, SANYA)["code"] == "supplement_not_lapsed"


def goes_on_without(country: Country, hand: HandClock, *, party: Json | None = None) -> str:
    """A case that 兰州 goes on with, its supplement overdue, while 三亚 still waits for it."""
    case_id = country.take_in(SANYA, *([party] if party else []))
    country.settle()
    asked_in_lanzhou(country, case_id)
    hand.set(TOO_LATE)
    a_day_passes(country)
    hand.set(NO_LONGER_UNDER_WAY)
    end_supplements(country[LANZHOU].works["subsidy"])
    country.settle()
    assert country[LANZHOU].leg(case_id, "competent").state == "accepted"
    assert country[SANYA].leg(case_id).state == "supplement_required"
    assert items(country) == [("supplement_lapsed", "")]
    return case_id


def redirect(country: Country, case_id: str, to_division: str) -> None:
    to = {"to_division": to_division, "personal": {"reason": ""}}
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", **to)
    country.settle()


def items(country: Country) -> list[tuple[str, str]]:
    return [(row.kind, row.closed_by) for row in country[SANYA].rows("intake", tables.work_items)]


def test_a_case_handed_back_after_its_supplement_lapsed_waits_for_a_clerk_and_goes_on(
    country: Country, hand: HandClock
) -> None:
    case_id = goes_on_without(country, hand, party=UNREGISTERED)
    redirect(country, case_id, "371002")
    assert states(country, SANYA, case_id) == [(1, "needs_attention"), (2, "redirected")]
    assert items(country) == [("supplement_lapsed", "system"), ("division_not_joined", "")]
    country.act(SANYA, intake.ForwardApplicationV1, case_id, "460204001", to_division="620103")
    country.settle()
    assert states(country, SANYA, case_id)[-1] == (3, "accepted")
    assert calm(country)


def test_a_case_redirected_after_its_supplement_lapsed_asks_the_window_no_more(
    country: Country, hand: HandClock
) -> None:
    case_id = goes_on_without(country, hand, party=UNREGISTERED)
    redirect(country, case_id, "620103")
    assert items(country) == [("supplement_lapsed", "system")]
    assert len(country[SANYA].told(intake.WorkItemClosedV1, case_id)) == 1


def test_a_case_decided_without_the_supplement_asks_the_window_no_more(country: Country, hand: HandClock) -> None:
    case_id = goes_on_without(country, hand)
    country.decide(LANZHOU, case_id, "620102")
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    assert items(country) == [("supplement_lapsed", "system")]
    a_day_passes(country)
    assert len(items(country)) == 1
    assert calm(country)


def test_what_a_clerk_has_closed_is_not_opened_again_the_next_day(country: Country, hand: HandClock) -> None:
    case_id = goes_on_without(country, hand)
    (opened,) = country[SANYA].told(intake.WorkItemOpenedV1, case_id)
    data = {"item_id": opened.data["item_id"], "actor": clerk("k", "460204001")}
    country.say(SANYA, intake.CloseWorkItemV1, case_id, data, {"reason": "已联系"})
    country.settle()
    a_day_passes(country)
    assert items(country) == [("supplement_lapsed", "k")]


def test_the_applicant_the_window_and_the_timeline_hear_of_one_last_day_the_deciding_citys(
    country: Country, hand: HandClock
) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(LANZHOU, subsidy.RequestSupplementV1, case_id, "620102001", personal=MISSING)
    country.work()
    hand.set("2025-10-14T09:00:00+08:00")  # the letter is on its way for days
    country.settle()
    assert "于 2025-11-19(含)前" in country[SANYA].notices()[0]["text"]
    hand.set(TOO_LATE)
    a_day_passes(country)
    assert ["2025-11-19" in words for words in lapsed(country, SANYA, case_id)] == [True]
    withdraw(country, SANYA, case_id, supplement_lapsed=True)
    country.settle()
    assert "2025-11-19 前未补正" in words_of_withdrawal(country, case_id)


@pytest.mark.parametrize("due_on", ["tomorrow", "2025-02-30", "20251119", "2025-11-19T00:00"])
def test_a_last_day_that_is_none_is_refused_by_its_name_when_it_is_read(due_on: str) -> None:
    data = example(intake.SupplementRequestedV1)["data"]
    assert read_data(intake.SupplementRequestedV1, data | {"due_on": ""})["due_on"] == ""
    with pytest.raises(Unreadable, match="due_on"):
        read_data(intake.SupplementRequestedV1, data | {"due_on": due_on})


def test_nobody_is_chased_while_nothing_is_missing(country: Country, hand: HandClock) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.act(LANZHOU, subsidy.CheckApplicationV1, case_id, "620102001")
    country.settle()
    hand.set("2026-06-01T09:00:00+08:00")
    a_day_passes(country)
    assert country[SANYA].rows("intake", tables.work_items) == []


def test_what_comes_while_the_day_is_looked_through_is_not_chased(
    country: Country, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = asked(country)
    hand.set(TOO_LATE)
    supplement(country, SANYA, case_id, material("low-income"))
    before_it_came = [case_id]
    monkeypatch.setattr(clocks.store, "list_lapsed_supplements", lambda _work, _on: before_it_came)
    a_day_passes(country, SANYA)
    assert items(country) == []
