"""`make chaos`: kill everything, lose nothing. Exit 0 only when the judge finds nothing and every victim died at work."""

import queue
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click
import psycopg

from deploy import supervise
from deploy.children import free_port
from deploy.homes import CITIES
from deploy.processes import FULL
from deploy.servers import Servers
from services.main.real import ailing, make_country
from services.web.usecases.tokens import NewToken, create_token
from shared import clock, topology
from tests.chaos.counters import Crew, Desk, Meter, Town, offices_of
from tests.chaos.judge import Cities, moving, unfinished, verdict
from tests.chaos.killer import KINDS, SERVERS, Killer
from tests.chaos.ledger import Ledger
from tests.chaos.people import WINDOWS, Person, crowd, write_registries
from tests.chaos.sabotage import BREAK, DROP_UNIQUE, SIGNS
from tests.chaos.sabotage import KINDS as SABOTAGES

FOLDER = Path(".run/chaos")
TWINS = 0.05
HANDS_PER_CITY = 2
LONGEST_SECONDS = 2400.0  # for handing in and killing, and again for what settles after it
SETTLE_SECONDS = 420.0  # without any progress: longer than the longest delay between two attempts
STUCK_SECONDS = 90.0  # the same once no message is on its way: longer than any timer's round
MOST_ROUNDS = 10  # of murders: some kinds are seldom at work when looked at
CODES = tuple(city.code for city in CITIES)


