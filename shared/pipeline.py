"""A transaction of PostgreSQL's is one pipeline: only questions are waited for (ADR 0016)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import PQGen
from psycopg.generators import send as leave
from psycopg.pq import PipelineStatus, TransactionStatus
from sqlalchemy import Connection, Engine, Result, event
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

AWAITED = {"awaited": True}  # the option of a statement whose answer must be there when it returns
COUNTED = AWAITED | {"preserve_rowcount": True}  # SQLAlchemy would not look for an insert
CALM = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)


def piping(engine: Engine) -> Engine:
    """The same connections for transactions that are pipelines."""
    if engine.dialect.name != "postgresql":
        return engine
    ours = engine.execution_options(isolation_level="AUTOCOMMIT")  # it is us who say BEGIN
    event.listen(ours, "after_cursor_execute", _await_answer)
    return ours


def _await_answer(connection: Connection, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool) -> None:
    """SQLAlchemy has sent a statement: if it was a question, wait for its answer and all before it."""
    if context.execution_options.get("awaited"):
        hear(connection)


def hear(connection: Connection) -> None:
    """Wait until all that was sent is answered; raises what the database has against it."""
    if connection.dialect.name == "postgresql" and not connection.invalidated:
        connection.info["pipeline"].sync()


class _Together(psycopg.Pipeline):
    """psycopg sends every statement by itself; here they leave together, when an answer is awaited."""

    def _communicate_gen(self) -> PQGen[None]:
        while self.command_queue:
            self.command_queue.popleft()()
        if self.result_queue and self.result_queue[-1] is None:  # a sync has been asked for
            yield from leave(self.pgconn)


@contextmanager
def piped(connection: Connection) -> Iterator[None]:
    """One transaction: committed at the end, and PostgreSQL has said so; after an error it remains to be rolled back."""
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    try:
        cursor = _writing_cursor(connection, driver)
        with driver.pipeline() as pipeline:
            pipeline.__class__ = _Together
            connection.info["pipeline"] = pipeline
            cursor.execute("BEGIN")  # psycopg's own BEGIN and COMMIT would each be waited for
            yield
            cursor.execute("COMMIT")
        if cursor.statusmessage != "COMMIT":
            raise RuntimeError("an error of this transaction was passed over, and the database undid it")
    except BaseException as error:
        if driver.closed and not connection.invalidated:
            _conclude(connection)
        elif driver.info.pipeline_status is not PipelineStatus.OFF or driver.info.transaction_status not in CALM:
            connection.invalidate()  # answers are on their way to nobody
        first = error.__context__
        if isinstance(error, psycopg.Error) and first is not None and not isinstance(first, Exception):
            raise first from None  # psycopg puts "still busy" in the place of a time-out or a kill
        raise


def _writing_cursor(connection: Connection, driver: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """The one through which everything is written whose rows nobody wants: a new one costs more than to use it."""
    if "cursor" not in connection.info:
        connection.info["cursor"] = driver.cursor()
    cursor: psycopg.Cursor[Any] = connection.info["cursor"]
    return cursor


def _conclude(connection: Connection) -> None:
    """Let SQLAlchemy find this connection dead: it takes all that are as old for dead, too."""
    with suppress(DBAPIError):
        connection.exec_driver_sql("SELECT 1")


# --- what is written or asked again and again goes to the driver as SQLAlchemy has compiled it once ------------------------
# To run a statement costs SQLAlchemy twice what the driver takes for it, and a wedding runs some three hundred.


class _Plan(NamedTuple):
    """A compiled statement for values of these names, how the driver wants some of them, and what is made of its rows."""

    compiled: Any
    sql: str  # "" where a list of values becomes as many parameters: each length makes a text of its own
    processors: Mapping[str, Any]
    columns: SimpleResultMetaData
    readers: list[Callable[[Any], Any] | None]  # of each column; empty: all are as the driver gives them


_plans: WeakKeyDictionary[Executable, dict[tuple[str, ...], _Plan | None]] = WeakKeyDictionary()


def send(connection: Connection, statement: Executable, values: Any) -> psycopg.Cursor[Any] | None:
    """The driver's cursor, whose answer may be still to come; None where SQLAlchemy has to run the statement itself.

    That is so outside PostgreSQL, and for a statement that was made for this one time. Of several rows the cursor knows
    the last one's answer.
    """
    rows = values if isinstance(values, list) else [values or {}]
    plan = _plan_of(connection, statement, tuple(rows[0]))
    if plan is None:
        return None
    for each in [_bound(plan, row) for row in rows]:  # all or, where one cannot be, none
        cursor = connection.info["cursor"].execute(*each)
    return cursor  # type: ignore[no-any-return]


def ask(connection: Connection, statement: Executable, values: Any) -> Result[Any] | None:
    """The rows of a statement, awaited; None as for `send`, and where it has no rows or has values for several."""
    plan = None if isinstance(values, list) else _plan_of(connection, statement, tuple(values or {}))
    if plan is None or not plan.columns.keys:
        return None
    cursor = connection.info["cursor"].execute(*_bound(plan, values or {}))
    hear(connection)
    rows: Iterable[Any] = cursor.fetchall()
    if plan.readers:
        rows = ([read(it) if read else it for read, it in zip(plan.readers, row, strict=True)] for row in rows)
    return IteratorResult(plan.columns, iter(rows))


def _bound(plan: _Plan, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the driver is to run, and its parameters."""
    if plan.sql:
        sql, processors, bound = plan.sql, plan.processors, plan.compiled.construct_params(values)
    else:
        state = plan.compiled.construct_expanded_state(values)
        sql, processors, bound = state.statement, state.processors, dict(state.parameters)
    for name, process in processors.items():
        bound[name] = process(bound[name])
    return sql, bound


def _plan_of(connection: Connection, statement: Executable, names: tuple[str, ...]) -> _Plan | None:
    """None the first time a statement comes: most that are made on the spot never come again (who does, stays)."""
    if connection.dialect.name != "postgresql":
        return None
    known = _plans.get(statement)
    if known is None:
        _plans[statement] = {}
        return None
    if names not in known:
        known[names] = _compiled(connection, statement, names)
    return known[names]


def _compiled(connection: Connection, statement: Any, names: tuple[str, ...]) -> _Plan | None:
    """None where SQLAlchemy has to look at the values, because a column has a default."""
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    if compiled.literal_execute_params or compiled.prefetch:
        return None
    columns = compiled._result_columns
    readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    names_of_rows = SimpleResultMetaData([column.keyname for column in columns])
    sql = "" if compiled.post_compile_params else str(compiled)
    return _Plan(compiled, sql, compiled._bind_processors, names_of_rows, readers if any(readers) else [])
