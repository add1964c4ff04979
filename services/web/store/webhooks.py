"""Who wants to be told of states, and what is on its way to them."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from contracts.envelope import Json
from services.web.store.tables import webhook_deliveries as deliveries
from services.web.store.tables import webhooks
from shared import clock
from shared.errors import NotFound
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Delivery:
    """One word for one webhook, on its way."""

    delivery_id: str
    url: str
    body: str
    attempts: int  # that failed so far


def add_webhook(work: Work, row: Mapping[str, Any]) -> None:
    """Keep a webhook."""
    work.execute(insert(webhooks).values(dict(row) | {"created_at": clock.iso(work.now), "removed_at": ""}))


def list_webhooks(work: Work, owner: str) -> list[Json]:
    """The webhooks of an owner that are not removed."""
    names = ("webhook_id", "url", "label", "created_at")
    mine = (webhooks.c.owner == owner) & (webhooks.c.removed_at == "")
    rows = work.execute(select(webhooks).where(mine).order_by(webhooks.c.webhook_id))
    return [{name: getattr(row, name) for name in names} for row in rows]


def remove_webhook(work: Work, webhook_id: str, owner: str) -> None:
    """End a webhook. NotFound when this owner has none such."""
    mine = (webhooks.c.webhook_id == webhook_id) & (webhooks.c.owner == owner) & (webhooks.c.removed_at == "")
    if not work.change(update(webhooks).where(mine).values(removed_at=clock.iso(work.now))):
        raise NotFound("webhook_unknown", "没有这个回调,或已删除")


def add_delivery(work: Work, delivery_id: str, webhook_id: str, body: str) -> None:
    """Something to be sent as soon as possible."""
    row = {"delivery_id": delivery_id, "webhook_id": webhook_id, "body": body, "due_at": clock.iso(work.now)}
    work.write(insert(deliveries).values(row | {"attempts": 0, "state": "waiting", "answer": ""}))


def due_deliveries(work: Work, limit: int) -> list[Delivery]:
    """What is to be sent now; nothing goes to a webhook that was removed."""
    due = (deliveries.c.state == "waiting") & (deliveries.c.due_at <= clock.iso(work.now))
    joined = select(deliveries, webhooks.c.url).join(webhooks, webhooks.c.webhook_id == deliveries.c.webhook_id)
    rows = work.execute(joined.where(due, webhooks.c.removed_at == "").order_by(deliveries.c.due_at).limit(limit))
    return [Delivery(row.delivery_id, row.url, row.body, row.attempts) for row in rows]


def note_delivery(work: Work, delivery_id: str, state: str, answer: str, again_in: int = 0) -> None:
    """What became of an attempt; waiting ones are due again in so many seconds."""
    due_at = clock.iso(work.now + datetime.timedelta(seconds=again_in))
    values = {"state": state, "answer": answer[:80], "due_at": due_at, "attempts": deliveries.c.attempts + 1}
    work.execute(update(deliveries).where(deliveries.c.delivery_id == delivery_id).values(values))
