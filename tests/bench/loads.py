"""Loads on two running cities: counters that hand in, clerks that act, and a watcher that sees what has come back."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from services.main.journey import application
from shared import clock
from tests.bench.cities import ACCEPTING, Bench, database_url
from tests.chaos import counters
from tests.chaos.counters import Crew, Desk, Town, offices_of
from tests.chaos.ledger import Ledger
from tests.chaos.people import Person

POLL_SECONDS = 0.01
LATE_ROWS = 500  # a row may become visible after rows with higher numbers
PATIENCE_SECONDS = 600.0  # for all that are still under way
OPEN_LOOP_HANDS = 256
MATTER = "disability-subsidies"
FRESH = "SELECT position, case_id, verb FROM web.timeline WHERE position > %s AND verb = ANY(%s)"
VERBS = ["take_over", "register", "close", "tell"]
NEWEST = "SELECT coalesce(max(position), 0) FROM web.timeline"


@dataclass
class Watcher:
    """Sees on the accepting city's read model when something was done in a case: taken over, registered, told."""

    link: psycopg.Connection
    seen: dict[tuple[str, str], float] = field(default_factory=dict)  # case and verb -> when
    changed: threading.Condition = field(default_factory=threading.Condition)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look every POLL_SECONDS, with one connection, until stopped."""
        [newest] = self.link.execute(NEWEST).fetchone() or (0,)
        while not self.stop.wait(POLL_SECONDS):
            rows = self.link.execute(FRESH, (newest - LATE_ROWS, VERBS)).fetchall()
            now = clock.monotonic()
            newest = max([newest, *(row[0] for row in rows)])
            with self.changed:
                for _, case_id, verb in rows:
                    self.seen.setdefault((case_id, verb), now)
                self.changed.notify_all()

    def wait(self, case_id: str, verb: str, seconds: float) -> bool:
        """Until that was seen of the case; False when it was not in time."""
        with self.changed:
            return self.changed.wait_for(lambda: (case_id, verb) in self.seen or self.stop.is_set(), seconds)


@contextmanager
def watching(bench: Bench) -> Iterator[Watcher]:
    """A watcher at work."""
    with psycopg.connect(database_url(bench, ACCEPTING), autocommit=True) as link:
        watcher = Watcher(link)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        try:
            yield watcher
        finally:
            watcher.stop.set()
            thread.join()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one POST: when it was to be sent, when it was answered, how, for which case."""

    sent: float
    answered: float
    status: int
    case_id: str


def desk(bench: Bench, node: str, office: str) -> Desk:
    """A clerk of that office."""
    return Desk(bench.addresses[node], bench.token(node, office), threading.Event(), counters.Meter())


def hand_in(at: Desk, person: Person, sent: float | None = None, prefer: str = "") -> Answer:
    """POST /cases for one person. RuntimeError when the city refuses: the bench itself would be wrong."""
    sent = clock.monotonic() if sent is None else sent
    status, answer = at.ask("POST", "/cases", application([person.party()]), clock.new_id(), prefer)
    if status not in (201, 202):
        raise RuntimeError(f"POST /cases: {status} {answer.get('code')}")
    return Answer(sent, clock.monotonic(), status, answer["receipt"]["case_id"])


def closed_loop(act: Callable[[int], Answer], hands: int, seconds: float) -> list[Answer]:
    """Each of `hands` threads acts again as soon as it is done, until `seconds` have passed; all answers."""
    end, answers = clock.monotonic() + seconds, list[Answer]()

    def work(number: int) -> None:
        while clock.monotonic() < end:
            answers.append(act(number))

    with ThreadPoolExecutor(hands) as pool:
        for done in [pool.submit(work, number) for number in range(hands)]:
            done.result()
    return answers


def open_loop(act: Callable[[int, float], Answer], rate: float, seconds: float) -> list[Answer]:
    """Acts begin at fixed intervals, whatever became of earlier ones; `act` is told when it was to begin."""
    began = clock.monotonic()
    with ThreadPoolExecutor(OPEN_LOOP_HANDS) as pool:
        begun = []
        for number in range(round(rate * seconds)):
            due = began + number / rate
            time.sleep(max(0.0, due - clock.monotonic()))
            begun.append(pool.submit(act, number, due))
        return [one.result() for one in begun]


def by_slice(moments: list[float], since: float, seconds: float, slices: int = 6) -> list[float]:
    """Events per second in each of equal slices of a span: how steady a rate was."""
    width = seconds / slices
    counts = [sum(since + n * width <= moment < since + (n + 1) * width for moment in moments) for n in range(slices)]
    return [count / width for count in counts]


@contextmanager
def robots(bench: Bench, node: str, folder: Path) -> Iterator[None]:
    """Three clerks of a city, one for each step, who do whatever waits for their offices."""
    stop, ledger = threading.Event(), Ledger(folder / "acts.jsonl")
    desks: Mapping[str, Desk] = {verb: desk(bench, node, office) for verb, office in offices_of(node).items()}
    crew = Crew({node: Town(node, desks["check"], desks)}, ledger, threading.Event(), stop)
    threads = [threading.Thread(target=crew.attend, args=(node, verb)) for verb in desks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for one in desks.values():
            one.stop.set()
        for thread in threads:
            thread.join()


def times(answers: list[Answer], watcher: Watcher, verb: str) -> list[float]:
    """From POST to the moment that verb was seen of each case, in seconds, those that never came left out."""
    end = clock.monotonic() + PATIENCE_SECONDS
    for answer in answers:
        watcher.wait(answer.case_id, verb, end - clock.monotonic())
    done = [(answer.sent, watcher.seen.get((answer.case_id, verb))) for answer in answers]
    return sorted(seen - sent for sent, seen in done if seen is not None)


def windows(bench: Bench) -> list[Desk]:
    """A desk at every office of the accepting city that takes in: one office alone would queue for its own numbers."""
    node = bench.country.works(ACCEPTING, "web").node
    able = [office for office in node.offices.by_code.values() if office.may("take_in", MATTER, clock.today())]
    return [desk(bench, ACCEPTING, office.code) for office in able]
