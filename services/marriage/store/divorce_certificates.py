"""Divorce certificates that were given out anew, of divorces on record here."""

import dataclasses
import datetime
from dataclasses import dataclass

from sqlalchemy import insert, select

from services.marriage.store.tables import divorce_certificates
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Later:
    """A later certificate: which one after the first, its number, the case and node that gave it out, the day."""

    place: int
    number: str
    case_id: str
    node: str
    issued_on: datetime.date


NAMES = tuple(item.name for item in dataclasses.fields(Later))


def list_later(work: Work, divorce_id: str) -> list[Later]:
    """All later certificates of a divorce, the newest last."""
    columns = [divorce_certificates.c[name] for name in NAMES]
    mine = select(*columns).where(divorce_certificates.c.divorce_id == divorce_id)
    return [Later(**row._mapping) for row in work.execute(mine.order_by(divorce_certificates.c.place))]


def add_later(work: Work, divorce_id: str, later: Later) -> None:
    """Keep a later certificate; the database refuses a second one of that place or number."""
    row = dataclasses.asdict(later) | {"divorce_id": divorce_id}
    work.write(insert(divorce_certificates).inline(), row)
