"""The one transaction of the house: domain rows, inbox row, outbox rows and audit rows together or not at all."""

import datetime
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Result
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from contracts.envelope import RELEASE, Contract, Json, Message, decode, encode, read_data, written
from shared import clock
from shared.crypto.keys import using
from shared.crypto.personal import open_personal, seal_personal
from shared.directory import Node
from shared.logs import traceparent
from shared.pipeline import AWAITED, COUNTED, ask, hear, piped, piping, send

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself only for INTEGER keys
message_metadata = MetaData()
NOTIFY_TRIGGER = """
CREATE OR REPLACE FUNCTION outbox_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('outbox', TG_TABLE_SCHEMA); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER outbox_told AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_told()
"""  # PostgreSQL only, for a migration: wakes the relay at commit

outbox = Table(
    "outbox",
    message_metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False),
    Column("routing_key", String(160), nullable=False),
    Column("queue", String(80), nullable=False, server_default=""),  # not empty: straight to this queue
    Column("body", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
)
inbox = Table(
    "inbox",
    message_metadata,
    Column("message_id", String(36), primary_key=True),
    Column("received_at", String(27), nullable=False),
)
parked = Table(
    "parked",
    message_metadata,
    Column("message_id", String(36), primary_key=True),
    Column("awaits", String(160), nullable=False),
    Column("body", Text, nullable=False),
    Column("parked_at", String(27), nullable=False),
    Index("parked_awaits", "awaits"),
)
unroutable = Table(
    "unroutable",
    message_metadata,
    Column("message_id", String(36), primary_key=True),
    Column("queue", String(80), primary_key=True, server_default=""),  # as in the outbox
    Column("routing_key", String(160), nullable=False),
    Column("body", Text, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("returned_at", String(27), nullable=False),
)
leases = Table(
    "leases",
    message_metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", String(27), nullable=False),
)


class AlreadyDone(Exception):
    """The message has taken effect before; nothing of this transaction stays."""


@dataclass(slots=True)
class Work:
    """What a use-case holds while its transaction is open; gone with it."""

    node: Node
    service: str
    connection: Connection
    now: datetime.datetime
    cause: Message | None = None
    answer: Any = None  # what the door asked of the outside world before this transaction
    told: int = 0

    @property
    def today(self) -> datetime.date:
        """The legal date of this transaction."""
        return clock.legal_date(self.now)

    def execute(self, statement: Executable, values: Any = None) -> Result[Any]:
        """Run one SQLAlchemy statement inside this transaction, and await its result."""
        found = ask(self.connection, statement, values)
        return self.connection.execute(statement, values, execution_options=AWAITED) if found is None else found

    def change(self, statement: Executable, values: Any = None) -> int:
        """Run an insert, update or delete with the values of one row, or none; the number of rows it touched."""
        sent: Any = send(self.connection, statement, values)
        if sent is None:
            sent = self.connection.execute(statement, values, execution_options=COUNTED)
        else:
            hear(self.connection)
        count = int(sent.rowcount)
        if count < 0:
            raise RuntimeError("the database did not say how many rows were touched")  # not known is not none
        return count

    def write(self, statement: Executable, values: Any = None) -> None:
        """Run a statement whose result nobody asks for.

        On PostgreSQL nobody waits for it: an error comes with a later statement, at the latest with the commit.
        """
        if send(self.connection, statement, values) is None:
            self.connection.execute(statement, values)

    def insert_once(self, table: Table, values: Json) -> bool:
        """Insert unless its key is there already; True when it was new."""
        return self.change(_insert_new(table, self.connection.dialect.name), values) == 1

    def add_new(self, table: Table, rows: list[Json]) -> None:
        """Insert those rows whose keys are not there yet."""
        if rows:
            self.write(_insert_new(table, self.connection.dialect.name), rows if len(rows) > 1 else rows[0])

    def keep_newest(self, table: Table, values: Json, by: tuple[str, ...] = ("version",)) -> None:
        """Insert the row, or put it in the place of one with its key whose `by` columns are lower."""
        self.write(_upsert_newest(table, by, self.connection.dialect.name), values)

    def tell(
        self, contract: type[Contract], subject: str, data: Json, personal: Json | None = None, *, to: str = ""
    ) -> str:
        """Put one message into the outbox; its id. `to`: another node's six digits, empty for this city."""
        plain, private = written(contract, data, personal)
        message = self._enveloped(contract, subject, plain, private, "" if to == self.node.code else to)
        self.write(TELL, _outbox_row(message, self.now))
        self.told += 1
        return message.id

    def _enveloped(self, contract: type[Contract], subject: str, data: Json, private: Json | None, to: str) -> Message:
        cause, message_id = self.cause, clock.new_id()
        return Message(
            id=message_id,
            type=contract.type,
            source=self.node.code,
            subject=subject,
            time=clock.iso(self.now),
            data=data,
            sealed=None if private is None else seal_personal(self.node, contract.type, message_id, private),
            correlation=(cause.correlation or cause.id) if cause else message_id,
            causation=cause.id if cause else "",
            trace=traceparent(cause.trace if cause else ""),
            destination=to,
            checked=RELEASE,
        )

    def hear_oneself(
        self,
        hear: Callable[["Work"], None],
        contract: type[Contract],
        subject: str,
        data: Json,
        personal: Json | None = None,
        *,
        beside: Iterable[str] = (),
    ) -> None:
        """Let `hear`, of this same service, take in now and in this transaction what else it would be told.

        `beside`: other services of this city that are told so by a message. Raises whatever `hear` raises.
        """
        plain, private = written(contract, data, personal)
        message = self._enveloped(contract, subject, plain, private, "")
        for service in beside:
            self.retell(message, queue=service)
        outer, self.cause = self.cause, message
        try:
            hear(self)
        finally:
            self.cause = outer

    def retell(self, message: Message, queue: str = "") -> None:
        """Put a message that came from elsewhere, unchanged, into the outbox (`queue`: straight to that queue)."""
        self.write(TELL, _outbox_row(message, self.now) | {"queue": queue})
        self.told += 1

    def data(self, contract: type[Contract]) -> Json:
        """The readable part of the message that caused this work."""
        return read_data(contract, self._cause().data, self._cause().checked)

    def personal(self, contract: type[Contract]) -> Json:
        """The opened sealed part of the message that caused this work."""
        return open_personal(self.node, contract, self._cause())

    def _cause(self) -> Message:
        if self.cause is None:
            raise RuntimeError("no message caused this work")
        return self.cause

    def park(self, awaits: str) -> None:
        """Keep the causing message until `awaits` is `arrived`; call it with the aggregate's row locked."""
        message = self._cause()
        row = {"message_id": message.id, "awaits": awaits, "body": encode(message), "parked_at": clock.iso(self.now)}
        self.add_new(parked, [row])
        self.write(delete(inbox).where(inbox.c.message_id == message.id))

    def arrived(self, awaited: str) -> None:
        """Send every message parked for `awaited` back to this service's own queue, in this transaction."""
        waiting = self.execute(PARKED_FOR, {"awaited": awaited}).scalars().all()
        for body in waiting:
            self.retell(decode(body), queue=self.service)
        if waiting:
            self.write(delete(parked).where(parked.c.awaits == awaited))

    def lock(self, key: str, *, shared: bool = False, awaited: bool = False) -> None:
        """Let no other transaction of this service pass `key` before this one ends; `shared`: but others that share.

        Held from the next question on; `awaited`: when this returns, for who looks at more than the database.
        All services of a city share one database and its locks, so the service is part of the key.
        """
        if self.connection.dialect.name == "postgresql":
            self.write(LOCK_SHARED if shared else LOCK, {"key": f"{self.service}/{key}"})
            if awaited:
                hear(self.connection)

    def lease(self, name: str, holder: str, seconds: int) -> bool:
        """Take or renew the lease `name`; False while another holder's is running."""
        until = clock.iso(self.now + datetime.timedelta(seconds=seconds))
        mine = {"of": name, "by": holder, "at": clock.iso(self.now), "holder": holder, "until": until}
        if self.change(TAKE_LEASE, mine):
            return True
        return self.insert_once(leases, {"name": name, "holder": holder, "until": until})


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database is not there, rather than that it refused something."""
    said = error.orig if isinstance(error, DBAPIError) else error  # what ends a pipeline comes as the driver says it
    if not isinstance(said, psycopg.OperationalError) or isinstance(said, psycopg.errors.PipelineAborted):
        return False
    state = said.sqlstate
    return state is None or state[:2] == "08" or state[:3] == "57P"  # no answer, connection lost, shutting down


def _outbox_row(message: Message, now: datetime.datetime) -> Json:
    return {
        "message_id": message.id,
        "routing_key": message.routing_key,
        "body": encode(message),
        "created_at": clock.iso(now),
    }


# --- statements, made once: to make one costs more than to run it ---------------------------------------------------------

REMEMBER = insert(inbox).inline()
TELL = insert(outbox).inline()  # nobody asks for the position it gets
PARKED_FOR = select(parked.c.body).where(parked.c.awaits == bindparam("awaited"))
TAKE_LEASE = update(leases).where(
    leases.c.name == bindparam("of"), (leases.c.holder == bindparam("by")) | (leases.c.until < bindparam("at"))
)
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))")


@cache
def _insert_new(table: Table, dialect: str) -> Executable:
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return statement.inline().on_conflict_do_nothing()


@cache
def _upsert_newest(table: Table, by: tuple[str, ...], dialect: str) -> Executable:
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = list(table.primary_key.columns)
    newer = {column.name: statement.excluded[column.name] for column in table.columns if column not in keys}
    older = tuple_(*(table.c[name] for name in by)) < tuple_(*(statement.excluded[name] for name in by))
    return statement.on_conflict_do_update(index_elements=keys, set_=newer, where=older)


def _hearing(work: Work) -> Iterator[Work]:
    """What the use-case raises may hide that its message was here before."""
    try:
        yield work
    except (DBAPIError, psycopg.Error):
        raise  # the first error there was
    except Exception:
        hear(work.connection)
        raise


def _is_in_inbox(error: DBAPIError | psycopg.Error, message_id: str) -> bool:
    """Whether a transaction failed because its message had taken effect before."""
    said = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(said, psycopg.errors.UniqueViolation):
        return said.diag.table_name == inbox.name and message_id in (said.diag.message_detail or "")
    return isinstance(said, sqlite3.IntegrityError) and f"{inbox.name}.message_id" in str(said)


class Works:
    """The transactions of one service of one node; the only place that begins and commits."""

    def __init__(self, node: Node, service: str, engine: Engine) -> None:
        self.node = node
        self.service = service
        self.engine = piping(engine)
        self.on_told: Callable[[], None] = lambda: None  # the embedded bus wakes up by this
        self._one_writer = threading.RLock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def begin(self, cause: Message | None = None) -> Iterator[Work]:
        """One transaction: commits at the end of the block, rolls back when it raises."""
        if self._one_writer:
            with self._one_writer:
                yield from self._begin(cause)
        else:
            yield from self._begin(cause)

    def _begin(self, cause: Message | None) -> Iterator[Work]:
        with using(self.node.keys), self.engine.connect() as connection, connection.begin():
            work = Work(self.node, self.service, connection, clock.now(), cause)
            with piped(connection):
                yield work
        if work.told:
            self.on_told()

    @contextmanager
    def once(self, message: Message) -> Iterator[Work]:
        """The transaction in which `message` takes effect. Raises AlreadyDone if it has before.

        That breaks the block off at its first question, whatever else it would have raised.
        """
        try:
            with self.begin(message) as work:
                work.write(REMEMBER, {"message_id": message.id, "received_at": clock.iso(work.now)})
                yield from _hearing(work)
        except (DBAPIError, psycopg.Error) as error:
            if _is_in_inbox(error, message.id):
                raise AlreadyDone from None
            raise

    def prune(self, days: int) -> int:
        """Forget inbox rows older than `days` (longer than any message may wait anywhere); how many."""
        with self.begin() as work:
            limit = clock.iso(work.now - datetime.timedelta(days=days))
            return work.change(delete(inbox).where(inbox.c.received_at < limit))

    def redrive_unroutable(self) -> int:
        """Put what no queue wanted back into the outbox; how many."""
        with self.begin() as work:
            kept = (unroutable.c.message_id, unroutable.c.routing_key, unroutable.c.queue, unroutable.c.body)
            rows = work.execute(delete(unroutable).returning(*kept)).mappings().all()
            if rows:
                work.write(TELL, [{**row, "created_at": clock.iso(work.now)} for row in rows])
                work.told += len(rows)
        return len(rows)
