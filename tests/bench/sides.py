"""Ours and bare, one against the other: laps of so many cases, in turn; and the yardstick's cities and processes."""

import dataclasses
import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from deploy import broker, hub
from deploy.database import conninfo
from services.main.real import every_queue
from shared import clock, topology
from shared.bus import Doors
from shared.directory import Node
from tests.bench import bare
from tests.bench.cities import Bench
from tests.bench.machine import Meter, our_pids, server_pids

PROCESSES = ("consume", "relay", "exchange")
WARM_UP = 100
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 1800.0

Pids = Mapping[str, list[int]]
Yardstick = Mapping[str, bare.City]


@dataclass(frozen=True, slots=True)
class Lap:
    """Seconds until all were back, until all work that hangs on them was done, and processor seconds by process."""

    back: float
    done: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Side:
    """Ours or bare: how to lay so many cases down, and how many of all are back by now, and done with."""

    inject: Callable[[int], None]
    back: Callable[[], float]
    done: Callable[[], float]
    pids: Callable[[], Pids]

    def lap(self, cases: int) -> Lap:
        """So many cases, laid down at once."""
        before = self.back(), self.done()
        meter = Meter(self.pids)
        self.inject(cases)
        began = clock.monotonic()
        back = _await(self.back, before[0] + cases, began)
        done = max(back, _await(self.done, before[1] + cases, began))
        return Lap(back, done, meter.spent())


def _await(count: Callable[[], float], enough: float, began: float) -> float:
    while count() < enough:
        if clock.monotonic() > began + PATIENCE_SECONDS:
            raise TimeoutError(f"{enough - count():.0f} cases are missing")
        time.sleep(LOOK_SECONDS)
    return clock.monotonic() - began


@dataclass(frozen=True, slots=True)
class Race:
    """The laps of both sides, interleaved, of so many cases each."""

    cases: int
    ours: list[Lap]
    bare: list[Lap]

    def ratio(self, of: Callable[[Lap], float]) -> float:
        """Median of ours to median of bare."""
        return statistics.median(map(of, self.ours)) / statistics.median(map(of, self.bare))


Running = Callable[[], AbstractContextManager[Side]]


def race(ours: Running, yardstick: Running, cases: int, rounds: int, warm_up: int = WARM_UP) -> Race:
    """`rounds` laps of each side in turn, each after a short one to warm up."""
    laps: dict[str, list[Lap]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        for name, running in (("bare", yardstick), ("ours", ours)):
            with running() as side:
                side.lap(min(warm_up, cases))
                laps[name].append(side.lap(cases))
    return Race(cases, laps["ours"], laps["bare"])


def cases_for(yardstick: Running, seconds: float) -> int:
    """How many cases keep the yardstick busy for so long."""
    with yardstick() as side:
        side.lap(WARM_UP)
        pilot = side.lap(4 * WARM_UP)
    return int(4 * WARM_UP * seconds / pilot.back / 50 + 1) * 50


def our_processes(bench: Bench) -> Pids:
    """Ours and the servers'."""
    return our_pids(bench.country.folder) | server_pids(bench.servers)


# --- the yardstick ----------------------------------------------------------------------------------------------------


def make_bare(bench: Bench, play: str) -> dict[str, bare.City]:
    """More databases, vhosts and a hub on the same servers for the cities of a play, with our very queues."""
    (bench.country.folder / "logs").mkdir(exist_ok=True)
    routes = bare.PLAYS[play].routes
    server, user, password = bench.servers.get("rabbitmq"), f"bare-{play}", secrets.token_hex(8)
    own = broker.create_vhosts(server, [f"{user}-{code}" for code in routes], user, password)
    passwords, vhost = hub.development_passwords(routes), f"{user}-xchg"
    rows = [{"code": code} for code in routes]
    broker.import_definitions(server, hub.definitions(rows, vhost=vhost, passwords=passwords))
    homes = {code: bench.country.site(code).home for code in routes}
    made = {}
    for code, peers in routes.items():
        database, outward = _database(bench, play, code), broker.url(server, code, passwords[code], vhost)
        others = {peer: homes[peer] for peer in peers}
        made[code] = bare.City(play, code, others, database, own[f"{user}-{code}"], outward, homes[code])
        topology.declare(made[code].amqp_url, [_played(it, play) for it in every_queue(Node(code, Path(homes[code])))])
    return made


def _played(doors: Doors, play: str) -> Doors:
    """Without the doors through which nothing comes in the play: what ours tells itself at once has none."""
    known = {(service, kind) for service, kind, _ in bare.PLAYS[play].steps}
    if doors.service in bare.PLAYS[play].services:
        doors.by_type = {kind: door for kind, door in doors.by_type.items() if (doors.service, kind) in known}
    return doors


def _database(bench: Bench, play: str, code: str) -> str:
    """An empty database of the yardstick's with its tables; its URL."""
    url, name = conninfo(bench.servers.get("postgres").url), f"bare_{play}_{code}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {0}").format(sql.Identifier(name)))
    tables = Path(bare.__file__).with_suffix(".sql").read_bytes()
    with psycopg.connect(f"{url.rpartition('/')[0]}/{name}", autocommit=True) as database:
        for service in (*bare.PLAYS[play].services, bare.EXCHANGE):
            database.execute(sql.SQL("CREATE SCHEMA {0}").format(sql.Identifier(service)))
            database.execute(sql.SQL("SET search_path TO {0}").format(sql.Identifier(service)))
            database.execute(tables)
        for peer in bare.PLAYS[play].routes[code]:
            for direction in ("out", "in"):
                database.execute("INSERT INTO exchange.peers VALUES (%s, %s, 0, '')", (peer, direction))
    return f"{url.rpartition('/')[0]}/{name}"


@contextmanager
def bare_running(bench: Bench, cities: Yardstick) -> Iterator[Callable[[], Pids]]:
    """The bare processes of these cities, running; theirs and the servers'."""
    with ExitStack() as at_end:
        running: dict[str, list[int]] = {kind: [] for kind in PROCESSES}
        for city in cities.values():
            for kind in PROCESSES:
                running[kind].append(at_end.enter_context(_process(bench, city, kind)))
        yield lambda: running | server_pids(bench.servers)


@contextmanager
def _process(bench: Bench, city: bare.City, kind: str) -> Iterator[int]:
    """One bare process; it is killed in the end."""
    settings = bench.country.folder / f"bare-{city.play}-{city.code}.json"
    settings.write_text(json.dumps(dataclasses.asdict(city)), "utf-8")
    command = [sys.executable, "-m", "tests.bench.bare", kind, str(settings)]
    with (bench.country.folder / "logs" / f"bare-{city.play}-{city.code}-{kind}.log").open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"bare {kind} of {city.code} has ended; see {output.name}")
    finally:
        process.kill()
        process.wait()
