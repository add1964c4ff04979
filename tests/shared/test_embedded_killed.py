"""The embedded bus killed at any moment: nothing lost, nothing done twice, nothing out of order."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import OperationalError

from shared import clock
from shared.embedded import BATCH, EmbeddedBus, Station, deliveries
from shared.outbox import Works, inbox, outbox
from tests.builders import make_node, make_works
from tests.shared.clerk import TakeNoteV1, attempts, clerk_metadata, effects, town_doors

ROOT = Path(__file__).resolve().parents[2]
KILLS = 6
NOTES = 20  # before each kill


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    node = make_node(tmp_path)
    made = {name: make_works(node, name, clerk_metadata) for name in town_doors()}
    yield EmbeddedBus({name: Station(made[name], doors) for name, doors in town_doors().items()})
    for works in made.values():
        works.engine.dispose()


def works_of(bus: EmbeddedBus, service: str) -> Works:
    return bus.stations[service].works


def ask(bus: EmbeddedBus, subject: str) -> str:
    with works_of(bus, "front").begin() as work:
        return work.tell(TakeNoteV1, subject, {}, {"name": "王秀英"})


def count(works: Works, table: Any) -> int:
    with works.begin() as work:
        return int(work.execute(select(func.count()).select_from(table)).scalar_one())


def subjects(works: Works) -> list[str]:
    with works.begin() as work:
        return list(work.execute(select(effects.c.subject).order_by(effects.c.position)).scalars())


def kill_after(home: Path, notes: int) -> None:
    """Let the town work in a process of its own until so many more notes are taken, then kill -9."""
    with closing(sqlite3.connect(home / "clerk.db", timeout=30)) as seen:

        def taken() -> int:
            return int(seen.execute("SELECT count(*) FROM effects").fetchone()[0])

        wanted, end = taken() + notes, time.monotonic() + 60
        command = [sys.executable, "-m", "tests.shared.embedded_process", str(home)]
        process = subprocess.Popen(command, cwd=ROOT)
        while taken() < wanted:
            assert process.poll() is None
            assert time.monotonic() < end, "the town does not work"
            time.sleep(0.002)
        process.kill()
        process.wait()


def test_nothing_is_lost_or_done_twice_when_the_process_is_killed_again_and_again(bus: EmbeddedBus) -> None:
    asked: list[str] = []
    left = []
    for _ in range(KILLS):
        asked += [str(len(asked) + number) for number in range(NOTES)]
        for subject in asked[-NOTES:]:
            ask(bus, subject)
        kill_after(works_of(bus, "front").node.home, random.randint(1, NOTES // 2))
        left.append(len(asked) - count(works_of(bus, "archive"), effects))
    assert min(left) > 0  # each kill came while work was in flight
    bus.run_until_idle(60)
    for service in ("clerk", "archive"):
        works = works_of(bus, service)
        assert sorted(subjects(works), key=int) == asked
        assert count(works, deliveries) == count(works, outbox) == 0
        assert count(works, inbox) == len(asked)
    assert count(works_of(bus, "clerk"), attempts) >= len(asked)


def test_what_was_carried_but_still_lies_in_the_outbox_takes_effect_once(bus: EmbeddedBus) -> None:
    ask(bus, "case")
    with works_of(bus, "front").begin() as work:
        row = dict(work.execute(select(outbox)).mappings().one())
    bus.run_until_idle()
    with works_of(bus, "front").begin() as work:
        work.execute(insert(outbox).values(row))
    bus.run_until_idle()
    assert count(works_of(bus, "clerk"), attempts) == 2
    assert subjects(works_of(bus, "clerk")) == subjects(works_of(bus, "archive")) == ["case"]


def test_what_was_handled_but_still_lies_in_the_queue_takes_effect_once(bus: EmbeddedBus) -> None:
    message_id = ask(bus, "case")
    with works_of(bus, "front").begin() as work:
        body = work.execute(select(outbox.c.body)).scalar_one()
    bus.run_until_idle()
    with works_of(bus, "clerk").begin() as work:
        row = {"message_id": message_id, "body": body, "attempts": 0, "due_at": clock.iso(work.now)}
        work.execute(insert(deliveries).values(row | {"dead": False, "reason": ""}))
    bus.run_until_idle()
    assert count(works_of(bus, "clerk"), attempts) == 2
    assert subjects(works_of(bus, "clerk")) == subjects(works_of(bus, "archive")) == ["case"]


def test_what_could_not_be_delivered_stays_in_the_outbox(bus: EmbeddedBus) -> None:
    ask(bus, "case")
    with works_of(bus, "clerk").begin() as work:
        work.execute(text("ALTER TABLE deliveries RENAME TO away"))
    with pytest.raises(OperationalError, match="deliveries"):
        bus.step()
    assert count(works_of(bus, "front"), outbox) == 1
    with works_of(bus, "clerk").begin() as work:
        work.execute(text("ALTER TABLE away RENAME TO deliveries"))
    bus.run_until_idle()
    assert count(works_of(bus, "front"), outbox) == 0
    assert subjects(works_of(bus, "archive")) == ["case"]


def test_threads_may_tell_while_the_bus_moves(bus: EmbeddedBus) -> None:
    def tell(first: int) -> None:
        for number in range(first, first + 15):
            ask(bus, str(number))

    threads = [threading.Thread(target=tell, args=(first,)) for first in range(0, 60, 15)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        bus.step()
    bus.run_until_idle()
    assert sorted(map(int, subjects(works_of(bus, "archive")))) == list(range(60))


def test_what_one_service_told_arrives_in_that_order(bus: EmbeddedBus) -> None:
    asked = [str(number) for number in range(BATCH + 20)]
    for subject in asked:
        ask(bus, subject)
    bus.run_until_idle()
    assert subjects(works_of(bus, "clerk")) == asked
