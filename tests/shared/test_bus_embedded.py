"""The embedded bus keeps every sentence that doors may rely on."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from contracts.envelope import Unreadable, decode
from shared import clock
from shared.embedded import EmbeddedBus, Station, dead_letters, deliveries, redrive
from shared.outbox import Works
from tests.builders import make_node, make_works
from tests.shared.bus_suite import BusSuite
from tests.shared.clerk import clerk_metadata, town_doors


class Embedded:
    """The town on SQLite files; what is put off comes due as soon as nothing else is left to do."""

    def __init__(self, folder: Path) -> None:
        node = make_node(folder)
        self.doors = town_doors()
        self.stations = {name: Station(make_works(node, name, clerk_metadata), d) for name, d in self.doors.items()}
        self.bus = EmbeddedBus(self.stations)

    def works(self, service: str) -> Works:
        return self.stations[service].works

    def publish(self, service: str, body: bytes) -> None:
        message_id = clock.new_id()
        with suppress(Unreadable):
            message_id = decode(body).id
        with self.works(service).begin() as work:
            now = clock.iso(work.now)
            row = {"message_id": message_id, "body": body, "attempts": 0, "due_at": now, "dead": False, "reason": ""}
            work.execute(insert(deliveries).values(row))

    def run_until_idle(self) -> None:
        self.bus.run_until_idle()
        while any([self._hasten(station.works) for station in self.stations.values()]):  # noqa: C419 - all of them
            self.bus.run_until_idle()

    def _hasten(self, works: Works) -> int:
        with works.begin() as work:
            return work.change(update(deliveries).where(~deliveries.c.dead).values(due_at=clock.iso(work.now)))

    def dead(self, service: str) -> list[dict[str, Any]]:
        return dead_letters(self.works(service))

    def redrive(self, service: str, message_id: str = "") -> int:
        return redrive(self.works(service), message_id)

    def close(self) -> None:
        for station in self.stations.values():
            station.works.engine.dispose()


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A town for all sentences of the suite."""
    made = Embedded(tmp_path_factory.mktemp("town"))
    yield made
    made.close()


class TestEmbedded(BusSuite):
    """The suite, without any server."""
