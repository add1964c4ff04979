"""The embedded bus by itself: retries on time, dead letters that show nobody, timers, rest and waking."""

import datetime
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from contracts.envelope import Contract, Message, encode
from shared import clock
from shared.bus import RETRY_DELAYS, Doors, Rejected
from shared.embedded import EmbeddedBus, Station, dead_letters, deliveries, redrive, retried, sqlite_engine
from shared.errors import NotFound
from shared.outbox import Work, Works, leases, outbox, unroutable
from tests.builders import HandClock, make_node, make_works, stop_clock
from tests.shared.clerk import (
    PRIVATE,
    NobodyListensV1,
    NoteTakenV1,
    PageTurnedV1,
    TakeNoteV1,
    attempts,
    clerk_metadata,
    effects,
    town_doors,
)

ROOT = Path(__file__).resolve().parents[2]
START = "2025-10-09T01:30:00Z"
Town = Callable[..., EmbeddedBus]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Makes a bus over these doors, the clerk's town without any; a station `exchange` may have a drain."""
    node, made = make_node(tmp_path), list[Works]()

    def build(doors: dict[str, Doors] | None = None, **drains: Any) -> EmbeddedBus:
        stations = {}
        for name, entrance in (doors or town_doors()).items():
            made.append(make_works(node, name, clerk_metadata))
            stations[name] = Station(made[-1], entrance, **drains.get(name, {}))
        return EmbeddedBus(stations)

    yield build
    for works in made:
        works.engine.dispose()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, START)


def works_of(bus: EmbeddedBus, service: str) -> Works:
    return bus.stations[service].works


def ask(bus: EmbeddedBus, subject: str = "case", **how: Any) -> str:
    with works_of(bus, "front").begin() as work:
        return work.tell(TakeNoteV1, subject, how, {"name": "王秀英"})


def count(works: Works, table: Any, *where: Any) -> int:
    with works.begin() as work:
        return int(work.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def seconds_later(hand: HandClock, seconds: float) -> None:
    hand.at += datetime.timedelta(seconds=seconds)


def keep(work: Work) -> None:
    assert work.cause
    work.execute(insert(effects).values(message_id=work.cause.id, subject=work.cause.subject, what="kept"))


# --- the files -----------------------------------------------------------------------------------------------------


def test_a_commit_is_on_the_disk_and_readers_need_not_wait(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "a.db")
    with engine.begin() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2}
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_an_error_of_the_database_shows_no_values(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "a.db")
    with engine.begin() as connection, pytest.raises(Exception, match="no such table") as caught:
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": PRIVATE})
    assert PRIVATE not in str(caught.value)
    engine.dispose()


# --- trying again --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delays", [(10, 60), RETRY_DELAYS])
def test_a_failed_delivery_is_tried_again_when_its_time_has_come_and_not_before(
    town: Town, hand: HandClock, delays: tuple[int, ...]
) -> None:
    bus = town(town_doors(delays))
    clerk = works_of(bus, "clerk")
    ask(bus, how="fails", times=9)
    bus.run_until_idle()
    for tried, delay in enumerate(delays, start=1):
        seconds_later(hand, delay - 0.5)
        bus.run_until_idle()
        assert count(clerk, attempts) == tried
        assert dead_letters(clerk) == []
        assert [row["attempts"] for row in retried(clerk)] == [tried]
        seconds_later(hand, 0.6)
        bus.run_until_idle()
        assert count(clerk, attempts) == tried + 1
    [dead] = dead_letters(clerk)
    assert dead["attempts"] == len(delays) + 1
    assert retried(clerk) == []
    seconds_later(hand, 10**6)
    bus.run_until_idle()
    assert count(clerk, attempts) == len(delays) + 1


def test_without_a_word_about_it_a_service_has_five_attempts() -> None:
    assert Doors("clerk").retry_delays == RETRY_DELAYS
    assert len(RETRY_DELAYS) == 4


def test_a_delivery_put_off_does_not_hold_up_others(town: Town, hand: HandClock) -> None:
    bus = town(town_doors((1000,)))
    ask(bus, "slow", how="fails", times=1)
    ask(bus, "quick")
    bus.run_until_idle()
    assert count(works_of(bus, "clerk"), effects, effects.c.subject == "quick") == 1
    seconds_later(hand, 1001)
    bus.run_until_idle()
    assert count(works_of(bus, "clerk"), effects) == 2


# --- dead letters --------------------------------------------------------------------------------------------------


