"""The 520 part of `make bench`: weddings per second, how long one takes, and how far that is from the bare minimum."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import click

from shared import clock
from tests.bench import loads, report, weddings
from tests.bench.cities import CODES, Bench, drain
from tests.bench.loads import Answer, Watcher
from tests.bench.machine import Meter, cpu_by_kind
from tests.bench.report import Report
from tests.bench.sides import Lap, our_processes, race
from tests.bench.sides import make_bare as make_yardstick
from tests.bench.weddings import Hall, Ways

SHARES = (0.5, 0.95, 0.99)
CLAIMS_LOOK_SECONDS = 0.05
NATION = 14.0  # weddings per second that the whole country may see on 520
CLAIM_GOAL_SECONDS, RATIO_GOAL = 2.0, 2.5
STEPS = {"register": "registered", "close": "certificate issued"}  # verb of the timeline -> what it means


@dataclass(frozen=True, slots=True)
class Plan:
    """How many, how fast, how long."""

    rates: tuple[float, ...] = (1.0, 5.0, NATION, 3 * NATION)
    couples: int = 210  # at each rate
    in_flight: int = 24
    seconds: float = 60.0
    warm_up: float = 10.0
    lap: int = 150
    rounds: int = 3


TRIAL = Plan((NATION,), 4, 2, 3.0, 1.0, 4, 1)


def measure(bench: Bench, plan: Plan, found: Report) -> None:
    """All of it, on three cities whose processes do not run yet."""
    at = weddings.hall(bench)
    with bench.running(*CODES):
        drain(bench)
        with weddings.robots(at), loads.watching(bench) as watcher:
            for rate in plan.rates:
                _at_rate(at, rate, plan, watcher, found)
            _closed_loop(at, plan, watcher, found)
        drain(bench)
    found.explain("wedding", couples=plan.couples, in_flight=plan.in_flight, robot=weddings.ROBOT_SECONDS)
    _ratio(at, plan, found)
    at.works.engine.dispose()


def _applying(at: Hall) -> Callable[[int, float], Answer]:
    def act(_number: int, due: float) -> Answer:
        [case_id] = at.apply()
        return Answer(due, clock.monotonic(), 202, case_id)

    return act


def _at_rate(at: Hall, rate: float, plan: Plan, watcher: Watcher, found: Report) -> None:
    click.echo(f"weddings at {rate:g}/s ...")
    with weddings.watching_claims(at.bench, CLAIMS_LOOK_SECONDS) as ways:
        began = clock.monotonic()
        answers = loads.open_loop(_applying(at), rate, plan.couples / rate)
        for verb, what in STEPS.items():
            took = loads.times(answers, watcher, verb)
            figure = f"weddings at {rate:g}/s, {what}: p50 / p95 / p99"
            found.add(figure, *report.shares_and_range(took, SHARES, len(answers)))
        ended = max((watcher.seen.get((one.case_id, "close"), 0.0) for one in answers), default=began)
        found.add(f"… weddings a second until the last of {len(answers)}", f"{len(answers) / (ended - began):.1f} /s")
    if rate == NATION:
        _claims(ways, found)
    drain(at.bench)


def _claims(ways: Ways, found: Report) -> None:
    for figure, since, until in (("reserve → held", "asked", "held"), ("confirm → locked", "confirming", "locked")):
        took = ways.times(since, until)
        value, spread = report.shares_and_range(took, SHARES, len(took))
        goal = f"p99 ≤ {CLAIM_GOAL_SECONDS:g} s"
        found.add(f"claims in two other cities at {NATION:g}/s, {figure}: p50 / p95 / p99", value, spread, goal)


def _closed_loop(at: Hall, plan: Plan, watcher: Watcher, found: Report) -> None:
    click.echo(f"weddings, {plan.in_flight} in flight ...")
    began, applying = clock.monotonic() + plan.warm_up, _applying(at)

    def act(number: int) -> Answer:
        answer = applying(number, clock.monotonic())
        watcher.wait(answer.case_id, "close", loads.PATIENCE_SECONDS)
        return answer

    meter = Meter(lambda: our_processes(at.bench))
    answers = loads.closed_loop(act, plan.in_flight, plan.warm_up + plan.seconds)
    spent = meter.spent()
    ends = [watcher.seen.get((one.case_id, "close"), 0.0) for one in answers]
    rates = loads.by_slice(ends, began, plan.seconds)
    figure = f"weddings, highest sustained ({plan.in_flight} in flight)"
    found.add(figure, f"{statistics.mean(rates):.1f} /s", report.span(rates) + " /s")
    took = sorted(end - one.sent for one, end in zip(answers, ends, strict=True) if end)
    found.add("… certificate issued: p50 / p95 / p99", *report.shares_and_range(took, SHARES, len(answers)))
    each = {kind: 1000 * seconds / max(1, len(answers)) for kind, seconds in spent.items()}
    found.add("… processor time per wedding", f"{sum(each.values()):.0f} ms", cpu_by_kind(each))


def _ratio(at: Hall, plan: Plan, found: Report) -> None:
    click.echo(f"weddings, ours against bare: {plan.rounds} rounds of {plan.lap} ...")
    cities = make_yardstick(at.bench, "wedding")
    ours, bare = (lambda: weddings.ours(at)), (lambda: weddings.yardstick(at, cities))
    run = race(ours, bare, plan.lap, plan.rounds, warm_up=plan.lap // 5)
    found.race = run
    ratios = [ours.back / bare.back for ours, bare in zip(run.ours, run.bare, strict=True)]
    value, spread = f"{run.ratio(_back):.2f}", report.span(ratios, "{:.2f}")
    found.add("ours / bare, until all certificates are issued", value, spread, f"≤ {RATIO_GOAL:g}")
    found.add("ours / bare, until both other cities know of all", f"{run.ratio(_done):.2f}")
    for name, laps in (("ours", run.ours), ("bare", run.bare)):
        rates = [plan.lap / lap.back for lap in laps]
        found.add(f"… {name}: weddings", f"{statistics.median(rates):.1f} /s", report.span(rates) + " /s")
    found.explain("wedding_ratio", couples=plan.lap, rounds=plan.rounds, warm_up=plan.lap // 5)


def _back(lap: Lap) -> float:
    return lap.back


def _done(lap: Lap) -> float:
    return lap.done
