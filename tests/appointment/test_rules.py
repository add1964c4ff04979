"""The rules of slots and bookings, without a database; and that the house's policy is dated and says by what."""

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointment import standards
from services.appointment.rules import booking, schedule
from services.appointment.rules.schedule import Schedule, Slot
from shared import calendar, clock
from shared.errors import Denied, OutOfStep, Refused

ZONE = clock.SHANGHAI
POLICY = standards.policy_on(datetime.date(2025, 10, 9))
GOLDEN_WEEK = datetime.date(2025, 10, 1)  # a Wednesday; off until 8 October
SATURDAY = datetime.date(2025, 10, 18)


def a_schedule(**changes):
    plain = {"office": "371002", "matters": ("marriage-registration",), "kind": "regular", "site": "", "minutes": 30}
    plain |= {"from_on": GOLDEN_WEEK, "until_on": GOLDEN_WEEK + datetime.timedelta(days=13), "capacity": 4}
    plain |= {"weekdays": frozenset({1, 2, 3, 4, 5})}
    plain |= {"opens": datetime.time(9), "closes": datetime.time(11)} | changes
    return Schedule(**plain)


def a_slot(starts="2025-10-18T01:00:00Z", **changes):
    at = clock.instant(starts)
    hour = datetime.timedelta(hours=1)
    plain = {"slot_id": starts, "office": "371002", "matters": ("marriage-registration",), "kind": "weekend"}
    plain |= {"site": "", "starts_at": at, "ends_at": at + hour, "closes_at": at + 3 * hour, "capacity": 4}
    return Slot(**plain | {"free": 4, "is_open": True, "version": 1} | changes)


def days_of(found):
    return {starts_at.astimezone(ZONE).date() for starts_at, _, _ in found}


def code_of(raised):
    return raised.value.code


def test_a_regular_schedule_leaves_out_holidays_and_a_weekend_one_serves_on_the_days_it_names():
    regular = days_of(schedule.slot_times(a_schedule(), calendar.standard(), ZONE))
    assert regular == {datetime.date(2025, 10, day) for day in (9, 10, 13, 14)}
    weekend = a_schedule(kind="weekend", weekdays=frozenset({6, 7}))
    served = days_of(schedule.slot_times(weekend, calendar.standard(), ZONE))
    assert served == {datetime.date(2025, 10, day) for day in (4, 5, 11, 12)}


def test_a_day_has_as_many_slots_as_fit_and_the_last_one_ends_in_time():
    one_day = a_schedule(kind="special", site="颁证点", weekdays=frozenset({6}), closes=datetime.time(11, 20))
    times = schedule.slot_times(one_day, calendar.standard(), ZONE)
    assert len(times) == 2 * 4
    assert f"{times[0][0]:%H:%M}" == "01:00"  # nine o'clock in Shanghai
    assert max(ends_at for _, ends_at, _ in times) <= max(closes_at for _, _, closes_at in times)


@given(
    weekdays=st.frozensets(st.integers(1, 7), min_size=1),
    minutes=st.integers(5, 480),
    opens=st.times(max_value=datetime.time(22)),
    hours=st.integers(1, 600),
    days=st.integers(0, 40),
)
def test_slots_of_any_schedule_follow_each_other_on_the_days_named_within_the_hours(
    weekdays, minutes, opens, hours, days
):
    closes = (datetime.datetime.combine(SATURDAY, opens) + datetime.timedelta(minutes=hours)).time()
    until = SATURDAY + datetime.timedelta(days=days)
    made = a_schedule(kind="special", site="x", weekdays=weekdays, minutes=minutes, from_on=SATURDAY, until_on=until)
    made = Schedule(**{name: getattr(made, name) for name in made.__slots__} | {"opens": opens, "closes": closes})
    times = schedule.slot_times(made, calendar.standard(), ZONE)
    for starts_at, ends_at, closes_at in times:
        here = starts_at.astimezone(ZONE)
        assert here.isoweekday() in weekdays
        assert ends_at - starts_at == datetime.timedelta(minutes=minutes)
        assert ends_at <= closes_at
        assert opens <= here.time() < closes
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(times))
    of_a_day = max(0, (closes.hour - opens.hour) * 60 + closes.minute - opens.minute) // minutes
    named = sum((SATURDAY + datetime.timedelta(days=n)).isoweekday() in weekdays for n in range(days + 1))
    assert len(times) in (of_a_day * named, max(0, of_a_day - 1) * named)  # seconds may take the last one away


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until_on": GOLDEN_WEEK - datetime.timedelta(days=1)}, "until_on"),
        ({"closes": datetime.time(9)}, "closes"),
        ({"kind": "weekend"}, "weekdays"),
        ({"kind": "special"}, "site"),
    ],
)
def test_a_schedule_that_contradicts_itself_is_refused_naming_the_field(changes, field):
    with pytest.raises(Refused) as refused:
        schedule.expect_sound(a_schedule(**changes))
    assert (code_of(refused), refused.value.field) == ("schedule_invalid", field)


def test_the_nearest_slots_are_those_before_and_after_in_the_order_of_their_distance():
    wanted = a_slot("2025-10-18T03:00:00Z").starts_at
    found = [a_slot(f"2025-10-18T0{hour}:00:00Z") for hour in (1, 2, 5, 6)]
    assert [slot.starts_at.hour for slot in schedule.nearest(wanted, found, 3)] == [2, 1, 5]


