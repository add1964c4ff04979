"""A ledger that leaves or comes, page by page; what has come rests until the guard says that all of it is here."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, func, insert, null, select, update

from services.claims.store.ledger import ENDED, UNKNOWN
from services.claims.store.tables import aliases, claims, pieces
from shared import clock
from shared.outbox import Work

PAGE = 200

_NAMES = (
    *("claim_id", "kind", "state", "holder", "case_id", "office", "until", "renewals"),
    *("reference", "issued", "doubted", "why"),
)
_SUBJECT = case((claims.c.state != ENDED, claims.c.subject), else_=null()).label("subject")  # a tombstone needs none
_PAGE = (
    select(*[claims.c[name] for name in (*_NAMES, "reserved_at", "locked_at", "ended_at")], _SUBJECT)
    .where(claims.c.prefix == bindparam("prefix"), claims.c.claim_id > bindparam("last"))
    .order_by(claims.c.claim_id)
    .limit(PAGE)
)
_ALIAS_PAGE = (
    select(aliases.c.document_index, aliases.c.subject, aliases.c.canonical, aliases.c.since)
    .where(aliases.c.prefix == bindparam("prefix"), aliases.c.document_index > bindparam("last"))
    .order_by(aliases.c.document_index)
    .limit(PAGE)
)
_ADD_ROWS = insert(claims).inline()
_ADD_ALIASES = insert(aliases).inline()
_LEASES = update(claims).where(
    claims.c.prefix == bindparam("of_prefix"), claims.c.state == "held", claims.c.until < bindparam("least")
)


def count_pages(work: Work, prefix: str) -> int:
    """Into how many pages a ledger goes, at least one."""
    found: list[int] = [
        work.execute(select(func.count()).select_from(table).where(table.c.prefix == prefix)).scalar_one()
        for table in (claims, aliases)
    ]
    return max(1, sum(-(-number // PAGE) for number in found))


def list_pages(work: Work, prefix: str) -> Iterator[dict[str, Any]]:
    """A ledger as contracts.claim_parts.LedgerRows, page by page; one page of an empty one."""
    pages = 0
    last = ""
    while rows := work.execute(_PAGE, {"prefix": prefix, "last": last}).all():
        pages, last = pages + 1, rows[-1].claim_id
        yield {"rows": [_written(row) for row in rows], "aliases": []}
    last = ""
    while found := work.execute(_ALIAS_PAGE, {"prefix": prefix, "last": last}).mappings().all():
        pages, last = pages + 1, found[-1]["document_index"]
        yield {"rows": [], "aliases": [{name: row[name] for name in _ALIAS} for row in found]}
    if not pages:
        yield {"rows": [], "aliases": []}


_ALIAS = ("subject", "canonical", "since")


def _written(row: Row[Any]) -> dict[str, Any]:
    at = row.ended_at or row.locked_at or row.reserved_at
    return {name: getattr(row, name) for name in (*_NAMES, "subject")} | {"at": at}


def keep_piece(work: Work, of: tuple[str, str, str], number: int, count: int) -> bool:
    """Note that one piece of (prefix, batch, node) is here; False when it was before."""
    key = dict(zip(("prefix", "batch", "node"), of, strict=True))
    return work.insert_once(pieces, key | {"number": number, "count": count, "arrived_at": clock.iso(work.now)})


def is_whole(work: Work, of: tuple[str, str, str], count: int) -> bool:
    """Whether all `count` pieces of (prefix, batch, node) are here."""
    here = select(func.count()).where(pieces.c.prefix == of[0], pieces.c.batch == of[1], pieces.c.node == of[2])
    return int(work.execute(here.where(pieces.c.count == count)).scalar_one()) == count


def has_pieces(work: Work, prefix: str, node: str = "", batch: str = "") -> bool:
    """Whether any piece of a prefix's ledger is here (from that node, of that batch)."""
    wanted = (
        {pieces.c.prefix: prefix} | ({pieces.c.node: node} if node else {}) | ({pieces.c.batch: batch} if batch else {})
    )
    found = select(pieces.c.number).where(*(column == value for column, value in wanted.items()))
    return work.execute(found.limit(1)).first() is not None


def forget_pieces(work: Work, prefix: str) -> None:
    """No piece of a prefix's ledger is awaited any more."""
    work.write(delete(pieces).where(pieces.c.prefix == prefix))


def forget_arriving(work: Work, prefix: str) -> None:
    """Let go of what has come of a ledger, rows and pieces together: it comes anew, or another in its place."""
    forget_pieces(work, prefix)
    forget_ledger(work, prefix)


def forget_ledger(work: Work, prefix: str) -> None:
    """Let go of a ledger that is in other hands."""
    work.write(delete(claims).where(claims.c.prefix == prefix))
    work.write(delete(aliases).where(aliases.c.prefix == prefix))


def add_rows(work: Work, rows: Iterable[dict[str, Any]]) -> None:
    """Put rows of another node's ledger into ours; the database refuses a second live one on a key."""
    if new := [UNKNOWN | row for row in rows]:
        work.write(_ADD_ROWS, new)


def add_aliases(work: Work, rows: list[dict[str, Any]]) -> None:
    """Put another node's aliases into ours."""
    if rows:
        work.write(_ADD_ALIASES, rows)


def extend_leases(work: Work, prefix: str, least: str) -> None:
    """Let no reservation of a prefix end before that instant: nobody could confirm while nobody ruled."""
    work.write(_LEASES.values(until=bindparam("longer")), {"of_prefix": prefix, "least": least, "longer": least})


def list_held(work: Work, prefix: str) -> list[tuple[str, str, str]]:
    """The reservations of a prefix: claim, holder, case."""
    held = select(claims.c.claim_id, claims.c.holder, claims.c.case_id)
    rows = work.execute(held.where(claims.c.prefix == prefix, claims.c.state == "held"))
    return [(row.claim_id, row.holder, row.case_id) for row in rows]
