"""How far the register of deaths has been read, and which of its lines touched a marriage held here."""

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from services.marriage.store.tables import deaths, feeds
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Noted:
    """What a line of the register means for a marriage: `version` of the record is the one that the death made.

    0: the marriage had ended by a death before; should that have been none, this one still was.
    """

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


def take_noted(work: Work, entry_id: str) -> list[Noted]:
    """What a line that is withdrawn had meant, forgotten with this; none when it touched nothing here."""
    mine = delete(deaths).where(deaths.c.entry_id == entry_id).returning(*deaths.c)
    return [Noted(**row._mapping) for row in work.execute(mine)]


def find_another(work: Work, marriage_id: str) -> Noted | None:
    """A line by which one of the two is dead; call it with the marriage locked."""
    row = work.execute(select(deaths).where(deaths.c.marriage_id == marriage_id).order_by(deaths.c.entry_id)).first()
    return Noted(**row._mapping) if row else None


def hand_on(work: Work, noted: Noted, version: int) -> None:
    """From now on it is this line by which the marriage has ended."""
    mine = deaths.c.entry_id == noted.entry_id, deaths.c.marriage_id == noted.marriage_id
    work.write(update(deaths).where(*mine).values(version=version))


def is_beside(work: Work, marriage_id: str) -> bool:
    """Whether the register has a death of one of the two beside the one that ended the marriage."""
    beside = select(deaths.c.entry_id).where(deaths.c.marriage_id == marriage_id, deaths.c.version == 0)
    return work.execute(beside.limit(1)).first() is not None


def forget(work: Work, marriage_id: str) -> None:
    """The marriage is back: what had ended it means nothing any more."""
    work.write(delete(deaths).where(deaths.c.marriage_id == marriage_id))
