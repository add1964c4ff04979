"""The main job: taken in in 三亚, decided in 兰州, told in 三亚; with real parts, and with no server at all."""

import time
from typing import Any

import pytest

from services.certificate.rules import is_identifier
from services.intake.store import cases as store
from services.main.journey import STEPS, TAKEN_IN_AT, run
from tests.journeys.places import CODES, Embedded, Real, needles

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


def _held(place: Embedded | Real, code: str, case_id: str) -> tuple[list[Any], set[Any]]:
    with place.works(code, "intake").begin() as work:
        legs = [store.snapshot(leg) for leg in store.list_legs(work, case_id)]
        steps = {(step["verb"], step["at"], step["office"]["code"]) for step in store.list_steps(work, case_id)}
    return legs, steps


def test_nobodys_name_number_or_phone_lies_readable_anywhere(place: Embedded | Real, case: dict[str, Any]) -> None:
    assert case["state"] == "closed"
    found = [
        f"{word[:1]}… in {where}"
        for where, content in place.traces()
        for word, pattern in needles().items()
        if pattern.search(content)
    ]

    assert found == []
