"""Legal clocks: vectors of the national notices, the Civil Code's period rules, and the table's horizon."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import calendar

DAY = datetime.date.fromisoformat
STANDARD = calendar.standard()
STARTS = st.dates(DAY("2004-01-01"), DAY("2026-06-30"))


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2025-09-24", 3, "2025-09-28"),  # a Sunday on which offices work
        ("2025-09-28", 10, "2025-10-17"),
        ("2025-10-17", 3, "2025-10-22"),
        ("2025-09-26", 3, "2025-09-30"),
        ("2025-09-30", 10, "2025-10-21"),
        ("2026-02-13", 3, "2026-02-25"),
    ],
)
def test_working_days_skip_holidays_and_count_make_up_days(start: str, days: int, end: str) -> None:
    assert STANDARD.add_working_days(DAY(start), days) == calendar.Deadline(DAY(end), provisional=False)


@pytest.mark.parametrize(
    ("received", "cooled", "last"),
    [("2025-05-12", "2025-06-11", "2025-07-11"), ("2025-09-02", "2025-10-09", "2025-11-10")],
)
def test_a_cooling_off_period_ending_on_a_rest_day_moves_to_the_first_day_after_it(
    received: str, cooled: str, last: str
) -> None:
    end = STANDARD.period_end(DAY(received), 30)
    assert end == calendar.Deadline(DAY(cooled), provisional=False)
    assert STANDARD.period_end(end.date, 30).date == DAY(last)


def test_a_period_may_end_on_a_saturday_on_which_offices_work() -> None:
    assert STANDARD.period_end(DAY("2025-10-01"), 10).date == DAY("2025-10-11")


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-02-18", False),  # a Wednesday in the Spring Festival
        ("2026-02-28", True),  # a Saturday made up for it
        ("2026-02-22", False),  # a Sunday
        ("2026-02-26", True),
        ("2015-09-03", False),  # a day off proclaimed only for that year
    ],
)
def test_the_table_overrules_the_week(day: str, working: bool) -> None:
    assert STANDARD.is_working_day(DAY(day)) is working


def test_the_table_is_known_for_whole_years() -> None:
    assert (STANDARD.first, STANDARD.horizon) == (DAY("2004-01-01"), DAY("2026-12-31"))
    assert not STANDARD.rest & STANDARD.work
    assert all(day.weekday() < 5 for day in STANDARD.rest)
    assert all(day.weekday() >= 5 for day in STANDARD.work)


def test_every_year_of_the_table_rests_at_new_year_and_in_october() -> None:
    for year in range(STANDARD.first.year, STANDARD.horizon.year + 1):
        assert not any(
            STANDARD.is_working_day(datetime.date(year, *day)) for day in [(1, 1), (10, 1), (10, 2), (10, 3)]
        )


def test_a_deadline_beyond_the_horizon_is_provisional() -> None:
    assert STANDARD.add_working_days(DAY("2026-12-30"), 1) == calendar.Deadline(DAY("2026-12-31"), provisional=False)
    assert STANDARD.add_working_days(DAY("2026-12-31"), 1) == calendar.Deadline(DAY("2027-01-01"), provisional=True)
    assert STANDARD.period_end(DAY("2026-12-01"), 31).provisional


def test_a_deadline_before_the_table_is_provisional_too() -> None:
    assert STANDARD.add_working_days(DAY("2003-12-30"), 1).provisional
    assert not STANDARD.add_working_days(DAY("2003-12-31"), 1).provisional


def test_the_days_of_horizon_run_out() -> None:
    assert STANDARD.days_of_horizon(DAY("2026-11-01")) == 60
    assert STANDARD.days_of_horizon(DAY("2027-01-01")) == -1


@pytest.mark.parametrize("days", [0, -1])
def test_a_period_has_at_least_one_day(days: int) -> None:
    with pytest.raises(ValueError, match="period"):
        STANDARD.add_working_days(DAY("2025-09-24"), days)
    with pytest.raises(ValueError, match="period"):
        STANDARD.period_end(DAY("2025-09-24"), days)


def test_no_working_day_passes_when_the_end_is_not_after_the_start() -> None:
    assert STANDARD.working_days_between(DAY("2025-09-24"), DAY("2025-09-24")) == 0
    assert STANDARD.working_days_between(DAY("2025-09-24"), DAY("2025-09-01")) == 0


def test_a_calendar_needs_only_dates_and_kinds() -> None:
    small = calendar.calendar([(DAY("2030-01-01"), "rest"), (DAY("2030-01-05"), "work")])
    assert small.add_working_days(DAY("2029-12-31"), 4).date == DAY("2030-01-05")
    assert small.horizon == DAY("2030-12-31")
    with pytest.raises(KeyError):
        calendar.calendar([(DAY("2030-01-01"), "holiday")])


@given(STARTS, st.integers(1, 60))
def test_counting_back_gives_the_days_that_were_added(start: datetime.date, days: int) -> None:
    end = STANDARD.add_working_days(start, days).date
    assert STANDARD.is_working_day(end)
    assert STANDARD.working_days_between(start, end) == days


@given(STARTS, st.integers(1, 60))
def test_a_natural_period_never_ends_early_nor_on_a_rest_day(start: datetime.date, days: int) -> None:
    end = STANDARD.period_end(start, days).date
    assert STANDARD.is_working_day(end)
    assert STANDARD.working_days_between(start + datetime.timedelta(days=days - 1), end) == 1


@pytest.mark.parametrize(
    ("born_on", "day", "age"),
    [
        ("2003-05-20", "2025-05-20", 22),
        ("2003-05-21", "2025-05-20", 21),
        ("2003-05-20", "2003-05-20", 0),
        ("2004-02-29", "2024-02-28", 19),
        ("2004-02-29", "2024-02-29", 20),
        ("2004-02-29", "2026-02-28", 21),
        ("2004-02-29", "2026-03-01", 22),
    ],
)
def test_an_age_is_reached_on_the_birthday_and_by_leap_day_births_on_1_march(born_on: str, day: str, age: int) -> None:
    assert calendar.full_years(datetime.date.fromisoformat(born_on), datetime.date.fromisoformat(day)) == age
