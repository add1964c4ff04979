"""Weddings in one city, both persons' numbers guarded by two others: applied for, acted on by robots, seen to the end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from contracts import marriage
from contracts.envelope import Contract
from contracts.intake import TakeInApplicationV1
from services.main.wiring import open_engine
from shared import clock
from shared.outbox import Works
from tests.bench import bare
from tests.bench import bare_wedding as steps
from tests.bench.cities import ACCEPTING, CODES, Bench, database_url, drain
from tests.bench.loads import LATE_ROWS
from tests.bench.sides import Side, Yardstick, bare_running, our_processes
from tests.marriage.weddings import HEARD, PAPERS, couple, numbered, person

OFFICES = ("460204-mr", "460203-mr")  # every registration office of that city
MATTER = "marriage-registration"
ROBOT_SECONDS = 0.05  # between two looks at the task list
EMPTY_PARTY = dict.fromkeys(("residence_division", "address", "basis", "expires_on"), "")
TASKS = (
    "SELECT o.office, t.case_id, t.version, t.task ->> 'verb' FROM web.task_offices o JOIN web.tasks t USING (case_id)"
    " WHERE t.missing_facts::text = '[]'"
)
CLOSED = "SELECT count(*) FROM web.timeline WHERE verb = 'close'"  # registered, and the certificate is known
NOTED = "SELECT count(*) FROM claims.attempts WHERE step = 'issued'"  # and both other cities know it, too
HOLDS = "SELECT case_id, hold FROM marriage.applications WHERE state IN ('accepted', 'examined', 'registering')"
ACTS: dict[str, type[Contract]] = {
    "examine": marriage.ExamineApplicationV1,
    "register": marriage.RegisterMarriageV1,
}
Json = dict[str, Any]


def personal(number: int) -> Json:
    """The `number`-th couple, and the sealed part of its application."""
    born = f"{1960 + number % 38}{1 + number // 38 % 12:02d}{1 + number // 456 % 28:02d}"
    order = 2 * (number // 12768 % 499)
    he = person("温远山", numbered("990104", born, order + 1))  # 兰州 guards his claims
    she = person("宋晚晴", numbered("990105", born, order + 2), "371002")  # 威海 guards hers
    return {"parties": [party | EMPTY_PARTY for party in couple(he, she)], "answers": {}}


def examination(verb: str) -> Json:
    """The sealed part of a registrar's act."""
    return {"reasons": []} | ({"heard": HEARD, "kinship": "none"} if verb == "examine" else {})


@dataclass
class Hall:
    """The registration offices of the city where they marry, and how many couples have come so far."""

    works: Works
    come: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, couples: int = 1) -> list[str]:
        """So many new couples' applications, laid into web's outbox at once; their cases."""
        with self.lock:
            first, self.come = self.come, self.come + couples
        cases = [clock.new_id() for _ in range(couples)]
        with self.works.begin() as work:
            for number, case_id in enumerate(cases, first):
                office = OFFICES[number % len(OFFICES)]
                data = {"case": self._facts(office, number), "actor": actor(office), "place_division": ""}
                work.tell(TakeInApplicationV1, case_id, data, personal(number))
        return cases

    def _facts(self, code: str, number: int) -> Json:
        office, now = self.works.node.offices.get(code), clock.now()
        return {
            "case_no": f"{code}-{clock.legal_date(now):%Y%m%d}-{number:04d}-X",
            "matter": MATTER,
            "matter_version": 1,
            "channel": "counter",
            "accepting_office": {"code": code, "name": office.name, "node": ACCEPTING, "phone": office.phone},
            "applied_on": clock.legal_date(now).isoformat(),
            "taken_in_at": clock.iso(now),
            "materials": PAPERS,
            "consents": ["notice_shown"],
        }

    def act(self, tasks: list[tuple[str, str, int, str]]) -> None:
        """Do these tasks (office, case, version, verb) as registrars do who find nothing in the way."""
        with self.works.begin() as work:
            for office, case_id, version, verb in tasks:
                data = {"expected_version": version, "actor": actor(office), "approve": True}
                work.tell(ACTS[verb], case_id, data, examination(verb))


def actor(office: str) -> Json:
    """A clerk of that office."""
    return {"id": f"bench-{office}", "kind": "clerk", "office": office}


def hall(bench: Bench) -> Hall:
    """The counters of the city where they marry; its database must be there, its processes need not run."""
    site = bench.country.site(ACCEPTING)
    node = bench.country.works(ACCEPTING, "web").node
    return Hall(Works(node, "web", open_engine(site.database_urls["web"], "web")))


@contextmanager
def repeated(act: Callable[[], None], seconds: float) -> Iterator[None]:
    """Something done again and again beside the rest, so many seconds after it was done; what it raises is raised."""
    stop, failed = threading.Event(), list[BaseException]()

    def go_round() -> None:
        try:
            while not stop.wait(seconds):
                act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=go_round)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def robots(bench: Bench, at: Hall) -> Iterator[None]:
    """Registrars who do every task as soon as it stands in the read model with nothing in the way."""
    done: set[tuple[str, str]] = set()

    with psycopg.connect(database_url(bench, ACCEPTING), autocommit=True) as link:

        def look() -> None:
            rows = [row for row in link.execute(TASKS).fetchall() if (row[1], row[3]) not in done]
            if rows:
                at.act(rows)
                done.update((row[1], row[3]) for row in rows)

        with repeated(look, ROBOT_SECONDS):
            yield


