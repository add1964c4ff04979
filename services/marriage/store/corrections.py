"""Corrections that clerks of this node have recorded, and what they make of a record."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update

from services.marriage.store.tables import corrections, marriages, spouses
from shared.outbox import Work

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A recorded correction: of which marriage, by whom, and what it says (contracts.marriage_parts.Correction).

    `stood` in the wish: both as they stood in the record then.
    """

    request_id: str
    marriage_id: str
    office: str
    state: str
    recorded_by: str
    confirmed_by: str
    wish: Mapping[str, Any] = field(repr=False)


NAMES = tuple(item.name for item in dataclasses.fields(Kept))


def add_correction(work: Work, kept: Kept) -> bool:
    """Keep a recorded correction; False when it is known already."""
    return work.insert_once(corrections, {name: getattr(kept, name) for name in NAMES} | {"wish": dict(kept.wish)})


def find_correction(work: Work, request_id: str) -> Kept | None:
    """A recorded correction, locked until the transaction ends."""
    mine = select(corrections).where(corrections.c.request_id == request_id).with_for_update()
    row = work.execute(mine).first()
    return Kept(**row._mapping) if row else None


def save_correction(work: Work, kept: Kept) -> None:
    """How far it is, and who has confirmed it."""
    mine = update(corrections).where(corrections.c.request_id == kept.request_id)
    work.write(mine.values(state=kept.state, confirmed_by=kept.confirmed_by))


def save_persons(work: Work, marriage_id: str, persons: list[Json]) -> None:
    """Both persons as they stand in a record from now on."""
    work.write(update(marriages).where(marriages.c.marriage_id == marriage_id).values(parties=persons))


def save_spouses(work: Work, marriage_id: str, moved: Mapping[str, str]) -> None:
    """Persons of a record are found by other numbers from now on: all at once, as one may get what was the other's."""
    mine = (spouses.c.marriage_id == marriage_id) & spouses.c.person_index.in_(list(moved))
    live = {row.person_index: row.live for row in work.execute(select(spouses).where(mine))}
    rows = [{"marriage_id": marriage_id, "person_index": moved[one], "live": live[one]} for one in sorted(live)]
    work.write(delete(spouses).where(mine))
    work.write(insert(spouses).inline(), rows)
