"""The embedded town as a process to be killed: `python -m tests.shared.embedded_process HOME`, until it is killed."""

import sys
from pathlib import Path

from shared.directory import Node
from shared.embedded import EmbeddedBus, Station, sqlite_engine
from shared.outbox import Works
from tests.shared.clerk import town_doors

HOME = Path(sys.argv[1])


def main() -> None:
    node = Node(HOME.name, HOME)
    stations = {
        name: Station(Works(node, name, sqlite_engine(HOME / f"{name}.db")), doors)
        for name, doors in town_doors().items()
    }
    bus = EmbeddedBus(stations)
    while True:
        bus.step()


main()
