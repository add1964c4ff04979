"""Scenario `weddings`: couples marry in five cities at once, some of them wanting the same person."""

import queue
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

from tests.chaos import couples, wedlock
from tests.chaos.couples import REGISTRIES, Couple, Spouse
from tests.chaos.deaths import OF_HIM
from tests.chaos.divorces import BY_COURT
from tests.chaos.endings import Endings, Way
from tests.chaos.handover import Handover
from tests.chaos.ledger import Ledger
from tests.chaos.registrars import PER_OFFICE, Registrars
from tests.chaos.stage import CODES, Stage

HANDS_PER_CITY = 2
LEAST_SECONDS, COUPLES_PER_SECOND = 300.0, 12.0  # so that few couples, too, are there while everything dies
STUCK_SECONDS = 200.0  # claims and marriage say again what was not answered after a minute, then after two
LEAST_TANGLED = 0.2
ENDINGS, LEAST_ENDINGS = 0.02, 3  # of all couples, in each way
WAYS = (BY_COURT, OF_HIM)


class Weddings:
    """Couples of people whose claims are guarded all over, each at an office of any city."""

    stuck_seconds = STUCK_SECONDS

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.couples = couples.plan(stage.count, stage.dice)
        self.handover = Handover(stage)
        self.ledger = Ledger(stage.country.folder / "ledger.jsonl")
        desks = {office: stage.desk(node, office) for node, offices in REGISTRIES.items() for office in offices}
        dice = random.Random(stage.dice.random())
        self.crew = Registrars(desks, self.ledger, dice, stage.stop)
        self.endings = [self._endings(way, number) for number, way in enumerate(WAYS)]
        self.again: list[Couple] = []  # who marry a second time

    def _endings(self, way: Way, number: int) -> Endings:
        """Every marriage can end in one way only, by the last digit of its name."""
        count = max(LEAST_ENDINGS, int(len(self.couples) * ENDINGS))
        strangers = couples.strangers(len(self.couples) * 3 + number * count, self.stage.dice)
        mine = lambda record: int(record.case_id[-1], 16) % len(WAYS) == number  # noqa: E731
        return Endings(self.stage, way, count, mine, self.crew.couples.get, self._cities_of, strangers, self._come)

    def _cities_of(self, spouse: Spouse) -> set[str]:
        return {couple.node for couple in self.couples if spouse in (couple.he, couple.she)}

    def _come(self, couple: Couple) -> None:
        self.again.append(couple)
        self.crew.come(couple)

    def hands(self) -> list[Callable[[], None]]:
        """The windows of all cities."""
        shares: defaultdict[str, queue.SimpleQueue[Couple]] = defaultdict(queue.SimpleQueue)
        for couple in self.couples:
            shares[couple.node].put(couple)
        seconds = max(LEAST_SECONDS, len(self.couples) / COUPLES_PER_SECOND)
        take_in = partial(self.crew.take_in, seconds=seconds, hurry=self.stage.killed)
        windows = [partial(take_in, shares[code]) for code in CODES for _ in range(HANDS_PER_CITY)]
        return [*windows, *(ending.run for ending in self.endings), self.handover.run]

    def robots(self) -> list[Callable[[], None]]:
        """The registrars of every office."""
        return [partial(self.crew.attend, office, place) for office in self.crew.desks for place in range(PER_OFFICE)]

    def healed(self) -> None:
        """Nothing was held back."""

    def unfinished(self) -> int:
        """Open legs, parked messages, and what timers have to do."""
        return wedlock.still_open(self.stage.cities)

    def verdict(self) -> list[str]:
        """The judge's, and whom no city took in."""
        taken_in = len(self.ledger.entries) + len(self.crew.errors)
        dealt = len(self.couples) + len(self.again)
        lost = [] if taken_in == dealt else [f"{dealt} couples were to come, {taken_in} did"]
        faults = wedlock.verdict(self.stage.cities, self.ledger, self.handover.guards)
        late = [fault for ending in self.endings for fault in ending.faults()]
        return [*faults, *late, *self.handover.faults(), *lost, *self.crew.errors]

    def did_not_count(self) -> list[str]:
        """Without enough tangles, and claims that were denied, nothing was put to the test."""
        tangled = sum(1 for couple in self.couples if couple.tangle)
        few = [] if tangled >= LEAST_TANGLED * len(self.couples) else [f"only {tangled} couples share a person"]
        ends = wedlock.collided(self.stage.cities)
        denied = ends["held_elsewhere"] + ends["locked_elsewhere"]
        return [*few, *([] if denied else ["nobody stood in anybody's way"])]

    def report(self) -> list[str]:
        """How many came, what became of them, what the robots were told."""
        married = wedlock.records(self.stage.cities)
        whims = Counter(couple.whim or "none" for couple in self.couples)
        tangled = sum(1 for couple in self.couples if couple.tangle)
        return [
            f"{len(self.ledger.entries)} couples came, of them {tangled} in tangles; whims {dict(whims)}",
            f"{len(married)} marriages; claims: {dict(wedlock.collided(self.stage.cities))}",
            *(f"{len(ending.parted)} parted by {ending.way.name}" for ending in self.endings),
            f"married again: {len(self.again)}; handed over: {self.handover.moved or 'nothing'}",
            f"what the registrars were told: {dict(self.crew.told)}",
        ]
