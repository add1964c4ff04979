"""One transaction: domain rows, inbox row and outbox rows together or not at all."""

import datetime
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select

from contracts.envelope import Json, Message, Unreadable, decode, encode
from shared import clock
from shared.crypto.personal import open_personal
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.outbox import AlreadyDone, Work, Works, inbox, leases, outbox, parked, unroutable
from tests.builders import make_node, make_works, stop_clock
from tests.shared.clerk import NoteTakenV1, PageTurnedV1, TakeNoteV1

metadata = MetaData()
notes = Table("notes", metadata, Column("note_id", String(36), primary_key=True), Column("text", String(80)))
PERSON = {"name": "王秀英"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return make_node(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def works(node: Node, tmp_path: Path) -> Iterator[Works]:
    engine = sqlite_engine(tmp_path / "clerk.db")
    yield make_works(node, "clerk", metadata, engine=engine)
    engine.dispose()


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[str], list[Any]]:
    """What another process sees of a table."""

    def rows(table: str) -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "clerk.db", timeout=1)) as other:
            return other.execute(f"SELECT * FROM {table}").fetchall()

    return rows


def page(number: int = 1, subject: str = "book") -> Message:
    return Message(clock.new_id(), PageTurnedV1.type, "460200", subject, clock.iso(clock.now()), {"number": number})


def note(work: Work, text: str = "") -> None:
    work.execute(insert(notes).values(note_id=clock.new_id(), text=text))


def told(works: Works) -> list[Message]:
    with works.begin() as work:
        return [decode(body) for body in work.execute(select(outbox.c.body).order_by(outbox.c.position)).scalars()]


def count(works: Works, table: Table) -> int:
    with works.begin() as work:
        return len(work.execute(select(table)).all())


def test_a_row_and_its_message_are_there_together(works: Works, seen: Callable[[str], list[Any]]) -> None:
    with works.begin() as work:
        note(work)
        work.tell(NoteTakenV1, "book", {})
        assert seen("notes") == seen("outbox") == []
    assert len(seen("notes")) == len(seen("outbox")) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, Unreadable])
def test_a_row_and_its_message_are_both_gone_when_the_work_fails(works: Works, error: type[BaseException]) -> None:
    def fail() -> None:
        with works.begin() as work:
            note(work)
            work.tell(NoteTakenV1, "book", {})
            raise error

    with pytest.raises(error):
        fail()
    assert count(works, notes) == count(works, outbox) == 0


def test_a_message_that_breaks_its_contract_takes_the_row_with_it(works: Works) -> None:
    def say(data: Json) -> None:
        with works.begin() as work:
            note(work)
            work.tell(PageTurnedV1, "book", data)

    for data in ({"numbr": 1}, {}, {"number": 1, "pages": 2}):
        with pytest.raises(Unreadable, match=r"front\.page_turned\.v1"):
            say(data)
    assert count(works, notes) == count(works, outbox) == 0


def test_messages_leave_in_the_order_they_were_told(works: Works) -> None:
    for number in range(1, 4):
        with works.begin() as work:
            work.tell(PageTurnedV1, "book", {"number": number})
            work.tell(PageTurnedV1, "other", {"number": number + 10})
    assert [message.data["number"] for message in told(works)] == [1, 11, 2, 12, 3, 13]


def test_a_message_says_where_it_comes_from_and_when(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, "2025-12-31T16:00:00Z")
    with works.begin() as work:
        message_id = work.tell(PageTurnedV1, "book", {"number": 1})
        assert work.today == datetime.date(2026, 1, 1)
    [message] = told(works)
    assert (message.id, message.type, message.source) == (message_id, PageTurnedV1.type, "460200")
    assert message.time == clock.iso(work.now)
    assert message.correlation == message.id
    assert uuid.UUID(message.id).version == 7


def test_what_follows_from_a_message_names_it_as_its_cause(works: Works) -> None:
    first = page()
    with works.once(first) as work:
        work.tell(NoteTakenV1, "book", {})
    [second] = told(works)
    assert (second.causation, second.correlation) == (first.id, first.id)
    with works.begin(second) as work:
        work.tell(NoteTakenV1, "book", {})
    third = told(works)[-1]
    assert (third.causation, third.correlation) == (second.id, first.id)


