"""The embedded default: a whole city in one process, and several cities with their hub beside each other."""

import shutil
import threading
from pathlib import Path
from typing import Any

import structlog
from werkzeug.serving import WSGIRequestHandler, make_server

from deploy.homes import CITIES, make_homes
from deploy.migrate import upgrade
from services.exchange.service.gateway import Gateway
from services.exchange.service.sqlite_hub import SqliteHub
from services.exchange.service.timers import doors as exchange_doors
from services.main.wiring import EXCHANGE, SERVICES
from services.web.api.app import create_app
from shared.directory import Node
from shared.embedded import EmbeddedBus, Station, sqlite_engine
from shared.logs import where
from shared.outbox import Works
from shared.settings import webhook_hosts

log = structlog.get_logger()

EVERY = tuple(here.code for here in CITIES)
IDLE_SECONDS = 0.2  # other cities' messages and timers wait at most so long


class City:
    """One node with all its services on SQLite files in its home folder."""

    def __init__(self, node: Node, hub: Path) -> None:
        self.node = node
        self.works = {name: _works(node, name) for name in (*SERVICES, EXCHANGE)}
        self.hub = SqliteHub(hub, node.code)
        gateway = Gateway(self.works[EXCHANGE], self.hub)
        stations = {name: Station(self.works[name], service.doors(node)) for name, service in SERVICES.items()}
        stations[EXCHANGE] = Station(self.works[EXCHANGE], exchange_doors(), gateway.send_batch, gateway.tick)
        self.bus = EmbeddedBus(stations)

    def close(self) -> None:
        """Let go of the files."""
        for works in self.works.values():
            works.engine.dispose()
        self.hub.close()


def _works(node: Node, name: str) -> Works:
    return Works(node, name, sqlite_engine(node.home / f"{name}.db"))


def _migrate(home: Path, blank: Path) -> None:
    """Bring a home's files to the newest version; new ones are copies of blank files migrated once."""
    for name in (*SERVICES, EXCHANGE):
        path = home / f"{name}.db"
        if path.exists():
            _upgrade(path, name)
            continue
        if not (blank / path.name).exists():
            _upgrade(blank / path.name, name)
        shutil.copyfile(blank / path.name, path)


def _upgrade(path: Path, name: str) -> None:
    engine = sqlite_engine(path)
    upgrade(engine, name)
    engine.dispose()


class Country:
    """Cities that share a process and a hub; one thread moves all their messages."""

    def __init__(self, folder: Path, codes: tuple[str, ...] = EVERY) -> None:
        homes = make_homes(folder, codes)
        blank = folder / "blank"
        blank.mkdir(exist_ok=True)
        for home in homes.values():
            _migrate(home, blank)
        self.cities = {code: City(Node(code, home), folder / "hub.db") for code, home in homes.items()}
        self._stop = threading.Event()
        self._awake = threading.Event()
        for city in self.cities.values():
            for works in city.works.values():
                works.on_told = self._awake.set
        self._mover = threading.Thread(target=self._move, name="mover", daemon=True)
        self._servers: list[Any] = []

    def start(self) -> None:
        """Begin to move messages."""
        self._mover.start()

    def settle(self) -> None:
        """For tests, instead of `start`: move messages until nothing moves in any city."""
        while self._step():
            pass

    def _step(self) -> bool:
        moved = [city.bus.step() for city in self.cities.values()]  # every city, whoever moved first
        return any(moved)

    def serve(self, code: str, port: int) -> int:
        """Answer a city's API on 127.0.0.1; the port (0 asks for a free one)."""
        city = self.cities[code]
        app = create_app(city.works["web"], city.node, webhook_hosts())
        server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
        threading.Thread(target=server.serve_forever, args=(0.05,), name=f"http-{code}", daemon=True).start()
        self._servers.append(server)
        return int(server.port)

    def stop(self) -> None:
        """End after the step in hand; whatever is not done is on disk."""
        self._stop.set()
        self._awake.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        if self._mover.is_alive():
            self._mover.join(10)
        for city in self.cities.values():
            city.close()

    def _move(self) -> None:
        while not self._stop.is_set():
            self._awake.clear()
            try:
                moved = self._step()
            except Exception as error:
                log.error("embedded_step_failed", error=type(error).__name__, where=where(error))
                moved = False
            if not moved:
                self._awake.wait(IDLE_SECONDS)


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests: their addresses name cases."""

    def log_request(self, *_args: Any) -> None:
        """Nothing."""
