"""`make bench`: how fast cities are, how far from the bare minimum, and what they weigh; writes docs/performance*.md."""

import shutil
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from deploy import supervise
from deploy.servers import Servers
from shared import clock
from tests.bench import bare, crossing, loads, machine, marrying, report, sides
from tests.bench.cities import ACCEPTING, COMPETENT, PAIR, WINDOW, Bench, drain, prepare
from tests.bench.loads import Answer, Watcher
from tests.bench.report import Report
from tests.bench.sides import Lap
from tests.chaos.counters import Desk

FOLDER = Path(".run/bench")
DOCUMENT, DOCUMENT_520 = Path("docs/performance.md"), Path("docs/performance-520.md")
WEDDINGS = "520"  # the part with a document of its own
PARTS = ("memory", "journey", "intake", "crossing", "ratio", WEDDINGS)
LONG_ENOUGH_SECONDS = 65.0  # a lap of the yardstick
MOST_PER_SECOND = 60  # more than this will not cross, and so many more will not be taken in: they are in the registries
MOST_RECEIPTS_PER_SECOND = 240
RECEIPT_ONLY = "respond-async"
WAYS = {"intake's answer awaited": "", "receipt only": RECEIPT_ONLY}  # -> Prefer
RATIO_GOAL, NODE_GOAL_MB, DEMO_GOAL_MB = 2.5, 350, 300


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how much."""

    seconds: float = 60.0
    intake_seconds: float = 30.0
    warm_up: float = 5.0
    hands: int = 16
    in_flight: int = 24
    rates: tuple[float, ...] = (5.0, 20.0)
    journeys_rate: float = 2.0
    local_journeys: int = 20
    rounds: int = 3
    cases: int = 0  # of a lap; 0: as many as keep the yardstick busy long enough
    weddings: marrying.Plan = field(default_factory=marrying.Plan)


TRIAL = Plan(4.0, 3.0, 1.0, 2, 2, (2.0,), 1.0, 2, 1, 20, marrying.TRIAL)


@click.command()
@click.option("--trial", is_flag=True, help="Seconds and twenty cases: does it work? The document goes to .run/bench.")
@click.option(
    "--only", "parts", multiple=True, type=click.Choice(PARTS), help="Some parts; no document but that of 520."
)
@click.option("--cases", default=0, help="Cases of a lap of the ratio; 0: found by a pilot.")
def main(trial: bool, parts: tuple[str, ...], cases: int) -> None:
    """Measure; never fail because something was slow."""
    plan, load = TRIAL if trial else Plan(cases=cases), machine.load()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # so that nothing is left running
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with ExitStack() as at_end:
        servers = Servers(FOLDER / "servers")
        at_end.callback(servers.remove)
        at_end.callback(supervise.stop, FOLDER)
        run = Run(plan, servers, load)
        run.go(parts or PARTS)
    if set(parts) != {WEDDINGS}:
        _write(run.report, DOCUMENT, trial or bool(parts))
    if run.weddings.rows:
        _write(run.weddings, DOCUMENT_520, trial)


def _write(result: Report, document: Path, aside: bool) -> None:
    """Write a document, `aside` where what was measured is not the whole, and show it."""
    place = FOLDER / document.name if aside else document
    place.write_text(result.document(), "utf-8")
    for line in result.screen():
        click.echo(line)
    click.echo(f"written: {place}")


class Run:
    """One run: cities made once, each part on what the earlier ones left."""

    def __init__(self, plan: Plan, servers: Servers, load: str) -> None:
        self.plan = plan
        self.bench: Bench = prepare(FOLDER.absolute(), servers)
        date, what = clock.today().isoformat(), machine.describe(servers, FOLDER) | {"load before the run": load}
        self.report = Report(date, what)
        self.weddings = Report(date, what, introduction=report.INTRODUCTION_520)

    def go(self, parts: tuple[str, ...]) -> None:
        """Measure these parts in the order of PARTS."""
        for name, value in self.report.machine.items():
            click.echo(f"{name}: {value}")
        yardstick = sides.make_bare(self.bench, crossing.PLAY) if "ratio" in parts else {}
        cases = self._cases(yardstick) if "ratio" in parts else 0
        if "memory" in parts:
            self._memory()
        if set(parts) != {WEDDINGS}:
            self.bench.fill_registries(COMPETENT, self._people(cases))
        if {"journey", "intake", "crossing"} & set(parts):
            self._loads(parts)
        if "ratio" in parts:
            self._ratio(yardstick, cases)
        if WEDDINGS in parts:
            marrying.measure(self.bench, self.plan.weddings, self.weddings)

    def _cases(self, yardstick: dict[str, bare.City]) -> int:
        return self.plan.cases or sides.cases_for(
            lambda: crossing.yardstick(self.bench, yardstick), LONG_ENOUGH_SECONDS
        )

    def _people(self, cases: int) -> int:
        plan = self.plan
        busy = plan.intake_seconds + 2 * plan.warm_up + plan.seconds
        receipts = MOST_RECEIPTS_PER_SECOND * (plan.intake_seconds + plan.warm_up)
        fixed = (sum(plan.rates) + plan.journeys_rate) * plan.seconds + 10 * sides.WARM_UP
        return (
            self.bench.applied
            + round(MOST_PER_SECOND * busy + receipts + fixed)
            + 2 * plan.rounds * (cases + sides.WARM_UP)
        )

    # --- memory ---------------------------------------------------------------------------------------------------------

    def _memory(self) -> None:
        click.echo("memory: one city alone, then the demonstration ...")
        self.bench.fill_registries(ACCEPTING, self.bench.applied + self.plan.local_journeys)
        with self.bench.running(ACCEPTING):
            self._journeys(ACCEPTING, self.plan.local_journeys)
            by_kind = {kind: machine.pss_mb(pids) for kind, pids in machine.our_pids(FOLDER).items()}
        each = ", ".join(f"{kind} {size:.0f}" for kind, size in by_kind.items())
        self.report.add(
            "a city's processes, small profile", f"{sum(by_kind.values()):.0f} MB", each, f"≤ {NODE_GOAL_MB} MB"
        )
        self.report.add("`tongban demo`, five cities", *_demo_memory(), f"≤ {DEMO_GOAL_MB} MB")
        self.report.explain("memory", journeys=self.plan.local_journeys)

    def _journeys(self, home: str, count: int) -> tuple[list[float], int]:
        """Whole journeys of so many cases that `home` decides: how long each took, and how many did not end."""
        desk = loads.desk(self.bench, ACCEPTING, WINDOW)
        rate = self.plan.journeys_rate

        def act(_number: int, due: float) -> Answer:
            return loads.hand_in(desk, self.bench.apply_at(home), due)

        with loads.watching(self.bench) as watcher, loads.robots(self.bench, home, FOLDER):
            answers = loads.open_loop(act, rate, count / rate)
            took = loads.times(answers, watcher, "tell")
        return took, len(answers) - len(took)

    # --- loads on both cities ---------------------------------------------------------------------------------------------

    def _loads(self, parts: tuple[str, ...]) -> None:
        with self.bench.running(*PAIR):
            drain(self.bench)
            if "journey" in parts:  # first: later parts leave thousands of open tasks behind
                self._whole_journeys()
            if "intake" in parts:
                self._intake(loads.windows(self.bench))
            if "crossing" in parts:
                self._crossing(loads.windows(self.bench))

    def _whole_journeys(self) -> None:
        plan = self.plan
        click.echo(f"whole journeys at {plan.journeys_rate:g}/s ...")
        took, lost = self._journeys(COMPETENT, round(plan.journeys_rate * plan.seconds))
        figure = f"whole journeys at {plan.journeys_rate:g}/s: p50 / p95"
        self.report.add(figure, report.percentiles(took, (0.5, 0.95)), _range(took, lost))
        self.report.explain("journey")
        drain(self.bench)

    def _intake(self, desks: list[Desk]) -> None:
        plan = self.plan
        for way, prefer in WAYS.items():
            click.echo(f"taking in with {plan.hands} counters, {way} ...")
            began = clock.monotonic() + plan.warm_up
            act = self._hand_in(desks, prefer)
            answers = loads.closed_loop(act, plan.hands, plan.warm_up + plan.intake_seconds)
            self._taken_in(way, answers, began)
            self.report.add(f"… until nothing of {len(answers)} cases moved", f"{drain(self.bench):.0f} s")
        self.report.explain("intake", hands=plan.hands, seconds=plan.intake_seconds, warm_up=plan.warm_up)

    def _taken_in(self, way: str, answers: list[Answer], began: float) -> None:
        seconds = self.plan.intake_seconds
        counted = [one for one in answers if began <= one.answered < began + seconds]
        by_status = Counter(one.status for one in counted)
        steady = report.span(loads.by_slice([one.answered for one in counted], began, seconds)) + " /s"
        of_which = ", ".join(f"{number} × {status}" for status, number in sorted(by_status.items()))
        self.report.add(f"cases taken in, {way}", f"{len(counted) / seconds:.1f} /s", f"{steady} ({of_which})")
        waited = sorted(one.answered - one.sent for one in counted)
        figure = "… a POST's time: p50 / p95 / p99"
        self.report.add(figure, report.percentiles(waited, (0.5, 0.95, 0.99)), _range(waited))

    def _hand_in(self, desks: list[Desk], prefer: str) -> Callable[[int], Answer]:
        return lambda number: loads.hand_in(desks[number % len(desks)], self.bench.apply_at(), prefer=prefer)

    def _crossing(self, desks: list[Desk]) -> None:
        with loads.watching(self.bench) as watcher:
            for rate in self.plan.rates:
                self._crossing_at(rate, desks, watcher)
            self._crossing_closed(desks, watcher)
        drain(self.bench)
        self.report.explain("crossing", in_flight=self.plan.in_flight)

    def _crossing_at(self, rate: float, desks: list[Desk], watcher: Watcher) -> None:
        click.echo(f"crossing at {rate:g}/s ...")

        def act(number: int, due: float) -> Answer:
            return loads.hand_in(desks[number % len(desks)], self.bench.apply_at(), due, RECEIPT_ONLY)

        answers = loads.open_loop(act, rate, self.plan.seconds)
        took = loads.times(answers, watcher, "take_over")
        figure = f"crossing at {rate:g}/s: p50 / p95 / p99"
        self.report.add(figure, report.percentiles(took, (0.5, 0.95, 0.99)), _range(took, len(answers) - len(took)))
        drain(self.bench)

    def _crossing_closed(self, desks: list[Desk], watcher: Watcher) -> None:
        plan = self.plan
        click.echo(f"crossing, {plan.in_flight} in flight ...")
        hand_in, began = self._hand_in(desks, RECEIPT_ONLY), clock.monotonic() + plan.warm_up

        def act(number: int) -> Answer:
            answer = hand_in(number)
            watcher.wait(answer.case_id, "take_over", loads.PATIENCE_SECONDS)
            return answer

        answers = loads.closed_loop(act, plan.in_flight, plan.warm_up + plan.seconds)
        back = [watcher.seen.get((one.case_id, "take_over"), 0.0) for one in answers]
        rates = loads.by_slice(back, began, plan.seconds)
        figure = f"crossing, highest sustained ({plan.in_flight} in flight)"
        self.report.add(figure, f"{statistics.mean(rates):.1f} /s", report.span(rates) + " /s")

    # --- ours against bare --------------------------------------------------------------------------------------------------

    def _ratio(self, yardstick: dict[str, bare.City], cases: int) -> None:
        click.echo(f"ours against bare: {self.plan.rounds} rounds of {cases} cases ...")
        bare_side, our_side = (lambda: crossing.yardstick(self.bench, yardstick)), (lambda: crossing.ours(self.bench))
        race = sides.race(our_side, bare_side, cases, self.plan.rounds)
        self.report.race = race
        ratios = [ours.back / other.back for ours, other in zip(race.ours, race.bare, strict=True)]
        goal = f"≤ {RATIO_GOAL:g}"
        self.report.add(
            "ours / bare, until all are back", f"{race.ratio(_back):.2f}", report.span(ratios, "{:.2f}"), goal
        )
        self.report.add("ours / bare, until all is done", f"{race.ratio(_done):.2f}")
        for name, laps in (("ours", race.ours), ("bare", race.bare)):
            rates = [cases / lap.back for lap in laps]
            self.report.add(
                f"… {name}: cases crossing", f"{statistics.median(rates):.1f} /s", report.span(rates) + " /s"
            )
        values = {"cases": cases, "rounds": self.plan.rounds, "warm_up": min(cases, sides.WARM_UP)}
        self.report.explain("ratio", **values)


def _back(lap: Lap) -> float:
    return lap.back


def _done(lap: Lap) -> float:
    return lap.done


def _range(took: list[float], lost: int = 0) -> str:
    words = f"{report.duration(took[0])} to {report.duration(took[-1])} ({len(took)})" if took else "none"
    return words + (f", {lost} never came" if lost else "")


def _demo_memory() -> tuple[str, str]:
    """Size of `tongban demo` after its case, and a remark; its fixed ports must be free."""
    command = [str(Path(sys.executable).parent / "tongban"), "demo", "--folder", str(FOLDER / "demo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as demo:
        assert demo.stdout
        ready = any("Ctrl-C" in line for line in demo.stdout)
        size = machine.pss_mb([demo.pid]) if ready else 0.0
        demo.send_signal(signal.SIGINT)
    return (f"{size:.0f} MB", "") if ready else ("not measured", "its ports are taken")


if __name__ == "__main__":
    main()
