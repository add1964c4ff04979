"""The tiny town on real servers: its database and broker, its processes, and wires that can be cut."""

import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
from sqlalchemy import Table, create_engine, func, select, text
from sqlalchemy.engine import make_url

from contracts.envelope import Message, encode
from deploy import roles
from deploy.children import free_port
from shared import clock, topology
from shared.directory import Node
from shared.outbox import NOTIFY_TRIGGER, Works, inbox, message_metadata, outbox
from tests.builders import make_node
from tests.servers import Broker, Database
from tests.shared.clerk import KnockV1, attempts, clerk_metadata, effects, town_doors
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("clerk", "archive", "front")
_numbers = itertools.count(1)


class Wire:
    """A TCP connection through us to a server: it can be cut (refused), frozen (silence) and mended."""

    def __init__(self, url: str) -> None:
        self.there = make_url(url)
        self.port = free_port()
        self.url = self.there.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)
        self.flowing = threading.Event()
        self.open: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener: socket.socket | None = None
        self.mend()

    def mend(self) -> None:
        """Let new connections through, and everything flow."""
        self.flowing.set()
        if self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            self._spawn(self._accept, self.listener)

    def cut(self) -> None:
        """Break off all connections and refuse new ones."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
        self.drop()

    def drop(self) -> None:
        """Break off all connections."""
        ends, self.open = self.open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Let nothing through any more, without a word."""
        self.flowing.clear()

    def close(self) -> None:
        """Leave nothing behind."""
        self.cut()
        self.flowing.set()
        for thread in self.threads:
            thread.join()

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        self.threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self.threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                self._spawn(self._join, listener.accept()[0])

    def _join(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection((self.there.host, self.there.port)) as far:
            self.open += [near, far]
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Process:
    """A process of the town, its name in the health files, and what it has said."""

    popen: subprocess.Popen[bytes]
    name: str
    log: Path
    metrics_port: int

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def says(self) -> str:
        return self.log.read_text()

    def told(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that event."""
        lines = (json.loads(line) for line in self.says().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def figure(self, name: str, label: str = "") -> float:
        """The sum of a metric over its labels, or over those lines that have this one."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/", timeout=5) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{") and label in line)

    def terminate(self, seconds: float = 10.0) -> int:
        """SIGTERM; the exit code, in no more than so many seconds."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.popen.kill()
        self.popen.wait()


@dataclass
class Town:
    """One node's database, vhost and processes; also the bus suite's backend on real servers."""

    node: Node
    urls: dict[str, str]
    amqp_url: str
    engines: dict[str, Any]
    rabbitmq: Broker
    processes: list[Process] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def works(self, service: str) -> Works:
        return Works(self.node, service, self.engines[service])

    def wire(self, url: str) -> Wire:
        """A wire to a server, gone with the town."""
        self.wires.append(Wire(url))
        return self.wires[-1]

    def start(self, name: str, command: Sequence[str], metrics_port: int, **environ: str) -> Process:
        log = self.node.home / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environ, stderr=output)
        self.processes.append(Process(popen, name, log, metrics_port))
        return self.processes[-1]

    def clerks(self, *, ready: bool = True, **asked: Any) -> Process:
        """Start the clerk and the archive; `ready`: and wait until they are."""
        port, name = free_port(), f"clerks-{next(_numbers)}"
        always = {"home": str(self.node.home), "process": name, "metrics_port": port}
        asked = always | {"amqp_url": self.amqp_url, "urls": self.urls} | asked
        process = self.start(name, ["-m", "tests.shared.clerk_process", json.dumps(asked)], port)
        if ready:
            eventually(lambda: len(process.told("consuming")) == len(asked.get("services", ("clerk", "archive"))))
        return process

    def relay(self, *, amqp_url: str = "", database_url: str = "") -> Process:
        """Start a relay."""
        port, name = free_port(), f"relay-{next(_numbers)}"
        script = f"from shared import logs, relay, settings; logs.set_up('INFO'); relay.run(settings.read(), {name!r})"
        return self.start(
            name,
            ["-c", script],
            port,
            TONGBAN_NODE=self.node.code,
            TONGBAN_HOME=str(self.node.home),
            TONGBAN_DATABASE_URL=database_url or self.urls["relay"],
            TONGBAN_AMQP_URL=amqp_url or self.amqp_url,
            TONGBAN_METRICS_PORT=str(port),
        )

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for wire in self.wires:
            wire.close()
        for engine in self.engines.values():
            engine.dispose()

    def effects(self, subject: str, service: str = "clerk") -> list[str]:
        """What happened about a subject, in order."""
        with self.engines[service].connect() as connection:
            mine = select(effects.c.what).where(effects.c.subject == subject).order_by(effects.c.position)
            return list(connection.scalars(mine))

    def count(self, table: Table, service: str = "clerk") -> int:
        with self.engines[service].connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def attempts(self, message_id: str) -> int:
        with self.engines["clerk"].connect() as connection:
            mine = select(func.count()).select_from(attempts).where(attempts.c.message_id == message_id)
            return connection.scalar(mine) or 0

    def depth(self, queue: str) -> int:
        return topology.depths(self.amqp_url, town_doors().values())[queue]

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A plain channel of another client."""
        with closing(pika.BlockingConnection(pika.URLParameters(self.amqp_url))) as connection:
            yield connection.channel()

    def publish(self, service: str, body: bytes, **properties: Any) -> None:
        """Put raw bytes into a service's queue."""
        with self.channel() as channel:
            channel.confirm_delivery()
            channel.basic_publish("", service, body, pika.BasicProperties(**properties), mandatory=True)

    def dead(self, service: str) -> list[dict[str, Any]]:
        return topology.list_dead(self.amqp_url, service)

    def redrive(self, service: str, message_id: str = "") -> int:
        return topology.redrive(self.amqp_url, service, message_id)

    def run_until_idle(self) -> None:
        """Wait until nothing is told, queued, put off or in hand."""
        eventually(lambda: self._quiet() and self._quiet(), 30)  # once more: a message may be between two queues

    def _quiet(self) -> bool:
        """Nothing is waiting, and all that was on its way when we knocked has been dealt with."""
        if self._waiting():
            return False
        for service in ("clerk", "archive"):
            knock = Message(clock.new_id(), KnockV1.type, self.node.code, "", clock.iso(clock.now()), {})
            self.publish(service, encode(knock).encode())
            eventually(lambda service=service, knock=knock: self.has_read(service, knock.id))
        working = [process for process in self.processes if process.alive and process.name.startswith("clerks")]
        return not any(process.figure("tongban_in_hand") for process in working) and not self._waiting()

    def _waiting(self) -> bool:
        depths = topology.depths(self.amqp_url, [town_doors()[name] for name in ("clerk", "archive")])
        queued = sum(depth for queue, depth in depths.items() if not queue.endswith(".dead"))
        return queued > 0 or any(self.count(outbox, service) for service in SERVICES)

    def has_read(self, service: str, message_id: str) -> bool:
        with self.engines[service].connect() as connection:
            return connection.scalar(select(inbox.c.message_id).where(inbox.c.message_id == message_id)) is not None

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Let no handler of the clerk come to its end."""
        with self.engines["clerk"].begin() as connection:
            connection.execute(text("LOCK TABLE effects IN EXCLUSIVE MODE"))
            yield


def new_town(folder: Path, rabbitmq: Broker, postgres: Database) -> Town:
    """An empty town: tables made, queues declared, no process started."""
    urls = postgres.new_node_database(SERVICES)
    engines = {name: create_engine(urls[name]) for name in SERVICES}
    for engine in engines.values():
        message_metadata.create_all(engine)
        clerk_metadata.create_all(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(NOTIFY_TRIGGER)
    number = str(make_url(urls["clerk"]).database).removeprefix("tongban_")
    roles.grant_relay(postgres.url, number, SERVICES)
    amqp_url = rabbitmq.new_vhost()
    topology.declare(amqp_url, town_doors().values())
    return Town(make_node(folder), urls, amqp_url, engines, rabbitmq)
