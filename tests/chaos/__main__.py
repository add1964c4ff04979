"""`make chaos`: kill everything, lose nothing. Exit 0 only when the judge finds nothing and every victim died at work."""

import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import click
import psycopg

from deploy import supervise
from deploy.children import free_port
from deploy.processes import FULL, SMALL, Process
from deploy.servers import Servers
from services.main.real import ailing, make_country
from shared import clock, topology
from tests.chaos.cases import Cases
from tests.chaos.cutter import Cutter
from tests.chaos.judge import Cities, moving
from tests.chaos.killer import SERVERS, Killer
from tests.chaos.patience import Patience
from tests.chaos.sabotage import BREAK, DROPPED, SIGNS, sign_first, unproven
from tests.chaos.stage import CODES, Scenario, Stage
from tests.chaos.weddings import Weddings

FOLDER = Path(".run/chaos")
SCENARIOS: Mapping[str, tuple[Callable[[Stage], Scenario], int]] = {  # what makes it, how many cases it usually has
    "cases": (Cases, 2000),
    "weddings": (Weddings, 5000),
}
SABOTAGES = sorted({kind for signs in SIGNS.values() for kind in signs})
START_SECONDS = 900.0  # 50 processes, on a machine that may be busy with other things
LONGEST_SECONDS, AND_FOR_EACH_CASE = 1200.0, 1.0  # for handing in and killing, and again for what settles after it
MOST_ROUNDS = 10  # of murders: some kinds are seldom at work when looked at


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)))
@click.option("--cases", "count", type=int, help="How many; each scenario has a number of its own.")
@click.option("--seed", default=1, show_default=True)
@click.option("--kills", default=2, show_default=True, help="How often each kind of process and each server dies.")
@click.option("--small", is_flag=True, help="All services of a city in one process, for a machine with little time.")
@click.option("--sabotage", type=click.Choice(SABOTAGES), help="Take one safeguard out; the run must fail.")
def main(scenario: str, count: int | None, seed: int, kills: int, small: bool, sabotage: str | None) -> None:
    """Five cities on real servers, COUNT cases among them, everything killed with -9 again and again."""
    if sabotage and sabotage not in SIGNS[scenario]:
        raise click.BadParameter(f"{scenario} knows {', '.join(SIGNS[scenario])}", param_hint="--sabotage")
    began, count = clock.monotonic(), count or SCENARIOS[scenario][1]
    click.echo(f"{scenario}: {count} cases, seed {seed}, sabotage {sabotage or 'none'}")
    with ExitStack() as at_end:
        stage = make_stage(count, random.Random(seed), SMALL if small else FULL, at_end)
        run = Run(stage, scenario, sabotage)
        run.start()
        click.echo(f"five cities are well after {clock.monotonic() - began:.0f} s")
        faults = run.go(kills)
        for line in run.report():
            click.echo(line)
    for fault in (sign_first(scenario, sabotage, faults) if sabotage else faults)[:20]:
        click.echo(f"FAULT {fault}")
    if sabotage and (why := unproven(scenario, sabotage, faults, time_up=run.time_up, fallen=run.fallen())):
        click.echo(f"this proves nothing: {why}")
        sys.exit(2)
    click.echo(f"{len(faults)} faults, {clock.monotonic() - began:.0f} s: {'FAILED' if faults else 'PASSED'}")
    sys.exit(1 if faults else 0)


