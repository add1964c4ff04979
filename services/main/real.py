"""Real servers: a node's database, broker and home made ready, and all cities of one machine under supervisor."""

import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from deploy import broker, hub, roles, supervise
from deploy.children import free_port, run
from deploy.homes import city, make_homes
from deploy.migrate import upgrade
from deploy.processes import FULL, SMALL, Process, Site
from deploy.servers import Servers
from services.main.wiring import EXCHANGE, SERVICES, every_doors, open_engine
from services.web.usecases.tokens import NewToken, create_token
from shared import clock, metrics, topology
from shared.bus import Doors
from shared.directory import Node
from shared.files import OWNER_ONLY, replace_file
from shared.outbox import Works
from shared.settings import Settings

log = structlog.get_logger()

SCHEMAS = (*SERVICES, EXCHANGE)


def every_queue(node: Node) -> list[Doors]:
    """The doors of everything that has a queue, the gateway's included."""
    return [*every_doors(node).values(), Doors(EXCHANGE)]


def make_database(admin_url: str, node: str, known: Mapping[str, str]) -> dict[str, str]:
    """A node's database with roles and migrated schemas; URL by role. Safe to call again."""
    urls = roles.create_node_database(admin_url, node, SCHEMAS, known)
    for service in SCHEMAS:
        _migrate(urls[service], service)
    roles.grant_relay(admin_url, node, SCHEMAS)
    return urls | {roles.ALL: roles.create_joint_role(admin_url, node, SCHEMAS, known)}


def _migrate(url: str, service: str) -> None:
    engine = open_engine(url, service, pool=0)
    upgrade(engine, service)
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Country:
    """Cities on private servers in `folder`: what is needed to start their processes."""

    folder: Path
    sites: tuple[Site, ...]

    def site(self, code: str) -> Site:
        """The city with that node code."""
        return {site.node: site for site in self.sites}[code]

    def works(self, code: str, service: str) -> Works:
        """A service's transactions, for whoever is not one of its processes."""
        site = self.site(code)
        return Works(Node(code, Path(site.home)), service, open_engine(site.database_urls[service], service, pool=0))


def make_country(folder: Path, servers: Servers, codes: Iterable[str], ports: Mapping[str, int]) -> Country:
    """Databases, vhosts, hub, homes and queues for these cities; safe to call again."""
    codes = tuple(codes)
    folder.mkdir(parents=True, exist_ok=True)
    known = known_databases(folder)
    admin_url = servers.start("postgres")
    servers.start("rabbitmq")
    homes = make_homes(folder / "homes", codes)
    urls = {code: make_database(admin_url, code, known.get(code, {})) for code in codes}
    _keep(folder, urls)
    local, outward = _vhosts(servers, codes)
    taken = set(ports.values())
    sites = [
        Site(code, str(homes[code].absolute()), urls[code], local[code], outward[code], ports[code], _more_ports(taken))
        for code in codes
    ]
    for site in sites:
        topology.declare(site.amqp_url, every_queue(Node(site.node, Path(site.home))))
    return Country(folder, tuple(sites))


def _vhosts(servers: Servers, codes: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Every city's own vhost, and its way to the hub's, by node code."""
    server, user = servers.get("rabbitmq"), "city"
    password = secrets.token_hex(8)
    own = broker.create_vhosts(server, [f"city-{code}" for code in codes], user, password)
    passwords = hub.development_passwords(codes)
    broker.import_definitions(server, hub.definitions([{"code": code} for code in codes], passwords=passwords))
    outward = {code: broker.url(server, code, passwords[code], hub.VHOST) for code in codes}
    return {code: own[f"city-{code}"] for code in codes}, outward


def _more_ports(taken: set[int]) -> dict[str, int]:
    """A port for the figures of every process; they are taken then, too."""
    found: dict[str, int] = {}
    for process in {*FULL, *SMALL}:
        found[process.name] = free_port(taken)
        taken.add(found[process.name])
    return found


def known_databases(folder: Path) -> dict[str, Any]:
    """What the folder's databases.json holds: URLs by role, in a folder of several cities by city and role."""
    path = folder / "databases.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _keep(folder: Path, urls: Mapping[str, Any]) -> None:
    replace_file(folder / "databases.json", json.dumps(urls), mode=OWNER_ONLY)  # a crash must not cost the passwords


def start(country: Country, processes: tuple[Process, ...] = FULL, seconds: float = 180) -> None:
    """Start every process of every city under supervisor and wait until all are well; TimeoutError names the late."""
    supervise.write_settings(country.folder, country.sites, processes)
    for site in country.sites:
        shutil.rmtree(Path(site.home) / "health", ignore_errors=True)  # what was well before says nothing of now
    supervise.start(country.folder)
    end = clock.monotonic() + seconds
    while late := ailing(country, processes):
        if clock.monotonic() > end:
            raise TimeoutError(f"not well after {seconds:.0f} s: {', '.join(late)}; logs in {country.folder}/logs")
        time.sleep(0.3)


def ailing(country: Country, processes: tuple[Process, ...] = FULL) -> list[str]:
    """Which processes do not say that they are well."""
    return [
        f"{site.node}-{process.name}"
        for site in country.sites
        for process in processes
        if not metrics.healthy(Path(site.home), process.name)
    ]


def write_tokens(folder: Path, ports: Mapping[str, int], tokens: Mapping[str, str]) -> Path:
    """A shell file with the cities' addresses and the clerks' tokens, for the README's curl calls."""
    lines = [f"CITY_{code}=http://127.0.0.1:{port}/api/v1" for code, port in ports.items()]
    lines += [f"{clerk}={token}" for clerk, token in tokens.items()]
    path = folder / "tokens.env"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def demo_token(works: Works, office: str) -> str:
    """A fresh token for a clerk of that office."""
    with works.begin() as work:
        return create_token(work, NewToken("clerk", f"demo-{office}", "演示", office=office))


def set_up_node(code: str, home: Path, admin_url: str) -> None:
    """One node's database roles, schemas, migrations and password file, where a home with keys is already laid."""
    urls = make_database(admin_url.replace("{node}", code), code, known_databases(home))
    _keep(home, urls)
    roles.write_passfile(home / "pgpass", urls.values())


def without_account(home: Path) -> list[str]:
    """The services for which a node's home knows no database account."""
    return [service for service in SCHEMAS if service not in known_databases(home)]


def migrate_node(home: Path) -> Iterator[tuple[str, float]]:
    """Migrate every schema of the node, as the role that owns it; each service and the seconds it took."""
    urls = known_databases(home)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for service in SCHEMAS:
        began = clock.monotonic()
        _migrate(urls[service], service)
        yield service, clock.monotonic() - began


def ports_of(codes: Iterable[str]) -> dict[str, int]:
    """The fixed ports of the cities that come with tongban."""
    return {code: city(code).http_port for code in codes}


def docker_is_there() -> bool:
    """Whether a Docker engine answers, and knows compose."""
    try:
        run(["docker", "compose", "version"])
        run(["docker", "info"])
    except (OSError, RuntimeError):
        return False
    return True


def declare_when_up(settings: Settings, node: Node) -> None:
    """Make all queues of the node before anything is published: who has no queue yet would miss it."""
    while True:
        try:
            topology.declare(settings.amqp_url, every_queue(node))
        except topology.LOST as error:
            log.warning("waiting_for_broker", error=type(error).__name__)
            time.sleep(1)
        else:
            return
