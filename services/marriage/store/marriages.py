"""Marriages on record: their numbers, and whose they are."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from services.marriage.store import reports
from services.marriage.store.tables import marriages, serials, spouses
from shared.outbox import Work

Json = dict[str, Any]
FIRST = 1  # version of a record
ADD_MARRIAGE = insert(marriages).inline()
ADD_SPOUSES = insert(spouses).inline()
LIVE_AMONG = select(spouses.c.person_index).where(
    spouses.c.live, spouses.c.person_index.in_(bindparam("persons", expanding=True))
)


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
    reports.add_report(work, row["marriage_id"], FIRST)


def list_married(work: Work, persons: Iterable[str]) -> set[str]:
    """Which of these persons have a living marriage on record here."""
    return set(work.execute(LIVE_AMONG, {"persons": list(persons)}).scalars())
