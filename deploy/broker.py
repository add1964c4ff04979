"""A private RabbitMQ: own node name, ports, cookie, data and port mapper; on the loopback address only."""

import base64
import hashlib
import json
import secrets
import signal
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy import state
from deploy.binaries import find_or_install
from deploy.children import account, end, run, spawn
from deploy.state import Server

ADMIN = "admin"
HASHING = "rabbit_password_hashing_sha256"
START_SECONDS = 120
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
CALM = "+sbwt none +sbwtdcpu none +sbwtdio none"  # idle schedulers must not spin on cores that others need
GREETING = b"AMQP\x00\x00\x09\x01"
SETTINGS = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {admin}
default_pass = {password}
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 33554432
log.file.level = info
"""


def start(
    folder: Path, port: int = 0, *, tied: bool = False, settings: str = "", plugins: Iterable[str] = ()
) -> Server:
    """The broker of `folder`, running and answering.

    Port 0: any free one. `tied`: it dies with the thread that started it. `settings`: more lines of its rabbitmq.conf.
    RuntimeError with the end of its log when it does not come up; nothing is left running then.
    """
    known = state.load(folder)
    if known and known.running:
        return known
    programs = find_or_install("rabbitmq")  # which may also make the account
    server = state.prepared(folder, programs, account("rabbitmq"), ("main", "distribution", "epmd"), port)
    server = state.save(_set_up(server, settings, plugins))
    log = server.home / "console.log"
    # a port mapper in the foreground: one that a node starts by itself would outlive it, and all of us would share it
    epmd = ("epmd", "-port", str(server.ports["epmd"]), "-address", "127.0.0.1")
    for command in (epmd, (server.programs / "rabbitmq-server",)):
        server = state.with_child(server, spawn(command, env=server.env, log=log, as_whom=server.whom, tied=tied))
    return state.awaited(server, lambda: _answers(server.ports["main"]), log, START_SECONDS)


def stop(server: Server, seconds: float = 30) -> Server:
    """Shut it down in order, the port mapper last; what is left after `seconds` is killed."""
    for child in reversed(server.children):
        end(child, signal.SIGTERM, seconds)
    return state.without_children(server)


def ctl(server: Server, *arguments: str) -> str:
    """Run rabbitmqctl against this node; what it printed. RuntimeError when it fails."""
    command = [str(server.programs / "rabbitmqctl"), "--quiet", *arguments]
    return run(command, env=server.env, as_whom=server.whom, folder=server.home)


def import_definitions(server: Server, definitions: Mapping[str, Any]) -> None:
    """Import definitions (in the form that RabbitMQ exports) and return when they stand."""
    path = server.home / f"definitions-{secrets.token_hex(8)}.json"  # that of 4.0 never reads its standard input
    path.write_text(json.dumps(definitions))
    try:
        ctl(server, "import_definitions", str(path))
    finally:
        path.unlink()


def create_vhosts(server: Server, names: Iterable[str], user: str, password: str) -> dict[str, str]:
    """Make vhosts and a user who may do everything in them and nothing elsewhere; vhost to URL."""
    names = tuple(names)
    everything = {"user": user, "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "vhosts": [{"name": name} for name in names],
        "users": [user_definition(user, password)],
        "permissions": [{"vhost": name, **everything} for name in names],
    }
    import_definitions(server, definitions)
    return {name: url(server, user, password, name) for name in names}


def user_definition(name: str, password: str, salt: bytes = b"", **more: Any) -> dict[str, Any]:
    """A user as definitions hold it: salted SHA-256 of the password (4 bytes of salt, random when left out)."""
    salt = salt or secrets.token_bytes(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    return {"name": name, "password_hash": hashed, "hashing_algorithm": HASHING, "tags": [], **more}


def url(server: Server, user: str, password: str, vhost: str) -> str:
    """The AMQP URL of a user in a vhost of this server."""
    user, password, vhost = (quote(part, safe="") for part in (user, password, vhost))
    return f"amqp://{user}:{password}@127.0.0.1:{server.ports['main']}/{vhost}"


def _set_up(server: Server, more: str, plugins: Iterable[str]) -> Server:
    """Write its settings; the server with its address and its full environment."""
    home, ports = server.home, server.ports
    settings = SETTINGS.format(port=ports["main"], admin=ADMIN, password=server.password) + more
    enabled = f"[{','.join(plugins)}].\n"
    for name, text in {"rabbitmq.conf": settings, "enabled_plugins": enabled, "empty.conf": ""}.items():
        (home / name).write_text(text)
    env = {
        **server.env,
        "HOME": str(home),  # where the Erlang cookie lies
        "detached": "1",  # rabbitmq-server becomes the Erlang machine itself: no shell between us and it
        "ERL_CRASH_DUMP": str(home / "erl_crash.dump"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_NODENAME": "tongban@localhost",
        "RABBITMQ_DIST_PORT": str(ports["distribution"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{LOOPBACK} {CALM}",
        "RABBITMQ_CTL_ERL_ARGS": LOOPBACK,
        "RABBITMQ_CONF_ENV_FILE": str(home / "empty.conf"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "no-advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
    }
    return replace(server, env=env, url=url(server, ADMIN, server.password, "/"))


def _answers(port: int) -> bool:
    """Whether a broker there greets: its listeners open only when everything else is up."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.sendall(GREETING)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
