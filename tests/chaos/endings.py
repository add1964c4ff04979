"""Some of those who have married are parted, by a court or by death, and one of the two marries again elsewhere.

Asked by messages of a city's desk, not over the API.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from shared import clock
from tests.chaos import wedlock
from tests.chaos.couples import REGISTRIES, Couple, Spouse
from tests.chaos.stage import CODES, Stage
from tests.chaos.wedlock import Record

LOOK_SECONDS = 2.0
ASK_AGAIN_SECONDS = 5.0  # a confirmation may overtake what it confirms
PATIENCE_SECONDS = 600.0  # for each
LEFT = "SELECT count(*) FROM claims.claims WHERE case_id = %s AND state <> 'ended'"
STATE = "SELECT state FROM marriage.marriages WHERE marriage_id = %s"


@dataclass(frozen=True, slots=True)
class Way:
    """How a marriage ends. `ask` may be called again and again until it has."""

    name: str
    ask: Callable[[Stage, Record, Couple, str], None]  # that marriage of that couple, under that request
    lets: tuple[str, ...]  # who of the two can marry again


@dataclass
class Endings:
    """Ends so many marriages in one way, one after the other, and sends whoever is free then to another office."""

    stage: Stage
    way: Way
    count: int
    mine: Callable[[Record], bool]  # so that two ways do not end the same marriage
    couple_of: Callable[[str], Couple | None]  # by case
    cities_of: Callable[[Spouse], set[str]]  # where they have applied
    strangers: Iterator[Couple]  # nobody of whom has been seen
    come: Callable[[Couple], None]
    asked: set[str] = field(default_factory=set)  # marriages
    parted: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Until enough have ended, or for long nobody has married whose marriage could."""
        last = clock.monotonic() + PATIENCE_SECONDS
        while len(self.asked) < self.count and clock.monotonic() < last and not self._wait():
            for record in self._fresh():
                couple = self.couple_of(record.case_id)
                if couple and self._part(record, couple):
                    self._marry_again(couple)
                last = clock.monotonic() + PATIENCE_SECONDS

    def _wait(self) -> bool:
        return self.stage.stop.wait(LOOK_SECONDS)

    def _fresh(self) -> list[Record]:
        found = self._try(lambda: wedlock.records(self.stage.cities)) or []
        return [it for it in found if it.state == "valid" and self.mine(it) and it.case_id not in self.asked][:1]

    def _part(self, record: Record, couple: Couple) -> bool:
        """Whether the marriage has ended and both are free in all cities."""
        self.asked.add(record.case_id)
        request, last, due = clock.new_id(), clock.monotonic() + PATIENCE_SECONDS, 0.0
        while clock.monotonic() < last and not self._wait():
            if self._try(lambda: self._is_over(record)):
                self.parted.add(record.case_id)
                return True
            if clock.monotonic() >= due:
                due = clock.monotonic() + ASK_AGAIN_SECONDS
                self._try(lambda: self.way.ask(self.stage, record, couple, request))
        return False

    def _is_over(self, record: Record) -> bool:
        cities = self.stage.cities
        [[state]] = cities.ask(record.node, STATE, record.case_id)
        return state != "valid" and not any(cities.ask(code, LEFT, record.case_id)[0][0] for code in CODES)

    def _try(self, question: Callable[[], Any]) -> Any:
        """The answer; None while a server is being restarted."""
        try:
            return question()
        except (psycopg.Error, DBAPIError):
            self.stage.cities.links.clear()
            time.sleep(LOOK_SECONDS)
            return None

    def _marry_again(self, couple: Couple) -> None:
        """One of the two with somebody new, in another city: not where what they have applied for may still be open."""
        dice, stranger, who = self.stage.dice, next(self.strangers), self.stage.dice.choice(self.way.lets)
        node = dice.choice([code for code in CODES if code not in self.cities_of(getattr(couple, who))])
        goes = {"node": node, "office": dice.choice(REGISTRIES[node]), "tangle": 0, "whim": ""}
        self.come(dataclasses.replace(stranger, **goes, **{who: getattr(couple, who)}))

    def faults(self) -> list[str]:
        """Which marriages were to end and have not."""
        return [f"not ended by {self.way.name}: marriage {one}" for one in sorted(self.asked - self.parted)]
