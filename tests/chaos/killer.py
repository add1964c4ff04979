"""Kills with -9 whatever has work in flight, and restarts the servers under everybody's feet."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from deploy import supervise
from deploy.servers import Servers
from services.main.real import Country, ailing

LOOK_SECONDS = 10.0
PAUSE_SECONDS = (2.0, 10.0)  # between two murders: they meet young cases and old ones
SERVERS = ("rabbitmq", "postgres")
BUSY = "SELECT usename, count(*) FROM pg_stat_activity WHERE state <> 'idle' AND usename LIKE '%\\_%' GROUP BY usename"


@dataclass
class Killer:
    """One run's murderer; `deaths` counts only those that died with a transaction or a request open."""

    country: Country
    servers: Servers
    kinds: tuple[str, ...]  # of process
    requests: Callable[[str], int]  # requests on their way to a city's API
    dice: random.Random
    stop: threading.Event
    deaths: Counter[str] = field(default_factory=Counter)
    idle_deaths: Counter[str] = field(default_factory=Counter)
    spared: set[tuple[str, str]] = field(default_factory=set)  # city and kind that somebody else has in hand

    def run(self, times: int, rounds: int) -> None:
        """Every kind of process and each server `times` times, in a random order; again those that did not die at work."""
        for _round in range(rounds):
            plan = [victim for victim in (*self.kinds, *SERVERS) for _ in range(times - self.deaths[victim])]
            self.dice.shuffle(plan)
            for victim in plan:
                if self.stop.is_set():
                    return
                self.restart(victim) if victim in SERVERS else self.kill(victim)
                self.stop.wait(self.dice.uniform(*PAUSE_SECONDS))

    def kill(self, kind: str) -> None:
        """One process of that kind, in a city where it has something in hand."""
        pids = {node: pid for node, pid in self._pids(kind).items() if pid}
        busy = self._await_busy(kind, set(pids)) if pids else ""
        node = busy or (self.dice.choice(sorted(pids)) if pids else "")
        with contextlib.suppress(ProcessLookupError):
            if node:
                os.kill(pids[node], signal.SIGKILL)
                (self.deaths if busy else self.idle_deaths)[kind] += 1

    def _await_busy(self, kind: str, nodes: set[str]) -> str:
        """A city where a process of that kind works right now; empty when none did for a while."""
        end = time.monotonic() + LOOK_SECONDS
        with contextlib.suppress(psycopg.Error), self._admin() as admin:
            while time.monotonic() < end and not self.stop.is_set():
                busy = sorted(node for node in nodes if self._works(kind, node, admin))
                if busy:
                    return self.dice.choice(busy)
                time.sleep(0.005)
        return ""

    def _await_any(self) -> bool:
        """Whether any process of any city works right now; waits a while for it."""
        end = time.monotonic() + LOOK_SECONDS
        with contextlib.suppress(psycopg.Error), self._admin() as admin:
            while time.monotonic() < end and not self.stop.is_set():
                if admin.execute(BUSY).fetchall():
                    return True
                time.sleep(0.005)
        return False

    def _works(self, kind: str, node: str, admin: psycopg.Connection) -> bool:
        if kind == "http":
            return self.requests(node) > 0
        return bool(dict(admin.execute(BUSY).fetchall()).get(f"{node}_{kind}"))

    def _admin(self) -> psycopg.Connection:
        url = self.servers.get("postgres").url.replace("+psycopg", "")
        return psycopg.connect(url, connect_timeout=2, autocommit=True)

    def _pids(self, kind: str) -> dict[str, int]:
        """The process numbers of that kind by city; 0 where supervisor is just starting it."""
        table = supervise.pids(self.country.folder)
        nodes = (site.node for site in self.country.sites if (site.node, kind) not in self.spared)
        return {node: table.get(f"{node}-{kind}", 0) for node in nodes}

    def restart(self, server: str) -> None:
        """Kill a server with all its processes while somebody's transaction is open, and start it again."""
        busy = self._await_any()
        self.servers.kill(server)
        (self.deaths if busy else self.idle_deaths)[server] += 1
        self.stop.wait(self.dice.uniform(0.5, 2.0))
        self.servers.start(server)

    def _ailing(self) -> list[str]:
        return [name for name in ailing(self.country) if name.partition("-")[2] in self.kinds]

    def heal(self, seconds: float = 120.0) -> list[str]:
        """Wait until every process is well again; those that are not after `seconds`."""
        end = time.monotonic() + seconds
        while (late := self._ailing()) and time.monotonic() < end:
            time.sleep(0.5)
        return late
