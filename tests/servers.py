"""Private servers for tests: at most one broker and one database server per session, started when first asked for.

Make them known with `from tests.servers import postgres, rabbitmq` in a conftest; several conftests share them.
"""

import atexit
import itertools
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from deploy import broker, hub, roles
from deploy.servers import Servers

RUNS = Path(__file__).resolve().parents[1] / ".run" / "tests"
BATCH = 4  # vhosts made at once: one call of rabbitmqctl costs more than they do

_numbers = itertools.count(1)


@dataclass
class Broker:
    """The session's RabbitMQ."""

    servers: Servers
    url: str  # its administrator's
    _spare: list[str] = field(default_factory=list)

    def new_vhost(self) -> str:
        """The AMQP URL of a user in an empty vhost where that user may do everything."""
        if not self._spare:
            names = [f"test-{next(_numbers)}" for _ in range(BATCH)]
            user, password = f"tester-{next(_numbers)}", secrets.token_hex(8)
            self._spare = list(broker.create_vhosts(self.servers.get("rabbitmq"), names, user, password).values())
        return self._spare.pop()

    def new_hub(self, codes: Iterable[str], *, parent: bool = False) -> dict[str, str]:
        """An empty hub for these nodes; the AMQP URL of each node's user by code, and of `operator`."""
        return self._hub(f"xchg-{next(_numbers)}", list(codes), parent)

    def join_hub(self, url: str, codes: Iterable[str]) -> dict[str, str]:
        """The same hub, by the URL of one of its users, with the definitions for these nodes; URLs as of `new_hub`."""
        return self._hub(url.rpartition("/")[2], list(codes), parent=False)

    def _hub(self, vhost: str, codes: list[str], parent: bool) -> dict[str, str]:
        passwords = hub.development_passwords(codes)
        nodes = [{"code": code} for code in codes]
        server = self.servers.get("rabbitmq")
        broker.import_definitions(server, hub.definitions(nodes, vhost=vhost, parent=parent, passwords=passwords))
        return {name: broker.url(server, name, password, vhost) for name, password in passwords.items()}


@dataclass
class Database:
    """The session's PostgreSQL."""

    servers: Servers
    url: str  # its administrator's

    def new_node(self) -> str:
        """A node code that no other test of this session uses, of the unreal block 99."""
        return f"99{next(_numbers):04d}"

    def new_node_database(self, services: Sequence[str]) -> dict[str, str]:
        """An empty node's database: SQLAlchemy URL by service, and of `relay`."""
        return roles.create_node_database(self.url, self.new_node(), services)


@cache
def _servers() -> Servers:
    """The servers of this session; whatever killed sessions left behind is removed."""
    for folder in RUNS.glob("[0-9]*"):
        if not Path(f"/proc/{folder.name}").exists():
            with suppress(OSError):  # another session may be at it, too
                Servers(folder).remove()
                shutil.rmtree(folder, ignore_errors=True)
    folder = RUNS / str(os.getpid())
    servers = Servers(folder, tied=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(servers.remove)
    return servers


@cache
def _broker() -> Broker:
    return Broker(_servers(), _servers().start_rabbitmq())


@cache
def _database() -> Database:
    return Database(_servers(), _servers().start_postgres())


@pytest.fixture(scope="session")
def rabbitmq() -> Broker:
    return _broker()


@pytest.fixture(scope="session")
def postgres() -> Database:
    return _database()
