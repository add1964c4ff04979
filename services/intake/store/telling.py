"""Notices to applicants and work items: the few questions asked of them, and what is written back."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from services.intake.rules.legs import UNSENT, Sending
from services.intake.store.tables import notices, work_items
from shared import clock
from shared.errors import NotFound
from shared.outbox import Work, parked

GET_NOTICE = select(notices).where(notices.c.notice_id == bindparam("of_notice"))
CLOSE_ITEM = update(work_items).where(work_items.c.item_id == bindparam("of_item"), work_items.c.closed_at == "")


@dataclass(frozen=True, slots=True)
class Notice:
    """A short message to an applicant; `phone` is empty when there is none, or none is needed any more."""

    notice_id: str
    case_id: str
    event: str
    phone: str
    text: str
    office: str  # who tells in person when no message can
    state: Sending
    created_at: str
    tried_at: str
    sent_at: str

    @property
    def to_send(self) -> bool:
        """Whether the message house has still to be asked."""
        return self.state in UNSENT


@dataclass(frozen=True, slots=True)
class Item:
    """Something a person must look at; `closed_at` is empty while it is open."""

    item_id: str
    case_id: str
    kind: str
    about: str  # the file, message, notice or last day; "": the case as a whole
    office: str  # whose it is; "": any of this node
    text: str
    opened_at: str
    closed_at: str


ITEM = tuple(work_items.c[name] for name in Item.__slots__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked message, and what it waits for."""

    message_id: str
    awaits: str


def _notice(row: Row[Any]) -> Notice:
    return Notice(**dict(row._mapping) | {"state": Sending(row.state)})


def add_notice(work: Work, about: Mapping[str, str], state: Sending) -> str | None:
    """A notice of `about` (case_id, event, phone, text, office); its id, None when this event was told already."""
    notice_id, now = clock.new_id(), clock.iso(work.now)
    times = {"created_at": now, "tried_at": now, "sent_at": ""}
    row = {"notice_id": notice_id, "state": str(state)} | times | dict(about)
    return notice_id if work.insert_once(notices, row) else None


def get_notice(work: Work, notice_id: str) -> Notice:
    """A notice; NotFound without one."""
    row = work.execute(GET_NOTICE, {"of_notice": notice_id}).first()
    if row is None:
        raise NotFound("notice_unknown", "没有这条通知")
    return _notice(row)


def list_unsent(work: Work, before: datetime.datetime, limit: int) -> list[Notice]:
    """Notices to be sent that were last tried before that instant, the longest untried first."""
    waiting = notices.c.state.in_([str(state) for state in UNSENT]) & (notices.c.tried_at < clock.iso(before))
    rows = work.execute(select(notices).where(waiting).order_by(notices.c.tried_at).limit(limit))
    return [_notice(row) for row in rows]


def take_late(work: Work, before: datetime.datetime) -> list[Notice]:
    """Notices that have waited since before that instant; each is given out once, and is still to be sent."""
    late = (notices.c.state == str(Sending.WAITING)) & (notices.c.created_at < clock.iso(before))
    taken = update(notices).where(late).values(state=str(Sending.LATE)).returning(notices)
    return [_notice(row) for row in work.execute(taken)]


def change_notice(work: Work, notice_id: str, **values: str) -> None:
    """Write back what became of a notice."""
    work.write(update(notices).where(notices.c.notice_id == notice_id).values(values))


def stop_notices(work: Work, case_id: str) -> None:
    """Send nothing more of what has not been sent about a case; the phone number is no longer needed here."""
    unsent = (notices.c.case_id == case_id) & notices.c.state.in_([str(state) for state in UNSENT])
    work.write(update(notices).where(unsent).values(state=str(Sending.STOPPED), phone=""))


def open_item(work: Work, item: Item) -> bool:
    """Keep something a person must look at; False when the same is open already."""
    row = {name: getattr(item, name) for name in Item.__slots__}
    return work.insert_once(work_items, row | {"closed_by": "", "note": ""})


def was_opened(work: Work, case_id: str, kind: str, about: str) -> bool:
    """Whether a person was asked to look at this before, be it closed by now or not."""
    same = (work_items.c.case_id == case_id) & (work_items.c.kind == kind) & (work_items.c.about == about)
    return work.execute(select(work_items.c.item_id).where(same).limit(1)).first() is not None


def get_item(work: Work, item_id: str) -> Item:
    """A work item; NotFound without one."""
    row = work.execute(select(*ITEM).where(work_items.c.item_id == item_id)).first()
    if row is None:
        raise NotFound("work_item_unknown", "没有这个待处理事项")
    return Item(**row._mapping)


def list_open_items(work: Work, case_id: str = "", kind: str = "") -> list[Item]:
    """Open work items, perhaps only of one case, perhaps only of one kind."""
    wanted = select(*ITEM).where(work_items.c.closed_at == "").order_by(work_items.c.item_id)
    if case_id:
        wanted = wanted.where(work_items.c.case_id == case_id)
    if kind:
        wanted = wanted.where(work_items.c.kind == kind)
    return [Item(**row._mapping) for row in work.execute(wanted)]


def close_item(work: Work, item_id: str, actor: str, note: str) -> bool:
    """Nobody need look at it any more; False when that was so already."""
    closed = {"closed_at": clock.iso(work.now), "closed_by": actor, "note": note}
    return work.change(CLOSE_ITEM, {"of_item": item_id} | closed) == 1


def list_parked_too_long(work: Work, before: datetime.datetime) -> list[Waiting]:
    """Messages whose predecessor has been awaited since before that instant."""
    waiting = select(parked.c.message_id, parked.c.awaits).where(parked.c.parked_at < clock.iso(before))
    return [Waiting(**row._mapping) for row in work.execute(waiting)]
