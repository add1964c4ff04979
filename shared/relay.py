"""The relay: carries every service's outbox of one database to the broker; a row goes when its message is safe there.

Crash-only: whatever happens between two instructions, a message is in the outbox or in its queues, sometimes in both.
"""

import faulthandler
import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pika
import psycopg
import sqlalchemy as sa
import structlog
from pika.adapters.select_connection import IOLoop
from pika.exceptions import AMQPError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from shared import clock, metrics
from shared.bus import named
from shared.outbox import outbox, parked, unroutable
from shared.settings import Settings

log = structlog.get_logger()

EXCHANGE = "tongban.events"  # declared by shared.topology
BATCH = 500
ROUND_SECONDS = 2.0  # between two looks at all outboxes, whatever the notifications say
CONFIRM_SECONDS = 30.0
OPEN_SECONDS = 10.0
LONGEST_PAUSE = 5.0  # so late does it go on once broker or database is back
LAST_SECONDS = 3.0  # from SIGTERM until what is on its way must have been confirmed
GRACE_SECONDS = 9  # from SIGTERM to a hard end
SLICE_SECONDS = 0.5  # a wait notices SIGTERM that soon
TIMEOUTS = {"connect_timeout": 5, "tcp_user_timeout": 20_000, "options": "-c statement_timeout=20000"}
Row = Any  # of an outbox: position, message_id, routing_key, queue, body
LOST = (AMQPError, OSError, SQLAlchemyError, psycopg.Error)

SERVICES = sa.text("""
    SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'outbox' AND c.relkind IN ('r', 'p')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE') ORDER BY 1
""")
POSITIONS = sa.bindparam("positions", type_=sa.ARRAY(sa.BigInteger))


class Statements:
    """What is asked of one service's tables, made once."""

    def __init__(self, service: str) -> None:
        self.kept = unroutable.to_metadata(sa.MetaData(), schema=service)
        box = outbox.to_metadata(sa.MetaData(), schema=service).c
        in_order = sa.select(box.position, box.message_id, box.routing_key, box.queue, box.body).order_by(box.position)
        self.oldest = in_order.limit(BATCH).with_for_update(skip_locked=True)
        self.gone = sa.delete(box.position.table).where(box.position == sa.func.any(POSITIONS))
        self.first_told_at = sa.select(box.created_at).order_by(box.position).limit(1)
        self.unwanted = sa.select(sa.func.count()).select_from(self.kept)
        lying = parked.to_metadata(sa.MetaData(), schema=service)
        self.early = sa.select(sa.func.count()).select_from(lying)
        self.keep = insert(self.kept).on_conflict_do_nothing()


statements = cache(Statements)


@dataclass(slots=True)
class Ending:
    """Until when we may work: for ever, or for a moment after SIGTERM."""

    last: float = math.inf

    @property
    def told(self) -> bool:
        """Whether SIGTERM has come."""
        return self.last < math.inf

    def tell(self, *_signal: Any) -> None:
        """Take note of SIGTERM; should we hang all the same, another thread ends us."""
        faulthandler.dump_traceback_later(GRACE_SECONDS, exit=True)
        self.last = clock.monotonic() + LAST_SECONDS

    def pause(self, seconds: float) -> None:
        """Sleep, but not past SIGTERM for long."""
        end = clock.monotonic() + seconds
        while not self.told and clock.monotonic() < end:
            time.sleep(SLICE_SECONDS)


