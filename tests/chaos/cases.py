"""Scenario `cases`: nine of ten cases cross, one person of twenty goes to two cities at once."""

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.chaos.counters import Crew, Town, offices_of
from tests.chaos.judge import unfinished, verdict
from tests.chaos.ledger import Ledger
from tests.chaos.people import WINDOWS, Person, crowd, write_registries
from tests.chaos.stage import CODES, Stage

TWINS = 0.05
HANDS_PER_CITY = 2
PACE_SECONDS = 0.02
STUCK_SECONDS = 90.0

Share = queue.SimpleQueue[tuple[Person, str, bool]]


class Cases:
    """Subsidies of people from all five cities, each handed in in any of them."""

    stuck_seconds = STUCK_SECONDS

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.people = crowd(stage.count)
        for site in stage.country.sites:
            write_registries(Path(site.home) / "registries.yaml", self.people)
        self.ledger = Ledger(stage.country.folder / "ledger.jsonl")
        towns = {code: self._town(code) for code in CODES}
        self.crew = Crew(towns, self.ledger, threading.Event(), stage.stop)
        self.dealt = 0  # how often somebody goes to a window

    def _town(self, code: str) -> Town:
        desks = {verb: self.stage.desk(code, office) for verb, office in offices_of(code).items()}
        return Town(code, self.stage.desk(code, WINDOWS[code]), desks)

    def hands(self) -> list[Callable[[], None]]:
        """The counters of all cities."""
        pace = partial(time.sleep, PACE_SECONDS)
        return [partial(self.crew.hand_in, share, pace) for share in self._shares() for _ in range(HANDS_PER_CITY)]

    def _shares(self) -> list[Share]:
        """What each city's counters hand in."""
        shares: dict[str, Share] = {code: queue.SimpleQueue() for code in CODES}
        for person in self.people:
            twin = self.stage.dice.random() < TWINS
            for code in self.stage.dice.sample(CODES, 2 if twin else 1):
                shares[code].put((person, code, twin))
        self.dealt = sum(share.qsize() for share in shares.values())
        return list(shares.values())

    def robots(self) -> list[Callable[[], None]]:
        """The clerks of all offices."""
        return [partial(self.crew.attend, code, verb) for code in CODES for verb in offices_of(code)]

    def healed(self) -> None:
        """Twins are decided last, so that both are open at once."""
        self.crew.twins_may_be_decided.set()

    def unfinished(self) -> int:
        """Open legs, and messages parked."""
        return unfinished(self.stage.cities)

    def verdict(self) -> list[str]:
        """The judge's, and whom no city took in."""
        handed_in = len(self.ledger.entries) + len(self.crew.errors)
        lost = [] if handed_in == self.dealt else [f"{self.dealt} were to be handed in, {handed_in} were"]
        return [*verdict(self.stage.cities, self.ledger), *lost, *self.crew.errors]

    def did_not_count(self) -> list[str]:
        """Nothing more is asked of it."""
        return []

    def report(self) -> list[str]:
        """How many."""
        return [f"handed in {len(self.ledger.entries)} cases, of them {sum(e.twin for e in self.ledger.entries)} twins"]
