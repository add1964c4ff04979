"""A private PostgreSQL on the loopback address, run by an ordinary account: it refuses to run as root."""

import shutil
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg

from deploy import state
from deploy.binaries import find_or_install
from deploy.children import account, end, run, spawn
from deploy.state import Server

ADMIN = "postgres"
START_SECONDS = 60
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "600",  # six services of five cities, twelve each, and what relays, exchanges and serves HTTP
    "shared_buffers": "64MB",
    "fsync": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_statement": "none",
}


def start(folder: Path, port: int = 0, *, tied: bool = False) -> Server:
    """The database server of `folder`, running and answering.

    Port 0: any free one. `tied`: it dies with the thread that started it. RuntimeError with the end of its log when it
    does not come up; nothing is left running then.
    """
    known = state.load(folder)
    if known and known.running:
        return known
    programs = find_or_install("postgres")  # which may also make the account
    server = state.prepared(folder, programs, account("postgres"), ("main",), port)
    address = f"postgresql+psycopg://{ADMIN}:{server.password}@127.0.0.1:{server.ports['main']}/postgres"
    server = state.save(replace(server, url=address))
    data, log = server.home / "data", server.home / "postgres.log"
    if not data.exists():
        _initialise(server, data)
    # Its process is dead, we have seen to that; but an unburied or re-used number would keep the file in force.
    (data / "postmaster.pid").unlink(missing_ok=True)
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [str(server.programs / "postgres"), "-D", str(data), "-p", str(server.ports["main"]), *settings]
    server = state.with_child(server, spawn(command, env=server.env, log=log, as_whom=server.whom, tied=tied))
    return state.awaited(server, lambda: _answers(server), log, START_SECONDS)


def stop(server: Server, seconds: float = 30) -> Server:
    """Break off its connections and shut it down with a checkpoint; killed after `seconds`."""
    for child in server.children:
        end(child, signal.SIGINT, seconds)
    return state.without_children(server)


def conninfo(url: str) -> str:
    """The libpq form of an SQLAlchemy URL."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _initialise(server: Server, data: Path) -> None:
    """Make the data folder, whole or not at all: half of one would look like one."""
    password, draft = server.home / "password", server.home / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    password.write_text(server.password)  # the home is closed to everyone else
    command = [str(server.programs / "initdb"), "-D", str(draft), "-U", ADMIN, "--pwfile", str(password)]
    settings = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    run([*command, *settings], env=server.env, as_whom=server.whom, folder=server.home)
    password.unlink()
    draft.rename(data)


def _answers(server: Server) -> bool:
    try:
        with closing(psycopg.connect(conninfo(server.url), connect_timeout=3)):
            return True
    except psycopg.OperationalError:
        return False
