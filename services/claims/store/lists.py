"""What people look at: counts, old locks, doubts. No list says who is meant."""

import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from services.claims.store.tables import IS_LIVE, attempts, claims
from shared import clock
from shared.outbox import Work

_SHOWN = (claims.c.claim_id, claims.c.kind, claims.c.holder, claims.c.office)


def count_claims(work: Work) -> list[dict[str, Any]]:
    """How many claims of each kind and state this node guards, and how many attempts of its own are where."""
    guarded = select(claims.c.kind, claims.c.state, func.count().label("number"))
    asked = select(attempts.c.kind, attempts.c.step, func.count().label("number"))
    rows = work.execute(guarded.group_by(claims.c.kind, claims.c.state).order_by(claims.c.kind, claims.c.state))
    found = [{"side": "authority", "kind": row.kind, "state": row.state, "number": row.number} for row in rows]
    rows = work.execute(asked.group_by(attempts.c.kind, attempts.c.step).order_by(attempts.c.kind, attempts.c.step))
    return found + [{"side": "holder", "kind": row.kind, "state": row.step, "number": row.number} for row in rows]


def list_old_locks(work: Work, days: int) -> list[dict[str, Any]]:
    """Claims that have been locked for longer than `days` and stand for nothing issued, the oldest first."""
    limit = clock.iso(work.now - datetime.timedelta(days=days))
    old = (claims.c.state == "locked") & ~claims.c.issued & (claims.c.locked_at < limit)
    return _listed(work, old, claims.c.locked_at)


def list_doubts(work: Work) -> list[dict[str, Any]]:
    """Claims on a person of whom nobody knows yet whether another claim is on them, too; the oldest first."""
    return _listed(work, claims.c.doubted & IS_LIVE, claims.c.reserved_at)


def _listed(work: Work, wanted: ColumnElement[bool], since: ColumnElement[str]) -> list[dict[str, Any]]:
    rows = work.execute(select(*_SHOWN, since.label("since")).where(wanted).order_by(since))
    return [{**row._mapping, "office": (row.office or {}).get("name", "")} for row in rows]
