"""The verdict, by plain SQL over every city's database and the run's own book; it trusts no code of the house."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from services.main.real import SCHEMAS, Country
from shared import topology
from shared.bus import Doors
from tests.chaos.ledger import Entry, Ledger

QUIET = {  # what must be empty when all is over
    "outbox rows": "SELECT count(*) FROM {schema}.outbox",
    "parked messages": "SELECT count(*) FROM {schema}.parked",
    "unroutable messages": "SELECT count(*) FROM {schema}.unroutable",
}
STILL = {
    "quarantined": "SELECT count(*) FROM exchange.quarantine WHERE state <> 'released'",
    "unsent": "SELECT count(*) FROM exchange.sendings WHERE state <> 'sent'",
    "unanswered commands": "SELECT count(*) FROM web.commands WHERE answered_at = ''",
}
REMEMBERED = (  # what crossed has taken effect in these services, and each of them knows that it has
    "SELECT count(*) FROM exchange.exchange_log l WHERE l.type LIKE '{types}' AND l.direction IN ({directions})"
    " AND NOT EXISTS (SELECT 1 FROM {service}.inbox i WHERE i.message_id = l.message_id)"
)
APPLICATIONS = "intake.applica%%"
HEARS = (("intake", APPLICATIONS, "'in'"), ("web", APPLICATIONS, "'in', 'out'"))  # who, what, in which direction
GAPS = (
    "SELECT s.issuer_code, s.last, count(c.*) FROM certificate.serials s LEFT JOIN certificate.certificates c"
    " USING (issuer_code) GROUP BY s.issuer_code, s.last, s.type_code, s.year HAVING s.last <> count(c.*)"
)


@dataclass
class Cities:
    """All databases of a run, open for questions."""

    country: Country
    admin_url: str
    links: dict[str, psycopg.Connection[Any]] = field(default_factory=dict)

    def ask(self, node: str, statement: str, *values: Any) -> list[Any]:
        """Rows of one city."""
        return self._link(node).execute(statement, values).fetchall()  # type: ignore[arg-type]

    def ask_nothing(self, node: str, statement: str) -> None:
        """A statement without an answer."""
        self._link(node).execute(statement)  # type: ignore[arg-type]

    def _link(self, node: str) -> psycopg.Connection[Any]:
        if node not in self.links:
            url = self.admin_url.replace("+psycopg", "").rsplit("/", 1)[0] + f"/tongban_{node}"
            self.links[node] = psycopg.connect(url, autocommit=True)
        return self.links[node]

    def nodes(self) -> list[str]:
        """Every city."""
        return [site.node for site in self.country.sites]


def unfinished(cities: Cities) -> int:
    """How many legs are open, and messages parked."""
    parked = [f"SELECT count(*) FROM {schema}.parked" for schema in SCHEMAS]
    open_legs = "SELECT count(*) FROM intake.legs WHERE ours AND open"
    return sum(int(cities.ask(node, each)[0][0]) for node in cities.nodes() for each in (open_legs, *parked))


def moving(cities: Cities) -> int:
    """How many messages are on their way: unsent, unhandled, or put off until a later attempt."""
    unsent = [f"SELECT count(*) FROM {schema}.outbox" for schema in SCHEMAS]
    unsent.append("SELECT count(*) FROM exchange.sendings WHERE state = 'pending'")
    count = sum(int(cities.ask(node, each)[0][0]) for node in cities.nodes() for each in unsent)
    for site in cities.country.sites:
        depths = topology.depths(site.amqp_url, [Doors(name) for name in SCHEMAS])
        count += sum(depth for queue, depth in depths.items() if not queue.endswith(".dead"))
    return count


def verdict(cities: Cities, ledger: Ledger) -> list[str]:
    """Everything that is wrong; empty when nothing is."""
    entries = ledger.entries
    return [
        *_cases(cities, entries),
        *_acts(cities, ledger),
        *_twins(cities, entries),
        *_decisions(cities),
        *certificates(cities),
        *remembered(cities, HEARS),
        *nothing_left(cities),
    ]


def _cases(cities: Cities, entries: list[Entry]) -> Iterator[str]:
    """Every acknowledged case has ended, once, and is the same at both ends."""
    for entry in entries:
        here = _leg(cities, entry.node, entry.case_id, 1)
        if here is None:
            yield f"lost: {entry.case_id} is not at {entry.node}"
            continue
        if here[0] == "told":
            yield from _both_ends(cities, entry)
        elif here[0] != "not_accepted":
            yield f"not ended: {entry.case_id} is {here[0]} at {entry.node}"
        elif not entry.twin:
            yield f"declined for no reason: {entry.case_id} at {entry.node}"


def _leg(cities: Cities, node: str, case_id: str, leg_no: int) -> Any:
    rows = cities.ask(
        node,
        "SELECT state, version, clocks::jsonb::text FROM intake.legs WHERE case_id = %s AND leg_no = %s",
        case_id,
        leg_no,
    )
    return rows[0] if rows else None


def _both_ends(cities: Cities, entry: Entry) -> Iterator[str]:
    for leg_no in (1, 2):
        ends = [_leg(cities, node, entry.case_id, leg_no) for node in (entry.node, entry.home)]
        if ends[0] is None or ends[0] != ends[1]:
            yield f"ends differ: {entry.case_id} leg {leg_no}: {ends[0]} and {ends[1]}"
    steps = [_steps(cities, node, entry.case_id) for node in (entry.node, entry.home)]
    if steps[0] != steps[1]:
        yield f"timelines differ: {entry.case_id}: {steps[0] ^ steps[1]}"
    decided = Counter(verb for verb, _, _ in steps[1])["decide"]
    if decided != 1:
        yield f"decided {decided} times: {entry.case_id}"
    for node in (entry.node, entry.home):
        result = cities.ask(
            node, "SELECT outcome::jsonb ->> 'result' FROM intake.cases WHERE case_id = %s", entry.case_id
        )
        if result != [("granted",)]:
            yield f"not granted: {entry.case_id} is {result} at {node}"
    seen = cities.ask(entry.node, "SELECT state FROM web.cases WHERE case_id = %s", entry.case_id)
    if not seen or seen[0][0] != "closed":
        yield f"screen behind: {entry.case_id} shows {seen}"


def _acts(cities: Cities, ledger: Ledger) -> Iterator[str]:
    """What a clerk was told is done stands in the deciding city's timeline."""
    homes = {entry.case_id: entry.home for entry in ledger.entries}
    for case_id, verb in ledger.acts:
        if case_id in homes and verb not in {step[0] for step in _steps(cities, homes[case_id], case_id)}:
            yield f"act lost: {verb} of {case_id} at {homes[case_id]}"