class Wire:
    """One confirming channel to the broker. Nothing happens on it but inside `wait`, which turns its loop."""

    def __init__(self, amqp_url: str, ending: Ending) -> None:
        parameters = pika.URLParameters(amqp_url)
        parameters.blocked_connection_timeout = CONFIRM_SECONDS
        parameters.socket_timeout = parameters.stack_timeout = OPEN_SECONDS / 2
        self.ending = ending
        self.loop = IOLoop()
        self.channel: Any = None
        self.lost: BaseException | None = None
        self.sent = 0  # the broker numbers what it confirms from 1
        self.unconfirmed: dict[int, Row] = {}
        self.confirmed: list[Row] = []
        self.returned: dict[tuple[str, str], str] = {}
        self.connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=self._lose,
            on_close_callback=self._lose,
            custom_ioloop=self.loop,
        )
        self.connection.add_on_connection_blocked_callback(lambda *_: log.error("broker_blocks"))

    def wait(self, done: Callable[[], bool], seconds: float) -> None:
        """Turn the loop until `done`; raises what broke the connection, TimeoutError after `seconds`."""
        end = clock.monotonic() + seconds
        while not done():
            if self.lost is not None:
                raise self.lost
            left = min(end, self.ending.last) - clock.monotonic()
            if left <= 0:
                raise TimeoutError
            self._turn(min(left, SLICE_SECONDS))

    def _turn(self, seconds: float) -> None:
        timer = self.loop.call_later(seconds, self.loop.stop)
        self.loop.start()
        self.loop.remove_timeout(timer)

    def send(self, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        """Publish and wait for all answers; the rows the broker took, with its reason where it gave one back."""
        self.confirmed, self.returned = [], {}
        for row in rows:
            exchange, key = ("", row.queue) if row.queue else (EXCHANGE, row.routing_key)
            properties = pika.BasicProperties("application/json", "utf-8", delivery_mode=2, message_id=row.message_id)
            self.channel.basic_publish(exchange, key, row.body.encode(), properties, mandatory=True)
            self.sent += 1
            self.unconfirmed[self.sent] = row
        self.wait(lambda: not self.unconfirmed, CONFIRM_SECONDS)
        return [(row, self.returned.get((row.message_id, row.queue or row.routing_key), "")) for row in self.confirmed]

    def close(self) -> None:
        """Say farewell if anybody listens, and let go."""
        end = clock.monotonic() + 1
        with suppress(*LOST):
            self.connection.close()
        while not self.connection.is_closed and clock.monotonic() < end:
            self._turn(0.1)
        self.loop.close()

    def _opened(self, channel: Any) -> None:
        channel.add_on_return_callback(self._give_back)
        channel.add_on_close_callback(self._lose)
        channel.confirm_delivery(self._answer)
        self.channel = channel
        self.loop.stop()

    def _lose(self, _whose: Any, reason: BaseException | str) -> None:
        self.lost = self.lost or (reason if isinstance(reason, BaseException) else ConnectionError(reason))
        self.loop.stop()

    def _give_back(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        self.returned[properties.message_id, method.routing_key] = f"{method.reply_code} {method.reply_text}"

    def _answer(self, frame: Any) -> None:
        tag, taken = frame.method.delivery_tag, isinstance(frame.method, pika.spec.Basic.Ack)
        tags = [one for one in self.unconfirmed if one <= tag] if frame.method.multiple else [tag]
        rows = [self.unconfirmed.pop(one) for one in tags]
        if taken:
            self.confirmed += rows
        if not self.unconfirmed:
            self.loop.stop()


class Relay:
    """The database at one end, the broker at the other, for as long as both hold."""

    def __init__(self, database: sa.Connection, wire: Wire) -> None:
        self.database = database
        self.wire = wire
        self.services: list[str] = []
        self.due: set[str] = set()
        self.next_round = 0.0
        self.rested_at = clock.monotonic()
        driver: Any = database.connection.driver_connection
        self.driver: psycopg.Connection[Any] = driver
        self.driver.add_notify_handler(lambda notice: self.due.add(notice.payload))
        database.execute(sa.text("LISTEN outbox"))
        database.commit()

    def _notified(self, _descriptor: int, _events: int) -> None:
        self._hear()
        self.wire.loop.stop()

    def _hear(self) -> None:
        self.driver.pgconn.consume_input()
        while notice := self.driver.pgconn.notifies():
            self.due.add(notice.extra.decode())

    def run(self, every_round: Callable[[], None]) -> None:
        """Carry until told to end. Raises one of LOST."""
        while not self.wire.ending.told:
            if clock.monotonic() >= self.next_round:
                self._look_round()
                every_round()
            for service in sorted(self.due & set(self.services)):
                self.due.discard(service)  # first: it may be told again meanwhile
                if self.carry(service):
                    self.due.add(service)
            if not self.due & set(self.services):
                self._rest()

    def _rest(self) -> None:
        """Wait for a notification, at most until the next round."""
        self.due.clear()  # what is left is not ours (yet): the next round knows
        began = clock.monotonic()
        self._hear()  # what came with an answer lies here already, and would wake nobody
        descriptor = self.driver.fileno()
        self.wire.loop.add_handler(descriptor, self._notified, IOLoop.READ)
        try:
            self.wire.wait(lambda: bool(self.due) or self.wire.ending.told, self.next_round - clock.monotonic())
        except TimeoutError:
            pass
        else:
            time.sleep(clock.linger(began - self.rested_at))
            self._hear()
        finally:
            self.wire.loop.remove_handler(descriptor)
            self.rested_at = clock.monotonic()

    def _look_round(self) -> None:
        """Find the outboxes (a migration may have made one), measure them, and have all of them looked at."""
        self.next_round = clock.monotonic() + ROUND_SECONDS
        with self.database.begin():
            self.services = list(self.database.scalars(SERVICES))
            for service in self.services:
                told_at = self.database.scalar(statements(service).first_told_at)
                age = clock.now() - clock.instant(told_at) if told_at else None
                metrics.OUTBOX_AGE.labels(service).set(age.total_seconds() if age else 0)
                metrics.UNROUTABLE.labels(service).set(self.database.scalar(statements(service).unwanted) or 0)
                metrics.PARKED.labels(service).set(self.database.scalar(statements(service).early) or 0)
        self.due = set(self.services)

    def carry(self, service: str) -> bool:
        """One batch of one service in one transaction; whether to come again at once."""
        with self.database.begin():
            rows = self.database.execute(statements(service).oldest).all()
            if not rows:
                return False
            gone = self.wire.send(rows)
            for row, reason in gone:
                if reason:
                    self._keep(service, row, reason)
            self.database.execute(statements(service).gone, {"positions": [row.position for row, _ in gone]})
        metrics.PUBLISHED.labels(service).inc(len(gone))
        if len(gone) < len(rows):
            log.warning("broker_refused", service=service, messages=len(rows) - len(gone))
        return len(gone) == BATCH

    def _keep(self, service: str, row: Row, reason: str) -> None:
        kept = {name: getattr(row, name) for name in ("message_id", "queue", "routing_key", "body")}
        kept |= {"reason": reason, "returned_at": clock.iso(clock.now())}
        self.database.execute(statements(service).keep, kept)
        with named(row.body, row.message_id):
            log.error("message_unroutable", service=service, routing_key=row.routing_key)


def run(settings: Settings, process: str = "relay") -> None:
    """The process: carries until SIGTERM, and waits for whichever end is away. Several may run at once."""
    ending, pause = Ending(), 1.0

    def every_round() -> None:
        nonlocal pause
        pause = 1.0
        metrics.beat(settings.home, process, ready=True)

    logging.getLogger("pika").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, ending.tell)
    metrics.serve(settings.metrics_host, settings.metrics_port)
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool, connect_args=TIMEOUTS, hide_parameters=True)
    while not ending.told:
        try:
            with closing(Wire(settings.amqp_url, ending)) as wire, engine.connect() as database:
                wire.wait(lambda: wire.channel is not None, OPEN_SECONDS)
                Relay(database, wire).run(every_round)
        except LOST as error:
            log.warning("relay_interrupted", error=type(error).__name__, seconds=pause)
            metrics.beat(settings.home, process, ready=False)
            ending.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    faulthandler.cancel_dump_traceback_later()