@click.command()
@click.argument("scenario", type=click.Choice(["cases"]))
@click.option("--cases", "count", default=2000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--kills", default=2, show_default=True, help="How often each kind of process and each server dies.")
@click.option("--sabotage", type=click.Choice(SABOTAGES), help="Take one safeguard out; the run must fail.")
def main(scenario: str, count: int, seed: int, kills: int, sabotage: str | None) -> None:
    """Five cities on real servers, COUNT cases among them, everything killed with -9 again and again."""
    began = clock.monotonic()
    click.echo(f"{scenario}: {count} cases, seed {seed}, sabotage {sabotage or 'none'}")
    with ExitStack() as at_end:
        run = Run(count, random.Random(seed), sabotage, at_end)
        run.prepare()
        click.echo(f"five cities are well after {clock.monotonic() - began:.0f} s")
        faults = run.go(kills)
        for line in run.report():
            click.echo(line)
    for fault in faults[:20]:
        click.echo(f"FAULT {fault}")
    if sabotage and not any(SIGNS[sabotage] in fault for fault in faults):
        click.echo(f"this proves nothing: not one fault of the kind “{SIGNS[sabotage]}”")
        sys.exit(2)
    click.echo(f"{len(faults)} faults, {clock.monotonic() - began:.0f} s: {'FAILED' if faults else 'PASSED'}")
    sys.exit(1 if faults else 0)


class Run:
    """One chaos run from empty servers to the verdict."""

    def __init__(self, count: int, dice: random.Random, sabotage: str | None, at_end: ExitStack) -> None:
        self.count, self.dice, self.sabotage = count, dice, sabotage
        self.stop = threading.Event()
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        self.servers = Servers(FOLDER / "servers")
        at_end.callback(self.servers.remove)
        at_end.callback(supervise.stop, FOLDER)
        self.people = crowd(count)
        self.ledger = Ledger(FOLDER / "ledger.jsonl")
        self.meters = {code: Meter() for code in CODES}
        self.dealt = 0  # how often somebody goes to a window

    def prepare(self) -> None:
        """Servers, cities, tokens, and every process well."""
        self.country = make_country(FOLDER, self.servers, CODES, {code: free_port() for code in CODES})
        for site in self.country.sites:
            write_registries(Path(site.home) / "registries.yaml", self.people)
        towns = {code: self._town(code) for code in CODES}
        self.crew = Crew(towns, self.ledger, threading.Event(), self.stop)
        self.cities = Cities(self.country, self.servers.get("postgres").url)
        if self.sabotage == "no-unique":
            for code in CODES:
                self.cities.ask_nothing(code, DROP_UNIQUE)
        self._start()

    def _start(self) -> None:
        broken = (f"{sys.executable} -m tests.chaos.sabotage {self.sabotage}",) if self.sabotage in BREAK else ()
        supervise.write_settings(FOLDER, self.country.sites, FULL, *broken)
        supervise.start(FOLDER)
        end = clock.monotonic() + 240
        while late := ailing(self.country):
            if clock.monotonic() > end:
                raise click.ClickException(f"not well: {late}; see {FOLDER}/logs")
            time.sleep(0.5)

    def _town(self, code: str) -> Town:
        desks = {verb: self._desk(code, office) for verb, office in offices_of(code).items()}
        return Town(code, self._desk(code, WINDOWS[code]), desks)

    def _desk(self, code: str, office: str) -> Desk:
        actor = f"robot-{office}-{self.dice.random():.6f}"
        with self.country.works(code, "web").begin() as work:
            token = create_token(work, NewToken("clerk", actor, "chaos", office=office))
        return Desk(f"http://127.0.0.1:{self.country.site(code).http_port}", token, self.stop, self.meters[code])

    def go(self, kills: int) -> list[str]:
        """Hand in, act and kill until all is handed in and killed; heal, settle, judge."""
        rounds = 1 if self.sabotage else MOST_ROUNDS
        self.killer = Killer(self.country, self.servers, self._requests, self.dice, self.stop)
        threads = [
            threading.Thread(target=self._attend, args=(n, v), daemon=True) for n in CODES for v in offices_of(n)
        ]
        hands = [
            threading.Thread(target=self.crew.hand_in, args=(work, self._pace()), daemon=True)
            for work in self._shares()
            for _ in range(HANDS_PER_CITY)
        ]
        murders = threading.Thread(target=self.killer.run, args=(kills, rounds), daemon=True)
        for thread in (*threads, *hands, murders):
            thread.start()
        overdue = clock.monotonic() + LONGEST_SECONDS
        for thread in (*hands, murders):
            thread.join(max(0.0, overdue - clock.monotonic()))
        late = [thread.name for thread in (*hands, murders) if thread.is_alive()]
        ill = self.killer.heal()
        self.crew.twins_may_be_decided.set()
        left = self._settle()
        faults = verdict(self.cities, self.ledger)
        self.stop.set()
        return [
            *faults,
            *self._not_handed_in(),
            *([f"{len(late)} threads did not come to an end"] if late else []),
            *([] if self.sabotage else self._did_not_count()),
            *self.crew.errors,
            *ill,
            *([f"{left} things still move"] if left else []),
        ]

    def _attend(self, node: str, verb: str) -> None:
        self.crew.attend(node, verb)

    def _requests(self, node: str) -> int:
        return self.meters[node].count

    def _pace(self) -> Callable[[], None]:
        return lambda: time.sleep(0.02)

    def _shares(self) -> list["queue.SimpleQueue[tuple[Person, str, bool]]"]:
        """What each city's counters hand in: nine of ten cases cross, one person of twenty goes to two cities."""
        shares: dict[str, queue.SimpleQueue[tuple[Person, str, bool]]] = {code: queue.SimpleQueue() for code in CODES}
        for person in self.people:
            twin = self.dice.random() < TWINS
            for code in self.dice.sample(CODES, 2 if twin else 1):
                shares[code].put((person, code, twin))
        self.dealt = sum(share.qsize() for share in shares.values())
        return list(shares.values())

    def _settle(self) -> int:
        """Wait until all has ended and nothing moves, or nothing has for long; what is left."""
        left = (1, 1)  # open things, messages on their way
        still, last = clock.monotonic(), clock.monotonic() + LONGEST_SECONDS
        while any(left) and clock.monotonic() < min(last, still + (SETTLE_SECONDS if left[1] else STUCK_SECONDS)):
            time.sleep(2)
            before = left
            try:
                left = unfinished(self.cities), moving(self.cities)
            except (psycopg.Error, *topology.LOST):
                self.cities.links.clear()
            if left != before:
                still = clock.monotonic()
        time.sleep(3)
        return sum(left)

    def _not_handed_in(self) -> list[str]:
        """Every person the plan sent to a window has a case there, or an answer that says why not."""
        handed_in = len(self.ledger.entries) + len(self.crew.errors)
        return [] if handed_in == self.dealt else [f"{self.dealt} were to be handed in, {handed_in} were"]

    def _did_not_count(self) -> list[str]:
        """A run proves nothing unless everything died at work, and something came twice."""
        needed = [*KINDS, *SERVERS]
        idle = [
            f"{kind} died at work only {self.killer.deaths[kind]} times"
            for kind in needed
            if self.killer.deaths[kind] < 2
        ]
        return idle + ([] if self._redelivered() else ["nothing was delivered twice"])

    def _redelivered(self) -> int:
        return sum(path.read_text("utf-8", "replace").count('"duplicate"') for path in (FOLDER / "logs").glob("*.log*"))

    def report(self) -> list[str]:
        """What happened, for the reader."""
        return [
            f"handed in {len(self.ledger.entries)} cases, of them {sum(e.twin for e in self.ledger.entries)} twins",
            f"died at work: {dict(self.killer.deaths)}; while idle: {dict(self.killer.idle_deaths)}",
            f"deliveries that came twice and did nothing: {self._redelivered()}",
        ]


if __name__ == "__main__":
    main()
