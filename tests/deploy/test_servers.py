"""The private servers: what a kill leaves, what a start mends, and that they share nothing with the machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pika
import psycopg
import pytest
from click.testing import CliRunner
from pika.exceptions import AMQPConnectionError

from deploy import binaries, broker, children, database, servers, state
from deploy.children import Account, Child
from deploy.servers import Servers
from tests.servers import RUNS, Broker, Database


@pytest.fixture(scope="module")
def own() -> Iterator[Servers]:
    """Servers that these tests may kill."""
    started = Servers(RUNS / str(os.getpid()) / "own", tied=True)
    yield started
    started.remove()
    assert started.names() == []


@pytest.fixture
def database_url(own: Servers) -> str:
    return database.conninfo(own.start_postgres())


def members(own: Servers, name: str) -> list[Child]:
    return [member for child in own.get(name).children for member in children.tree(child)]


def rows(url: str) -> list[int]:
    with closing(psycopg.connect(url)) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM kept ORDER BY n")]


def test_a_database_server_keeps_what_was_committed_before_a_kill(own: Servers, database_url: str) -> None:
    with closing(psycopg.connect(database_url)) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES (2)")
        everything = members(own, "postgres")
        own.kill("postgres")
    assert len(everything) > 3
    assert not any(map(children.alive, everything))
    assert not own.status()["postgres"]["running"]
    assert own.start_postgres() == own.get("postgres").url
    assert rows(database_url) == [1]


def test_a_server_that_died_by_itself_is_started_again(own: Servers, database_url: str) -> None:
    [server] = own.get("postgres").children
    os.kill(server.pid, signal.SIGKILL)
    while children.alive(server):
        time.sleep(0.01)
    assert database.conninfo(own.start_postgres()) == database_url
    assert own.status()["postgres"]["running"]


def test_starting_what_runs_changes_nothing(own: Servers, database_url: str) -> None:
    before = own.status()
    own.start_postgres()
    assert own.status() == before


def test_a_stopped_database_server_had_time_for_a_checkpoint(own: Servers, database_url: str) -> None:
    own.stop("postgres")
    log = (own.get("postgres").home / "postgres.log").read_text()
    assert "database system is shut down" in log.splitlines()[-1]


def test_a_re_used_process_number_is_not_our_server(own: Servers, database_url: str) -> None:
    [server] = own.get("postgres").children
    assert children.alive(server)
    assert not children.alive(Child(server.pid, server.born + 1))
    stranger = Child(os.getpid(), 1)
    children.kill(stranger)  # we are still here


def test_a_server_that_cannot_start_leaves_nothing_running_and_says_why(own: Servers) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="could not bind IPv4 address"):
            own.start_postgres("postgres-blocked", port)
        assert own.get("postgres-blocked").children == ()
    assert own.start_postgres("postgres-blocked") == own.get("postgres-blocked").url  # and on this port it does


def test_half_a_broker_is_cleared_away(own: Servers) -> None:
    port = children.free_port()
    made = state.prepared(own.folder / "rabbitmq-half", binaries.find_or_install("rabbitmq"), Account(), ("main",), 0)
    epmd = ("epmd", "-port", str(port), "-address", "127.0.0.1")
    child = children.spawn(epmd, env=made.env, log=made.home / "console.log", as_whom=Account(), tied=True)
    state.with_child(made, child)
    assert children.alive(child)
    own.stop("rabbitmq-half")
    assert not children.alive(child)
    assert children.is_free(port)


def test_a_broker_keeps_confirmed_messages_over_a_kill_and_its_port(own: Servers) -> None:
    url = own.start_rabbitmq()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", "kept", b"1", pika.BasicProperties(delivery_mode=2))
    time.sleep(1)  # RabbitMQ 3.10 writes down late where a new queue keeps its log
    everything = members(own, "rabbitmq")
    own.kill("rabbitmq")
    with pytest.raises(AMQPConnectionError):
        connection.process_data_events(time_limit=5)
    assert not any(map(children.alive, everything))
    assert all(map(children.is_free, own.get("rabbitmq").ports.values()))
    assert own.restart("rabbitmq") == url
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        assert connection.channel().basic_get("kept")[2] == b"1"


def listeners(port: int) -> set[str]:
    """The local addresses, as the kernel writes them, on which somebody listens at this port."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    ends = [line[1].split(":") for line in lines if line[3] == "0A"]
    return {address for address, number in ends if int(number, 16) == port}


