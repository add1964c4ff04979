"""Instants are UTC, legal dates are Shanghai's, ids sort by time."""

import datetime
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import clock

instants = st.datetimes(
    datetime.datetime(1900, 1, 1),  # noqa: DTZ001 - `timezones` adds the zone
    timezones=st.sampled_from([datetime.UTC, clock.SHANGHAI, datetime.timezone(-datetime.timedelta(hours=9.5))]),
)


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def test_now_is_utc_and_goes_on() -> None:
    first = clock.now()
    assert first.utcoffset() == datetime.timedelta(0)
    assert first <= clock.now()


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-12-31T15:59:59.999999", "2025-12-31"),
        ("2025-12-31T16:00:00", "2026-01-01"),
        ("2024-02-28T16:00:00", "2024-02-29"),
        ("2025-06-30T23:00:00", "2025-07-01"),
    ],
)
def test_the_legal_date_changes_at_midnight_in_shanghai(instant: str, day: str) -> None:
    assert clock.legal_date(utc(instant)) == datetime.date.fromisoformat(day)


def test_today_is_the_legal_date_of_now() -> None:
    before, today, after = clock.legal_date(clock.now()), clock.today(), clock.legal_date(clock.now())
    assert before <= today <= after


@given(instants)
def test_an_instant_is_written_in_27_characters_and_read_back(instant: datetime.datetime) -> None:
    text = clock.iso(instant)
    assert len(text) == 27
    assert clock.instant(text) == instant.astimezone(datetime.UTC)
    assert clock.instant(text).tzinfo == datetime.UTC


@given(instants, instants)
def test_written_instants_sort_as_time_does(one: datetime.datetime, other: datetime.datetime) -> None:
    earlier, later = sorted((one.astimezone(datetime.UTC), other.astimezone(datetime.UTC)))
    assert clock.iso(earlier) <= clock.iso(later)


def test_an_instant_may_come_with_any_offset() -> None:
    assert clock.instant("2025-10-09T09:30:00+08:00") == utc("2025-10-09T01:30:00")


@pytest.mark.parametrize("text", ["2025-10-09T09:30:00", "2025-10-09", "soon", ""])
def test_an_instant_without_an_offset_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clock.instant(text)


def test_an_id_is_a_uuid_of_version_seven_with_the_time_in_front() -> None:
    before = clock.now()
    made = uuid.UUID(clock.new_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    milliseconds = made.int >> 80
    assert int(before.timestamp() * 1000) - 1 <= milliseconds <= int(clock.now().timestamp() * 1000) + 1


def test_ids_do_not_meet() -> None:
    assert len({clock.new_id() for _ in range(5000)}) == 5000


def test_durations_never_run_backwards() -> None:
    ticks = [clock.monotonic() for _ in range(100)]
    assert ticks == sorted(ticks)
