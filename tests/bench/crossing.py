"""Commands laid at once into the accepting city's outbox, until the competent city's answer is back: ours and bare."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from contracts.intake import TakeInApplicationV1
from services.main.journey import ANSWERS
from shared import clock
from tests.bench import bare
from tests.bench.bare_crossing import TAKE_IN
from tests.bench.cities import ACCEPTING, COMPETENT, PAIR, WINDOW, Bench, drain
from tests.bench.sides import Side, Yardstick, bare_running, our_processes
from tests.chaos.people import Person

PLAY = "crossing"
HEARD = "SELECT count(*) FROM web.inbox"
BACK, DONE = 4, 4  # messages of one case for the accepting city's read model, and for the competent city's
EMPTY_PARTY = dict.fromkeys(("residence_division", "address", "basis", "expires_on"), "")


def personal(person: Person) -> dict[str, Any]:
    """The sealed part of a command, as the API would write it."""
    return {"parties": [person.party() | EMPTY_PARTY], "answers": dict(ANSWERS)}


@contextmanager
def ours(bench: Bench) -> Iterator[Side]:
    """Our two cities, running."""

    def heard(code: str) -> int:
        return int(bench.cities.ask(code, HEARD)[0][0])

    with bench.running(*PAIR):
        drain(bench)
        yield Side(
            lambda cases: _tell(bench, [bench.apply_at() for _ in range(cases)]),
            lambda: heard(ACCEPTING) / BACK,
            lambda: heard(COMPETENT) / DONE,
            lambda: our_processes(bench),
        )
        drain(bench)


def _tell(bench: Bench, people: list[Person]) -> None:
    office = bench.country.works(ACCEPTING, "web").node.offices.get(WINDOW)
    place = {"code": office.code, "name": office.name, "node": ACCEPTING, "phone": office.phone}
    with bench.country.works(ACCEPTING, "web").begin() as work:
        case = {
            "matter": "disability-subsidies",
            "matter_version": 1,
            "channel": "counter",
            "accepting_office": place,
            "applied_on": work.today.isoformat(),
            "taken_in_at": clock.iso(work.now),
            "materials": [],
            "consents": ["notice_shown", "checks"],
        }
        for number, person in enumerate(people):
            actor = {"id": f"bench-{office.code}-{clock.new_id()}", "kind": "clerk", "office": office.code}
            numbered = case | {"case_no": f"{office.code}-{work.today:%Y%m%d}-{number:04d}-X"}
            data = {"case": numbered, "actor": actor, "place_division": ""}
            work.tell(TakeInApplicationV1, clock.new_id(), data, personal(person))


@contextmanager
def yardstick(bench: Bench, cities: Yardstick) -> Iterator[Side]:
    """The bare processes of both cities, running."""
    with ExitStack() as at_end:
        pids = at_end.enter_context(bare_running(bench, cities))
        links = {code: at_end.enter_context(city.database()) for code, city in cities.items()}

        def heard(code: str) -> int:
            row = links[code].execute(HEARD).fetchone()
            return int(row[0]) if row else 0

        yield Side(
            lambda cases: _lay(cities[ACCEPTING], [bench.apply_at() for _ in range(cases)]),
            lambda: heard(ACCEPTING) / BACK,
            lambda: heard(COMPETENT) / DONE,
            pids,
        )


def _lay(city: bare.City, people: list[Person]) -> None:
    keys = city.keys()
    rows = []
    for person in people:
        cause = {"id": clock.new_id(), "subject": clock.new_id()}
        private = json.dumps(personal(person), ensure_ascii=False).encode()
        rows.append(bare.told(city, keys, TAKE_IN, cause, private))
    with city.database() as database, database.transaction():
        database.cursor().executemany(bare.of("web", bare.OUTBOX), rows)
