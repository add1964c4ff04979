"""Commands laid at once into the accepting city's outbox, until the competent city's answer is back: ours and bare."""

import dataclasses
import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from contracts.intake import TakeInApplicationV1
from deploy import broker, hub
from deploy.database import conninfo
from services.main.journey import ANSWERS
from services.main.real import every_queue
from shared import clock, topology
from shared.directory import Node
from tests.bench import bare
from tests.bench.cities import ACCEPTING, CODES, COMPETENT, WINDOW, Bench, drain
from tests.bench.machine import Meter, our_pids, server_pids
from tests.chaos.people import Person

PROCESSES = ("consume", "relay", "exchange")
HUB = "bare-xchg"
WARM_UP = 100
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 1800.0
HEARD = "SELECT count(*) FROM web.inbox"
BACK, DONE = 4, 4  # messages of one case for the accepting city's read model, and for the competent city's
EMPTY_PARTY = dict.fromkeys(("residence_division", "address", "basis", "expires_on"), "")


@dataclass(frozen=True, slots=True)
class Lap:
    """Seconds until all were back, until all work that hangs on them was done, and processor seconds by process."""

    back: float
    done: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Side:
    """Ours or bare: how to lay commands down, and where to see them come back."""

    inject: Callable[[list[Person]], None]
    heard: Callable[[str], int]  # messages the read model of a city has taken in
    pids: Callable[[], Mapping[str, list[int]]]

    def lap(self, people: list[Person]) -> Lap:
        """One case for each of these people."""
        before = {code: self.heard(code) for code in CODES}
        meter = Meter(self.pids)
        self.inject(people)
        began = clock.monotonic()
        back = self._await(ACCEPTING, before[ACCEPTING] + BACK * len(people), began)
        done = max(back, self._await(COMPETENT, before[COMPETENT] + DONE * len(people), began))
        return Lap(back, done, meter.spent())

    def _await(self, code: str, heard: int, began: float) -> float:
        while self.heard(code) < heard:
            if clock.monotonic() > began + PATIENCE_SECONDS:
                raise TimeoutError(f"{heard - self.heard(code)} messages are missing in {code}")
            time.sleep(LOOK_SECONDS)
        return clock.monotonic() - began


def personal(person: Person) -> dict[str, Any]:
    """The sealed part of a command, as the API would write it."""
    return {"parties": [person.party() | EMPTY_PARTY], "answers": dict(ANSWERS)}


@contextmanager
def ours(bench: Bench) -> Iterator[Side]:
    """Our two cities, running."""

    def heard(code: str) -> int:
        return int(bench.cities.ask(code, HEARD)[0][0])

    def pids() -> Mapping[str, list[int]]:
        return our_pids(bench.country.folder) | server_pids(bench.servers)

    with bench.running():
        drain(bench)
        yield Side(lambda people: _tell(bench, people), heard, pids)
        drain(bench)


def _tell(bench: Bench, people: list[Person]) -> None:
    office = bench.country.works(ACCEPTING, "web").node.offices.get(WINDOW)
    place = {"code": office.code, "name": office.name, "node": ACCEPTING, "phone": office.phone}
    with bench.country.works(ACCEPTING, "web").begin() as work:
        case = {
            "matter": "disability-subsidies",
            "matter_version": 1,
            "channel": "counter",
            "accepting_office": place,
            "applied_on": work.today.isoformat(),
            "taken_in_at": clock.iso(work.now),
            "materials": [],
            "consents": ["notice_shown", "checks"],
        }
        for number, person in enumerate(people):
            actor = {"id": f"bench-{office.code}-{clock.new_id()}", "kind": "clerk", "office": office.code}
            numbered = case | {"case_no": f"{office.code}-{work.today:%Y%m%d}-{number:04d}-X"}
            data = {"case": numbered, "actor": actor, "place_division": ""}
            work.tell(TakeInApplicationV1, clock.new_id(), data, personal(person))


# --- the yardstick ----------------------------------------------------------------------------------------------------


def make_bare(bench: Bench) -> dict[str, bare.City]:
    """Two more databases, vhosts and a hub on the same servers, with our very queues and bindings."""
    (bench.country.folder / "logs").mkdir(exist_ok=True)
    server, user = bench.servers.get("rabbitmq"), "bare"
    password = secrets.token_hex(8)
    own = broker.create_vhosts(server, [f"bare-{code}" for code in CODES], user, password)
    passwords = hub.development_passwords(CODES)
    rows = [{"code": code} for code in CODES]
    broker.import_definitions(server, hub.definitions(rows, vhost=HUB, passwords=passwords))
    made = {}
    for code, peer in (CODES, CODES[::-1]):
        homes = [bench.country.site(one).home for one in (code, peer)]
        outward = broker.url(server, code, passwords[code], HUB)
        made[code] = bare.City(code, peer, _database(bench, code), own[f"bare-{code}"], outward, *homes)
        topology.declare(made[code].amqp_url, every_queue(Node(code, Path(homes[0]))))
    return made


