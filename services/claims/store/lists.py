"""What people look at: counts, duties, old locks, doubts. No list says who is meant."""

import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from services.claims.store.tables import attempts, claims, guards
from shared import clock
from shared.outbox import Work

LIVE = ("held", "locked")
_SHOWN = (claims.c.claim_id, claims.c.kind, claims.c.holder, claims.c.office)


def count_claims(work: Work) -> list[dict[str, Any]]:
    """How many claims of each kind and state this node guards, and how many attempts of its own are where."""
    guarded = select(claims.c.kind, claims.c.state, func.count().label("number"))
    asked = select(attempts.c.kind, attempts.c.step, func.count().label("number"))
    rows = work.execute(guarded.group_by(claims.c.kind, claims.c.state).order_by(claims.c.kind, claims.c.state))
    found = [{"side": "authority", "kind": row.kind, "state": row.state, "number": row.number} for row in rows]
    rows = work.execute(asked.group_by(attempts.c.kind, attempts.c.step).order_by(attempts.c.kind, attempts.c.step))
    return found + [{"side": "holder", "kind": row.kind, "state": row.step, "number": row.number} for row in rows]


def list_guards(work: Work) -> list[dict[str, Any]]:
    """What this node does for each prefix, and how many live claims stand under it."""
    live = func.count().filter(claims.c.state.in_(LIVE)).label("live")
    shown = (guards.c.prefix, guards.c.epoch, guards.c.duty, guards.c.successor, guards.c.since)
    rows = select(*shown, live).select_from(guards.outerjoin(claims, claims.c.prefix == guards.c.prefix))
    return [dict(row._mapping) for row in work.execute(rows.group_by(*shown).order_by(guards.c.prefix))]


def list_old_locks(work: Work, days: int) -> list[dict[str, Any]]:
    """Claims that have been locked for longer than `days` and stand for nothing issued, the oldest first."""
    limit = clock.iso(work.now - datetime.timedelta(days=days))
    old = (claims.c.state == "locked") & ~claims.c.issued & (claims.c.locked_at < limit)
    return _listed(work, old, claims.c.locked_at)


def list_doubts(work: Work) -> list[dict[str, Any]]:
    """Claims on a person who may have another one under another document, a row per other one; the oldest first."""
    twin = claims.alias("twin")
    same = (twin.c.twin_index == claims.c.twin_index) & (twin.c.kind == claims.c.kind)
    other = same & (twin.c.key_index != claims.c.key_index) & twin.c.state.in_(LIVE)
    shown = (*_SHOWN, claims.c.reserved_at.label("since"), twin.c.claim_id.label("other"), twin.c.office.label("at"))
    doubted = select(*shown).select_from(claims.outerjoin(twin, other))
    doubted = doubted.where(claims.c.doubted, claims.c.state.in_(LIVE)).order_by(claims.c.reserved_at)
    rows = work.execute(doubted).all()
    return [
        {**row._mapping, "office": _name(row.office), "other": row.other or "", "at": _name(row.at)} for row in rows
    ]


def _listed(work: Work, wanted: ColumnElement[bool], since: ColumnElement[str]) -> list[dict[str, Any]]:
    rows = work.execute(select(*_SHOWN, since.label("since")).where(wanted).order_by(since))
    return [{**row._mapping, "office": _name(row.office)} for row in rows]


def _name(office: dict[str, Any] | None) -> str:
    return str(office["name"]) if office else ""
