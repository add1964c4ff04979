"""The cities of a bench: made ready, started, handed cases, watched by SQL and waited for."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy import supervise
from deploy.children import free_port
from deploy.database import conninfo
from deploy.processes import SMALL
from deploy.servers import Servers
from services.main.real import SCHEMAS, Country, every_queue, make_country, start
from services.web.usecases.tokens import NewToken, create_token
from shared import clock, topology
from shared.directory import Node
from tests.chaos.judge import QUIET, Cities
from tests.chaos.people import Person, crowd, write_registries

ACCEPTING, COMPETENT, THIRD = "460200", "620100", "371000"  # 三亚, 兰州, 威海
PAIR = (ACCEPTING, COMPETENT)
CODES = (*PAIR, THIRD)
WINDOW = "460203"  # takes in, and decides for nobody here: an office may not decide what it took in
UNSENT = "SELECT count(*) FROM exchange.sendings WHERE state = 'pending'"
START_SECONDS = 600.0  # a busy machine is no failure
DRAIN_SECONDS = 900.0
CALM_SECONDS = 2.0  # longer than anything is in hand


@dataclass
class Bench:
    """Cities on private servers, and how many people have applied so far."""

    country: Country
    servers: Servers
    cities: Cities
    addresses: Mapping[str, str]  # API by node
    applied: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def apply_at(self, home: str = COMPETENT) -> Person:
        """Somebody who has not applied yet, and whose hukou is in that city."""
        with self.lock:
            self.applied += 1
            [person] = crowd(1, self.applied - 1)
        return dataclasses.replace(person, home=home)

    def token(self, node: str, office: str) -> str:
        """A fresh clerk's token."""
        with self.country.works(node, "web").begin() as work:
            return create_token(work, NewToken("clerk", f"bench-{office}-{clock.new_id()}", "bench", office=office))

    @contextmanager
    def running(self, *codes: str) -> Iterator[None]:
        """The processes of these cities; ended afterwards."""
        sites = tuple(site for site in self.country.sites if site.node in codes)
        start(Country(self.country.folder, sites), SMALL, START_SECONDS)
        try:
            yield
        finally:
            supervise.stop(self.country.folder)

    def fill_registries(self, node: str, count: int) -> None:
        """Put the first `count` people into a city's registries; its processes must not run."""
        people = [dataclasses.replace(person, home=node) for person in crowd(count)]
        write_registries(Path(self.country.site(node).home) / "registries.yaml", people)


def prepare(folder: Path, servers: Servers) -> Bench:
    """Servers up, databases, vhosts, hub and homes made, nothing of ours running yet."""
    ports = {code: free_port() for code in CODES}
    country = make_country(folder, servers, CODES, ports)
    addresses = {code: f"http://127.0.0.1:{port}" for code, port in ports.items()}
    cities = Cities(country, servers.get("postgres").url)
    return Bench(country, servers, cities, addresses)


def database_url(bench: Bench, node: str) -> str:
    """A city's database, for an administrator."""
    return f"{conninfo(bench.servers.get('postgres').url).rpartition('/')[0]}/tongban_{node}"


def moving(bench: Bench) -> int:
    """Messages that wait in any outbox, queue or sending of the cities. RuntimeError when any of them is dead."""
    count = 0
    for site in bench.country.sites:
        for schema in SCHEMAS:
            count += int(bench.cities.ask(site.node, QUIET["outbox rows"].format(schema=schema))[0][0])
        count += int(bench.cities.ask(site.node, UNSENT)[0][0])
        waiting = topology.depths(site.amqp_url, every_queue(Node(site.node, Path(site.home))))
        dead = {queue: depth for queue, depth in waiting.items() if depth and queue.endswith(".dead")}
        if dead:
            raise RuntimeError(f"dead letters in {site.node}: {dead}; see {bench.country.folder}/logs")
        count += sum(waiting.values())
    return count


def drain(bench: Bench, seconds: float = DRAIN_SECONDS) -> float:
    """Wait until nothing has moved for a while; how long it did move, to the second. TimeoutError."""
    began = calm_since = clock.monotonic()
    while clock.monotonic() < calm_since + CALM_SECONDS:
        if left := moving(bench):
            calm_since = clock.monotonic()
        if clock.monotonic() > began + seconds:
            raise TimeoutError(f"{left} messages still move after {seconds:.0f} s")
        time.sleep(0.3)
    return calm_since - began
