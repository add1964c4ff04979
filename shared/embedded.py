"""The embedded default: no server at all. One SQLite file per service, the same doors, nothing lost over kill -9."""

import datetime
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    select,
    update,
)

from contracts.envelope import decode
from shared import clock, metrics
from shared.bus import RETRY_DELAYS, Doors, Rejected, named
from shared.errors import NotFound
from shared.logs import where
from shared.outbox import BigId, Work, Works, outbox, unroutable

log = structlog.get_logger()

BATCH = 100
embedded_metadata = MetaData()

deliveries = Table(  # what a broker's queue is on real servers
    "deliveries",
    embedded_metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", String(27), nullable=False),
    Column("dead", Boolean, nullable=False),
    Column("reason", String(80), nullable=False),
)


def sqlite_engine(path: Path) -> Engine:
    """An engine on one SQLite file: durable at every commit, one writer, readers never wait for it."""
    waits = {"check_same_thread": False, "timeout": 30}
    engine = create_engine(f"sqlite:///{path}", connect_args=waits, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


Drain = Callable[[list[str]], Sequence[Exception | None]]  # of each body: None, or why not


@dataclass(slots=True)
class Station:
    """One service of one node: its transactions, and its doors or (for the exchange) a drain for whole batches."""

    works: Works
    doors: Doors | None = None
    drain: Drain | None = None
    tick: Callable[[], bool] | None = None  # moves what is not the bus's; True when it moved something
    due: dict[str, float] = field(default_factory=dict)


class EmbeddedBus:
    """Moves messages between the services of one node; the broker's and the runners' place."""

    def __init__(self, stations: Mapping[str, Station]) -> None:
        self.stations = stations
        self.awake = threading.Event()
        for station in stations.values():
            embedded_metadata.create_all(station.works.engine)
            station.works.on_told = self.awake.set

    def step(self) -> bool:
        """Carry and handle what is due; True when anything moved."""
        moved = False
        for station in self.stations.values():
            moved |= self._carry(station.works)
        for name, station in self.stations.items():
            moved |= self._work_off(name, station)
            moved |= station.tick() if station.tick else False
            moved |= self._run_timers(station)
        return moved

    def run_until_idle(self, seconds: float = 30.0) -> None:
        """For tests and demonstrations: step until nothing moves. TimeoutError when it never ends."""
        end = clock.monotonic() + seconds
        while self.step():
            if clock.monotonic() > end:
                raise TimeoutError("the embedded bus did not come to rest")

    def _wanted_by(self, key: str) -> list[str]:
        kind, addressed = ".".join(key.split(".")[:3]), key.count(".") > 2
        if addressed:
            listening = ["web"] if "web" in self.stations and self._listens("web", kind) else []
            return ["exchange", *listening] if "exchange" in self.stations else listening
        return [name for name in self.stations if self._listens(name, kind)]

    def _listens(self, name: str, kind: str) -> bool:
        doors = self.stations[name].doors
        return doors is not None and kind in doors.by_type

    def _carry(self, works: Works) -> bool:
        """Outbox rows into the queues of all who want them, then out of the outbox: at least once."""
        if not _finds(works, "SELECT 1 FROM outbox LIMIT 1"):
            return False
        with works.begin() as work:
            rows = work.execute(select(outbox).order_by(outbox.c.position).limit(BATCH)).all()
        for name, bodies in self._sorted(rows).items():
            _deliver(self.stations[name].works, bodies)
        if rows:
            with works.begin() as work:
                _keep_unroutable(work, [row for row in rows if not self._targets(row)])
                work.execute(delete(outbox).where(outbox.c.position.in_([row.position for row in rows])))
        return bool(rows)

    def _targets(self, row: Any) -> list[str]:
        return [row.queue] if row.queue else self._wanted_by(row.routing_key)

    def _sorted(self, rows: Iterable[Any]) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for row in rows:
            for name in self._targets(row):
                found.setdefault(name, []).append((row.message_id, row.body))
        return found

    def _work_off(self, name: str, station: Station) -> bool:
        due = _due(station.works)
        if due and station.drain:
            outcomes = station.drain([row.body for row in due])
            done = [row.position for row, error in zip(due, outcomes, strict=True) if error is None]
            _forget(station.works, done)
            for row, error in zip(due, outcomes, strict=True):
                _failed(name, station, row, error) if error else None
        elif due and station.doors is not None:
            done = [row.position for row in due if _handled(name, station, station.doors, row)]
            _forget(station.works, done)
        return bool(due)

    def _run_timers(self, station: Station) -> bool:
        ran = False
        for timer in station.doors.timers if station.doors else ():
            if clock.monotonic() >= station.due.get(timer.name, 0.0):
                station.due[timer.name] = clock.monotonic() + timer.seconds
                ran = True
                with suppress(Exception):  # it has been logged, and is due again
                    station.doors.run_timer(station.works, timer, "embedded")  # type: ignore[union-attr]
        return ran


def _deliver(works: Works, bodies: Iterable[tuple[str, str]]) -> None:
    with works.begin() as work:
        now = clock.iso(work.now)
        for message_id, body in bodies:
            row = {"message_id": message_id, "body": body, "attempts": 0, "due_at": now, "dead": False, "reason": ""}
            work.insert_once(deliveries, row)


def _keep_unroutable(work: Work, rows: Iterable[Any]) -> None:
    for row in rows:
        kept = {"message_id": row.message_id, "routing_key": row.routing_key, "body": row.body}
        work.insert_once(unroutable, kept | {"reason": "no queue wants it", "returned_at": clock.iso(work.now)})
        with named(row.body, row.message_id):
            log.error("message_unroutable", service=work.service, routing_key=row.routing_key)


def _finds(works: Works, question: str, *values: str) -> bool:
    """A look outside of any transaction: most find nothing, and a transaction costs twenty times as much."""
    connection = works.engine.raw_connection()
    try:
        looking: Any = connection.driver_connection
        return looking.execute(question, values).fetchone() is not None
    finally:
        connection.close()


def _due(works: Works) -> Sequence[Any]:
    if not _finds(works, "SELECT 1 FROM deliveries WHERE NOT dead AND due_at <= ? LIMIT 1", clock.iso(clock.now())):
        return ()
    with works.begin() as work:
        ready = ~deliveries.c.dead & (deliveries.c.due_at <= clock.iso(work.now))
        return work.execute(select(deliveries).where(ready).order_by(deliveries.c.position).limit(BATCH)).all()


def _forget(works: Works, positions: Sequence[int]) -> None:
    if positions:
        with works.begin() as work:
            work.execute(delete(deliveries).where(deliveries.c.position.in_(positions)))


def _handled(name: str, station: Station, doors: Doors, row: Any) -> bool:
    """Whether the delivery is over; otherwise it was put off or is dead now."""
    try:
        metrics.HANDLED.labels(name, doors.handle(station.works, row.body)).inc()
    except Exception as error:
        _failed(name, station, row, error)
        return False
    return True


def _failed(name: str, station: Station, row: Any, error: Exception) -> None:
    """Put off what may succeed later; bury what cannot, or has failed too often."""
    with named(row.body, row.message_id):
        if isinstance(error, Rejected):
            _bury(name, station.works, row, error)
            return
        attempts, kind = row.attempts + 1, type(error).__name__
        log.error("handler_failed", service=name, attempts=attempts, error=kind, where=where(error))
        delays = station.doors.retry_delays if station.doors else RETRY_DELAYS
        if attempts > len(delays):
            _bury(name, station.works, row, Rejected(kind))
        else:
            _put_off(name, station.works, row, delays[row.attempts])


def _put_off(name: str, works: Works, row: Any, seconds: int) -> None:
    metrics.RETRIED.labels(name).inc()
    with works.begin() as work:
        due = clock.iso(work.now + datetime.timedelta(seconds=seconds))
        mine = deliveries.c.position == row.position
        work.execute(update(deliveries).where(mine).values(attempts=row.attempts + 1, due_at=due))


def _bury(name: str, works: Works, row: Any, why: Rejected) -> None:
    metrics.DEAD.labels(name).inc()
    log.error("dead_letter", service=name, attempts=row.attempts + 1, reason=str(why), code=why.code)
    with works.begin() as work:
        mine = deliveries.c.position == row.position
        dead = {"attempts": row.attempts + 1, "dead": True, "reason": str(why)[:80]}
        work.execute(update(deliveries).where(mine).values(dead))


def dead_letters(works: Works) -> list[dict[str, Any]]:
    """What could not be handled: message id, type, case, attempts and reason, never its sealed part."""
    with works.begin() as work:
        rows = work.execute(select(deliveries).where(deliveries.c.dead).order_by(deliveries.c.position)).all()
    return [_row_shown(row) for row in rows]


def retried(works: Works) -> list[dict[str, Any]]:
    """What waits for its next attempt: message id, type, case, attempts."""
    again = select(deliveries).where(~deliveries.c.dead, deliveries.c.attempts > 0).order_by(deliveries.c.position)
    with works.begin() as work:
        return [_row_shown(row) for row in work.execute(again)]


def _row_shown(row: Any) -> dict[str, Any]:
    shown = {"message": row.message_id, "attempts": row.attempts, "reason": row.reason}
    try:
        message = decode(row.body)
    except Exception:  # whatever is wrong with it, the operator must see that it is there
        return shown | {"type": "unreadable", "case": ""}
    return shown | {"type": message.type, "case": message.subject, "data": message.data}


def redrive(works: Works, message_id: str = "") -> int:
    """Let dead letters be tried afresh, one or all; how many. NotFound when that one is not dead."""
    with works.begin() as work:
        dead = update(deliveries).where(deliveries.c.dead)
        dead = dead.where(deliveries.c.message_id == message_id) if message_id else dead
        count = work.change(dead.values(dead=False, attempts=0, reason="", due_at=clock.iso(work.now)))
    if message_id and not count:
        raise NotFound("dead_letter_unknown", "死信中没有这条消息")
    works.on_told()
    return count
