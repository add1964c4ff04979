"""What a run gives its scenario, and what it wants of it: a plan, a crew and a judge."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deploy.homes import CITIES
from deploy.processes import Process
from deploy.servers import Servers
from services.main.real import Country
from services.web.usecases.tokens import NewToken, create_token
from tests.chaos.counters import Desk, Meter
from tests.chaos.judge import Cities

CODES = tuple(city.code for city in CITIES)


@dataclass
class Stage:
    """Five cities, and what becomes of a run in them."""

    country: Country
    servers: Servers
    processes: tuple[Process, ...]  # of every city
    cities: Cities
    dice: random.Random
    count: int
    stop: threading.Event = field(default_factory=threading.Event)  # the run is over
    killed: threading.Event = field(default_factory=threading.Event)  # nothing is killed any more
    meters: Mapping[str, Meter] = field(default_factory=lambda: {code: Meter() for code in CODES})

    def desk(self, node: str, office: str) -> Desk:
        """A new clerk of that office, at the city's API."""
        actor = f"robot-{office}-{self.dice.random():.6f}"
        with self.country.works(node, "web").begin() as work:
            token = create_token(work, NewToken("clerk", actor, "chaos", office=office))
        return Desk(f"http://127.0.0.1:{self.country.site(node).http_port}", token, self.stop, self.meters[node])


class Scenario(Protocol):
    """Who goes where, who acts, and what must be true in the end."""

    stuck_seconds: float  # without progress while no message is on its way: longer than any timer's round

    def hands(self) -> list[Callable[[], None]]:
        """What is done once and comes to an end; the run waits for it."""

    def robots(self) -> list[Callable[[], None]]:
        """What is done until the run stops."""

    def healed(self) -> None:
        """Nothing is killed any more, and all processes are well: what was held back may go on."""

    def unfinished(self) -> int:
        """How many things have not come to their end."""

    def verdict(self) -> list[str]:
        """Everything that is wrong; empty when nothing is."""

    def did_not_count(self) -> list[str]:
        """Why this run proves less than it should, beside what was not killed at work."""

    def report(self) -> list[str]:
        """What happened, for the reader."""