def make_stage(count: int, dice: random.Random, processes: tuple[Process, ...], at_end: ExitStack) -> Stage:
    """Five cities in empty servers, none of their processes running yet."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    servers = Servers(FOLDER / "servers")
    at_end.callback(servers.remove)
    at_end.callback(supervise.stop, FOLDER)
    country = make_country(FOLDER, servers, CODES, {code: free_port() for code in CODES})
    return Stage(country, servers, processes, Cities(country, servers.get("postgres").url), dice, count)


class Run:
    """One chaos run from empty servers to the verdict."""

    def __init__(self, stage: Stage, scenario: str, sabotage: str | None) -> None:
        self.stage, self.sabotage = stage, sabotage
        self.scenario = SCENARIOS[scenario][0](stage)
        self.longest = LONGEST_SECONDS + stage.count * AND_FOR_EACH_CASE
        self.time_up = False  # things still came to their end when the run was judged
        if sabotage in DROPPED:
            for code in CODES:
                stage.cities.ask_nothing(code, DROPPED[sabotage][scenario])

    def start(self) -> None:
        """Every process well."""
        broken = (f"{sys.executable} -m tests.chaos.sabotage {self.sabotage}",) if self.sabotage in BREAK else ()
        supervise.write_settings(FOLDER, self.stage.country.sites, self.stage.processes, *broken)
        supervise.start(FOLDER)
        end = clock.monotonic() + START_SECONDS
        while late := ailing(self.stage.country, self.stage.processes):
            if clock.monotonic() > end:
                raise click.ClickException(f"not well: {late}; see {FOLDER}/logs")
            time.sleep(0.5)

    def go(self, kills: int) -> list[str]:
        """Hand in, act, cut off and kill until all is handed in and killed; heal, settle, judge."""
        late = self._work(kills)
        ill = self.killer.heal()
        self.scenario.healed()
        left = self._settle()
        faults = self.scenario.verdict()
        self.stage.stop.set()
        return [
            *faults,
            *([f"{len(late)} threads did not come to an end: {late}"] if late else []),
            *([] if self.sabotage else self._did_not_count()),
            *ill,
            *([f"{left} things still move"] if left else []),
        ]

    def _work(self, kills: int) -> list[str]:
        """All threads, until those that end by themselves have; the names of those that have not."""
        stage = self.stage
        kinds = tuple(process.name for process in stage.processes)
        self.killer = Killer(stage.country, stage.servers, kinds, self._requests, stage.dice, stage.stop)
        self.cutter = Cutter(stage.country, self.killer.spared, stage.dice, stage.stop)
        hands = [_thread(hand) for hand in (*self.scenario.hands(), self.cutter.run)]
        murders = _thread(lambda: self._kill(kills))
        for thread in (*map(_thread, self.scenario.robots()), *hands, murders):
            thread.start()
        overdue = clock.monotonic() + self.longest
        for thread in (murders, *hands):
            thread.join(max(0.0, overdue - clock.monotonic()))
        return [thread.name for thread in (*hands, murders) if thread.is_alive()]

    def _kill(self, kills: int) -> None:
        self.killer.run(kills, 1 if self.sabotage else MOST_ROUNDS)
        self.stage.killed.set()

    def _requests(self, node: str) -> int:
        return self.stage.meters[node].count

    def _settle(self) -> int:
        """Wait until all has ended and nothing moves, or patience is out; what is left."""
        patience = Patience(clock.monotonic(), self.longest, self.scenario.stuck_seconds)
        left = (sys.maxsize, 1)  # unfinished things, messages on their way: not seen yet
        while not patience.is_out(*left, clock.monotonic()):
            time.sleep(2)
            try:
                left = self.scenario.unfinished(), moving(self.stage.cities)
            except (psycopg.Error, *topology.LOST):
                self.stage.cities.links.clear()
        self.time_up = patience.time_up
        time.sleep(3)
        return sum(left)

    def _did_not_count(self) -> list[str]:
        """A run proves nothing unless everything died at work, a city was cut off, and something came twice."""
        deaths = self.killer.deaths
        idle = [
            f"{kind} died at work only {deaths[kind]} times"
            for kind in (*self.killer.kinds, *SERVERS)
            if deaths[kind] < 2
        ]
        cut = [] if self.cutter.cut_off else ["no city was cut off for long enough"]
        twice = [] if self._redelivered() else ["nothing was delivered twice"]
        return [*idle, *cut, *twice, *self.scenario.did_not_count()]

    def _redelivered(self) -> int:
        return sum(path.read_text("utf-8", "replace").count('"duplicate"') for path in (FOLDER / "logs").glob("*.log*"))

    def fallen(self) -> int:
        """How often a process ended by itself, not by our hand."""
        told = (FOLDER / "logs" / "supervisord.log").read_text("utf-8").splitlines()
        return sum(" exited: " in line and "by SIGKILL" not in line for line in told)

    def report(self) -> list[str]:
        """What happened, for the reader."""
        return [
            *self.scenario.report(),
            f"died at work: {dict(self.killer.deaths)}; while idle: {dict(self.killer.idle_deaths)}",
            f"cut off from the hub: {', '.join(self.cutter.cut_off) or 'none'}",
            f"deliveries that came twice and did nothing: {self._redelivered()}",
        ]


def _thread(act: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=act, daemon=True)


if __name__ == "__main__":
    main()