def test_everything_listens_on_the_loopback_address_only(rabbitmq: Broker, postgres: Database) -> None:
    loopback = {"0100007F", "00000000000000000000000001000000"}
    ports = [port for row in rabbitmq.servers.status().values() for port in row["ports"].values()]
    assert len(ports) == 4
    for port in ports:
        assert listeners(port)
        assert listeners(port) <= loopback


def test_ports_lie_below_those_that_clients_are_given() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(children.free_port() < lowest for _ in range(50))


def test_no_server_runs_as_root(rabbitmq: Broker, postgres: Database) -> None:
    for name in rabbitmq.servers.names():
        for member in members(rabbitmq.servers, name):
            status = Path(f"/proc/{member.pid}/status").read_text()
            assert "\nUid:\t0\t" not in status


def test_the_state_file_is_closed_to_others(rabbitmq: Broker) -> None:
    path = rabbitmq.servers.folder / "rabbitmq" / state.STATE_FILE
    assert path.stat().st_mode & 0o077 == 0


def test_the_safe_settings_are_in_force(postgres: Database) -> None:
    with closing(psycopg.connect(database.conninfo(postgres.url))) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit", "max_connections", "shared_buffers", "TimeZone")
        shown = [connection.execute(f"SHOW {name}").fetchone() for name in names]
    assert shown == [("on",), ("on",), ("on",), ("600",), ("64MB",), ("UTC",)]


def test_the_administrator_needs_the_password(postgres: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database.conninfo(postgres.url), password="wrong")


def test_data_move_out_of_a_home_that_the_servers_account_cannot_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("postgres", "rabbitmq"):
        (closed / name).mkdir()
    stranger = Account(65534, 65534)
    assert state.home_of(closed / "postgres", stranger).parent == Path("/var/tmp")
    assert state.home_of(closed / "postgres", stranger) != state.home_of(closed / "rabbitmq", stranger)
    assert state.home_of(closed / "postgres", Account()) == closed / "postgres" / "home"
    assert state.home_of(Path("/usr/bin"), stranger) == Path("/usr/bin/home")


def test_tied_servers_die_with_a_killed_starter(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from deploy.servers import Servers\n"
        "Servers(Path(sys.argv[1]), tied=True).start_postgres(); print('up', flush=True); time.sleep(600)"
    )
    folder = RUNS / str(os.getpid()) / "tied"
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"up\n"
        everything = members(Servers(folder), "postgres")
        starter.kill()
    assert len(everything) > 3
    deadline = time.monotonic() + 10
    while any(map(children.alive, everything)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    Servers(folder).remove()


def test_each_test_gets_an_empty_vhost(rabbitmq: Broker) -> None:
    first, second = rabbitmq.new_vhost(), rabbitmq.new_vhost()
    for url in (first, second):
        with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
            declared = connection.channel().queue_declare("jobs")
            assert declared.method.message_count == 0
            connection.channel().basic_publish("", "jobs", b"x")


def test_faulty_definitions_are_an_error(rabbitmq: Broker) -> None:
    permission = {"user": "stranger", "vhost": "nowhere", "configure": "", "write": "", "read": ""}
    with pytest.raises(RuntimeError, match="no_such_user"):
        broker.import_definitions(rabbitmq.servers.get("rabbitmq"), {"permissions": [permission]})


def test_the_command_shows_what_runs_and_exits_1_when_something_does_not(own: Servers, database_url: str) -> None:
    folder = ["--folder", str(own.folder)]
    own.start_postgres()
    shown = CliRunner().invoke(servers.cli, [*folder, "status"])
    assert f'"main": {own.get("postgres").ports["main"]}' in shown.output
    own.kill("postgres")
    assert CliRunner().invoke(servers.cli, [*folder, "status"]).exit_code == 1
    assert CliRunner().invoke(servers.cli, ["--folder", "/nowhere", "status"]).exit_code == 1


def test_a_postgresql_that_is_too_old_does_not_count(tmp_path: Path) -> None:
    for version in ("9.6", "13", "14"):
        program = tmp_path / "usr/lib/postgresql" / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch()
    assert binaries.find("postgres", tmp_path) is None
    newest = tmp_path / "usr/lib/postgresql/17/bin/postgres"
    newest.parent.mkdir(parents=True)
    newest.touch()
    found = binaries.find("postgres", tmp_path)
    assert found
    assert found.folder == newest.parent
