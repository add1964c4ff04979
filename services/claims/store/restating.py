"""Who was asked to restate, who has, and what did not fit together."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from services.claims.store.tables import claims, conflicts, pieces, restatements
from shared import clock
from shared.outbox import Work


def begin_round(work: Work, prefix: str) -> str:
    """Forget whom we asked before; the new round."""
    work.write(delete(restatements).where(restatements.c.prefix == prefix))
    return clock.new_id()


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A node that was asked, in which round, when last, and whether it has answered completely."""

    round: str
    at: str
    answered: bool


def add_asked(work: Work, prefix: str, round_id: str, nodes: Iterable[str]) -> None:
    """These nodes are asked, perhaps once more."""
    row = {"prefix": prefix, "round": round_id, "asked_at": clock.iso(work.now), "answered_at": ""}
    if rows := [row | {"node": node} for node in nodes]:
        again = (restatements.c.prefix == prefix, restatements.c.node.in_([row["node"] for row in rows]))
        work.write(delete(restatements).where(*again))
        work.write(insert(restatements).inline(), rows)


def list_asked(work: Work, prefix: str) -> dict[str, Asked]:
    """The nodes that were asked."""
    rows = work.execute(select(restatements).where(restatements.c.prefix == prefix))
    return {row.node: Asked(row.round, row.asked_at, bool(row.answered_at)) for row in rows}


def set_answered(work: Work, prefix: str, node: str) -> None:
    """That node has said all."""
    of = (restatements.c.prefix == prefix, restatements.c.node == node)
    work.write(update(restatements).where(*of).values(answered_at=clock.iso(work.now)))


def end_round(work: Work, prefix: str) -> None:
    """Nobody is asked any more."""
    work.write(delete(restatements).where(restatements.c.prefix == prefix))


def list_restatements(work: Work) -> list[dict[str, Any]]:
    """What `tongban claims recover --status` shows: who was asked, when last, and how much of the answer is here."""
    heard = func.count(pieces.c.number.distinct()).label("pieces")
    same = (pieces.c.prefix == restatements.c.prefix) & (pieces.c.node == restatements.c.node)
    joined = restatements.outerjoin(pieces, same)
    shown = (restatements.c.prefix, restatements.c.node, restatements.c.asked_at, restatements.c.answered_at)
    rows = select(*shown, heard, func.max(pieces.c.count).label("of")).select_from(joined).group_by(*shown)
    return [dict(row._mapping) for row in work.execute(rows.order_by(*shown[:2]))]


def list_not_restated(work: Work, prefix: str, round_id: str) -> list[dict[str, Any]]:
    """The locked claims of a prefix that their holders have not restated."""
    shown = [claims.c[name] for name in ("claim_id", "prefix", "kind", "holder", "office")]
    silent = (claims.c.prefix == prefix, claims.c.state == "locked", claims.c.restated != round_id)
    return [dict(row._mapping) for row in work.execute(select(*shown).where(*silent))]


def add_conflicts(work: Work, rows: Iterable[dict[str, Any]], why: str, other: str = "") -> None:
    """Claims that two people must look at; each is listed once."""
    more = {"why": why, "other": other, "since": clock.iso(work.now)}
    work.add_new(conflicts, [row | more for row in rows])


def list_conflicts(work: Work) -> list[dict[str, Any]]:
    """What people must look at, the oldest first; what was not restated only as long as it is locked."""
    live = select(claims.c.claim_id).where(claims.c.claim_id == conflicts.c.claim_id, claims.c.state == "locked")
    wanted = (conflicts.c.why != "not_restated") | live.exists()
    rows = work.execute(select(conflicts).where(wanted).order_by(conflicts.c.since))
    return [{**row._mapping, "office": row.office["name"] if row.office else ""} for row in rows]


def settle_conflict(work: Work, claim_id: str) -> bool:
    """Take a claim from the list; whether it stood there."""
    return work.change(delete(conflicts).where(conflicts.c.claim_id == claim_id)) == 1
