"""A node's database: one schema and one role per service with rights on its own schema only, and one for the relay."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from deploy.database import conninfo

RELAY = "relay"
ALL = "all"


def create_node_database(
    admin_url: str, node: str, services: Sequence[str], known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make database `tongban_<node>` with its schemas and roles; URL by service, and one for `relay`.

    May be run again: what is there stays, and roles whose URL is in `known` (the answer of an earlier run) keep their
    password; all others get a new one. Call `grant_relay` when the migrations have run.
    """
    passwords = {name: _password(known or {}, name) for name in (*services, RELAY)}
    with closing(psycopg.connect(conninfo(admin_url), autocommit=True)) as admin:
        database = f"tongban_{node}"
        if not _exists(admin, "pg_database", "datname", database):
            _run(admin, "CREATE DATABASE {}", database)
        _run(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        for name, password in passwords.items():
            _make_role(admin, role(node, name), password)
            _run(admin, "GRANT CONNECT ON DATABASE {} TO {}", database, role(node, name))
    with closing(_connect(admin_url, node)) as admin:
        _run(admin, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for service in services:
            _make_schema(admin, node, service)
    return {name: _url(admin_url, node, name, password) for name, password in passwords.items()}


def grant_relay(admin_url: str, node: str, services: Iterable[str]) -> None:
    """Let the relay empty every outbox, note what nobody wanted and count what is parked.

    UndefinedTable before the migrations have run.

    PostgreSQL locks a row (FOR UPDATE) only for roles that may update it: the relay may, in the key column alone, so
    that it can change no message.
    """
    with closing(_connect(admin_url, node)) as admin, admin.transaction():
        for service in services:
            relay = role(node, RELAY)
            _run(admin, "GRANT USAGE ON SCHEMA {} TO {}", service, relay)
            _run(admin, "GRANT SELECT, DELETE, UPDATE (position) ON {}.outbox TO {}", service, relay)
            _run(admin, "GRANT INSERT, SELECT ON {}.unroutable TO {}", service, relay)
            _run(admin, "GRANT SELECT (message_id) ON {}.parked TO {}", service, relay)  # to count them


def create_joint_role(
    admin_url: str, node: str, services: Iterable[str], known: Mapping[str, str] | None = None
) -> str:
    """The URL of a role with the rights of all services, for the small profile: one process that serves all.

    May be run again, as `create_node_database`.
    """
    joint, password = role(node, ALL), _password(known or {}, ALL)
    with closing(_connect(admin_url, node)) as admin:
        _make_role(admin, joint, password)
        _run(admin, "GRANT CONNECT ON DATABASE {} TO {}", f"tongban_{node}", joint)
        for service in services:
            _run(admin, "GRANT {} TO {}", role(node, service), joint)
    return _url(admin_url, node, ALL, password)


def role(node: str, service: str) -> str:
    """The database role of a node's service: `460200_intake`."""
    return f"{node}_{service}"


def write_passfile(path: Path, urls: Iterable[str]) -> None:
    """Write the URLs' passwords as a libpq password file, so that a process needs none in its own settings."""
    rows = [conninfo_to_dict(conninfo(url)) for url in urls]
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text("".join("{host}:{port}:{dbname}:{user}:{password}\n".format(**row) for row in rows))
    draft.replace(path)


def without_password(url: str) -> str:
    """The URL for a process that finds its password in a password file."""
    scheme, rest = url.split("://", 1)
    login, where = rest.split("@", 1)
    return f"{scheme}://{login.split(':', 1)[0]}@{where}"


def _password(known: Mapping[str, str], name: str) -> str:
    kept = conninfo_to_dict(conninfo(known[name]))["password"] if name in known else None
    return str(kept) if kept else secrets.token_hex(16)


def _make_role(admin: psycopg.Connection, name: str, password: str) -> None:
    if not _exists(admin, "pg_roles", "rolname", name):
        _run(admin, "CREATE ROLE {}", name)
    admin.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))


def _make_schema(admin: psycopg.Connection, node: str, service: str) -> None:
    owner = role(node, service)
    _run(admin, "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", service, owner)
    _run(admin, "REVOKE ALL ON SCHEMA {} FROM PUBLIC", service)
    _run(admin, "ALTER ROLE {} IN DATABASE {} SET search_path TO {}", owner, f"tongban_{node}", service)


def _connect(admin_url: str, node: str) -> psycopg.Connection:
    return psycopg.connect(conninfo(admin_url), dbname=f"tongban_{node}", autocommit=True)


def _exists(admin: psycopg.Connection, catalogue: str, column: str, name: str) -> bool:
    question = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalogue), sql.Identifier(column))
    return admin.execute(question, (name,)).fetchone() is not None


def _run(admin: psycopg.Connection, statement: str, *names: str) -> None:
    """Run a statement of this module with `names` put in as quoted identifiers."""
    admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _url(admin_url: str, node: str, service: str, password: str) -> str:
    where = conninfo_to_dict(conninfo(admin_url))
    return f"postgresql+psycopg://{role(node, service)}:{password}@{where['host']}:{where['port']}/tongban_{node}"
