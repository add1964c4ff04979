"""The verdict on weddings, by plain SQL over every city's database; who is who, only the run's own book knows."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.judge import Cities, certificates, nothing_left, remembered, unfinished
from tests.chaos.ledger import Ledger
from tests.chaos.registrars import Wedding

DIGITS = 6  # first given, by which an authority is found
WISHES = (
    "claims.reserve_claim.v1",
    "claims.confirm_claim.v1",
    "claims.release_claim.v1",
)  # never stale, always ruled on
HEARS = [("claims", wish, "'in'") for wish in WISHES]
STEPS = {"examine": {"examine"}, "register": {"register"}, "refuse": {"decide"}, "withdraw": {"withdraw"}}
OTHERWISE = {"decide", "withdraw", "end_withdrawn"}  # refused or withdrawn after it was signed
ENDS = {("told", "granted"), ("told", "refused"), ("withdrawn", "withdrawn")}
RECORDS = "SELECT marriage_id, state, certificate_no, division, year, serial FROM marriage.marriages"
LIVE = "SELECT case_id, prefix, state, issued, key_index, kind, holder FROM claims.claims WHERE state <> 'ended'"
UNDONE = {  # what the timers of claims and marriage still have to do
    "attempts without an answer": "SELECT count(*) FROM claims.attempts WHERE waits",
    "changes of records not reported": "SELECT count(*) FROM marriage.reports WHERE state <> 'sent'",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A marriage in the books of a city."""

    case_id: str
    node: str
    state: str
    number: str
    division: str
    year: int
    serial: int


@dataclass(frozen=True, slots=True)
class Lock:
    """A live claim in the ledger of a city."""

    node: str
    case_id: str
    prefix: str
    state: str
    issued: bool
    key_index: str
    kind: str
    holder: str


def still_open(cities: Cities) -> int:
    """Open legs, parked messages, and what timers have to do."""
    return unfinished(cities) + sum(count for _, _, count in _undone(cities))


def _undone(cities: Cities) -> Iterator[tuple[str, str, int]]:
    for node in cities.nodes():
        yield from ((node, what, int(cities.ask(node, text)[0][0])) for what, text in UNDONE.items())


def records(cities: Cities) -> list[Record]:
    """Every marriage on record."""
    return [
        Record(row[0], node, row[1], row[2], row[3], row[4], row[5])
        for node in cities.nodes()
        for row in cities.ask(node, RECORDS)
    ]


def locks(cities: Cities) -> list[Lock]:
    """Every live claim."""
    return [Lock(node, *row) for node in cities.nodes() for row in cities.ask(node, LIVE)]


def verdict(cities: Cities, ledger: Ledger, guards: Mapping[str, str]) -> list[str]:
    """Everything that is wrong; `guards`: who guards which first digits by now."""
    weddings: dict[str, Wedding] = {entry.case_id: entry for entry in ledger.entries}
    found, live = records(cities), locks(cities)
    return [
        *two_marriages(found, weddings),
        *numbers(found, dict(_serials(cities))),
        *blocked(live, {record.case_id for record in found if record.state == "valid"}),
        *unguarded(live, [record for record in found if record.state == "valid"], weddings, guards),
        *_ends(cities, weddings, {record.case_id for record in found}),
        *left_out(weddings, {record.case_id: record.state == "valid" for record in found}),
        *_acts(cities, ledger, weddings),
        *_certified(cities, found),
        *certificates(cities),
        *_attempts(cities),
        *remembered(cities, HEARS),
        *nothing_left(cities),
    ]


def two_marriages(found: Iterable[Record], weddings: Mapping[str, Wedding]) -> Iterator[str]:
    """A person has one valid marriage at most, in all cities together; and nobody is married without an application."""
    of: defaultdict[str, list[str]] = defaultdict(list)
    for record in found:
        if record.case_id not in weddings:
            yield f"nobody applied for the marriage {record.case_id} at {record.node}"
        elif record.state == "valid":
            for number in weddings[record.case_id].numbers:
                of[number].append(record.case_id)
    yield from (f"two marriages of one person: {cases}" for cases in of.values() if len(cases) > 1)


def numbers(found: Iterable[Record], last: Mapping[tuple[str, int], int]) -> Iterator[str]:
    """Certificates' numbers count up per office and year: no gap, none twice. `last`: what the counters say."""
    series: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    every = Counter(record.number for record in found)
    for record in found:
        series[record.division, record.year].append(record.serial)
    for (division, year), serials in series.items():
        if sorted(serials) != list(range(1, last.get((division, year), 0) + 1)):
            yield f"certificate numbers of {division} in {year} have gaps or repeats: {len(serials)}, last {max(serials)}"
    yield from (f"certificate number twice: {number}" for number, count in every.items() if count > 1)


def _serials(cities: Cities) -> Iterator[tuple[tuple[str, int], int]]:
    for node in cities.nodes():
        for division, year, last in cities.ask(node, "SELECT division, year, last FROM marriage.serials"):
            yield (division, year), last


def blocked(live: Iterable[Lock], valid: Collection[str]) -> Iterator[str]:
    """Nobody is held by a claim that stands for no valid marriage, and no key has two."""
    keys = Counter((lock.node, lock.kind, lock.key_index) for lock in live)
    for lock in live:
        if lock.kind != "marriage" or lock.case_id not in valid:
            yield f"blocked: a claim is {lock.state} for {lock.kind} {lock.case_id} at {lock.node}"
    yield from (f"two live claims on one key at {node}" for (node, _, _), count in keys.items() if count > 1)


