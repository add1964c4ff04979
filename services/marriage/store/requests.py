"""Endings that clerks of this node have recorded, and how far each is."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from services.marriage.store.tables import requests
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Kept:
    """A recorded ending: by whom, and what is asked of which holder."""

    request_id: str
    state: str
    holder: str
    office: str
    recorded_by: str
    confirmed_by: str
    wish: Mapping[str, Any] = field(repr=False)  # contracts.marriage_parts.Recorded

    def confirmed(self, by: str) -> "Kept":
        """The same, as a second person has seen it."""
        return dataclasses.replace(self, confirmed_by=by)


NAMES = tuple(item.name for item in dataclasses.fields(Kept))


def add_request(work: Work, kept: Kept) -> bool:
    """Keep a recorded ending; False when it is known already."""
    return work.insert_once(requests, {name: getattr(kept, name) for name in NAMES} | {"wish": dict(kept.wish)})


def find_request(work: Work, request_id: str) -> Kept | None:
    """A recorded ending, locked until the transaction ends."""
    row = work.execute(select(requests).where(requests.c.request_id == request_id).with_for_update()).first()
    return Kept(**row._mapping) if row else None


def save_request(work: Work, kept: Kept, state: str) -> None:
    """How far it is, who has confirmed it, and whom it is asked of."""
    mine = update(requests).where(requests.c.request_id == kept.request_id)
    values = {"state": state, "confirmed_by": kept.confirmed_by, "holder": kept.holder, "wish": dict(kept.wish)}
    work.write(mine.values(values))