def _steps(cities: Cities, node: str, case_id: str) -> set[Any]:
    return set(cities.ask(node, "SELECT verb, at, leg_no FROM intake.steps WHERE case_id = %s", case_id))


def _twins(cities: Cities, entries: list[Entry]) -> Iterator[str]:
    """Of the same person at two cities at once exactly one went on."""
    pairs: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.twin:
            pairs.setdefault(entry.number, []).append(entry)
    for pair in pairs.values():
        states = sorted(str((_leg(cities, entry.node, entry.case_id, 1) or ["lost"])[0]) for entry in pair)
        if len(pair) == 2 and states != ["not_accepted", "told"]:
            yield f"twins: {[entry.case_id for entry in pair]} ended {states}"


def _decisions(cities: Cities) -> Iterator[str]:
    """A certificate for every decision."""
    for node in cities.nodes():
        decided = "SELECT count(*) FROM subsidy.applications WHERE state = 'decided'"
        issued = "SELECT count(*) FROM certificate.certificates"
        if cities.ask(node, decided) != cities.ask(node, issued):
            yield f"{node}: decisions and certificates differ"


def certificates(cities: Cities) -> Iterator[str]:
    """No case with two, no identifier twice, no gap in any series."""
    every: Counter[str] = Counter()
    for node in cities.nodes():
        every.update(row[0] for row in cities.ask(node, "SELECT certificate_id FROM certificate.certificates"))
        twice = "SELECT case_id FROM certificate.certificates GROUP BY case_id HAVING count(*) > 1"
        yield from (f"certificate twice: {row[0]} at {node}" for row in cities.ask(node, twice))
        yield from (f"series of {row[0]} at {node}: last {row[1]}, issued {row[2]}" for row in cities.ask(node, GAPS))
    yield from (f"identifier twice: {name}" for name, count in every.items() if count > 1)


def remembered(cities: Cities, hears: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Whatever crossed has taken effect under its own name, so that it cannot a second time."""
    for node in cities.nodes():
        for service, types, directions in hears:
            count = cities.ask(node, REMEMBERED.format(service=service, types=types, directions=directions))[0][0]
            if count:
                yield f"{count} messages that crossed are not in the inbox of {service} in {node}"


def nothing_left(cities: Cities) -> Iterator[str]:
    """Nothing waits, is unwanted, put aside or dead."""
    for site in cities.country.sites:
        statements = {
            f"{what} of {schema}": text.format(schema=schema) for schema in SCHEMAS for what, text in QUIET.items()
        }
        for what, statement in (statements | STILL).items():
            count = cities.ask(site.node, statement)[0][0]
            if count:
                yield f"{count} {what} left in {site.node}"
        for queue, count in topology.depths(site.amqp_url, [Doors(name) for name in SCHEMAS]).items():
            if count:
                yield f"{count} messages left in {site.node} {queue}"