def unguarded(
    live: Iterable[Lock], valid: Iterable[Record], weddings: Mapping[str, Wedding], guards: Mapping[str, str]
) -> Iterator[str]:
    """Of every valid marriage both persons are locked, as issued, for its city, where each must be."""
    of: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for lock in live:
        of[lock.case_id].append((lock.prefix, lock.node, lock.holder, lock.state, lock.issued))
    for record in valid:
        digits = [number[:DIGITS] for number in weddings[record.case_id].numbers] if record.case_id in weddings else []
        wanted = [(prefix, guards[prefix], record.node, "locked", True) for prefix in digits]
        if sorted(of[record.case_id]) != sorted(wanted):
            yield f"unguarded: of marriage {record.case_id} at {record.node} there are {sorted(of[record.case_id])}"


def _ends(cities: Cities, weddings: Mapping[str, Wedding], married: Collection[str]) -> Iterator[str]:
    """Every application has come to its end, at both legs and on the screen, and is granted where there is a marriage."""
    ends: dict[str, tuple[str, str]] = {}
    shown: dict[str, str] = {}
    for node in cities.nodes():
        first = "SELECT c.case_id, l.state, c.outcome::jsonb ->> 'result' FROM intake.cases c JOIN intake.legs l"
        ends |= {row[0]: row[1:] for row in cities.ask(node, f"{first} USING (case_id) WHERE l.leg_no = 1")}
        shown |= dict(cities.ask(node, "SELECT case_id, state FROM web.cases"))
        for (case_id,) in cities.ask(node, "SELECT case_id FROM intake.legs WHERE open"):
            yield f"not ended: a leg of {case_id} at {node} is open"
    for case_id, entry in weddings.items():
        end = ends.get(case_id)
        if end is None:
            yield f"lost: {case_id} is not at {entry.node}"
        elif end not in ENDS:
            yield f"not ended: {case_id} at {entry.node} is {end}"
        elif (end[1] == "granted") != (case_id in married):
            yield f"told otherwise than it is: {case_id} at {entry.node} is {end}, on record: {case_id in married}"
        elif shown.get(case_id) != {"told": "closed"}.get(end[0], end[0]):
            yield f"screen behind: {case_id} at {entry.node} shows {shown.get(case_id)}, is {end}"


def left_out(weddings: Mapping[str, Wedding], married: Mapping[str, bool]) -> Iterator[str]:
    """Who means it marries, unless one of the two has married another: of those who want one person exactly one does.

    `married`: cases, and whether their marriage stands. A widow may be taken by one of her tangle, before a third comes.
    """
    taken = {(it.tangle, number) for case_id, it in weddings.items() if case_id in married for number in it.numbers}
    spouses = {number for case_id, it in weddings.items() if married.get(case_id) for number in it.numbers}
    for case_id, it in weddings.items():
        rival = it.tangle and any((it.tangle, number) in taken for number in it.numbers)
        excused = it.whim or rival or any(number in spouses for number in it.numbers)
        if case_id not in married and not excused:
            yield f"left out: {case_id} at {it.node}, tangle {it.tangle}"


def _acts(cities: Cities, ledger: Ledger, weddings: Mapping[str, Wedding]) -> Iterator[str]:
    """What a registrar was told is done stands in the timeline; a signature unless the case ended otherwise."""
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for node in cities.nodes():
        for case_id, verb in cities.ask(node, "SELECT case_id, verb FROM intake.steps"):
            steps[case_id].add(verb)
    for case_id, verb in ledger.acts:
        void = verb == "register" and OTHERWISE & steps[case_id]
        if verb in STEPS and not void and not STEPS[verb] & steps[case_id]:
            yield f"act lost: {verb} of {case_id} at {weddings[case_id].node}"


def _certified(cities: Cities, found: Iterable[Record]) -> Iterator[str]:
    """Each registered couple has one certificate, and nobody else has."""
    of = Counter(
        row[0] for node in cities.nodes() for row in cities.ask(node, "SELECT case_id FROM certificate.certificates")
    )
    registered = {record.case_id for record in found}
    yield from (f"{of[one]} certificates of marriage {one}" for one in registered if of[one] != 1)
    yield from (f"a certificate without a marriage: {one}" for one in of if one not in registered)


def _attempts(cities: Cities) -> Iterator[str]:
    for node, what, count in _undone(cities):
        if count:
            yield f"{count} {what} in {node}"
    for node in cities.nodes():
        steps = cities.ask(node, "SELECT step, count(*) FROM claims.attempts GROUP BY step")
        yield from (f"{n} attempts are {step} in {node}" for step, n in steps if step not in ("issued", "over"))


def collided(cities: Cities) -> Counter[str]:
    """Why claims have ended, and how many crossed."""
    why: Counter[str] = Counter()
    for node in cities.nodes():
        why.update(dict(cities.ask(node, "SELECT why, count(*) FROM claims.claims WHERE state = 'ended' GROUP BY why")))
        [[crossed]] = cities.ask(node, "SELECT count(*) FROM claims.claims WHERE holder <> %s", node)
        why["crossed"] += crossed
    return why
