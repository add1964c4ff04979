"""The main job: taken in in 三亚, decided in 兰州, told in 三亚; with real parts, and with no server at all."""

import json
import time
from typing import Any

import pytest
from sqlalchemy import delete, select

from contracts.envelope import Message, decode
from services.certificate.rules import is_identifier
from services.exchange.store.tables import exchange_log
from services.intake.store import cases as store
from services.main.journey import STEPS, TAKEN_IN_AT, application, run
from shared import clock
from shared.logs import trace_id
from shared.outbox import unroutable
from tests.journeys.places import CODES, FAMILY, Embedded, Real, lying_about, needles, pattern_of
from tests.waiting import eventually

DONE = ["take_in", "forward", "take_over", "check", "review", "decide", "close", "tell"]


@pytest.fixture(scope="module")
def case(place: Embedded | Real) -> dict[str, Any]:
    """One finished journey."""
    return run(place.counters, lambda _line: None)


def test_a_case_taken_in_in_one_city_is_decided_in_another_and_told_in_the_first(case: dict[str, Any]) -> None:
    offices = {step["verb"]: step["office"]["code"] for step in case["timeline"]}

    assert case["state"] == "closed"
    assert sorted(offices) == sorted(DONE)
    assert [offices[verb] for verb, _ in STEPS] == [office for _, office in STEPS]
    assert offices["take_in"] == offices["tell"] == TAKEN_IN_AT[1]


def test_the_timeline_stands_in_the_order_of_the_work(case: dict[str, Any]) -> None:
    assert [step["verb"] for step in case["timeline"]] == DONE


def test_the_result_is_granted_and_its_notice_bears_a_right_identifier(case: dict[str, Any]) -> None:
    assert case["result"]["result"] == "granted"
    assert is_identifier(case["result"]["certificate_id"])


def test_every_legal_clock_ran_in_working_days_and_was_met(case: dict[str, Any]) -> None:
    clocks = {item["name"]: item for leg in case["legs"] for item in leg["clocks"]}

    assert {name: item["days"] for name, item in clocks.items()} == {"forward": 3, "decide": 10, "tell": 3}
    assert all(item["started_on"] <= item["ended_on"] <= item["due_on"] for item in clocks.values())


def test_both_cities_hold_the_same_legs_and_the_same_steps(place: Embedded | Real, case: dict[str, Any]) -> None:
    end = time.monotonic() + 20
    held = [_held(place, code, case["case_id"]) for code in CODES]
    while held[0] != held[1] and time.monotonic() < end:  # the last word is still on its way
        time.sleep(0.1)
        held = [_held(place, code, case["case_id"]) for code in CODES]

    assert held[0] == held[1]
    assert len(held[0][0]) == 2
    assert len(held[0][1]) == len(DONE)


def test_all_that_one_request_set_off_shares_its_trace_in_both_cities(
    place: Embedded | Real, case: dict[str, Any]
) -> None:
    by_request: dict[str, set[str]] = {}
    for code in CODES:
        for message in _crossed(place, code, case["case_id"]):
            by_request.setdefault(message.correlation, set()).add(trace_id(message.trace))

    traces = [trace for found in by_request.values() for trace in found]
    assert len(by_request) >= 2, "taking in and deciding, at least"
    assert all(len(trace) == 32 for trace in traces)
    assert len(set(traces)) == len(traces) == len(by_request)


def _crossed(place: Embedded | Real, code: str, case_id: str) -> list[Message]:
    """What a city sent and received about a case, as it was signed."""
    with place.works(code, "exchange").begin() as work:
        mine = select(exchange_log.c.body).where(exchange_log.c.subject == case_id)
        return [decode(body) for body in work.execute(mine).scalars()]


def _held(place: Embedded | Real, code: str, case_id: str) -> tuple[list[Any], set[Any]]:
    with place.works(code, "intake").begin() as work:
        legs = [store.snapshot(leg) for leg in store.list_legs(work, case_id)]
        steps = {(step["verb"], step["at"], step["office"]["code"]) for step in store.list_steps(work, case_id)}
    return legs, steps


def test_nothing_of_any_person_lies_readable_anywhere(place: Embedded | Real, case: dict[str, Any]) -> None:
    assert case["state"] == "closed"
    window = place.counters["window"]
    taken = window.ask("POST", "/cases", application(list(FAMILY)), key=clock.new_id())
    eventually(lambda: len(window.ask("GET", f"/cases/{taken['receipt']['case_id']}")["legs"]) > 1)

    assert [f"{word[:1]}… in {where}" for word, where in lying_about(place, needles())] == []


def test_the_needles_are_all_that_is_made_up_of_any_person() -> None:
    words = needles().keys()

    assert {"何守田", "990102197503120178", "13900000000", "99010219750312017841"} <= words
    assert {"13900000017", "0898-88000017", "酒泉路无名巷17号601室", "王𬍛"} <= words
    assert sum(len(word) in (20, 22) and word.startswith("99") for word in words) >= 10, "cards"


def test_the_search_finds_what_does_lie_readable_in_a_table_a_queue_a_file_or_a_log(place: Embedded | Real) -> None:
    here, word = CODES[0], "查无此人"
    stray = Message(clock.new_id(), "nobody.said_this.v1", here, word, clock.iso(clock.now()), {"name": word})
    row = {"message_id": stray.id, "routing_key": stray.type, "reason": "planted", "returned_at": stray.time}
    planted = place.folder / "planted.txt"
    with place.works(here, "subsidy").begin() as work:
        work.insert_once(unroutable, row | {"body": json.dumps({"name": word})})  # escaped, as JSON columns are
        work.retell(stray, queue="subsidy")
    planted.write_text(word, "utf-16-le")
    try:
        eventually(lambda: _missed(place, word) == [])
    finally:
        planted.unlink()
        place.forget_dead(here, "subsidy")
        with place.works(here, "subsidy").begin() as work:
            work.execute(delete(unroutable).where(unroutable.c.message_id == stray.id))


def _missed(place: Embedded | Real, word: str) -> list[str]:
    found = [where for _, where in lying_about(place, {word: pattern_of(word)})]
    return [part for part in place.must_find() if not any(part in where for where in found)]
