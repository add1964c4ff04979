"""What was not let in: kept whole and sealed, said aloud, looked at by a person."""

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from contracts.envelope import Json, Message, Unreadable, decode
from contracts.exchange import MessageQuarantinedV1
from services.exchange import rules
from services.exchange.store import questions
from services.exchange.usecases.wire import CONTRACTS, EARLY
from shared import clock, metrics
from shared.errors import Denied
from shared.logs import about
from shared.outbox import Work, Works

PENDING = ("waiting", "held")
EARLY_SECONDS = 3600  # that long a piece of a file may wait for the case it belongs to

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One message that was not let in. `peer` is who the hub says sent it, nothing that the message says."""

    id: str
    at: str
    peer: str
    code: str
    state: str  # waiting, held, released
    message_id: str
    type: str
    subject: str
    size: int


def keep(work: Work, delivery: rules.Delivery, denied: Denied) -> None:
    """Keep what was not let in, and say so, once. A piece of a file may just be early: that is said an hour later."""
    message = _readable(delivery)
    row = _row(work, delivery, denied.code, message)
    if not questions.add_quarantined(work, row):
        return
    metrics.QUARANTINED.labels(denied.code).inc()
    with about(message.trace if message else "", message=row["message_id"]):
        log.error("quarantined", code=denied.code, peer=row["peer"], quarantined=row["id"])
        if row["state"] == "held":
            _say(work, row["id"], row["code"], row["peer"], row["message_id"])


def _say(work: Work, row_id: str, code: str, peer: str, message_id: str) -> None:
    work.tell(MessageQuarantinedV1, row_id, {"code": code, "peer": peer, "message_id": message_id})


def _row(work: Work, delivery: rules.Delivery, code: str, message: Message | None) -> Json:
    address = _address(delivery)
    early = code == EARLY and address is not None and address.lane == "file"
    headers = {"routing_key": delivery.routing_key, "jws": delivery.jws, "user": delivery.user}
    text = json.dumps(headers)
    return {
        "id": rules.sha256(text.encode() + delivery.body),
        "at": clock.iso(work.now),
        "peer": address.source if address else "",
        "code": code,
        "state": "waiting" if early else "held",
        "message_id": message.id if message else "",
        "type": message.type if message else "",
        "subject": message.subject if message else "",
        "size": len(delivery.body),
        "headers": text,
        "body": base64.b64encode(delivery.body).decode(),
    }


def _address(delivery: rules.Delivery) -> rules.Address | None:
    try:
        return rules.read_key(delivery.routing_key)
    except Denied:
        return None


def _readable(delivery: rules.Delivery) -> Message | None:
    """What the message says of itself, where that fits our columns; it is never believed."""
    if len(delivery.body) > rules.BODY_AT_MOST:
        return None
    try:
        message = decode(delivery.body.decode())
    except (Unreadable, ValueError):
        return None
    fits = isinstance(message.subject, str) and message.subject.isascii() and message.subject.isprintable()
    return message if message.type in CONTRACTS and fits and len(message.subject) <= 80 else None


def list_quarantined(works: Works, *, released: bool = False) -> list[Quarantined]:
    """What waits for a look, oldest first; `released`: also what was let in after one."""
    with works.begin() as work:
        return [_shown(row) for row in questions.list_quarantined(work, PENDING + (("released",) if released else ()))]


def list_early(works: Works, cases: Collection[str] | None = None) -> list[Quarantined]:
    """What came before its case: all that still waits for it, or everything that is about these cases."""
    with works.begin() as work:
        rows = questions.list_quarantined(work, ("waiting",) if cases is None else PENDING, cases)
    return [_shown(row) for row in rows if row.code == EARLY]


def _shown(row: Any) -> Quarantined:
    return Quarantined(**{name: getattr(row, name) for name in Quarantined.__slots__})


def show_quarantined(works: Works, row_id: str) -> tuple[Quarantined, Json, str]:
    """One message, how it came, and its text with the personal part still sealed for this node. NotFound."""
    with works.begin() as work:
        row = questions.get_quarantined(work, row_id)
        return _shown(row), json.loads(row.headers), base64.b64decode(row.body).decode("utf-8", "replace")


def delivered_again(row: Any) -> rules.Delivery:
    """The delivery as it came."""
    headers = json.loads(row.headers)
    return rules.Delivery(base64.b64decode(row.body), headers["routing_key"], headers["jws"], headers["user"])


def say_overdue(works: Works, rows: Sequence[Quarantined]) -> None:
    """Say aloud what has waited in vain for an hour."""
    with works.begin() as work:
        for row in rows:
            if (work.now - clock.instant(row.at)).total_seconds() > EARLY_SECONDS:
                questions.set_quarantined(work, row.id, "held")
                _say(work, row.id, row.code, row.peer, row.message_id)
