"""Two cities to travel between: in one process on SQLite files, or as processes on private servers."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from sqlalchemy import delete

from deploy import broker, supervise
from deploy.children import free_port
from deploy.homes import SEED
from deploy.processes import SMALL, environment
from deploy.servers import Servers
from services.main import city, real
from services.main.journey import APPLICANT, CLERKS, Counter
from services.web.usecases.tokens import NewToken, create_token
from shared.embedded import deliveries
from shared.outbox import Works

CODES = ("460200", "620100")
FAMILY = (  # with everything that a form can say of a person
    {
        "role": "applicant",
        "name": "王𬍛",
        "id_type": "citizen",
        "id_number": "990102199508160442",
        "phone": "13900000017",
        "address": "酒泉路无名巷17号601室",
        "hukou_division": "620103",
    },
    {
        "role": "agent",
        "name": "钱无恙",
        "id_type": "citizen",
        "id_number": "99010119700101001X",
        "phone": "0898-88000017",
        "address": "天涯路无名里18号",
        "basis": "委托书",
        "expires_on": "2099-12-31",
    },
)


def counters(works: Mapping[str, Works], ports: Mapping[str, int]) -> dict[str, Counter]:
    """A desk for every clerk of the journey."""
    found = {}
    for name, (code, office) in CLERKS.items():
        with works[code].begin() as work:
            token = create_token(work, NewToken("clerk", f"{name}-{office}", "test", office=office))
        found[name] = Counter(f"http://127.0.0.1:{ports[code]}", token)
    return found


@dataclass
class Embedded:
    """Both cities and the hub in this process."""

    folder: Path
    counters: dict[str, Counter] = field(init=False)

    def __post_init__(self) -> None:
        self.country = city.Country(self.folder, CODES)
        self.country.start()
        ports = {code: self.country.serve(code, 0) for code in CODES}
        self.counters = counters({code: self.country.cities[code].works["web"] for code in CODES}, ports)

    def works(self, code: str, service: str) -> Works:
        """A service's transactions."""
        return self.country.cities[code].works[service]

    def environ(self, code: str) -> dict[str, str]:
        """The variables with which an operator asks about a city."""
        return {"TONGBAN_NODE": code, "TONGBAN_HOME": str(self.country.cities[code].node.home)}

    def traces(self) -> Iterator[tuple[str, bytes]]:
        """Everything it wrote: databases with their journals, files, logs."""
        yield from _files(self.folder)

    def must_find(self) -> tuple[str, ...]:
        """Parts of the addresses of every kind of place that is searched."""
        return ("subsidy.db", "planted.txt")

    def forget_dead(self, code: str, service: str) -> None:
        """Throw a service's dead letters away."""
        with self.works(code, service).begin() as work:
            work.execute(delete(deliveries).where(deliveries.c.dead))

    def end(self) -> None:
        """Stop."""
        self.country.stop()


@dataclass
class Real:
    """Both cities as processes under supervisor, on a private broker and database server."""

    folder: Path
    counters: dict[str, Counter] = field(init=False)

    def __post_init__(self) -> None:
        self.servers = Servers(self.folder / "servers", tied=True)
        ports = {code: free_port() for code in CODES}
        self.country = real.make_country(self.folder, self.servers, CODES, ports)
        self.counters = counters({code: self.country.works(code, "web") for code in CODES}, ports)
        real.start(self.country, SMALL)

    def works(self, code: str, service: str) -> Works:
        """A service's transactions."""
        return self.country.works(code, service)

    def environ(self, code: str) -> dict[str, str]:
        """The variables with which an operator asks about a city."""
        return environment(SMALL[0], self.country.site(code))

    def traces(self) -> Iterator[tuple[str, bytes]]:
        """Everything it wrote: dumps of all databases, the broker's own files, homes, logs."""
        yield from _files(self.folder)
        yield from _files(self.servers.get("rabbitmq").home)
        for code in CODES:
            yield from self._dump(code)

    def _dump(self, code: str) -> Iterator[tuple[str, bytes]]:
        url = self.servers.get("postgres").url.replace("+psycopg", "").rsplit("/", 1)[0] + f"/tongban_{code}"
        with psycopg.connect(url) as database:
            tables = database.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, table in tables:
                with database.cursor().copy(f'COPY "{schema}"."{table}" TO STDOUT') as rows:
                    yield f"{code} {schema}.{table}", b"".join(bytes(row) for row in rows)

    def must_find(self) -> tuple[str, ...]:
        """Parts of the addresses of every kind of place that is searched."""
        return (str(self.servers.get("rabbitmq").home), "subsidy.unroutable", "-all.log", "planted.txt")

    def forget_dead(self, code: str, service: str) -> None:
        """Throw a service's dead letters away."""
        broker.ctl(self.servers.get("rabbitmq"), "purge_queue", "-p", f"city-{code}", f"{service}.dead")

    def end(self) -> None:
        """Stop processes and servers."""
        supervise.stop(self.folder)
        self.servers.remove()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file but the simulated registries: they are other people's books."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "registries.yaml":
            yield str(path), path.read_bytes()


PERSONAL = ("name", "number", "id_number", "phone", "address")


def needles() -> dict[str, re.Pattern[bytes]]:
    """Every made-up person's name, numbers, cards, phones and addresses, in every form they could be written in."""
    people = yaml.safe_load((SEED / "registries.yaml").read_text("utf-8"))["persons"]
    words = {card_of(person) for person in people if "card" in person}
    people += [*json.loads((SEED / "application.json").read_text("utf-8"))["parties"], APPLICANT, *FAMILY]
    words |= {str(person[key]) for person in people for key in PERSONAL if person.get(key)}
    return {word: pattern_of(word) for word in words}


def card_of(person: Mapping[str, Any]) -> str:
    """The number of a person's disability card."""
    card = person["card"]
    return f"{person['number']}{card['category']}{card['grade']}{card.get('reissue', '')}"


def pattern_of(word: str) -> re.Pattern[bytes]:
    """A word as bytes, as JSON escapes it, as PostgreSQL escapes that once more, and in UTF-16."""
    escaped = word.encode("unicode_escape")
    forms = {word.encode(), escaped, escaped.replace(b"\\", b"\\\\"), word.encode("utf-16-le")}
    return re.compile(b"|".join(map(re.escape, forms)))


def lying_about(place: Embedded | Real, patterns: Mapping[str, re.Pattern[bytes]]) -> list[tuple[str, str]]:
    """Which of the words lie readable where."""
    return [
        (word, where)
        for where, content in place.traces()
        for word, pattern in patterns.items()
        if pattern.search(content)
    ]
