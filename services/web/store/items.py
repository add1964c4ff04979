"""Work items (待人工处理) as web shows them: opened and closed, heard in any order."""

from collections.abc import Mapping

from sqlalchemy import select

from contracts.envelope import Json
from services.web.store.tables import work_items
from shared.errors import NotFound
from shared.outbox import Work

SHOWN = ("item_id", "case_id", "kind", "office", "text", "opened_at", "closed_at", "closed_by")
ITEM = tuple(work_items.c[name] for name in SHOWN)


def open_item(work: Work, case_id: str, told: Mapping[str, str]) -> None:
    """Something a person must look at; nothing happens when it is known, perhaps as closed already."""
    work.add_new(work_items, [_row(case_id, told, "", "")])


def close_item(work: Work, case_id: str, told: Mapping[str, str]) -> None:
    """Nobody need look at it any more."""
    work.keep_newest(work_items, _row(case_id, told, told["closed_at"], told["closed_by"]), ("closed_at",))


def _row(case_id: str, told: Mapping[str, str], closed_at: str, closed_by: str) -> Json:
    row = {name: told[name] for name in ("item_id", "kind", "office", "text", "opened_at")}
    return row | {"case_id": case_id, "closed_at": closed_at, "closed_by": closed_by}


def list_items(work: Work, filters: Mapping[str, str], is_open: bool, cursor: str, limit: int) -> list[Json]:
    """Open or closed work items, the oldest first, those after `cursor`.

    `filters` (all optional): case_id, kind, and office: that office's and those of any office.
    """
    ended = work_items.c.closed_at == "" if is_open else work_items.c.closed_at != ""
    wanted = select(*ITEM).where(ended, work_items.c.item_id > cursor).order_by(work_items.c.item_id).limit(limit)
    for name in ("case_id", "kind"):
        if filters.get(name):
            wanted = wanted.where(work_items.c[name] == filters[name])
    if filters.get("office"):
        wanted = wanted.where(work_items.c.office.in_((filters["office"], "")))
    return [dict(row) for row in work.execute(wanted).mappings()]


def get_item(work: Work, item_id: str) -> Json:
    """A work item; NotFound without one."""
    row = work.execute(select(*ITEM).where(work_items.c.item_id == item_id)).mappings().first()
    if row is None:
        raise NotFound("work_item_unknown", "没有这个待处理事项")
    return dict(row)
