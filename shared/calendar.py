"""Working days in China: Monday to Friday, corrected by our own table of days off and make-up working days."""

import csv
import datetime
import enum
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parent / "data" / "calendar.csv"
ONE_DAY = datetime.timedelta(days=1)
FRIDAY = 4


class RestDays(enum.StrEnum):
    """On which days a period at an office does not end. Whether a Saturday counts where it is open is unverified."""

    WEEKENDS_AND_HOLIDAYS = "weekends_and_holidays"
    HOLIDAYS = "holidays"  # open on weekends, closed on public holidays
    NONE = "none"  # open every day


@dataclass(frozen=True, slots=True)
class Deadline:
    """A last day. `provisional`: some day counted lies outside the table, so the date must be computed again later."""

    date: datetime.date
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Known from `first` to `horizon`, both included; outside, Monday to Friday is assumed."""

    rest: frozenset[datetime.date]  # days off that would else be working days
    work: frozenset[datetime.date]  # make-up working days (调休上班) on a Saturday or Sunday
    first: datetime.date
    horizon: datetime.date

    def is_working_day(self, day: datetime.date) -> bool:
        """Whether offices must be open: the working week, without days off, with make-up days."""
        return day in self.work or (day.weekday() <= FRIDAY and day not in self.rest)

    def add_working_days(self, start: datetime.date, days: int) -> Deadline:
        """The `days`-th working day after `start`, which itself is not counted. ValueError unless days >= 1."""
        if days < 1:
            raise ValueError(f"a period of {days} working days")
        day = start
        for _ in range(days):
            day = self._working_day_from(day + ONE_DAY)
        return self._deadline(start, day)

    def working_days_between(self, start: datetime.date, end: datetime.date) -> int:
        """Working days after `start` up to and including `end`; 0 when `end` is not after `start`."""
        days = (start + ONE_DAY * n for n in range(1, (end - start).days + 1))
        return sum(map(self.is_working_day, days))

    def period_end(self, start: datetime.date, days: int) -> Deadline:
        """Last day of a period of natural days: the first is not counted, an end on a rest day moves to the first
        day after it (Civil Code 201, 203). ValueError unless days >= 1."""
        if days < 1:
            raise ValueError(f"a period of {days} days")
        return self._deadline(start, self._working_day_from(start + ONE_DAY * days))

    def days_of_horizon(self, today: datetime.date) -> int:
        """How many days after `today` the table still knows; operators are warned below 60."""
        return (self.horizon - today).days

    def _working_day_from(self, day: datetime.date) -> datetime.date:
        while not self.is_working_day(day):
            day += ONE_DAY
        return day

    def _deadline(self, start: datetime.date, day: datetime.date) -> Deadline:
        return Deadline(day, provisional=start + ONE_DAY < self.first or day > self.horizon)


def full_years(born_on: datetime.date, on: datetime.date) -> int:
    """Age in full years (周岁); the birthday counts.

    Who was born on 29 February is a year older on 1 March of a common year: certain under every reading of the Civil
    Code's periods (201, 202), and an under-age marriage would be void (1051).
    """
    return on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))


def calendar(rows: Iterable[tuple[datetime.date, str]]) -> Calendar:
    """A calendar from (date, "rest" or "work"). The years named must be whole ones: they give first and horizon."""
    days: dict[str, set[datetime.date]] = {"rest": set(), "work": set()}
    for day, kind in rows:
        days[kind].add(day)
    known = days["rest"] | days["work"]
    first, horizon = datetime.date(min(known).year, 1, 1), datetime.date(max(known).year, 12, 31)
    return Calendar(frozenset(days["rest"]), frozenset(days["work"]), first, horizon)


def load(path: Path) -> Calendar:
    """The calendar of a CSV file with the columns date, kind, note, source. KeyError for an unknown kind."""
    with path.open(encoding="utf-8", newline="") as file:
        return calendar([(datetime.date.fromisoformat(row["date"]), row["kind"]) for row in csv.DictReader(file)])


@functools.cache
def standard() -> Calendar:
    """The calendar this release carries."""
    return load(TABLE)
