"""离婚登记: thirty days to think, thirty days to come again, and what happens on which day."""

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marriage.rules import divorce as rules
from services.marriage.rules.divorce import OPEN, OVER, Divorce, State, Terms
from services.marriage.rules.papers import Agreement, CertificateShown, Side
from shared import calendar
from shared.calendar import ONE_DAY, Deadline, RestDays
from shared.errors import Denied, OutOfStep, Refused
from tests.marriage.couples import DAY, shown

CALENDAR = calendar.standard()
OFFICE = "620102"
STARTS = st.dates(DAY("2004-01-01"), DAY("2026-10-15"))
RESTS = st.sampled_from(RestDays)
STRICT, HOLIDAYS, NEVER = RestDays.WEEKENDS_AND_HOLIDAYS, RestDays.HOLIDAYS, RestDays.NONE


def cooling(received: str = "2025-05-12", **more: Any) -> Divorce:
    applied = Divorce(OFFICE, DAY(received), **more)
    return rules.hand_receipt(rules.accept(applied, shown()).after, DAY(received), CALENDAR)


def withdrawn(now: Divorce, on: str, by: Side = "woman", office: str = OFFICE) -> Divorce:
    return rules.withdraw(now, by, office, DAY(on))


def registered(now: Divorce, on: str, office: str = OFFICE, **more: Any) -> rules.Ruling:
    return rules.register(now, shown(**more), office, DAY(on))


# --- the two periods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "cooled", "opens", "last"),
    [
        ("2025-05-12", "2025-06-11", "2025-06-12", "2025-07-11"),
        ("2025-09-02", "2025-10-09", "2025-10-10", "2025-11-10"),
    ],
)
def test_cooling_off_and_the_window_after_it_end_as_the_civil_code_counts(
    received: str, cooled: str, opens: str, last: str
) -> None:
    terms = rules.terms(DAY(received), CALENDAR, STRICT)
    assert terms == Terms(Deadline(DAY(cooled), provisional=False), Deadline(DAY(last), provisional=False))
    assert terms.opens_on == DAY(opens)


@pytest.mark.parametrize(
    ("received", "rest_days", "cooled"),
    [
        ("2025-09-02", STRICT, "2025-10-09"),  # the 30th day is 2 October
        ("2025-09-02", HOLIDAYS, "2025-10-09"),
        ("2025-09-02", NEVER, "2025-10-02"),
        ("2025-09-04", HOLIDAYS, "2025-10-09"),  # 4 October is a Saturday within the holidays
        ("2025-03-06", HOLIDAYS, "2025-04-07"),  # 5 April is the Saturday after a holiday
        ("2025-05-08", STRICT, "2025-06-09"),  # 7 June is a Saturday like any other
        ("2025-05-08", HOLIDAYS, "2025-06-07"),
        ("2025-09-11", STRICT, "2025-10-11"),  # a Saturday on which all work
    ],
)
def test_an_office_open_on_weekends_may_end_a_period_there_and_one_open_always_on_any_day(
    received: str, rest_days: RestDays, cooled: str
) -> None:
    assert rules.terms(DAY(received), CALENDAR, rest_days).cooling.date == DAY(cooled)


@pytest.mark.parametrize(
    ("received", "strict", "holidays", "never"),
    [
        ("2026-01-15", "2026-02-14", "2026-02-14", "2026-02-14"),  # a Saturday on which all work
        ("2026-01-18", "2026-02-24", "2026-02-24", "2026-02-17"),  # the first day of the year, its weekend included
        ("2026-01-30", "2026-03-02", "2026-03-01", "2026-03-01"),  # a Sunday after a Saturday on which all work
        ("2026-03-06", "2026-04-07", "2026-04-07", "2026-04-05"),  # the Sunday before a Monday off
        ("2026-08-20", "2026-09-20", "2026-09-19", "2026-09-19"),  # a Saturday before a Sunday on which all work
        ("2026-09-03", "2026-10-08", "2026-10-08", "2026-10-03"),  # the Saturday of the golden week
        ("2026-09-10", "2026-10-10", "2026-10-10", "2026-10-10"),  # a Saturday on which all work
        ("2026-11-26", "2026-12-28", "2026-12-26", "2026-12-26"),  # a Saturday like any other
        ("2026-12-01", "2026-12-31", "2026-12-31", "2026-12-31"),  # the last day the calendar knows
    ],
)
def test_in_2026_a_period_ends_as_the_office_rests(received: str, strict: str, holidays: str, never: str) -> None:
    ends = [rules.terms(DAY(received), CALENDAR, rest).cooling for rest in (STRICT, HOLIDAYS, NEVER)]
    assert ends == [Deadline(DAY(day), provisional=False) for day in (strict, holidays, never)]


