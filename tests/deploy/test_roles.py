"""Which service's role may touch what: asked of a real database server."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from sqlalchemy import create_engine, text

from deploy import roles
from deploy.database import conninfo
from tests.servers import Database

SERVICES = ("intake", "subsidy")
MESSAGES = """
    CREATE TABLE outbox (position bigserial PRIMARY KEY, message_id text, body text);
    CREATE TABLE unroutable (message_id text PRIMARY KEY, body text);
    CREATE TABLE parked (message_id text PRIMARY KEY, body text);
    CREATE TABLE cases (case_no text);
"""


@pytest.fixture(scope="module")
def node(postgres: Database) -> tuple[str, dict[str, str]]:
    """A node whose migrations have run, and the URLs of its roles."""
    code = postgres.new_node()
    urls = roles.create_node_database(postgres.url, code, SERVICES)
    for service in SERVICES:
        run(urls[service], MESSAGES)
    roles.grant_relay(postgres.url, code, SERVICES)
    return code, urls


def run(url: str, statement: str) -> psycopg.Cursor[tuple[object, ...]]:
    with closing(psycopg.connect(conninfo(url), autocommit=True)) as connection:
        return connection.execute(statement)


def refused(url: str, statement: str) -> bool:
    with pytest.raises(InsufficientPrivilege):
        run(url, statement)
    return True


def test_a_service_works_in_its_own_schema_without_naming_it(node: tuple[str, dict[str, str]]) -> None:
    _, urls = node
    engine = create_engine(urls["intake"])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_schema, current_user")).one() == ("intake", f"{node[0]}_intake")
        assert connection.execute(text("SELECT count(*) FROM cases")).scalar() == 0
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM subsidy.cases",
        "INSERT INTO subsidy.outbox (body) VALUES ('x')",
        "CREATE TABLE subsidy.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine (n int)",
        "CREATE ROLE mine",
        "ALTER SCHEMA subsidy RENAME TO mine",
        "COPY cases TO PROGRAM 'true'",
    ],
)
def test_a_service_touches_nothing_beyond_its_schema(node: tuple[str, dict[str, str]], statement: str) -> None:
    assert refused(node[1]["intake"], statement)


def test_a_node_does_not_enter_another_nodes_database(node: tuple[str, dict[str, str]], postgres: Database) -> None:
    other = postgres.new_node()
    roles.create_node_database(postgres.url, other, SERVICES)
    own_url = conninfo(node[1]["intake"])
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(own_url, dbname=f"tongban_{other}")


def test_the_relay_locks_and_empties_every_outbox(node: tuple[str, dict[str, str]]) -> None:
    _, urls = node
    for service in SERVICES:
        run(urls[service], "INSERT INTO outbox (message_id, body) VALUES ('m1', 'b')")
        with closing(psycopg.connect(conninfo(urls["relay"]))) as relay:
            found = relay.execute(f"SELECT body FROM {service}.outbox FOR UPDATE SKIP LOCKED").fetchall()
            noted = f"INSERT INTO {service}.unroutable VALUES ('m1', 'b') ON CONFLICT (message_id) DO NOTHING"
            relay.execute(noted)
            relay.execute(f"DELETE FROM {service}.outbox")
            relay.commit()
        assert found == [("b",)]
        assert run(urls[service], "SELECT count(*) FROM unroutable").fetchall() == [(1,)]
        assert run(urls["relay"], f"SELECT count(*) FROM {service}.parked").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM intake.cases",
        "INSERT INTO intake.outbox (body) VALUES ('forged')",
        "UPDATE intake.outbox SET body = 'forged'",
        "DELETE FROM intake.unroutable",
        "SELECT body FROM intake.parked",
        "DELETE FROM intake.parked",
        "CREATE TABLE intake.mine (n int)",
        "TRUNCATE intake.outbox",
    ],
)
def test_the_relay_reads_no_case_and_changes_no_message(node: tuple[str, dict[str, str]], statement: str) -> None:
    assert refused(node[1]["relay"], statement)


def test_the_relay_gets_its_rights_only_after_the_migrations(postgres: Database) -> None:
    code = postgres.new_node()
    roles.create_node_database(postgres.url, code, SERVICES)
    with pytest.raises(UndefinedTable):
        roles.grant_relay(postgres.url, code, SERVICES)


def test_the_small_profile_works_in_every_schema_of_its_node(
    node: tuple[str, dict[str, str]], postgres: Database
) -> None:
    joint = roles.create_joint_role(postgres.url, node[0], SERVICES)
    for service in SERVICES:
        run(joint, f"INSERT INTO {service}.outbox (body) VALUES ('x'); DELETE FROM {service}.outbox")
    assert refused(joint, "CREATE TABLE public.mine (n int)")


def test_a_second_run_keeps_known_passwords_and_data_and_adds_new_services(
    node: tuple[str, dict[str, str]], postgres: Database
) -> None:
    code, urls = node
    again = roles.create_node_database(postgres.url, code, (*SERVICES, "exchange"), urls)
    assert {name: again[name] for name in urls} == urls
    assert run(again["exchange"], "SELECT current_schema").fetchall() == [("exchange",)]
    assert run(urls["intake"], "SELECT count(*) FROM cases").fetchall() == [(0,)]


def test_a_second_run_without_known_urls_changes_the_passwords(postgres: Database) -> None:
    code = postgres.new_node()
    first = roles.create_node_database(postgres.url, code, ("intake",))
    second = roles.create_node_database(postgres.url, code, ("intake",))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        run(first["intake"], "SELECT 1")
    assert run(second["intake"], "SELECT 1").fetchall() == [(1,)]


def test_a_password_file_opens_the_database_to_a_url_without_a_password(
    node: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    code, urls = node
    path = tmp_path / "pgpass"
    roles.write_passfile(path, urls.values())
    assert path.stat().st_mode & 0o077 == 0
    bare = {service: roles.without_password(url) for service, url in urls.items()}
    assert bare["intake"].startswith(f"postgresql+psycopg://{code}_intake@127.0.0.1:")
    for service in SERVICES:
        with closing(psycopg.connect(conninfo(bare[service]), passfile=str(path))) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (roles.role(code, service),)
