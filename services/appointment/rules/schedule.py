"""放号的规矩: which slots a schedule makes. 天天办 and 特色办 are open on the days they name, holidays or not."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.calendar import Calendar
from shared.errors import Refused

SATURDAY = 6
ONE_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an office serves which matters, and how many bookings each slot takes."""

    office: str
    matters: tuple[str, ...]
    kind: str  # regular, weekend, special
    site: str  # "": the office itself
    from_on: datetime.date
    until_on: datetime.date  # included
    weekdays: frozenset[int]  # 1 Monday to 7 Sunday
    opens: datetime.time
    closes: datetime.time
    minutes: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which an office serves so many bookings; instants are UTC."""

    slot_id: str
    office: str
    matters: tuple[str, ...]
    kind: str
    site: str
    starts_at: datetime.datetime
    ends_at: datetime.datetime
    closes_at: datetime.datetime  # of the counter, on that day
    capacity: int
    free: int
    is_open: bool
    version: int


Times = tuple[datetime.datetime, datetime.datetime, datetime.datetime]  # starts_at, ends_at, closes_at


def expect_sound(schedule: Schedule) -> None:
    """Refused `schedule_invalid`, naming the field, for a schedule that contradicts itself."""
    if schedule.from_on > schedule.until_on:
        raise _invalid("结束日期早于开始日期,请更正", "until_on")
    if schedule.opens >= schedule.closes:
        raise _invalid("结束时间不晚于开始时间,请更正", "closes")
    if schedule.kind == "weekend" and min(schedule.weekdays) < SATURDAY:
        raise _invalid("天天办(weekend)只能选周六、周日;工作日请另发一批 regular", "weekdays")
    if schedule.kind == "special" and not schedule.site:
        raise _invalid("特色办(special)请写明办理地点,例如“景区颁证点”", "site")


def _invalid(words: str, field: str) -> Refused:
    return Refused("schedule_invalid", words, basis="通办自定", field=field)


def slot_times(schedule: Schedule, calendar: Calendar, zone: datetime.tzinfo) -> list[Times]:
    """The slots of a schedule in order; a rest of the day that is shorter than a slot makes none."""
    return [times for day in _days(schedule, calendar) for times in _of_day(schedule, day, zone)]


def _days(schedule: Schedule, calendar: Calendar) -> Iterator[datetime.date]:
    """The days named; of a regular schedule only those on which offices must be open."""
    for number in range((schedule.until_on - schedule.from_on).days + 1):
        day = schedule.from_on + ONE_DAY * number
        if day.isoweekday() in schedule.weekdays and (schedule.kind != "regular" or calendar.is_working_day(day)):
            yield day


def _of_day(schedule: Schedule, day: datetime.date, zone: datetime.tzinfo) -> Iterator[Times]:
    starts_at, closes_at = (
        datetime.datetime.combine(day, at, zone).astimezone(datetime.UTC) for at in (schedule.opens, schedule.closes)
    )
    length = datetime.timedelta(minutes=schedule.minutes)
    while starts_at + length <= closes_at:
        yield starts_at, starts_at + length, closes_at
        starts_at += length


def nearest(wanted: datetime.datetime, found: Iterable[Slot], most: int) -> list[Slot]:
    """At most so many of the slots, those nearest to an instant first."""
    return sorted(found, key=lambda slot: (abs(slot.starts_at - wanted), slot.starts_at))[:most]