@pytest.mark.parametrize("rest", RestDays)
def test_no_office_concludes_from_a_day_behind_the_calendar_however_it_rests(rest: RestDays) -> None:
    assert not rules.terms(DAY("2026-11-01"), CALENDAR, rest).window.provisional  # ends on 2026-12-31
    beyond = rules.terms(DAY("2026-11-02"), CALENDAR, rest)
    assert (beyond.cooling.provisional, beyond.window.provisional) == (False, True)
    now = cooling("2026-11-02", rest_days=rest)
    assert rules.advanced(now, DAY("2027-02-01")).state is State.AWAITING_CERTIFICATE


@given(STARTS, RESTS)
def test_cooling_off_never_ends_early_nor_on_a_rest_day_of_the_office(start: datetime.date, rest: RestDays) -> None:
    end = rules.terms(start, CALENDAR, rest).cooling.date
    assert (end - start).days >= 30
    if rest is STRICT:
        assert CALENDAR.is_working_day(end)
    if rest is HOLIDAYS:
        assert end not in CALENDAR.rest
        assert not rules.is_public_holiday(end, CALENDAR)
    if rest is NEVER:
        assert (end - start).days == 30


@given(STARTS, RESTS)
def test_the_window_has_thirty_days_at_least_and_begins_the_day_after(start: datetime.date, rest: RestDays) -> None:
    terms = rules.terms(start, CALENDAR, rest)
    assert terms.opens_on == terms.cooling.date + ONE_DAY
    assert (terms.window.date - terms.opens_on).days + 1 >= 30


@given(STARTS)
def test_more_rest_days_never_end_a_period_sooner(start: datetime.date) -> None:
    ends = [rules.terms(start, CALENDAR, rest).cooling.date for rest in (NEVER, HOLIDAYS, STRICT)]
    assert ends == sorted(ends)


@given(STARTS, RESTS, st.integers(0, 400))
def test_each_day_lies_in_one_state_only(start: datetime.date, rest: RestDays, later: int) -> None:
    accepted = rules.accept(Divorce(OFFICE, start, rest), shown()).after
    now = rules.hand_receipt(accepted, start, CALENDAR)
    on = start + datetime.timedelta(days=later)
    terms = rules.terms(start, CALENDAR, rest)
    if terms.window.provisional:
        return
    state = rules.advanced(now, on).state
    assert (state is State.COOLING) is (on <= terms.cooling.date)
    assert (state is State.AWAITING_CERTIFICATE) is (terms.opens_on <= on <= terms.window.date)
    assert (state is State.DEEMED_WITHDRAWN) is (on > terms.window.date)
    assert rules.advanced(rules.advanced(now, on), on) == rules.advanced(now, on)


# --- acceptance --------------------------------------------------------------------------------------------------------


def test_what_is_complete_is_accepted_and_cooling_off_begins_with_the_receipt() -> None:
    ruling = rules.accept(Divorce(OFFICE, DAY("2025-05-12")), shown())
    assert (ruling.after.state, ruling.grounds) == (State.ACCEPTED, ())
    assert cooling().state is State.COOLING


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"present": frozenset({"man"})}, "not_in_person", "女方没有亲自到场"),
        ({"willing": {"man": True, "woman": False}}, "unwilling", "起诉"),
        ({"capable": frozenset({"woman"})}, "restricted_capacity", "诉讼"),
        (
            {"agreement": Agreement(signed=True, children=False, property=True, debts=True)},
            "agreement_incomplete",
            "子女",
        ),
        (
            {"agreement": Agreement(signed=True, children=True, property=False, debts=True)},
            "agreement_incomplete",
            "财产",
        ),
        (
            {"agreement": Agreement(signed=True, children=True, property=True, debts=False)},
            "agreement_incomplete",
            "债务",
        ),
        (
            {"agreement": Agreement(signed=False, children=True, property=True, debts=True)},
            "agreement_not_signed",
            "签名",
        ),
        ({"certificate": CertificateShown.MISSING}, "marriage_certificate_missing", "结婚证"),
        ({"registered_in_mainland": False}, "registered_elsewhere", "诉讼"),
    ],
)
def test_what_lacks_a_condition_is_not_accepted_and_told_what_to_do(more: Any, code: str, says: str) -> None:
    ruling = rules.accept(Divorce(OFFICE, DAY("2025-05-12")), shown(**more))
    assert ruling.after.state is State.NOT_ACCEPTED
    assert [finding.code for finding in ruling.grounds] == [code]
    assert says in ruling.grounds[0].text
    assert ruling.grounds[0].basis
    assert not ruling.grounds[0].eligible


@pytest.mark.parametrize("certificate", [CertificateShown.ONE_LOST, CertificateShown.ARCHIVE_COPY])
def test_a_lost_marriage_certificate_is_no_obstacle(certificate: CertificateShown) -> None:
    assert not rules.accept(Divorce(OFFICE, DAY("2025-05-12")), shown(certificate=certificate)).grounds