def _database(bench: Bench, code: str) -> str:
    """An empty database of the yardstick's with its tables; its URL."""
    url, name = conninfo(bench.servers.get("postgres").url), f"bare_{code}"
    peer = next(one for one in CODES if one != code)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {0}").format(sql.Identifier(name)))
    tables = Path(bare.__file__).with_suffix(".sql").read_bytes()
    with psycopg.connect(f"{url.rpartition('/')[0]}/{name}", autocommit=True) as database:
        for service in (*bare.SERVICES, bare.EXCHANGE):
            database.execute(sql.SQL("CREATE SCHEMA {0}").format(sql.Identifier(service)))
            database.execute(sql.SQL("SET search_path TO {0}").format(sql.Identifier(service)))
            database.execute(tables)
        for direction in ("out", "in"):
            database.execute("INSERT INTO exchange.peers VALUES (%s, %s, 0, '')", (peer, direction))
    return f"{url.rpartition('/')[0]}/{name}"


@contextmanager
def yardstick(bench: Bench, cities: Mapping[str, bare.City]) -> Iterator[Side]:
    """The bare processes of both cities, running."""
    with ExitStack() as at_end:
        running: dict[str, list[int]] = {kind: [] for kind in PROCESSES}
        for city in cities.values():
            for kind in PROCESSES:
                running[kind].append(at_end.enter_context(_process(bench, city, kind)))
        links = {code: at_end.enter_context(city.database()) for code, city in cities.items()}

        def heard(code: str) -> int:
            row = links[code].execute(HEARD).fetchone()
            return int(row[0]) if row else 0

        yield Side(lambda people: _lay(cities[ACCEPTING], people), heard, lambda: running | server_pids(bench.servers))


@contextmanager
def _process(bench: Bench, city: bare.City, kind: str) -> Iterator[int]:
    """One bare process; it is killed in the end."""
    settings = bench.country.folder / f"bare-{city.code}.json"
    settings.write_text(json.dumps(dataclasses.asdict(city)), "utf-8")
    command = [sys.executable, "-m", "tests.bench.bare", kind, str(settings)]
    with (bench.country.folder / "logs" / f"bare-{city.code}-{kind}.log").open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"bare {kind} of {city.code} has ended; see {output.name}")
    finally:
        process.kill()
        process.wait()


def _lay(city: bare.City, people: list[Person]) -> None:
    keys = city.keys()
    rows = []
    for person in people:
        cause = {"id": clock.new_id(), "subject": clock.new_id()}
        private = json.dumps(personal(person), ensure_ascii=False).encode()
        rows.append(bare.told(keys, bare.TAKE_IN, cause, private))
    with city.database() as database, database.transaction():
        database.cursor().executemany(bare.of("web", bare.OUTBOX), rows)


# --- one against the other ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Race:
    """The laps of both sides, interleaved, of so many cases each."""

    cases: int
    ours: list[Lap]
    bare: list[Lap]

    def ratio(self, of: Callable[[Lap], float]) -> float:
        """Median of ours to median of bare."""
        return statistics.median(map(of, self.ours)) / statistics.median(map(of, self.bare))


def race(bench: Bench, cities: Mapping[str, bare.City], cases: int, rounds: int) -> Race:
    """`rounds` laps of each side in turn, each after a short one to warm up."""
    laps: dict[str, list[Lap]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        with yardstick(bench, cities) as side:
            laps["bare"].append(_timed(bench, side, cases))
        with ours(bench) as side:
            laps["ours"].append(_timed(bench, side, cases))
    return Race(cases, laps["ours"], laps["bare"])


def _timed(bench: Bench, side: Side, cases: int) -> Lap:
    side.lap([bench.apply_at() for _ in range(min(WARM_UP, cases))])
    return side.lap([bench.apply_at() for _ in range(cases)])


def cases_for(bench: Bench, cities: Mapping[str, bare.City], seconds: float) -> int:
    """How many cases keep the yardstick busy for so long."""
    with yardstick(bench, cities) as side:
        side.lap([bench.apply_at() for _ in range(WARM_UP)])
        pilot = side.lap([bench.apply_at() for _ in range(4 * WARM_UP)])
    return int(4 * WARM_UP * seconds / pilot.back / 50 + 1) * 50