def test_a_message_to_this_city_bears_no_destination(works: Works) -> None:
    with works.begin() as work:
        work.tell(NoteTakenV1, "book", {}, to="460200")
        work.tell(NoteTakenV1, "book", {}, to="620100")
        keys = list(work.execute(select(outbox.c.routing_key).order_by(outbox.c.position)).scalars())
    assert keys == ["clerk.note_taken.v1", "clerk.note_taken.v1.620100"]
    assert [message.destination for message in told(works)] == ["", "620100"]


def test_persons_stand_in_the_sealed_part_only(works: Works, tmp_path: Path) -> None:
    with works.begin() as work:
        work.tell(TakeNoteV1, "book", {}, PERSON)
    [message] = told(works)
    assert open_personal(works.node, TakeNoteV1, message) == PERSON
    assert not [path for path in tmp_path.iterdir() if "王秀英".encode() in path.read_bytes()]


def test_a_sealed_part_belongs_to_its_message_alone(works: Works) -> None:
    with works.begin() as work:
        work.tell(TakeNoteV1, "book", {}, PERSON)
        work.tell(TakeNoteV1, "book", {}, {"name": "李禾"})
    one, other = told(works)
    swapped = json.loads(encode(one)) | {"sealed": other.sealed}
    with pytest.raises(Unreadable, match="altered or moved"):
        open_personal(works.node, TakeNoteV1, decode(json.dumps(swapped)))


def test_a_use_case_reads_the_message_that_caused_it(works: Works) -> None:
    with works.begin() as work:
        work.tell(TakeNoteV1, "book", {"how": "well"}, PERSON)
    [message] = told(works)
    with works.once(message) as work:
        assert work.data(TakeNoteV1) == {"how": "well", "times": 0, "seconds": 0}
        assert work.personal(TakeNoteV1) == PERSON
    with works.begin() as work, pytest.raises(RuntimeError, match="no message"):
        work.data(TakeNoteV1)


def test_who_waits_for_messages_is_woken_after_the_commit_and_only_then(works: Works) -> None:
    woken: list[int] = []
    works.on_told = lambda: woken.append(len(told(works)))
    with works.begin() as work:
        note(work)
    assert woken == []
    with suppress(ZeroDivisionError), works.begin() as work:
        work.tell(NoteTakenV1, "book", {})
        raise ZeroDivisionError
    assert woken == []
    with works.begin() as work:
        work.tell(NoteTakenV1, "book", {})
        assert woken == []
    assert woken == [1]


def test_a_message_takes_effect_once(works: Works) -> None:
    message = page()
    for _ in range(3):
        with suppress(AlreadyDone), works.once(message) as work:
            note(work)
    assert count(works, notes) == count(works, inbox) == 1


def test_a_message_whose_work_failed_may_come_again(works: Works) -> None:
    message = page()
    with suppress(ZeroDivisionError), works.once(message) as work:
        note(work)
        raise ZeroDivisionError
    assert count(works, inbox) == 0
    with works.once(message) as work:
        note(work)
    assert count(works, notes) == 1


