"""Cuts a city off from all others for a while: its gateway stands still, and everything for it waits at the hub.

SIGSTOP and SIGCONT: the hub sees a connection without heartbeats and closes it, the city's own services go on, and
no packet filter is needed, for which a test has no rights.
"""

import contextlib
import os
import random
import signal
import threading
from dataclasses import dataclass, field

from deploy import supervise
from services.main.real import Country

FROM_SECONDS = 40.0  # after the work began
FOR_SECONDS = 60.0
GATEWAY = "exchange"


@dataclass
class Cutter:
    """Cuts one city off; `spared` keeps the murderer from ending that early, for who is killed starts anew."""

    country: Country
    spared: set[tuple[str, str]]
    dice: random.Random
    stop: threading.Event
    cut_off: list[str] = field(default_factory=list)  # cities that were cut off for the whole time

    def run(self) -> None:
        """One city, once; another one when its gateway did not live through it."""
        self.stop.wait(FROM_SECONDS)
        while not self.cut_off and not self.stop.is_set():
            node = self.dice.choice([site.node for site in self.country.sites])
            self.spared.add((node, GATEWAY))
            if self._cut(supervise.pids(self.country.folder).get(f"{node}-{GATEWAY}", 0)):
                self.cut_off.append(node)
            self.spared.discard((node, GATEWAY))
            self.stop.wait(1)

    def _cut(self, pid: int) -> bool:
        """Whether it stood still for the whole time."""
        if not pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.stop.wait(FOR_SECONDS)
            os.kill(pid, signal.SIGCONT)
            return True
        return False
