"""What a transaction writes without asking for the result: nothing gets lost, overtaken or half done, on both databases."""

import datetime
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import (
    JSON,
    Column,
    Date,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, StatementError

from contracts.envelope import Message
from shared import clock
from shared.crypto.sealing import Sealed, SealError
from shared.embedded import sqlite_engine
from shared.errors import Refused
from shared.outbox import AlreadyDone, Works, is_away, outbox
from tests.builders import make_node, make_works
from tests.servers import Database
from tests.shared.clerk import NoteTakenV1, PageTurnedV1

metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    Column("note_id", String(36), primary_key=True),
    Column("leg", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", String(80)),
    Column("more", JSON),
    Column("secret", Sealed("clerk.notes.secret")),
    Column("day", Date),
)
ADD = insert(notes)
SOME_OF = select(notes).where(notes.c.note_id.in_(bindparam("some", expanding=True))).order_by(notes.c.note_id)
CLEAR = notes.delete()
THESE = notes.update().where(notes.c.note_id.in_(bindparam("these", expanding=True)))


def note(note_id: str, version: int = 1, leg: int = 1, words: str = "") -> dict[str, object]:
    return {"note_id": note_id, "leg": leg, "version": version, "text": words or f"{leg}.{version}"}


@pytest.fixture(params=["sqlite", "postgres"])
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    if request.param == "sqlite":
        engine = sqlite_engine(tmp_path / "clerk.db")
    else:
        postgres: Database = request.getfixturevalue("postgres")
        engine = create_engine(postgres.new_node_database(["clerk"])["clerk"])
    yield make_works(make_node(tmp_path / "home"), "clerk", metadata, engine=engine)
    engine.dispose()


def page() -> Message:
    return Message(clock.new_id(), PageTurnedV1.type, "460200", "book", clock.iso(clock.now()), {"number": 1})


def texts(works: Works) -> dict[str, str]:
    with works.begin() as work:
        return {row.note_id: row.text for row in work.execute(select(notes))}


def test_what_is_written_is_there_after_the_commit(works: Works) -> None:
    with works.begin() as work:
        work.write(ADD, note("a"))
        work.write(ADD, [note("b"), note("c")])
    assert set(texts(works)) == {"a", "b", "c"}


def test_a_statement_that_comes_again_says_the_same_and_counts_the_same(works: Works) -> None:
    for number in range(4):
        with works.begin() as work:
            work.write(ADD, note(str(number)) | {"more": {"三亚": [number, None]}})
            assert work.change(THESE, {"these": [str(n) for n in range(number + 1)], "leg": 7}) == number + 1
            assert work.insert_once(notes, note("once")) is (number == 0)
            assert not work.insert_once(notes, note("once"))
    with works.begin() as work:
        rows = work.execute(
            select(notes.c.more, notes.c.leg).where(notes.c.note_id != "once").order_by(notes.c.note_id)
        )
        assert [tuple(row) for row in rows] == [({"三亚": [number, None]}, 7) for number in range(4)]


def test_a_question_that_comes_again_finds_the_same_in_every_kind_of_column(works: Works) -> None:
    kept = {"secret": {"姓名": "温远山"}, "day": datetime.date(2026, 5, 20), "more": [1]}
    with works.begin() as work:
        work.write(ADD, [note(name) | kept for name in "abc"])
    for some in (["a"], ["b"], ["a", "c"], ["c", "b", "a"], [], ["nobody"]):
        with works.begin() as work:
            rows = work.execute(SOME_OF, {"some": some}).mappings().all()
        found = [dict(row) for row in rows]
        assert found == [note(name) | kept for name in sorted({*some} & {*"abc"})]


def test_several_rows_that_come_again_are_all_written(works: Works) -> None:
    for number in range(3):
        with works.begin() as work:
            work.write(ADD, [note(f"{number}{name}") for name in "abc"])
    assert len(texts(works)) == 9


def test_of_several_rows_of_which_one_cannot_be_written_none_is(works: Works) -> None:
    for _ in range(2):
        with works.begin() as work:
            work.write(ADD, [note("a") | {"day": None}, note("b") | {"day": None}])
            work.write(CLEAR)
    with works.begin() as work, suppress(SealError, StatementError):
        work.write(ADD, [note("a") | {"secret": None}, note("b") | {"secret": {"a set": {1}}}])
    assert texts(works) == {}


def test_a_statement_without_rows_may_be_executed_as_often_as_one_likes(works: Works) -> None:
    for _ in range(3):
        with works.begin() as work:
            work.execute(CLEAR)
            work.execute(ADD, [note("a"), note("b")])
    assert set(texts(works)) == {"a", "b"}


def test_the_next_question_sees_what_was_written_before_it(works: Works) -> None:
    with works.begin() as work:
        work.write(ADD, note("a"))
        work.add_new(notes, [note("b")])
        assert set(work.execute(select(notes.c.note_id)).scalars()) == {"a", "b"}
        work.write(ADD, note("c"))
        assert not work.insert_once(notes, note("c"))
        work.write(ADD, note("d"))
        assert work.change(notes.delete()) == 4


def test_writes_keep_their_order(works: Works) -> None:
    with works.begin() as work:
        work.write(ADD, note("a", words="first"))
        work.write(notes.update().values(text="second"))
        work.write(notes.update().values(text=notes.c.text + ", third"))
    assert texts(works) == {"a": "second, third"}


def test_rows_whose_keys_are_there_stay_as_they_are(works: Works) -> None:
    with works.begin() as work:
        work.write(ADD, note("a", words="first"))
        work.add_new(notes, [note("a", words="second"), note("b", words="second")])
        work.add_new(notes, [])
    assert texts(works) == {"a": "first", "b": "second"}


def test_the_newest_version_stays_whatever_the_order(works: Works) -> None:
    with works.begin() as work:
        for version in (2, 1, 3, 3, 2):
            work.keep_newest(notes, note("a", version))
    assert texts(works) == {"a": "1.3"}


def test_of_two_columns_the_first_weighs_more(works: Works) -> None:
    with works.begin() as work:
        for leg, version in ((1, 5), (2, 1), (1, 9), (2, 0), (2, 2)):
            work.keep_newest(notes, note("a", version, leg), ("leg", "version"))
    assert texts(works) == {"a": "2.2"}


def test_a_write_that_fails_undoes_everything(works: Works) -> None:
    def act() -> None:
        with works.begin() as work:
            work.tell(NoteTakenV1, "book", {})
            for name in "baca":
                work.write(ADD, note(name))

    with pytest.raises((DBAPIError, psycopg.Error)) as caught:
        act()
    assert not is_away(caught.value)
    assert texts(works) == {}
    with works.begin() as work:
        assert work.execute(select(outbox)).all() == []


def test_a_second_delivery_gets_no_answer_and_leaves_nothing(works: Works) -> None:
    message, answers = page(), []

    def come(name: str) -> None:
        with works.once(message) as work:
            work.write(ADD, note(name))
            answers.append(work.execute(select(notes.c.note_id)).scalars().all())

    come("a")
    for name in "bc":
        with pytest.raises(AlreadyDone):
            come(name)
    assert answers == [["a"]]
    assert set(texts(works)) == {"a"}


def test_a_second_delivery_that_asks_nothing_leaves_nothing(works: Works) -> None:
    message = page()
    for name in "ab":
        with suppress(AlreadyDone), works.once(message) as work:
            work.write(ADD, note(name))
    assert set(texts(works)) == {"a"}


def test_a_second_delivery_is_known_whatever_its_use_case_says_to_it(works: Works) -> None:
    message = page()
    with works.once(message) as work:
        work.write(ADD, note("a"))
    for error in (ZeroDivisionError, Refused("gone", "没有了")):
        with pytest.raises(AlreadyDone), works.once(message):
            raise error


def test_a_key_of_its_own_that_is_there_already_does_not_make_a_delivery_a_second_one(works: Works) -> None:
    with works.begin() as work:
        work.write(ADD, note("a"))
    with pytest.raises((DBAPIError, psycopg.Error)), works.once(page()) as work:
        work.write(ADD, note("a"))


def test_a_use_case_that_fails_writes_nothing(works: Works) -> None:
    with suppress(ZeroDivisionError), works.begin() as work:
        work.write(ADD, note("a"))
        raise ZeroDivisionError
    assert texts(works) == {}


@pytest.fixture
def on_postgres(tmp_path: Path, postgres: Database) -> Iterator[Works]:
    engine = create_engine(postgres.new_node_database(["clerk"])["clerk"])
    yield make_works(make_node(tmp_path / "home"), "clerk", metadata, engine=engine)
    engine.dispose()


def test_a_database_that_goes_away_while_it_is_written_to_is_away(on_postgres: Works) -> None:
    def act() -> None:
        with on_postgres.begin() as work:
            work.write(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            work.write(ADD, note("a"))

    with pytest.raises((DBAPIError, psycopg.Error)) as caught:
        act()
    assert is_away(caught.value)
    assert texts(on_postgres) == {}  # and the next transaction has a sound connection


class TimeIsUp(BaseException):
    """As eventlet's Timeout: no Exception."""


@pytest.fixture
def time_is_up() -> Iterator[None]:
    """TimeIsUp in a moment, wherever this thread is."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_time_out_while_many_answers_are_awaited_is_a_time_out_and_no_absent_database(
    on_postgres: Works, time_is_up: None
) -> None:
    def act() -> None:
        with on_postgres.begin() as work:
            work.write(ADD, note("a"))
            work.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(TimeIsUp):
        act()
    assert texts(on_postgres) == {}  # and the next transaction has a sound connection


def test_a_transaction_whose_error_was_passed_over_is_not_taken_for_committed(on_postgres: Works) -> None:
    def act() -> None:
        with on_postgres.begin() as work:
            work.write(ADD, note("a"))
            work.write(text("SELECT 1 / 0"))
            with suppress(DBAPIError):
                work.execute(text("SELECT 2"))

    for _ in range(100):  # the error may come before the question has left, or after
        with pytest.raises((DBAPIError, psycopg.Error, RuntimeError)):
            act()
    assert texts(on_postgres) == {}


def ask_anew(works: Works) -> None:
    texts(works)


def ask_again(works: Works) -> None:
    with works.begin() as work:
        work.execute(SOME_OF, {"some": ["a"]}).all()


def write_again(works: Works) -> None:
    with works.begin() as work:
        work.write(CLEAR)


@pytest.mark.parametrize("act", [ask_anew, ask_again, write_again])
def test_of_one_dead_connection_it_is_concluded_that_all_are(on_postgres: Works, act: Callable[[Works], None]) -> None:
    act(on_postgres)
    act(on_postgres)
    with ExitStack() as at_once:
        pids = [
            at_once.enter_context(on_postgres.begin()).execute(text("SELECT pg_backend_pid()")).scalar()
            for _ in range(5)
        ]
    with on_postgres.begin() as work:
        mine = work.execute(text("SELECT pg_backend_pid()")).scalar()
        for pid in set(pids) - {mine}:
            work.write(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with suppress(DBAPIError, psycopg.Error), on_postgres.begin() as work:
        work.write(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    errors: list[Exception] = []
    for _ in range(6):
        try:
            act(on_postgres)
        except (DBAPIError, psycopg.Error) as error:
            errors.append(error)
    assert len(errors) <= 1
    assert all(map(is_away, errors))


def test_writes_leave_together_once_an_answer_is_awaited(on_postgres: Works) -> None:
    def state(pid: int) -> str:
        with on_postgres.engine.connect() as other:
            return str(other.scalar(text("SELECT state FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}))

    with on_postgres.begin() as work:
        pid = work.connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        for name in "abc":
            work.write(ADD, note(name))
        assert state(pid) == "idle"
        assert work.execute(text("SELECT count(*) FROM notes")).scalar() == 3
        assert state(pid) == "idle in transaction"


def test_services_of_one_city_wait_for_nobody_elses_lock_and_each_for_its_own(
    postgres: Database, tmp_path: Path
) -> None:
    node, urls = make_node(tmp_path / "home"), postgres.new_node_database(["clerk", "web"])
    clerk, again, web = (
        make_works(node, name, metadata, engine=create_engine(urls[name])) for name in ("clerk", "clerk", "web")
    )
    with clerk.begin() as work:
        work.lock("case/1")
        work.execute(text("SELECT 1"))
        locked(web, "case/1")
        with pytest.raises(DBAPIError, match="lock timeout"):
            locked(again, "case/1")
    locked(again, "case/1")
    for works in (clerk, again, web):
        works.engine.dispose()


def locked(works: Works, key: str) -> None:
    """Pass a key, or give up after a moment."""
    with works.begin() as work:
        work.execute(text("SET LOCAL lock_timeout = '1s'"))
        work.lock(key)
        work.execute(text("SELECT 1"))