@dataclass
class Ways:
    """When each case was first seen to have asked for, held, confirmed and locked its claims."""

    link: Any  # a connection to the city's database
    seen: dict[str, dict[str, float]] = field(default_factory=dict)  # case -> hold -> when

    def look(self) -> None:
        """Ask once; what was confirming and is over now has its locks."""
        rows: dict[str, str] = dict(self.link.execute(HOLDS).fetchall())
        now = clock.monotonic()
        for case_id, hold in rows.items():
            self.seen.setdefault(case_id, {}).setdefault(hold, now)
        for case_id, holds in self.seen.items():
            if "confirming" in holds and case_id not in rows:
                holds.setdefault("locked", now)

    def times(self, since: str, until: str) -> list[float]:
        """Seconds from one hold to the other, in ascending order, of the cases seen in both."""
        both = [holds for holds in self.seen.values() if {since, until} <= holds.keys()]
        return sorted(holds[until] - holds[since] for holds in both)


@contextmanager
def watching_claims(bench: Bench, seconds: float) -> Iterator[Ways]:
    """A look at the claims of all open applications, so many seconds apart."""
    with psycopg.connect(database_url(bench, ACCEPTING), autocommit=True) as link:
        ways = Ways(link)
        with repeated(ways.look, seconds):
            yield ways
            time.sleep(2 * seconds)


@contextmanager
def ours(bench: Bench, at: Hall) -> Iterator[Side]:
    """Our three cities, running, and the registrars at work."""

    def count(statement: str) -> int:
        return int(bench.cities.ask(ACCEPTING, statement)[0][0])

    def inject(couples: int) -> None:
        at.apply(couples)

    with bench.running(*CODES):
        drain(bench)
        with robots(bench, at):
            yield Side(inject, lambda: count(CLOSED), lambda: count(NOTED), lambda: our_processes(bench))
        drain(bench)


# --- the yardstick ----------------------------------------------------------------------------------------------------


@dataclass
class Tail:
    """The rows of some kinds that a table of the yardstick has got so far, read in the order of their numbers."""

    link: psycopg.Connection[Any]
    statement: str
    rows: dict[int, tuple[str, str]] = field(default_factory=dict)  # number -> case, kind
    newest: int = 0

    def read(self) -> None:
        """Read on; a row may become visible after rows with higher numbers."""
        for number, case_id, kind in self.link.execute(self.statement, (self.newest - LATE_ROWS,)).fetchall():  # type: ignore[call-overload]
            self.rows[number] = case_id, kind
            self.newest = max(self.newest, number)

    def cases(self, kind: str) -> set[str]:
        """The cases that have a row of that kind."""
        return {case_id for case_id, found in list(self.rows.values()) if found == kind}

    def count(self, kind: str) -> int:
        """Rows of that kind."""
        return sum(found == kind for _, found in list(self.rows.values()))


@contextmanager
def tailing(city: bare.City, service: str, *kinds: str) -> Iterator[Tail]:
    """A table's rows of these kinds; of each message only its first row."""
    wanted = ", ".join(f"'{kind}/0'" for kind in kinds)
    with city.database() as link:
        chosen = f"SELECT position, case_id, split_part(kind, '/', 1) FROM {service}.rows"
        yield Tail(link, f"{chosen} WHERE position > %s AND kind IN ({wanted})")


@contextmanager
def yardstick(bench: Bench, cities: Yardstick) -> Iterator[Side]:
    """The bare processes of three cities, running, and bare registrars at work."""
    city = cities[ACCEPTING]
    with ExitStack() as at_end:
        pids = at_end.enter_context(bare_running(bench, cities))
        desk = at_end.enter_context(tailing(city, "web", steps.TASK_OPENED, steps.EXAMINED, steps.CLOSED))
        claims = at_end.enter_context(tailing(city, "claims", steps.NOTED))
        desk.read()
        claims.read()
        acts = {steps.EXAMINE: steps.TASK_OPENED, steps.REGISTER: steps.EXAMINED}
        done = {act: desk.cases(after) for act, after in acts.items()}

        def look() -> None:
            desk.read()
            claims.read()
            due = [(act, case_id) for act, after in acts.items() for case_id in desk.cases(after) - done[act]]
            for act, case_id in due:
                done[act].add(case_id)
            if due:
                _lay(city, due)

        at_end.enter_context(repeated(look, ROBOT_SECONDS))
        yield Side(
            lambda couples: _lay(city, [(steps.TAKE_IN, clock.new_id()) for _ in range(couples)]),
            lambda: desk.count(steps.CLOSED),
            lambda: claims.count(steps.NOTED) / len(city.peers),
            pids,
        )


def _lay(city: bare.City, commands: list[tuple[str, str]]) -> None:
    """Put commands (kind, case) into the outbox of the desk."""
    keys = city.keys()
    causes = [(kind, {"id": clock.new_id(), "subject": case_id}) for kind, case_id in commands]
    rows = [bare.told(city, keys, kind, cause, city.plan.secrets[kind]) for kind, cause in causes]
    with city.database() as database, database.transaction():
        database.cursor().executemany(bare.of("web", bare.OUTBOX), rows)
