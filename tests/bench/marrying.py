"""The 520 part of `make bench`: weddings per second, how long one takes, and how far that is from the bare minimum."""

import statistics
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
        with weddings.robots(bench, at), loads.watching(bench) as watcher:
            day = Day(bench, at, plan, found, watcher)
            for rate in plan.rates:
                day.at_rate(rate)
            day.closed_loop()
        drain(bench)
    found.explain("wedding", couples=plan.couples, in_flight=plan.in_flight, robot=weddings.ROBOT_SECONDS)
    _ratio(bench, at, plan, found)
    at.works.engine.dispose()


@dataclass(frozen=True, slots=True)
class Day:
    """Three cities open, registrars at work, and somebody who watches."""

    bench: Bench
    at: Hall
    plan: Plan
    found: Report
    watcher: Watcher

    def _apply(self, _number: int, due: float) -> Answer:
        [case_id] = self.at.apply()
        return Answer(due, clock.monotonic(), 202, case_id)

    def at_rate(self, rate: float) -> None:
        """So many couples at fixed intervals, whatever became of earlier ones."""
        click.echo(f"weddings at {rate:g}/s ...")
        with weddings.watching_claims(self.bench, CLAIMS_LOOK_SECONDS) as ways:
            began = clock.monotonic()
            answers = loads.open_loop(self._apply, rate, self.plan.couples / rate)
            for verb, what in STEPS.items():
                took = loads.times(answers, self.watcher, verb)
                figure = f"weddings at {rate:g}/s, {what}: p50 / p95 / p99"
                self.found.add(figure, *report.shares_and_range(took, SHARES, len(answers)))
            figure = f"… weddings a second until the last of {len(answers)}"
            self.found.add(figure, f"{len(answers) / (max(self._ends(answers)) - began):.1f} /s")
        if rate == NATION:
            self._claims(ways)
        drain(self.bench)

    def _claims(self, ways: Ways) -> None:
        for name, since, until in (("reserve → held", "asked", "held"), ("confirm → locked", "confirming", "locked")):
            took = ways.times(since, until)
            figure = f"claims in two other cities at {NATION:g}/s, {name}: p50 / p95 / p99"
            self.found.add(figure, *report.shares_and_range(took, SHARES, len(took)), f"p99 ≤ {CLAIM_GOAL_SECONDS:g} s")

    def _ends(self, answers: list[Answer]) -> list[float]:
        """When the certificate of each stood in the read model; 0.0 where it never did."""
        return [self.watcher.seen.get((one.case_id, "close"), 0.0) for one in answers]

    def _wed(self, number: int) -> Answer:
        answer = self._apply(number, clock.monotonic())
        self.watcher.wait(answer.case_id, "close", loads.PATIENCE_SECONDS)
        return answer

    def closed_loop(self) -> None:
        """A new couple as soon as an earlier one has its certificate."""
        plan = self.plan
        click.echo(f"weddings, {plan.in_flight} in flight ...")
        began, meter = clock.monotonic() + plan.warm_up, Meter(lambda: our_processes(self.bench))
        answers = loads.closed_loop(self._wed, plan.in_flight, plan.warm_up + plan.seconds)
        spent, ends = meter.spent(), self._ends(answers)
        rates = loads.by_slice(ends, began, plan.seconds)
        figure = f"weddings, highest sustained ({plan.in_flight} in flight)"
        self.found.add(figure, f"{statistics.mean(rates):.1f} /s", report.span(rates) + " /s")
        took = sorted(end - one.sent for one, end in zip(answers, ends, strict=True) if end)
        figure = "… certificate issued: p50 / p95 / p99"
        self.found.add(figure, *report.shares_and_range(took, SHARES, len(answers)))
        each = {kind: 1000 * seconds / max(1, len(answers)) for kind, seconds in spent.items()}
        self.found.add("… processor time per wedding", f"{sum(each.values()):.0f} ms", cpu_by_kind(each))


def _ratio(bench: Bench, at: Hall, plan: Plan, found: Report) -> None:
    click.echo(f"weddings, ours against bare: {plan.rounds} rounds of {plan.lap} ...")
    cities, warm_up = make_yardstick(bench, "wedding"), plan.lap // 5
    ours, bare = (lambda: weddings.ours(bench, at)), (lambda: weddings.yardstick(bench, cities))
    run = race(ours, bare, plan.lap, plan.rounds, warm_up)
    found.race = run
    ratios = [ours.back / bare.back for ours, bare in zip(run.ours, run.bare, strict=True)]
    value, spread = f"{run.ratio(_back):.2f}", report.span(ratios, "{:.2f}")
    found.add("ours / bare, until all certificates are issued", value, spread, f"≤ {RATIO_GOAL:g}")
    found.add("ours / bare, until both other cities know of all", f"{run.ratio(_done):.2f}")
    for name, laps in (("ours", run.ours), ("bare", run.bare)):
        rates = [plan.lap / lap.back for lap in laps]
        found.add(f"… {name}: weddings", f"{statistics.median(rates):.1f} /s", report.span(rates) + " /s")
    found.explain("wedding_ratio", couples=plan.lap, rounds=plan.rounds, warm_up=warm_up)


def _back(lap: Lap) -> float:
    return lap.back


def _done(lap: Lap) -> float:
    return lap.done
