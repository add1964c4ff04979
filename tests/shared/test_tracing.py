"""One trace id from the request to the last message, on every log line, and on the lines of what failed, too."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from contracts.envelope import Message, decode, encode
from shared import clock
from shared.bus import Doors, Outcome, Rejected, Timer, named
from shared.errors import Refused
from shared.logs import about, continued, masked, trace_id, traceparent
from shared.outbox import Works, outbox
from tests.builders import make_node, make_works
from tests.shared.clerk import NoteTakenV1, PageTurnedV1, TakeNoteV1, clerk_metadata, town_doors

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"
NONE_OF = [
    "",
    TRACE,
    GIVEN.upper(),
    GIVEN + "-more",
    GIVEN + "\n",
    "ff" + GIVEN[2:],
    "01" + GIVEN[2:],
    f"00-{'0' * 32}-00f067aa0ba902b7-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-00f067aa0ba902b7",
    f"00-{TRACE[:-2]}何守-00f067aa0ba902b7-01",
    f"{GIVEN},{GIVEN}",
]


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = make_works(make_node(tmp_path), "clerk", clerk_metadata)
    yield made
    made.engine.dispose()


@pytest.fixture
def doors() -> Doors:
    return town_doors()["clerk"]


def told(works: Works) -> list[Message]:
    with works.begin() as work:
        return [decode(body) for body in work.execute(select(outbox.c.body).order_by(outbox.c.position)).scalars()]


def asking(trace: str, **how: Any) -> str:
    now = clock.iso(clock.now())
    return encode(Message(clock.new_id(), TakeNoteV1.type, "460200", "case-7", now, how, "-", trace=trace))


def lines_of(act: Callable[[], object]) -> list[Any]:
    with capture_logs(processors=[merge_contextvars]) as lines:
        act()
    return lines


def test_a_trace_goes_on_under_a_step_of_our_own() -> None:
    ours = continued(GIVEN)

    assert trace_id(ours) == TRACE
    assert ours != GIVEN
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", ours)
    assert continued(GIVEN[:-2] + "fe").endswith("-00"), "flags that we do not know are not passed on"


@pytest.mark.parametrize("text", NONE_OF)
def test_what_is_no_traceparent_begins_a_new_trace(text: str) -> None:
    first, second = continued(text), continued(text)

    assert trace_id(text) == ""
    assert trace_id(first)
    assert trace_id(first) not in ("", trace_id(second), TRACE)


def test_a_trace_id_is_never_masked_for_looking_like_a_phone() -> None:
    text = "a" * 10 + "13800000000" + "b" * 11

    assert masked(text) == text
    assert masked("13800000000" + "b" * 20) != "13800000000" + "b" * 20


def test_what_is_told_in_a_block_shares_its_trace_and_the_next_block_has_its_own(works: Works) -> None:
    for _ in range(2):
        with about(), works.begin() as work:
            work.tell(NoteTakenV1, "case-7", {})
            work.tell(NoteTakenV1, "case-7", {})
    first, second, third, fourth = (trace_id(message.trace) for message in told(works))

    assert first == second != third == fourth
    assert all((first, third))


def test_what_follows_from_a_message_keeps_its_trace(works: Works, doors: Doors) -> None:
    lines = lines_of(lambda: doors.handle(works, asking(GIVEN)))

    assert [message.trace for message in told(works)] == [GIVEN]
    [handled] = lines
    assert (handled["event"], handled["trace"], handled["case"]) == ("message_handled", TRACE, "case-7")


def test_what_follows_from_a_message_without_a_trace_begins_one_and_logs_it(works: Works, doors: Doors) -> None:
    for trace in ("", "13800000000"):
        [handled] = lines_of(lambda trace=trace: doors.handle(works, asking(trace)))  # type: ignore[misc]
        assert handled["trace"] == trace_id(told(works)[-1].trace) != ""
        assert "13800000000" not in json.dumps(handled)


def test_no_trace_is_left_behind_when_a_handler_ends(works: Works, doors: Doors) -> None:
    doors.handle(works, asking(GIVEN))
    with pytest.raises(RuntimeError):
        doors.handle(works, asking(GIVEN, how="fails", times=9))

    assert trace_id(traceparent()) != TRACE


def test_a_timer_has_a_trace_of_its_own_each_time(works: Works, doors: Doors) -> None:
    @doors.every(1)
    def remind(works: Works) -> None:
        for _ in range(2):
            with works.begin() as work:
                work.tell(NoteTakenV1, "case-7", {})

    [_, timer] = doors.timers
    for holder in ("one", "one"):
        doors.run_timer(works, timer, holder)
    first, second, third, fourth = (trace_id(message.trace) for message in told(works))

    assert first == second != third == fourth


def test_a_timer_that_fails_is_named_with_its_trace(works: Works, doors: Doors) -> None:
    def broken(_works: Works) -> None:
        raise ValueError("何守田")

    with (
        capture_logs(processors=[merge_contextvars]) as lines,
        pytest.raises(ValueError, match="何"),
    ):
        doors.run_timer(works, Timer("clerk.broken", 1, broken), "one")
    [line] = lines

    assert (line["event"], line["timer"], line["error"]) == ("timer_failed", "clerk.broken", "ValueError")
    assert len(line["trace"]) == 32
    assert "何守田" not in str(line)


@pytest.mark.parametrize(
    ("how", "outcome", "code"),
    [("refused", Outcome.REFUSED, "no_paper"), ("late", Outcome.STALE, "too_late")],
)
def test_a_refusal_is_logged_with_its_code(works: Works, doors: Doors, how: str, outcome: Outcome, code: str) -> None:
    [line] = lines_of(lambda: doors.handle(works, asking(GIVEN, how=how)))

    assert (line["outcome"], line["code"], line["case"], line["trace"]) == (outcome, code, "case-7", TRACE)


def test_a_success_is_logged_without_a_code(works: Works, doors: Doors) -> None:
    [line] = lines_of(lambda: doors.handle(works, asking(GIVEN)))

    assert "code" not in line


def test_what_nobody_can_read_is_named_by_the_id_it_came_with() -> None:
    def say(body: str) -> None:
        with named(body, "id-of-the-delivery"):
            structlog.get_logger().error("dead_letter")

    assert [line["message"] for line in lines_of(lambda: say("{"))] == ["id-of-the-delivery"]
    [line] = lines_of(lambda: say(asking(GIVEN)))
    assert (line["case"], line["trace"]) == ("case-7", TRACE)
    assert line["message"] != "id-of-the-delivery"


def test_a_refused_fact_brings_its_code_to_the_dead_letter(works: Works, doors: Doors) -> None:
    turned = {"number": 1, "how": "refused"}
    fact = Message(clock.new_id(), PageTurnedV1.type, "460200", "book", clock.iso(clock.now()), turned)

    with pytest.raises(Rejected) as found:
        doors.handle(works, encode(fact))
    assert found.value.code == "no_such_book"
    assert isinstance(found.value.__cause__, Refused)
