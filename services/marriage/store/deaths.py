"""How far the register of deaths has been read, and which of its lines touched a marriage held here."""

from dataclasses import dataclass

from sqlalchemy import select, update

from services.marriage.store.tables import deaths, feeds
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Noted:
    """What a line of the register did: `version` of the marriage's record is the one that the death made."""

    entry_id: str
    marriage_id: str = ""
    version: int = 0
    why: str = ""  # it could not be noted


def position_of(work: Work, feed: str) -> int:
    """Up to where a register has been read; 0 at the beginning."""
    return work.execute(select(feeds.c.position).where(feeds.c.name == feed)).scalar() or 0


def go_on(work: Work, feed: str, before: int, after: int) -> bool:
    """Move from `before` to `after`; False when somebody else has moved on."""
    if not before and work.insert_once(feeds, {"name": feed, "position": after}):
        return True
    mine = update(feeds).where(feeds.c.name == feed, feeds.c.position == before)
    return work.change(mine.values(position=after)) == 1


def add_noted(work: Work, noted: Noted) -> None:
    """Keep what a line did, once."""
    names = ("entry_id", "marriage_id", "version", "why")
    work.insert_once(deaths, {name: getattr(noted, name) for name in names})


def find_noted(work: Work, entry_id: str) -> Noted | None:
    """What a line did; None when it touched nothing here."""
    row = work.execute(select(deaths).where(deaths.c.entry_id == entry_id)).first()
    return Noted(**row._mapping) if row else None
