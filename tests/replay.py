"""Messages made by hand or recorded in one place and handled in another: one by one, or all at the same moment."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import MetaData, create_engine, delete, select

from contracts.envelope import Contract, Json, Message, decode, encode, written
from deploy.roles import create_node_database
from shared import clock
from shared.bus import Doors, Outcome
from shared.crypto.personal import seal_personal
from shared.directory import Node
from shared.embedded import Station
from shared.outbox import Works, outbox
from tests.builders import City, make_works
from tests.servers import Database

CLERKS = 8  # connections, and threads that use them


def a_message(node: Node, contract: type[Contract], subject: str, data: Json, personal: Json | None = None) -> str:
    """A message of this city as it comes out of a queue."""
    plain, private = written(contract, data, personal)
    message_id = clock.new_id()
    sealed = None if private is None else seal_personal(node, contract.type, message_id, private)
    return encode(Message(message_id, contract.type, node.code, subject, clock.iso(clock.now()), plain, sealed))


class Recording(Doors):
    """Doors that remember what came through them."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(doors.service, doors.retry_delays, doors.by_type)
        self.timers = doors.timers
        self.bodies: list[str] = []

    def handle(self, works: Works, body: bytes | str) -> Outcome:
        self.bodies.append(str(body))
        return super().handle(works, body)


def record(city: City, name: str) -> Recording:
    """All that a service of a city is told from now on."""
    station = city.bus.stations[name]
    assert station.doors
    station.doors = recording = Recording(station.doors)
    return recording


class Holding(Doors):
    """Doors that hold messages of one kind back until they are let in."""

    def __init__(self, station: Station, held: type[Contract]) -> None:
        assert station.doors
        super().__init__(station.doors.service, station.doors.retry_delays, station.doors.by_type)
        self.timers = station.doors.timers
        self.station, self.behind, self.held = station, station.doors, held
        self.bodies: list[str] = []

    def handle(self, works: Works, body: bytes | str) -> Outcome:
        if decode(body).type != self.held.type:
            return super().handle(works, body)
        self.bodies.append(str(body))
        return Outcome.DONE

    def let_in(self) -> None:
        """What was held back comes now, and nothing is held back any more."""
        self.station.doors = self.behind
        for body in self.bodies:
            self.behind.handle(self.station.works, body)


def hold_back(city: City, name: str, held: type[Contract]) -> Holding:
    """A service of a city does not hear messages of that kind for now."""
    station = city.bus.stations[name]
    station.doors = holding = Holding(station, held)
    return holding


def released(works: Works) -> Sequence[str]:
    """What a service has sent back to its own queue, out of its outbox."""
    with works.begin() as work:
        mine = outbox.c.queue == works.service
        bodies = work.execute(select(outbox.c.body).where(mine).order_by(outbox.c.position)).scalars().all()
        work.execute(delete(outbox).where(mine))
    return bodies


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each gives, all begun at the same moment in threads; what one raises stands in its place."""
    start = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def run(place: int) -> None:
        start.wait()
        try:
            answers[place] = acts[place]()
        except Exception as error:
            answers[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def handled_at_once(doors: Doors, works: Works, bodies: Sequence[str]) -> list[Any]:
    """The outcomes of these messages, handled by as many threads; what they release is handled afterwards."""
    answers = at_once([lambda body=body: doors.handle(works, body) for body in bodies])  # type: ignore[misc]
    while more := released(works):
        answers += at_once([lambda body=body: doors.handle(works, body) for body in more])  # type: ignore[misc]
    return answers


def works_on_postgres(database: Database, node: Node, service: str, *metadata: MetaData) -> Works:
    """A service's transactions on a PostgreSQL schema of its own."""
    url = create_node_database(database.url, database.new_node(), [service])[service]
    engine = create_engine(url, pool_size=CLERKS, max_overflow=CLERKS, hide_parameters=True)
    return make_works(node, service, *metadata, engine=engine)
