"""Two cities to travel between: in one process on SQLite files, or as processes on private servers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import yaml

from deploy import supervise
from deploy.children import free_port
from deploy.homes import SEED
from deploy.processes import SMALL, environment
from deploy.servers import Servers
from services.main import city, real
from services.main.journey import APPLICANT, CLERKS, Counter
from services.web.usecases.tokens import NewToken, create_token
from shared.outbox import Works

CODES = ("460200", "620100")


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
        broker = self.servers.get("rabbitmq")
        yield from _files(broker.home)
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

    def end(self) -> None:
        """Stop processes and servers."""
        supervise.stop(self.folder)
        self.servers.remove()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file but the simulated registries: they are other people's books."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "registries.yaml":
            yield str(path), path.read_bytes()


def needles() -> dict[str, re.Pattern[bytes]]:
    """Every made-up person's name, number and phone, as bytes and as JSON would escape them."""
    people = yaml.safe_load((SEED / "registries.yaml").read_text("utf-8"))["persons"]
    words = {str(person[key]) for person in people for key in ("name", "number")}
    words |= {APPLICANT["name"], APPLICANT["id_number"], APPLICANT["phone"]}
    forms = {word: (word.encode(), word.encode("unicode_escape"), word.encode("utf-16-le")) for word in words}
    return {word: re.compile(b"|".join(map(re.escape, form))) for word, form in forms.items()}
