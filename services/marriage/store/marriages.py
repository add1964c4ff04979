"""Marriages on record: their numbers, whose they are, and what was reported of them."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from services.marriage.store.tables import marriages, reports, serials, spouses
from shared.outbox import Work

Json = dict[str, Any]
ADD_MARRIAGE = insert(marriages).inline()
ADD_SPOUSES = insert(spouses).inline()
ADD_REPORT = insert(reports).inline()
LIVE_AMONG = select(spouses.c.person_index).where(
    spouses.c.live, spouses.c.person_index.in_(bindparam("persons", expanding=True))
)
FIND_MARRIAGE = select(marriages).where(marriages.c.marriage_id == bindparam("of_marriage"))
FIND_REPORT = select(reports.c.state).where(reports.c.report_key == bindparam("of_key")).with_for_update()
REPORTED = update(reports).where(reports.c.report_key == bindparam("of_key"))
SENDING = REPORTED.values(attempts=reports.c.attempts + 1, state="unknown")


def next_serial(work: Work, division: str, year: int, kind: str = "J") -> int:
    """The next running number of that division, year and kind (L: of divorces); held until this transaction ends."""
    counted = _count_on(work.connection.dialect.name)
    return int(work.execute(counted, {"kind": kind, "division": division, "year": year, "last": 1}).scalar_one())


@cache
def _count_on(dialect: str) -> Executable:
    statement = postgresql.insert(serials) if dialect == "postgresql" else sqlite.insert(serials)
    keys, one_more = [serials.c.kind, serials.c.division, serials.c.year], {"last": serials.c.last + 1}
    return statement.on_conflict_do_update(index_elements=keys, set_=one_more).returning(serials.c.last)


def add_marriage(work: Work, row: Json, persons: Iterable[str]) -> None:
    """Put a marriage on record, to be reported; the database refuses a second live one of a person."""
    work.write(ADD_MARRIAGE, row)
    whose = sorted(persons)  # always in the same order, so that no two transactions wait for each other
    work.write(ADD_SPOUSES, [{"marriage_id": row["marriage_id"], "person_index": one, "live": True} for one in whose])
    work.write(ADD_REPORT, {"report_key": row["marriage_id"], "state": "waiting", "attempts": 0})


def find_marriage(work: Work, marriage_id: str) -> Mapping[str, Any] | None:
    """A marriage on record."""
    row = work.execute(FIND_MARRIAGE, {"of_marriage": marriage_id}).mappings().first()
    return dict(row) if row else None


def list_married(work: Work, persons: Iterable[str]) -> set[str]:
    """Which of these persons have a living marriage on record here."""
    return set(work.execute(LIVE_AMONG, {"persons": list(persons)}).scalars())


def find_report(work: Work, key: str) -> str | None:
    """How far a report has come, locked until the transaction ends."""
    return work.execute(FIND_REPORT, {"of_key": key}).scalar_one_or_none()


def note_sending(work: Work, key: str) -> None:
    """A report is about to be sent: from now on nobody knows whether it arrived."""
    work.write(SENDING, {"of_key": key})


def note_sent(work: Work, key: str) -> None:
    """The registry has taken the report."""
    work.write(REPORTED, {"of_key": key, "state": "sent"})


def list_unsent(work: Work, limit: int) -> list[str]:
    """Reports that have not certainly arrived; any of them."""
    due = select(reports.c.report_key).where(reports.c.state != "sent")
    return list(work.execute(due.order_by(func.random()).limit(limit)).scalars())