def test_all_grounds_of_not_accepting_are_told_at_once() -> None:
    nothing = Agreement(signed=False, children=False, property=False, debts=False)
    lacking = shown(capable=frozenset(), agreement=nothing, certificate=CertificateShown.MISSING)
    ruling = rules.accept(Divorce(OFFICE, DAY("2025-05-12")), lacking)
    assert len(ruling.grounds) == 5
    assert "子女抚养、财产、债务" in "".join(finding.text for finding in ruling.grounds)


def test_who_is_here_and_was_not_asked_must_be_asked_first() -> None:
    with pytest.raises(Refused, match="will_not_asked"):
        rules.accept(Divorce(OFFICE, DAY("2025-05-12")), shown(willing={"man": True}))


# --- withdrawing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["man", "woman"])
@pytest.mark.parametrize("on", ["2025-05-12", "2025-05-13", "2025-06-11"])
def test_either_may_withdraw_alone_until_the_last_day_of_cooling_off(by: Side, on: str) -> None:
    after = withdrawn(cooling(), on, by)
    assert (after.state, after.withdrawn_by, after.ended_on) == (State.WITHDRAWN, by, DAY(on))


def test_an_application_can_be_withdrawn_before_its_receipt_too() -> None:
    assert withdrawn(Divorce(OFFICE, DAY("2025-05-12")), "2025-05-12").state is State.WITHDRAWN


def test_the_day_after_cooling_off_a_withdrawal_is_refused_and_told_what_to_do_instead() -> None:
    with pytest.raises(Refused) as refused:
        withdrawn(cooling(), "2025-06-12")
    assert refused.value.code == "cooling_off_over"
    assert "不要来申请发证" in refused.value.message
    assert "2025-07-11" in refused.value.message
    assert "第一千零七十七条" in refused.value.basis


def test_cooling_off_that_moved_on_over_the_holidays_lets_withdraw_until_its_moved_end() -> None:
    assert withdrawn(cooling("2025-09-02"), "2025-10-09").state is State.WITHDRAWN
    with pytest.raises(Refused, match="cooling_off_over"):
        withdrawn(cooling("2025-09-02"), "2025-10-10")


# --- registering -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["2025-05-12", "2025-06-11"])
def test_before_the_window_nothing_is_registered_and_the_days_are_named(on: str) -> None:
    with pytest.raises(Refused) as refused:
        registered(cooling(), on)
    assert refused.value.code == "cooling_off_runs"
    assert "2025-06-12至2025-07-11" in refused.value.message


def test_without_a_receipt_there_is_no_cooling_off_to_be_over() -> None:
    accepted = rules.accept(Divorce(OFFICE, DAY("2025-05-12")), shown()).after
    with pytest.raises(Refused, match="cooling_off_not_begun"):
        registered(accepted, "2025-12-01")


@pytest.mark.parametrize("on", ["2025-06-12", "2025-07-11"])
def test_within_the_window_both_together_are_divorced(on: str) -> None:
    ruling = registered(cooling(), on)
    assert (ruling.after.state, ruling.after.ended_on, ruling.grounds) == (State.REGISTERED, DAY(on), ())


def test_after_the_window_the_application_counts_as_withdrawn() -> None:
    assert rules.advanced(cooling(), DAY("2025-07-12")).state is State.DEEMED_WITHDRAWN
    assert rules.advanced(cooling(), DAY("2025-12-01")).ended_on == DAY("2025-07-12")
    for late in (lambda: registered(cooling(), "2025-07-12"), lambda: withdrawn(cooling(), "2025-07-12")):
        with pytest.raises(OutOfStep, match="视为撤回"):
            late()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"present": frozenset({"woman"})}, "both_must_come"),
        ({"certificate": CertificateShown.MISSING}, "papers_missing"),
        ({"agreement": Agreement(signed=True, children=True, property=True, debts=False)}, "papers_missing"),
        ({"willing": {"woman": True}}, "will_not_asked"),
    ],
)
def test_what_can_still_be_brought_while_the_window_runs_refuses_nobody(more: Any, code: str) -> None:
    with pytest.raises(Refused, match=code) as refused:
        registered(cooling(), "2025-06-12", **more)
    assert refused.value.basis


@pytest.mark.parametrize("more", [{"willing": {"man": False, "woman": True}}, {"capable": frozenset({"man"})}])
def test_who_does_not_will_it_any_more_or_cannot_is_not_divorced_by_registration(more: Any) -> None:
    ruling = registered(cooling(), "2025-06-12", **more)
    assert ruling.after.state is State.REFUSED
    assert ruling.grounds


