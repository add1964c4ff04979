"""The exchange's tables: the same on both databases, never forked, never all in memory."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.exc import IntegrityError

from deploy import migrate
from services.exchange.rules import GENESIS, Part, Seen
from services.exchange.store import questions, tables
from services.exchange.store.batches import open_batch, write_batch
from services.exchange.usecases import proofs
from services.exchange.usecases.sending import accept_batch
from shared.audit import audit_metadata
from shared.embedded import sqlite_engine
from shared.outbox import message_metadata
from tests.exchange.cities import LANZHOU, SANYA, City, forwarded, make_cities, new_case
from tests.servers import Database

SHARED = {*message_metadata.tables, *audit_metadata.tables}


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of an exchange."""
    if request.param == "sqlite":
        made = sqlite_engine(tmp_path / "empty.db")
    else:
        database: Database = request.getfixturevalue("postgres")
        made = create_engine(database.new_node_database(["exchange"])["exchange"], hide_parameters=True)
    yield made
    made.dispose()


@pytest.fixture
def city(engine: Engine, tmp_path: Path) -> City:
    """Sanya on that database."""
    return make_cities(tmp_path, {SANYA: engine})[0]


def test_the_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    migrate.upgrade(engine, "exchange")
    with engine.begin() as connection:
        assert migrate.differences(connection, tables.metadata, SHARED) == []


def test_a_batch_writes_what_it_was_given_and_reads_it_again(city: City) -> None:
    with city.works.begin() as work:
        batch = open_batch(work, [LANZHOU], ["case"], ["arrival"])
        assert (batch.peers[LANZHOU].out_chain, batch.parts) == (GENESIS, {})
        batch.peers[LANZHOU].seen = Seen(9, ((1, 3), (5, 8)))
        batch.parts["case"] = (Part(SANYA, "accepting"), Part(LANZHOU, "competent"))
        write_batch(batch)
    with city.works.begin() as work:
        batch = open_batch(work, [LANZHOU], ["case"], ["arrival"])
        batch.peers[LANZHOU].seen = Seen(9, ((1, 3), (5, 6), (8, 8)))
        batch.parts["case"] = (Part(SANYA, "accepting"), Part(LANZHOU, "competent", active=False))
        write_batch(batch)
    with city.works.begin() as work:
        batch = open_batch(work, [LANZHOU, SANYA], ["case", "other"], ["arrival"])
        assert batch.peers[LANZHOU].seen == Seen(9, ((1, 3), (5, 6), (8, 8)))
        assert set(batch.parts["case"]) == {Part(SANYA, "accepting"), Part(LANZHOU, "competent", active=False)}
        assert questions.count_gaps(work) == {LANZHOU: 6}


def test_two_replicas_give_no_number_twice(city: City) -> None:
    bodies = [forwarded(city, new_case()) for _ in range(60)]
    shares = [bodies[0::2], bodies[1::2]]

    def take(share: list[str]) -> None:
        for start in range(0, len(share), 5):
            assert accept_batch(city.works, share[start : start + 5]) == [None] * 5

    threads = [threading.Thread(target=take, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.seq for row in city.rows(tables.sendings)) == list(range(1, 61))
    assert proofs.verify_log(city.works, LANZHOU).faults == ()


def test_the_same_message_in_two_replicas_is_sent_once(city: City) -> None:
    bodies = [forwarded(city, new_case()) for _ in range(20)]
    outcomes: list[list[object]] = []
    threads = [threading.Thread(target=lambda: outcomes.append(accept_batch(city.works, bodies))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [[None] * 20] * 3
    assert len(city.rows(tables.sendings)) == 20


def test_no_message_is_logged_twice(city: City) -> None:
    accept_batch(city.works, [forwarded(city, new_case())])
    [line] = city.rows(tables.exchange_log)
    with pytest.raises(IntegrityError), city.works.begin() as work:
        work.execute(insert(tables.exchange_log).values(line._asdict() | {"n": 2, "direction": "in"}))


def test_large_bodies_are_read_a_few_at_a_time(city: City) -> None:
    row = {"destination": LANZHOU, "type": "t", "routing_key": "k", "jws": "j", "state": "pending", "queued_at": "q"}
    rows = [
        row | {"seq": n, "message_id": str(n), "body": "x" * (3 << 20), "sent_at": "", "receipt": ""} for n in range(9)
    ]
    with city.works.begin() as work:
        work.execute(insert(tables.sendings), rows)
        assert [row.seq for row in questions.list_pending(work, [LANZHOU])] == [0, 1]


def test_a_long_log_is_read_in_pages(city: City) -> None:
    line = dict.fromkeys(tables.exchange_log.c.keys(), "x") | {"peer": LANZHOU, "direction": "out"}
    count = questions.PAGE * 2 + 3
    lines = [line | {"n": n, "seq": n, "message_id": str(n), "directory_version": 1} for n in range(1, count + 1)]
    with city.works.begin() as work:
        work.execute(insert(tables.exchange_log), lines)
        assert [row.n for row in questions.list_log(work, LANZHOU, "out")] == list(range(1, count + 1))
        assert [row.n for row in questions.list_log(work, LANZHOU, "out", after=count - 1)] == [count]
