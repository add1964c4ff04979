"""The checker finds what is known to be wrong, and finds nothing in the real rules; `make model` proves larger worlds."""

import dataclasses

import pytest

from services.claims.rules import attempt as attempts
from tests.model.checker import check
from tests.model.invariants import BLOCKED, TWO_MARRIAGES
from tests.model.settings import DIVORCES, ONE, P1, P_AB, P_TRIES, Q1, TWO
from tests.model.useless import is_useless
from tests.model.variants import VARIANTS, Variant
from tests.model.world import Setting, World

SMALL = (
    Setting("2 offices", (P1, Q1), ONE, prompt=True, brisk=True, endings=DIVORCES),
    Setting("2 attempts", (P_TRIES,), ONE, endings=DIVORCES, drops=True, renews=1),
    Setting("a couple", (P_AB,), TWO, prompt=True, endings=DIVORCES),
    Setting("handed over", (P1,), ONE, endings=DIVORCES, successor="Z"),
    Setting("restored", (P1,), ONE, endings=DIVORCES, restores=True),
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_known_mistake_is_found_to_break_its_promise(variant: Variant) -> None:
    report = check(World(variant.setting, variant.rules), only=variant.breaks)
    assert report.fault == variant.breaks
    assert report.trace


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.name)
def test_the_real_rules_keep_every_promise_in_a_small_world(setting: Setting) -> None:
    for once in (False, True):
        report = check(World(dataclasses.replace(setting, once=once)))
        assert (report.fault, report.finished) == ("", True)
        assert report.registered == {each.name for each in setting.applications}


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.breaks != BLOCKED], ids=lambda variant: variant.name)
def test_the_worlds_of_the_mistakes_are_sound_under_the_real_rules(variant: Variant) -> None:
    report = check(World(dataclasses.replace(variant.setting, once=False)), only=variant.breaks, most=20_000)
    assert report.fault == ""


def test_a_trace_is_the_shortest_way_and_its_steps_have_names() -> None:
    late = next(variant for variant in VARIANTS if variant.name == "effect and state in two commits")
    report = check(World(late.setting, late.rules), only=TWO_MARRIAGES)
    assert report.trace[0] == "application_accepted P1, P to P"
    assert len(report.trace) == report.depth + 1 == 10
    assert report.trace[-1].endswith("(crash after the first commit)")


def test_two_runs_of_the_checker_say_the_same() -> None:
    reports = [check(World(SMALL[0])) for _ in range(2)]
    assert dataclasses.replace(reports[0], seconds=0) == dataclasses.replace(reports[1], seconds=0)


def test_an_answer_leaves_the_network_only_when_its_attempt_ignores_it_for_ever() -> None:
    waiting = attempts.start(["t"]).attempt
    assert not is_useless(waiting, "claim_held", "t")
    given_up = attempts.release(waiting).attempt
    assert is_useless(given_up, "claim_held", "t")
    assert is_useless(given_up, "claim_locked", "t")
    assert not is_useless(given_up, "claim_released", "t")
    assert is_useless(attempts.note_released(given_up, "t").attempt, "claim_released", "t")