def test_only_the_office_that_accepted_it_withdraws_and_registers() -> None:
    for elsewhere in (
        lambda: withdrawn(cooling(), "2025-05-13", office="460204"),
        lambda: registered(cooling(), "2025-06-12", office="460204"),
    ):
        with pytest.raises(Denied, match="not_the_accepting_office") as denied:
            elsewhere()
        assert denied.value.basis


# --- other ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["2025-05-12", "2025-06-11", "2025-06-12", "2025-07-11"])
def test_a_death_while_it_is_open_leaves_nothing_to_divorce(on: str) -> None:
    after = rules.note_marriage_ended(cooling(), DAY(on))
    assert (after.state, after.ended_on) == (State.MARRIAGE_ENDED, DAY(on))
    with pytest.raises(OutOfStep, match="不需要再办理"):
        registered(after, "2025-06-12")


def test_once_both_have_signed_only_the_holder_of_the_marriage_ends_the_case() -> None:
    signed, late = dataclasses.replace(cooling(), state=State.AWAITING_CERTIFICATE), DAY("2026-05-20")
    assert rules.advanced(signed, late).state is State.DEEMED_WITHDRAWN
    assert (rules.complete(signed, late).state, rules.complete(signed, late).ended_on) == (State.REGISTERED, late)
    assert rules.note_marriage_ended(signed, late, signed=True).state is State.MARRIAGE_ENDED
    with pytest.raises(OutOfStep):
        rules.complete(dataclasses.replace(signed, state=State.WITHDRAWN), late)


@pytest.mark.parametrize("state", [state for state in State if state not in OPEN])
def test_what_is_over_stays_so_and_says_why(state: State) -> None:
    over = dataclasses.replace(cooling(), state=state)
    acts = (
        lambda: rules.accept(over, shown()),
        lambda: rules.hand_receipt(over, DAY("2025-06-12"), CALENDAR),
        lambda: withdrawn(over, "2025-05-13"),
        lambda: registered(over, "2025-06-12"),
        lambda: rules.note_marriage_ended(over, DAY("2025-06-12")),
    )
    for act in acts:
        with pytest.raises(OutOfStep) as stale:
            act()
        assert stale.value.message == OVER[state]
    assert rules.advanced(over, DAY("2030-01-01")) == over


def test_no_step_is_done_twice_or_skipped() -> None:
    applied = Divorce(OFFICE, DAY("2025-05-12"))
    for act in (
        lambda: rules.hand_receipt(applied, DAY("2025-05-12"), CALENDAR),
        lambda: rules.accept(cooling(), shown()),
        lambda: rules.hand_receipt(cooling(), DAY("2025-05-13"), CALENDAR),
    ):
        with pytest.raises(OutOfStep, match="not_this_step"):
            act()


# --- beyond the calendar -----------------------------------------------------------------------------------------------


def test_dates_beyond_the_calendar_are_provisional() -> None:
    assert not rules.terms(DAY("2026-10-29"), CALENDAR, STRICT).cooling.provisional
    late = rules.terms(DAY("2026-11-20"), CALENDAR, STRICT)
    assert (late.cooling.provisional, late.window.provisional) == (False, True)
    assert rules.terms(DAY("2026-12-10"), CALENDAR, STRICT).cooling.provisional


def test_nothing_is_concluded_from_a_provisional_date() -> None:
    unsure = cooling("2026-12-10")
    assert rules.advanced(unsure, DAY("2027-12-01")).state is State.COOLING
    for act in (lambda: registered(unsure, "2027-01-12"), lambda: withdrawn(unsure, "2027-01-12")):
        with pytest.raises(Refused, match="calendar_too_short"):
            act()
    assert withdrawn(unsure, "2027-01-11").state is State.WITHDRAWN


def test_within_a_provisional_window_there_is_registration_and_after_it_no_withdrawal_is_deemed() -> None:
    unsure = cooling("2026-11-20")
    assert registered(unsure, "2027-01-04").after.state is State.REGISTERED
    assert rules.advanced(unsure, DAY("2027-03-01")).state is State.AWAITING_CERTIFICATE
    with pytest.raises(Refused, match="calendar_too_short"):
        registered(unsure, "2027-03-01")


def test_provisional_dates_are_counted_again_when_the_calendar_reaches_further() -> None:
    unsure = cooling("2026-12-10")
    longer = dataclasses.replace(CALENDAR, rest=CALENDAR.rest | {DAY("2027-01-11")}, horizon=DAY("2027-12-31"))
    sure = rules.recounted(unsure, longer)
    assert sure.terms is not None
    assert sure.terms.cooling == Deadline(DAY("2027-01-12"), provisional=False)
    assert rules.recounted(sure, CALENDAR) == sure
    assert withdrawn(sure, "2027-01-12").state is State.WITHDRAWN
