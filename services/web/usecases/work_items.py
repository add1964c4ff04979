"""待人工处理: what a person must look at, and that somebody has."""

from collections.abc import Mapping
from typing import Any

from contracts.envelope import Json
from contracts.intake import CloseWorkItemV1
from services.web.rules import Principal
from services.web.store import items
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from shared.outbox import Work

MOST_OF_A_CASE = 20


def list_items(work: Work, who: Principal, asked: Mapping[str, Any]) -> Json:
    """One page of work items without persons; `next_cursor` is empty on the last page."""
    filters = {"kind": asked["kind"], "office": who.office if asked["scope"] == "office" else ""}
    found = items.list_items(work, filters, asked["state"] == "open", asked["cursor"], asked["limit"] + 1)
    more = len(found) > asked["limit"]
    rows = found[: asked["limit"]]
    return {"work_items": [_shown(item) for item in rows], "next_cursor": rows[-1]["item_id"] if more else ""}


def of_case(work: Work, who: Principal, case_id: str) -> list[Json]:
    """The open work items of a case; they are the offices' own affair."""
    if who.kind != "clerk":
        return []
    return [_shown(item) for item in items.list_items(work, {"case_id": case_id}, True, "", MOST_OF_A_CASE)]


def get_item(work: Work, item_id: str) -> Json:
    """A work item as it is shown. NotFound `work_item_unknown`."""
    return _shown(items.get_item(work, item_id))


def _shown(item: Json) -> Json:
    return item | {"state": "closed" if item["closed_at"] else "open"}


def close(work: Work, who: Principal, item_id: str, asked: Json, key: str) -> None:
    """Ask that an item be closed; whose it is and whether its case still waits is for intake to say."""
    body_index = index_of_body(work, f"work_item/{item_id}", asked)
    if find_repeated(work, who, key, body_index) is not None:
        return
    item = items.get_item(work, item_id)
    told = {"item_id": item_id, "actor": actor(who)}
    command_id = work.tell(CloseWorkItemV1, item["case_id"], told, {"reason": asked["note"]})
    keep(
        work, who, key, body_index, {"command_id": command_id, "case_id": item["case_id"], "kind": CloseWorkItemV1.type}
    )