def test_a_dead_letter_shows_what_an_operator_needs_and_no_person(town: Town) -> None:
    bus = town(town_doors(()))
    message_id = ask(bus, "case-7", how="fails", times=1)
    with capture_logs(processors=[merge_contextvars]) as lines:
        bus.run_until_idle()
    clerk = works_of(bus, "clerk")
    [dead] = dead_letters(clerk)
    assert dead == {
        "message": message_id,
        "type": "clerk.take_note.v1",
        "case": "case-7",
        "attempts": 1,
        "reason": "RuntimeError",
        "data": {"how": "fails", "times": 1, "seconds": 0},
    }
    failed, buried = (line for line in lines if line["log_level"] == "error")
    assert (failed["event"], buried["event"]) == ("handler_failed", "dead_letter")
    for line in (failed, buried):
        assert (line["case"], line["message"], line["type"], line["attempts"]) == (
            "case-7",
            message_id,
            dead["type"],
            1,
        )
    assert failed["trace"] == buried["trace"] != ""
    assert PRIVATE not in str(lines)
    assert "take_note" in str([line["where"] for line in lines if "where" in line])


def test_dead_letters_are_tried_afresh_one_or_all(town: Town) -> None:
    bus = town(town_doors(()))
    clerk = works_of(bus, "clerk")
    dead = [ask(bus, str(number), how="fails", times=1) for number in range(3)]
    bus.run_until_idle()
    assert [row["message"] for row in dead_letters(clerk)] == dead
    bus.awake.clear()
    assert redrive(clerk, dead[1]) == 1
    assert bus.awake.is_set()
    bus.run_until_idle()
    assert [row["message"] for row in dead_letters(clerk)] == [dead[0], dead[2]]
    assert redrive(clerk) == 2
    bus.run_until_idle()
    assert dead_letters(clerk) == []
    assert count(clerk, effects) == 3
    assert redrive(clerk) == 0


def test_only_what_is_dead_and_known_is_tried_afresh(town: Town, hand: HandClock) -> None:
    bus = town(town_doors((1000,)))
    put_off = ask(bus, how="fails", times=1)
    bus.run_until_idle()
    with pytest.raises(NotFound, match="dead_letter_unknown"):
        redrive(works_of(bus, "clerk"), put_off)


def test_a_dead_letter_is_no_obstacle_for_the_same_message_elsewhere(town: Town) -> None:
    doors = town_doors(())
    doors["archive"].listen(TakeNoteV1)(keep)
    bus = town(doors)
    ask(bus, how="fails", times=1)
    bus.run_until_idle()
    assert len(dead_letters(works_of(bus, "clerk"))) == 1
    assert count(works_of(bus, "archive"), effects) == 1


# --- where messages go ---------------------------------------------------------------------------------------------


def test_a_message_nobody_listens_to_is_kept_until_somebody_does(town: Town) -> None:
    doors = town_doors()
    bus = town(doors)
    front = works_of(bus, "front")
    with front.begin() as work:
        work.tell(NobodyListensV1, "case", {})
    with capture_logs(processors=[merge_contextvars]) as lines:
        bus.run_until_idle()
    [line] = lines
    assert (line["event"], line["case"], len(line["trace"])) == ("message_unroutable", "case", 32)
    assert (count(front, unroutable), count(front, outbox)) == (1, 0)
    doors["archive"].listen(NobodyListensV1)(keep)
    front.redrive_unroutable()
    bus.run_until_idle()
    assert count(front, unroutable) == 0
    assert count(works_of(bus, "archive"), effects) == 1


def addressed(bus: EmbeddedBus, contract: type[Contract] = NoteTakenV1, to: str = "620100") -> str:
    with works_of(bus, "front").begin() as work:
        return work.tell(contract, "case", {}, to=to)


def test_what_is_for_another_city_goes_to_the_gateway_and_to_the_read_model(town: Town) -> None:
    drained: list[str] = []

    def drain(bodies: list[str]) -> list[None]:
        drained.extend(bodies)
        return [None] * len(bodies)

    web = Doors("web")
    web.listen(NoteTakenV1)(keep)
    others = town_doors() | {"web": web, "exchange": Doors("exchange")}
    bus = town(others, exchange={"drain": drain})
    message_id = addressed(bus)
    bus.run_until_idle()
    assert [message_id in body for body in drained] == [True]
    assert count(works_of(bus, "web"), effects) == 1
    assert count(works_of(bus, "archive"), effects) == 0  # it listens to what happens in this city
    assert count(works_of(bus, "exchange"), deliveries) == 0


