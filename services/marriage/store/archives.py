"""Lines of old books: what they say, how far each is, and which years of which offices they cover."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, case, extract, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from services.marriage.rules.archives import State
from services.marriage.rules.numbers import CertificateNumber
from services.marriage.rules.records import Record
from services.marriage.store.records import archive_of
from services.marriage.store.tables import OWN, archives, coverage, divorces, marriages, reissues, serials, spouses
from shared.outbox import Work

Json = dict[str, Any]
FIND = select(archives).where(archives.c.entry_id == bindparam("of_entry")).with_for_update()
GIVEN_IN = {"J": marriages, "L": divorces, "BJ": reissues, "BL": reissues}  # where the numbers of a kind stand
UNSETTLED = (State.ASKED, State.CONFLICT)
UNSETTLED_YEARS = (
    select(archives.c.office, extract("year", archives.c.registered_on).label("year"))
    .where(archives.c.state.in_(UNSETTLED))
    .distinct()
)
FIRST_OWN = (  # the first entry of the index marriages_own, whose condition must stand here as it stands there
    select(marriages.c.registered_on)
    .where(marriages.c.office == bindparam("of_office"), OWN)
    .order_by(marriages.c.registered_on)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of an old book says. `content`: persons (contracts.case.Party), found, ended."""

    kind: str
    office: str
    number: str
    registered_on: datetime.date
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line and how far it is."""

    entry_id: str
    line: Line
    state: State
    entered_by: str
    line_index: str
    attempt: str = ""
    why: str = ""
    ask_office: Mapping[str, Any] | None = None
    proposal: Mapping[str, Any] | None = None


def _entry(row: Row[Any]) -> Entry:
    line = Line(row.kind, row.office, row.number, row.registered_on, row.content)
    names = ("entry_id", "entered_by", "line_index", "attempt", "why", "ask_office", "proposal")
    return Entry(line=line, state=State(row.state), **{name: getattr(row, name) for name in names})


def _moving(entry: Entry) -> Json:
    return {name: getattr(entry, name) for name in ("state", "attempt", "why", "ask_office", "proposal")}


def add_entry(work: Work, entry: Entry) -> Entry | None:
    """Keep a new line; the one that is there already under its office and number, if there is."""
    line = entry.line
    row = {name: getattr(line, name) for name in ("kind", "office", "number", "registered_on")} | _moving(entry)
    row |= {"entry_id": entry.entry_id, "entered_by": entry.entered_by, "line_index": entry.line_index}
    if work.insert_once(archives, row | {"content": dict(line.content)}):
        return None
    same = (archives.c.kind == line.kind) & (archives.c.office == line.office) & (archives.c.number == line.number)
    return _entry(work.execute(select(archives).where(same, archives.c.state != State.DISCARDED)).one())


def find_entry(work: Work, entry_id: str) -> Entry | None:
    """A line, locked until the transaction ends."""
    row = work.execute(FIND, {"of_entry": entry_id}).first()
    return _entry(row) if row else None


def save_entry(work: Work, entry: Entry) -> None:
    """How far a line is."""
    work.write(update(archives).where(archives.c.entry_id == entry.entry_id).values(_moving(entry)))


def save_content(work: Work, entry: Entry) -> None:
    """What a line says, as two people have judged it."""
    mine = update(archives).where(archives.c.entry_id == entry.entry_id)
    work.write(mine.values(content=dict(entry.line.content)))


def list_conflicts(work: Work) -> list[Entry]:
    """Lines that two people must look at, the oldest first."""
    waiting = select(archives).where(archives.c.state == State.CONFLICT).order_by(archives.c.entry_id)
    return [_entry(row) for row in work.execute(waiting)]


def count_entries(work: Work) -> list[tuple[str, str, int]]:
    """How many lines of each kind and state there are."""
    counted = select(archives.c.kind, archives.c.state, func.count().label("number"))
    rows = work.execute(counted.group_by(archives.c.kind, archives.c.state).order_by(archives.c.kind, archives.c.state))
    return [(row.kind, row.state, row.number) for row in rows]


def list_divorces(work: Work, person: str) -> list[Entry]:
    """The divorces of old books of a person."""
    mine = (spouses.c.person_index == person) & (archives.c.kind == "divorce")
    found = select(archives).join(spouses, spouses.c.marriage_id == archives.c.entry_id).where(mine)
    entered = found.where(archives.c.state == State.ENTERED).order_by(archives.c.registered_on)
    return [_entry(row) for row in work.execute(entered)]


# --- on record -------------------------------------------------------------------------------------------------------


def is_serial_taken(work: Work, division: str, year: int, serial: int) -> bool:
    """Whether a marriage is on record under a number of today's form."""
    same = (marriages.c.division == division) & (marriages.c.year == year) & (marriages.c.serial == serial)
    return work.execute(select(marriages.c.marriage_id).where(same)).first() is not None


