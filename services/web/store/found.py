"""Marriage records and claims that were looked up: kept for a day, so that a repeated request need not ask again."""

import datetime

from sqlalchemy import delete, select

from contracts.envelope import Json
from services.web.store.tables import found_claims, found_records
from shared import clock
from shared.outbox import Work

KEPT = datetime.timedelta(days=1)


def keep_found(work: Work, request_id: str, covers: list[Json], found: Json) -> None:
    """What a look-up has found."""
    row = {"request_id": request_id, "kept_at": clock.iso(work.now), "covers": covers, "found": found}
    work.insert_once(found_records, row)


def find_found(work: Work, request_id: str) -> Json | None:
    """The opened answer to a look-up; None while there is none, or any more."""
    mine = (found_records.c.request_id == request_id) & (found_records.c.kept_at >= clock.iso(work.now - KEPT))
    row = work.execute(select(found_records).where(mine)).first()
    return dict(row.found) | {"covers": row.covers} if row else None


def keep_claims(work: Work, request_id: str, found: Json) -> None:
    """The first answer to a question for claims."""
    work.insert_once(found_claims, {"request_id": request_id, "kept_at": clock.iso(work.now), "found": found})


def find_claims(work: Work, request_id: str) -> Json | None:
    """The opened answer to a question for claims; None while there is none, or any more."""
    mine = (found_claims.c.request_id == request_id) & (found_claims.c.kept_at >= clock.iso(work.now - KEPT))
    row = work.execute(select(found_claims.c.found).where(mine)).first()
    return dict(row.found) if row else None


def forget_found(work: Work) -> None:
    """What is older than a day is forgotten, whether or not anybody looks anything up again."""
    for table in (found_records, found_claims):
        work.write(delete(table).where(table.c.kept_at < clock.iso(work.now - KEPT)))