def test_what_the_gateway_cannot_send_is_put_off_or_dead(town: Town, hand: HandClock) -> None:
    answers: list[list[Exception | None]] = [[OSError("away"), None, Rejected("not allowed")], [None]]
    calls: list[int] = []

    def drain(bodies: list[str]) -> list[Exception | None]:
        calls.append(len(bodies))
        return answers[len(calls) - 1]

    bus = town({"front": Doors("front"), "exchange": Doors("exchange", (5,))}, exchange={"drain": drain})
    sent = [addressed(bus) for _ in range(3)]
    bus.run_until_idle()
    gateway = works_of(bus, "exchange")
    assert calls == [3]
    assert [(row["message"], row["reason"]) for row in dead_letters(gateway)] == [(sent[2], "not allowed")]
    seconds_later(hand, 6)
    bus.run_until_idle()
    assert calls == [3, 1]
    assert count(gateway, deliveries, ~deliveries.c.dead) == 0


def test_without_a_gateway_nothing_leaves_the_city_unseen(town: Town) -> None:
    bus = town()
    addressed(bus)
    bus.run_until_idle()
    assert count(works_of(bus, "front"), unroutable) == 1


def test_a_message_that_waited_comes_back_to_its_own_service_only(town: Town) -> None:
    doors = town_doors()
    doors["archive"].listen(PageTurnedV1)(keep)
    bus = town(doors)
    for number in (2, 1):
        with works_of(bus, "front").begin() as work:
            work.tell(PageTurnedV1, "book", {"number": number})
        bus.run_until_idle()
    assert count(works_of(bus, "clerk"), effects) == 2
    assert count(works_of(bus, "archive"), effects) == 2


# --- timers, rest and waking ---------------------------------------------------------------------------------------


def test_a_timer_runs_when_it_is_due_and_what_it_tells_is_carried(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    seconds = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])
    doors = town_doors()

    @doors["front"].every(60)
    def daily(works: Works) -> None:
        with works.begin() as work:
            work.tell(TakeNoteV1, f"tick-{next(ticks)}", {}, {"name": "王秀英"})

    bus = town(doors)
    for now, expected in ((0.0, 1), (59.0, 1), (60.0, 2), (200.0, 3)):
        seconds[0] = now
        bus.run_until_idle()
        assert count(works_of(bus, "archive"), effects) == expected
    assert count(works_of(bus, "front"), leases, leases.c.name == "timer.front.daily") == 1


def test_a_failing_timer_stops_nothing_and_tells_nothing_personal(town: Town) -> None:
    doors = town_doors(tick_seconds=1)

    @doors["front"].every(1)
    def broken(_works: Works) -> None:
        raise RuntimeError(PRIVATE)

    bus = town(doors)
    ask(bus)
    with capture_logs() as lines:
        bus.run_until_idle()
    assert count(works_of(bus, "clerk"), effects) >= 2
    assert "timer_failed" in [line["event"] for line in lines]
    assert PRIVATE not in str(lines)


def test_a_timer_leaves_the_work_to_whoever_holds_its_lease(town: Town) -> None:
    bus = town(town_doors(tick_seconds=100))
    with works_of(bus, "clerk").begin() as work:
        assert work.lease("timer.clerk.tick", "another process", 1000)
    bus.run_until_idle()
    assert count(works_of(bus, "clerk"), effects) == 0


def test_a_bus_that_never_rests_says_so(town: Town) -> None:
    bus = town(town_doors(), front={"tick": lambda: True})
    with pytest.raises(TimeoutError):
        bus.run_until_idle(0.05)


def test_the_bus_is_woken_by_what_is_told(town: Town) -> None:
    bus = town()
    bus.run_until_idle()
    bus.awake.clear()
    with works_of(bus, "front").begin():
        pass
    assert not bus.awake.is_set()
    ask(bus)
    assert bus.awake.is_set()


def test_a_bus_at_rest_does_not_move(town: Town) -> None:
    bus = town()
    bus.run_until_idle()  # the inboxes are cleared
    assert not bus.step()
    ask(bus)
    assert bus.step()
    bus.run_until_idle()
    assert not bus.step()


def test_bytes_that_are_no_message_stay_visible_to_the_operator(town: Town) -> None:
    bus = town()
    clerk = works_of(bus, "clerk")
    message = Message(clock.new_id(), NoteTakenV1.type, "460200", "case", clock.iso(clock.now()), {})
    with clerk.begin() as work:
        now = clock.iso(work.now)
        row = {"attempts": 0, "due_at": now, "dead": False, "reason": ""}
        bodies = {"a": "{", "b": encode(message).replace('"data":{}', '"data":[]')}
        work.execute(insert(deliveries), [row | {"message_id": key, "body": body} for key, body in bodies.items()])
    bus.run_until_idle()
    assert [(row["message"], row["type"]) for row in dead_letters(clerk)] == [("a", "unreadable"), ("b", "unreadable")]
