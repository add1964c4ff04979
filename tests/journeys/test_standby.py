"""The node that guards a couple's numbers dies with its database; the standby is promoted, and the wedding registers."""

import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, select

from deploy import database, state, supervise
from deploy.binaries import Programs
from deploy.children import free_port, run
from deploy.processes import SMALL, Site
from deploy.servers import Servers
from deploy.state import Server
from services.claims.store.tables import claims
from services.main import real
from services.main.journey import Counter, JourneyFailed, come, couple, sign, until_task
from services.main.real import Country
from tests.journeys.places import CODES, counters
from tests.waiting import eventually

HOME = "620100"  # guards the numbers of both
BORN = datetime.date(1990, 9, 9)
LOCKED = select(claims.c.state, claims.c.issued).where(claims.c.state != "ended")


def follow(primary: Server, folder: Path) -> Server:
    """A standby that follows; from now on a commit is answered when it is on the standby's disk, too."""
    programs = Programs(primary.programs, primary.env)
    follower = state.prepared(folder, programs, primary.whom, ("main",), 0)
    state.save(dataclasses.replace(follower, password=primary.password))
    source = database.conninfo(primary.url) + "?application_name=standby"
    copy = [primary.programs / "pg_basebackup", "-d", source, "-D", follower.home / "data", "-R", "-c", "fast"]
    run(copy, env=primary.env, as_whom=primary.whom, folder=follower.home)
    follower = database.start(folder)
    ask(primary, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    ask(primary, "SELECT pg_reload_conf()")
    eventually(lambda: ask(primary, "SELECT sync_state FROM pg_stat_replication") == [("sync",)])
    return follower


def ask(server: Server, statement: str) -> list[Any]:
    """Rows that its administrator is answered with; none where there are none."""
    with psycopg.connect(database.conninfo(server.url), autocommit=True) as link:
        answer = link.execute(statement)  # type: ignore[call-overload]
        return list(answer.fetchall()) if answer.description else []


def naming_both(site: Site, primary: Server, standby: Server) -> Site:
    """A city whose processes go to whichever of both servers may be written to."""
    hosts = [f"127.0.0.1:{server.ports['main']}" for server in (primary, standby)]
    both = {"host": hosts, "target_session_attrs": "read-write"}
    urls = {role: make_url(url).set(host=None, port=None, query=both) for role, url in site.database_urls.items()}
    shown = {role: url.render_as_string(hide_password=False) for role, url in urls.items()}
    return dataclasses.replace(site, database_urls=shown)


@dataclasses.dataclass
class Place:
    """Two cities whose database has a standby."""

    country: Country
    servers: Servers
    standby: Server
    registrar: Counter

    def control(self, verb: str) -> None:
        """Start all processes of the guarding city, or keep them from starting again once they are killed."""
        settings = self.country.folder.absolute() / "supervisord.conf"
        for process in SMALL:
            words = ["signal", "KILL"] if verb == "kill" else [verb]
            name = f"{HOME}:{HOME}-{process.name}"
            run([supervise.PROGRAMS / "supervisorctl", "-c", settings, *words, name], check=False)

    def promote(self) -> None:
        """The primary's end: its standby may be written to."""
        self.servers.kill("postgres")
        ask(self.standby, "SELECT pg_promote()")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    servers = Servers(tmp_path / "servers", tied=True)
    made = real.make_country(tmp_path, servers, CODES, {code: free_port() for code in CODES})
    primary = servers.get("postgres")
    standby = follow(primary, servers.folder / "postgres-standby")
    country = dataclasses.replace(made, sites=tuple(naming_both(site, primary, standby) for site in made.sites))
    ports = {site.node: site.http_port for site in country.sites}
    desks = counters({code: country.works(code, "web") for code in CODES}, ports)
    real.start(country, SMALL)
    yield Place(country, servers, standby, desks["registrar"])
    supervise.stop(tmp_path)
    servers.remove()


def is_registered(desk: Counter, case_id: str) -> bool:
    """Whether the couple is told; not yet, while the counter's own database is on its way back."""
    try:
        case = desk.ask("GET", f"/cases/{case_id}")
    except JourneyFailed:
        return False
    return case["state"] == "closed" and case["result"]["result"] == "granted"


def test_a_wedding_registers_though_the_guarding_city_and_its_database_died_once_the_standby_is_promoted(
    place: Place,
) -> None:
    desk = place.registrar
    case_id = come(desk, couple(BORN), lambda _line: None)
    until_task(desk, case_id, "examine")
    place.control("kill")
    place.control("stop")
    sign(desk, case_id)
    place.promote()
    assert not is_registered(desk, case_id)

    place.control("start")
    eventually(lambda: is_registered(desk, case_id), 120)
    with place.country.works(HOME, "claims").begin() as work:
        assert [tuple(row) for row in work.execute(LOCKED)] == [("locked", True)] * 2
