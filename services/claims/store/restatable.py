"""What a holder can say of all its claims with one authority, page by page."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from services.claims.rules.attempt import Standing, Step
from services.claims.rules.recovery import HALF_DONE, RESTATED_ENDED, RESTATED_LOCKED
from services.claims.store.moving import PAGE
from services.claims.store.tables import attempts, wishes
from shared.outbox import Work

_OF_PREFIX = wishes.c.prefix == bindparam("prefix")
_BOTH = wishes.join(attempts, attempts.c.attempt == wishes.c.attempt)
_SHOWN = (
    *[wishes.c[name] for name in ("claim_id", "standing", "subject")],
    *[attempts.c[name] for name in ("case_id", "kind", "office", "step", "reference", "why", "asked_at")],
)
_WANTED = (_OF_PREFIX, attempts.c.step.in_((*RESTATED_LOCKED, *RESTATED_ENDED)))
_PAGE = (
    select(*_SHOWN)
    .select_from(_BOTH)
    .where(*_WANTED, wishes.c.claim_id > bindparam("last"))
    .order_by(wishes.c.claim_id)
    .limit(PAGE)
)
_COUNT = select(func.count()).select_from(_BOTH).where(*_WANTED)
_HALF_DONE = (
    select(attempts.c.attempt, attempts.c.case_id)
    .select_from(_BOTH)
    .where(_OF_PREFIX, attempts.c.step.in_(HALF_DONE))
    .distinct()
    .order_by(attempts.c.case_id, attempts.c.attempt)
)


def list_half_done(work: Work, prefix: str) -> list[tuple[str, str]]:
    """Attempts that are not wholly locked, each with its case, in the order in which cases are locked."""
    return [(row.attempt, row.case_id) for row in work.execute(_HALF_DONE, {"prefix": prefix})]


def count_pages(work: Work, prefix: str) -> int:
    """Into how many pieces it goes, at least one."""
    return max(1, -(-int(work.execute(_COUNT, {"prefix": prefix}).scalar_one()) // PAGE))


def list_pages(work: Work, prefix: str) -> Iterator[list[dict[str, Any]]]:
    """Claims of a prefix, locked or ended, as contracts.claim_parts.LedgerRow; one empty page where there are none."""
    last = ""
    while rows := work.execute(_PAGE, {"prefix": prefix, "last": last}).all():
        yield [_written(work, row) for row in rows]
        last = rows[-1].claim_id
    if not last:
        yield []


def _written(work: Work, row: Row[Any]) -> dict[str, Any]:
    locked = row.step in RESTATED_LOCKED
    names = ("claim_id", "kind", "case_id", "reference")
    made = {name: getattr(row, name) for name in names} | {"holder": work.node.code, "at": row.asked_at}
    if not locked:
        return made | {"state": "ended", "why": row.why}
    issued = row.step == Step.ISSUED or row.standing == Standing.NOTED
    return made | {"state": "locked", "office": row.office, "subject": row.subject, "issued": issued}