def add_old_marriage(work: Work, entry: Entry, record: Record, place: Json) -> None:
    """A marriage of an old book comes on record; `place`: division, year and serial of its number."""
    line = entry.line
    row = {
        "marriage_id": entry.entry_id,
        "certificate_no": line.number,
        "office": line.office,
        "registered_on": line.registered_on,
        "registrar": "",
        "state": str(record.standing),
        "attempt": entry.attempt,
        "claims_case": entry.entry_id,
        "parties": list(line.content["persons"]),
        "archive": archive_of(record),
    }
    work.write(insert(marriages).inline(), row | place)


def add_persons(work: Work, entry_id: str, persons: Iterable[str], *, live: bool) -> None:
    """Whose the record is; `live`: they are married by it."""
    rows = [{"marriage_id": entry_id, "person_index": one, "live": live} for one in sorted(set(persons))]
    work.write(insert(spouses).inline(), rows)


def find_last(work: Work, kind: str, division: str, year: int) -> int:
    """The last number of that kind, division and year that is known; 0 for none."""
    mine = (serials.c.kind == kind) & (serials.c.division == division) & (serials.c.year == year)
    return int(work.execute(select(serials.c.last).where(mine)).scalar() or 0)


def list_given(work: Work, like: CertificateNumber) -> list[int]:
    """The serials of that number's kind, division and year that this system itself has given out."""
    column = GIVEN_IN[like.kind].c.certificate_no
    given = select(column).where(column.startswith(str(like)[:-6]))
    rows = work.execute(given.where(OWN) if like.kind == "J" else given)
    return sorted(int(number[-6:]) for number in rows.scalars())


def count_from(work: Work, kind: str, division: str, year: int, serial: int) -> None:
    """Numbers of that kind, division and year that are still to be given come after that one."""
    counted = _count_from(work.connection.dialect.name)
    work.write(counted, {"kind": kind, "division": division, "year": year, "last": serial})


@cache
def _count_from(dialect: str) -> Executable:
    statement = postgresql.insert(serials) if dialect == "postgresql" else sqlite.insert(serials)
    keys, given = [serials.c.kind, serials.c.division, serials.c.year], statement.excluded.last
    highest = case((serials.c.last < given, given), else_=serials.c.last)
    return statement.on_conflict_do_update(index_elements=keys, set_={"last": highest})


# --- which years -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Covered:
    """Years of an office's registrations that are on record; `complete`: compared with the books, nothing missing."""

    office: str
    from_year: int
    until_year: int
    complete: bool


def cover_year(work: Work, office: str, year: int, by: str) -> None:
    """Some records of that year are here."""
    work.insert_once(coverage, {"office": office, "year": year, "complete": False, "noted_by": by})


def declare_years(work: Work, years: Covered, by: str) -> None:
    """Somebody has compared these years with the books."""
    for year in range(years.from_year, years.until_year + 1):
        cover_year(work, years.office, year, by)
        mine = (coverage.c.office == years.office) & (coverage.c.year == year)
        work.write(update(coverage).where(mine).values(complete=years.complete, noted_by=by))


def list_coverage(work: Work) -> list[Covered]:
    """Every office's years in a row; one with a line that is not settled is not complete."""
    unsettled = {(row.office, int(row.year)) for row in work.execute(UNSETTLED_YEARS)}
    spans: list[Covered] = []
    for row in work.execute(select(coverage).order_by(coverage.c.office, coverage.c.year)):
        complete = row.complete and (row.office, row.year) not in unsettled
        last = spans[-1] if spans else None
        if last and (last.office, last.until_year + 1, last.complete) == (row.office, row.year, complete):
            spans[-1] = dataclasses.replace(last, until_year=row.year)
        else:
            spans.append(Covered(row.office, row.year, row.year, complete))
    return spans


def list_own_beginnings(work: Work, offices: Iterable[str]) -> dict[str, datetime.date]:
    """Since when each of these offices has registered marriages by this system; those that have not are left out."""
    firsts = {office: work.execute(FIRST_OWN, {"of_office": office}).scalar() for office in offices}
    return {office: first for office, first in firsts.items() if first}
