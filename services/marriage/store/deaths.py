"""How far the register of deaths has been read, and which of its lines touched a marriage held here."""

import dataclasses
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from services.marriage.store.tables import deaths, feeds
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Noted:
    """A line of the register by which one of a couple is dead.

    `version` of the marriage's record is the one by which it ended, where the register ended it; 0: a clerk did.
    """

    entry_id: str
    marriage_id: str = ""
    version: int = 0
    withdrawn: bool = False
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
    """Keep what a line means, once."""
    work.insert_once(deaths, dataclasses.asdict(noted))


def withdraw_noted(work: Work, entry_id: str) -> list[Noted]:
    """What a line meant that is withdrawn with this; none when it touched nothing here."""
    mine = update(deaths).where(deaths.c.entry_id == entry_id).values(withdrawn=True).returning(*deaths.c)
    return [Noted(**row._mapping) for row in work.execute(mine)]


def list_noted(work: Work, marriage_id: str) -> list[Noted]:
    """All lines about a marriage; call it with the marriage locked."""
    return [Noted(**row._mapping) for row in work.execute(select(deaths).where(deaths.c.marriage_id == marriage_id))]


def is_anybody_dead(work: Work, marriage_id: str) -> bool:
    """Whether a line stands by which one of the two is dead."""
    return not all(noted.withdrawn for noted in list_noted(work, marriage_id))


def forget(work: Work, marriage_id: str) -> None:
    """The marriage is back: what had ended it means nothing any more."""
    work.write(delete(deaths).where(deaths.c.marriage_id == marriage_id))