@pytest.mark.parametrize("processes", [1, 4])
def test_a_message_that_comes_to_all_at_once_takes_effect_once(works: Works, tmp_path: Path, processes: int) -> None:
    engines = [sqlite_engine(tmp_path / "clerk.db") for _ in range(processes)]
    message, lined_up = page(), threading.Barrier(8)

    def come(mine: Works) -> None:
        lined_up.wait()
        with suppress(AlreadyDone), mine.once(message) as work:
            note(work)

    everyone = [Works(works.node, "clerk", engines[number % processes]) for number in range(8)]
    threads = [threading.Thread(target=come, args=(mine,)) for mine in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(works, notes) == 1
    for engine in engines:
        engine.dispose()


def test_an_early_message_waits_and_is_free_to_come_again(works: Works) -> None:
    early = page(2)
    with works.once(early) as work:
        work.park("book/1")
    assert (count(works, parked), count(works, inbox), count(works, outbox)) == (1, 0, 0)


def test_what_waited_is_sent_back_unchanged_with_its_predecessor(works: Works) -> None:
    early, also = page(2), page(2)
    for message in (early, also, early):
        with works.once(message) as work:
            work.park("book/1")
    with works.once(page(1)) as work:
        work.arrived("book/1")
    assert sorted(message.id for message in told(works)) == sorted([early.id, also.id])
    with works.begin() as work:
        rows = work.execute(select(outbox)).all()
    assert {row.queue for row in rows} == {"clerk"}
    assert {row.body for row in rows} == {encode(early), encode(also)}
    assert count(works, parked) == 0


def test_what_waited_stays_when_its_predecessor_fails(works: Works) -> None:
    with works.once(page(2)) as work:
        work.park("book/1")
    with suppress(ZeroDivisionError), works.once(page(1)) as work:
        work.arrived("book/1")
        raise ZeroDivisionError
    assert (count(works, parked), count(works, outbox)) == (1, 0)


def test_nobody_else_is_sent_back_by_an_arrival(works: Works) -> None:
    woken: list[bool] = []
    works.on_told = lambda: woken.append(True)
    with works.once(page(3)) as work:
        work.park("book/2")
    with works.begin() as work:
        work.arrived("book/1")
        work.arrived("other/2")
    assert (count(works, parked), count(works, outbox), woken) == (1, 0, [])


def test_a_message_from_elsewhere_is_passed_on_word_for_word(works: Works) -> None:
    foreign = decode(encode(page()).replace("urn:tongban:node:460200", "urn:tongban:node:620100"))
    with works.begin() as work:
        work.retell(foreign)
    [row] = told(works)
    assert row == foreign
    with works.begin() as work:
        assert work.execute(select(outbox.c.body, outbox.c.queue)).one() == (encode(foreign), "")


def leased(works: Works, holder: str, at: datetime.datetime, seconds: int = 10) -> bool:
    with works.begin() as work:
        work.now = at
        return work.lease("timer.count", holder, seconds)


def test_a_lease_is_held_by_one_until_it_runs_out(works: Works) -> None:
    start = clock.now()
    later = [start + datetime.timedelta(seconds=seconds) for seconds in range(40)]
    assert leased(works, "a", later[0])
    assert not leased(works, "b", later[1])
    assert not leased(works, "b", later[10])
    assert leased(works, "a", later[10])
    assert not leased(works, "b", later[20])
    assert leased(works, "b", later[21])
    assert not leased(works, "a", later[22])
    assert count(works, leases) == 1


def test_leases_of_other_names_do_not_matter(works: Works) -> None:
    with works.begin() as work:
        assert work.lease("one", "a", 10)
        assert work.lease("other", "b", 10)


def test_a_lease_taken_in_failed_work_is_free(works: Works) -> None:
    with suppress(ZeroDivisionError), works.begin() as work:
        assert work.lease("one", "a", 1000)
        raise ZeroDivisionError
    with works.begin() as work:
        assert work.lease("one", "b", 10)


def test_only_a_new_row_is_inserted_and_changes_are_counted(works: Works) -> None:
    with works.begin() as work:
        assert work.insert_once(notes, {"note_id": "0", "text": "first"})
        assert not work.insert_once(notes, {"note_id": "0", "text": "second"})
        assert work.insert_once(notes, {"note_id": "1", "text": "first"})
        assert set(work.execute(select(notes.c.text)).scalars()) == {"first"}
        assert work.change(notes.delete().where(notes.c.note_id != "0")) == 1


def test_the_inbox_forgets_what_is_old_and_nothing_else(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = stop_clock(monkeypatch, "2025-01-01T00:00:00Z")
    old, young = page(), page()
    with works.once(old):
        pass
    hand.set("2025-02-20T00:00:00Z")
    with works.once(young):
        pass
    hand.set("2025-03-01T00:00:00Z")
    assert works.prune(days=30) == 1
    with pytest.raises(AlreadyDone), works.once(young):
        pass


def test_what_nobody_wanted_goes_out_again_as_it_was(works: Works) -> None:
    woken: list[bool] = []
    works.on_told = lambda: woken.append(True)
    body = encode(page())
    row = {"message_id": "a", "routing_key": "x.y.v1", "body": body, "reason": "no queue", "returned_at": ""}
    with works.begin() as work:
        work.execute(insert(unroutable), [row | {"queue": ""}, row | {"queue": "clerk"}])
    assert works.redrive_unroutable() == 2
    assert woken == [True]
    with works.begin() as work:
        kept = select(outbox.c.routing_key, outbox.c.queue, outbox.c.body).order_by(outbox.c.queue)
        assert [tuple(found) for found in work.execute(kept)] == [("x.y.v1", "", body), ("x.y.v1", "clerk", body)]
    assert count(works, unroutable) == 0
    assert works.redrive_unroutable() == 0
    assert woken == [True]