@pytest.mark.parametrize(
    ("slot", "now", "days_ahead", "error", "code"),
    [
        (a_slot(matters=("disability-subsidies",)), "2025-10-18T00:00:00Z", 0, Refused, "slot_of_other_matters"),
        (a_slot(), "2025-10-18T01:00:00Z", 0, OutOfStep, "slot_past"),
        (a_slot(is_open=False), "2025-10-18T00:00:00Z", 0, OutOfStep, "slot_closed"),
        (a_slot(), "2025-09-17T00:00:00Z", 31, Refused, "slot_too_far_ahead"),
    ],
)
def test_a_slot_that_cannot_be_booked_is_refused_by_its_own_code(slot, now, days_ahead, error, code):
    with pytest.raises(error) as refused:
        booking.expect_bookable(slot, "marriage-registration", clock.instant(now), days_ahead, POLICY)
    assert code_of(refused) == code


def test_a_slot_thirty_days_ahead_can_be_booked_until_it_begins():
    booking.expect_bookable(
        a_slot(), "marriage-registration", clock.instant("2025-10-18T00:59:59Z"), POLICY.book_ahead_days.value, POLICY
    )


def test_nobody_books_or_cancels_for_another_person_but_a_clerk():
    for kind in ("citizen", "channel"):
        with pytest.raises(Denied) as denied:
            booking.expect_own(kind, "a", "b")
        assert code_of(denied) == "booking_of_another"
    booking.expect_own("clerk", "", "b")


def test_one_matter_is_booked_once_and_a_person_holds_three_bookings_at_most():
    with pytest.raises(Refused) as again:
        booking.expect_room(POLICY, ["a"], "a")
    with pytest.raises(Refused) as fourth:
        booking.expect_room(POLICY, ["a", "b", "c"], "d")
    assert (code_of(again), code_of(fourth)) == ("booked_already", "too_many_bookings")
    booking.expect_room(POLICY, ["a", "b"], "d")


def missed(*ago):
    last = datetime.date(2025, 10, 9)
    return [last - datetime.timedelta(days=days) for days in ago]


def test_three_no_shows_within_half_a_year_suspend_online_booking_for_thirty_days():
    assert booking.suspended_until(POLICY, missed(0, 100)) is None
    assert booking.suspended_until(POLICY, missed(0, 100, 180)) is None
    assert booking.suspended_until(POLICY, missed(179, 0, 100)) == datetime.date(2025, 11, 8)
    with pytest.raises(Refused) as refused:
        booking.expect_not_suspended(POLICY, "citizen", missed(0, 1, 2), datetime.date(2025, 11, 7))
    assert code_of(refused) == "too_many_no_shows"
    assert "窗口随时可以办理" in refused.value.message
    assert refused.value.basis == "通办自定"
    booking.expect_not_suspended(POLICY, "citizen", missed(0, 1, 2), datetime.date(2025, 11, 8))
    booking.expect_not_suspended(POLICY, "clerk", missed(0, 1, 2), datetime.date(2025, 10, 10))


def test_two_hours_before_it_begins_a_booking_is_no_longer_cancelled_online_but_by_the_office():
    starts_at = clock.instant("2025-10-18T03:00:00Z")
    booking.expect_cancellable(POLICY, "citizen", starts_at, clock.instant("2025-10-18T01:00:00Z"))
    for kind, at in (("citizen", "2025-10-18T01:00:01Z"), ("clerk", "2025-10-18T03:00:01Z")):
        with pytest.raises(Refused) as refused:
            booking.expect_cancellable(POLICY, kind, starts_at, clock.instant(at))
        assert code_of(refused) == "cancel_too_late"
    booking.expect_cancellable(POLICY, "clerk", starts_at, clock.instant("2025-10-18T02:59:00Z"))


def test_only_an_open_booking_moves_and_a_no_show_only_by_coming_after_all():
    every = {(state, verb) for state in ("booked", "cancelled", "arrived", "no_show") for verb in ("cancel", "arrive")}
    every |= {(state, "miss") for state, _ in every}
    for state, verb in sorted(every - set(booking.MOVES)):
        with pytest.raises(OutOfStep):
            booking.moved(state, verb)
    assert {state: booking.moved(state, "arrive") for state in ("booked", "no_show")} == {
        "booked": "arrived",
        "no_show": "arrived",
    }


@pytest.mark.parametrize(
    ("ages", "told"),
    [
        ([], False),
        ([("male", 22), ("female", 20)], False),
        ([("male", 21)], True),
        ([("male", 30), ("female", 19)], True),
    ],
)
def test_the_age_of_marriage_is_a_warning_only_to_those_below_it(ages, told):
    codes = [advice.code for advice in booking.warnings(POLICY, "marriage-registration", ages)]
    assert ("under_age" in codes) == told
    assert {"both_in_person", "no_spouse"} <= set(codes)
    assert booking.warnings(POLICY, "disability-subsidies", ages) == []


def test_every_number_and_advice_of_the_policy_has_its_basis_and_its_days():
    policies = standards.load()
    assert policies[-1].valid_until == datetime.date.max
    for policy in policies:
        assert policy.valid_from < policy.valid_until
        assert all(getattr(policy, name).basis and getattr(policy, name).value > 0 for name in standards.LIMITS)
        assert all(advice.basis and advice.text for advice in policy.advice)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("open_bookings:", "open_booking:"),
        ("value: 30, basis: 通办自定", "value: 30, basis: ''"),
        ("value: 30,", "value: 0,"),
        ("value: 30,", "value: soon,"),
        ("valid_until: null", "valid_until: 2024-01-01"),
        ("ages: {male: 22,", "ages: {men: 22,"),
    ],
)
def test_a_policy_that_is_misspelt_undated_or_without_basis_is_a_fault(tmp_path, old, new):
    text = (standards.POLICIES / "house.yaml").read_text("utf-8")
    assert old in text
    path = tmp_path / "house.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(standards.BadPolicy):
        standards.read(path)
