"""An authority's questions to its ledger: one per wish."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update

from services.claims.rules.guard import Duty, Guard
from services.claims.rules.ledger import Claim, State
from services.claims.store.tables import IS_LIVE, aliases, claims, guards
from shared import clock
from shared.outbox import Work

ENDED = "ended"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger. `live`: as the rules see it; None once it has ended."""

    claim_id: str
    kind: str
    key_index: str
    case_id: str
    holder: str
    office: Mapping[str, Any] | None
    since: str
    live: Claim | None
    why: str = ""  # it ended
    restated: str = ""  # the round in which its holder last said so


_OF_GUARD = (guards.c.prefix.label("guarded"), guards.c.epoch, guards.c.duty, guards.c.successor)
_OF_CLAIM = [column for column in claims.c if column.name not in ("subject", "prefix", "twin_index")]  # never opened
_BY_TOKEN = (
    select(*_OF_GUARD, *_OF_CLAIM)
    .select_from(claims.outerjoin(guards, guards.c.prefix == claims.c.prefix))
    .where(claims.c.claim_id == bindparam("claim_id"))
    .with_for_update(of=claims)
)
_ON_KEY = or_(
    claims.c.claim_id == bindparam("claim_id"),
    and_(claims.c.key_index == bindparam("key_index"), IS_LIVE),
    and_(claims.c.twin_index == bindparam("twin_index"), claims.c.twin_index != "", IS_LIVE),
)
_BY_KEY = (
    select(*_OF_GUARD, *_OF_CLAIM)
    .select_from(guards.outerjoin(claims, _ON_KEY))
    .where(guards.c.prefix == bindparam("prefix"))
)
_FOR_NEW = _BY_KEY.add_columns(
    select(aliases.c.canonical)
    .where(aliases.c.document_index == bindparam("document_index"))
    .scalar_subquery()
    .label("canonical")
)
_GUARD = select(*_OF_GUARD).where(guards.c.prefix == bindparam("prefix"))
_SAVE_GUARD = update(guards).where(guards.c.prefix == bindparam("of"))
_OF_PERSON = select(*_OF_CLAIM).where(claims.c.key_index.in_(bindparam("keys", expanding=True)), IS_LIVE)
_ADD = insert(claims).inline()
_SAVE = update(claims).where(claims.c.claim_id == bindparam("of"))
_END = (
    update(claims)
    .where(claims.c.claim_id == bindparam("of"), claims.c.state == bindparam("was"))
    .values(state=ENDED, ended_at=bindparam("at"), why=bindparam("because"))
)
UNKNOWN: dict[str, Any] = {  # of a claim that ended before it was asked for, and of a new one
    "kind": "",
    "key_index": "",
    "twin_index": "",
    "office": None,
    "subject": None,
    "until": "",
    "renewals": 0,
    "reference": "",
    "issued": False,
    "doubted": False,
    "reserved_at": "",
    "locked_at": "",
    "ended_at": "",
    "why": "",
    "restated": "",
}


def find_claim(work: Work, claim_id: str, prefix: str) -> tuple[Guard | None, Entry | None]:
    """A claim, locked until the transaction ends, and the guard of the prefix it stands under.

    Of an unknown claim: the guard of `prefix`.
    """
    row = work.execute(_BY_TOKEN, {"claim_id": claim_id}).first()
    return (_guard(row), _entry(row)) if row is not None else (find_guard(work, prefix), None)


def find_on_key(
    work: Work, prefix: str, key_index: str, twin_index: str = "", claim_id: str = ""
) -> tuple[Guard | None, list[Entry]]:
    """The guard of a prefix; the live claims on a key and on its twins, and the claim of that token.

    Call it with the key locked.
    """
    names = {"prefix": prefix, "key_index": key_index, "twin_index": twin_index, "claim_id": claim_id}
    rows = work.execute(_BY_KEY, names).all()
    return (_guard(rows[0]) if rows else None), [_entry(row) for row in rows if row.claim_id]


def find_for_new(work: Work, names: dict[str, str]) -> tuple[Guard | None, tuple[list[Entry], Any]]:
    """As `find_on_key` (`names`: its arguments and document_index), and the subject a claim is to be made on instead."""
    rows = work.execute(_FOR_NEW, names).all()
    entries = [_entry(row) for row in rows if row.claim_id]
    return (_guard(rows[0]) if rows else None), (entries, rows[0].canonical if rows else None)


def list_of_person(work: Work, keys: list[str]) -> list[Entry]:
    """The live claims on any of these keys."""
    return [_entry(row) for row in work.execute(_OF_PERSON, {"keys": keys})]


def _guard(row: Row[Any]) -> Guard | None:
    if row.guarded is None:
        return None
    return Guard(row.guarded, row.epoch, Duty(row.duty), row.successor)


def _entry(row: Row[Any]) -> Entry:
    since = row.locked_at or row.reserved_at
    names = ("claim_id", "kind", "key_index", "case_id", "holder", "office", "why", "restated")
    return Entry(**{name: getattr(row, name) for name in names}, since=since, live=_live(row))


def _live(row: Row[Any]) -> Claim | None:
    if row.state == ENDED:
        return None
    until = clock.instant(row.until)
    return Claim(row.claim_id, row.holder, State(row.state), until, row.renewals, row.issued, row.doubted)


def add_guard(work: Work, guard: Guard) -> None:
    """Begin to guard a prefix, unless it is guarded already."""
    row = {"prefix": guard.prefix, "epoch": guard.epoch, "duty": str(guard.duty), "successor": guard.successor}
    work.add_new(guards, [row | {"since": clock.iso(work.now)}])


def find_guard(work: Work, prefix: str) -> Guard | None:
    """This node's record of a prefix."""
    found = work.execute(_GUARD, {"prefix": prefix}).first()
    return _guard(found) if found else None


def list_guards(work: Work, *duties: Duty) -> list[Guard]:
    """This node's records, perhaps of these duties only."""
    found = select(*_OF_GUARD).order_by(guards.c.prefix)
    found = found.where(guards.c.duty.in_(duties)) if duties else found
    return [guard for row in work.execute(found) if (guard := _guard(row))]


def save_guard(work: Work, guard: Guard) -> None:
    """Write down what this node does for a prefix from now on; call it with the prefix locked."""
    add_guard(work, guard)
    row = {"epoch": guard.epoch, "duty": str(guard.duty), "successor": guard.successor, "since": clock.iso(work.now)}
    work.write(_SAVE_GUARD, row | {"of": guard.prefix})


def add_claim(work: Work, claim: Claim, row: dict[str, Any]) -> None:
    """A new claim; the database refuses a second live one on its key."""
    work.write(_ADD, UNKNOWN | row | _values(claim) | {"reserved_at": clock.iso(work.now)})


def save_claim(work: Work, claim: Claim, **also: Any) -> None:
    """Write back a live claim that was found locked."""
    moved = {name: value for name, value in _values(claim).items() if name not in ("claim_id", "holder")}
    work.write(_SAVE, {"of": claim.claim_id} | moved | also)


def _values(claim: Claim) -> dict[str, Any]:
    return dataclasses.asdict(claim) | {"state": str(claim.state), "until": clock.iso(claim.until)}


def end_claim(work: Work, claim: Claim, why: str) -> None:
    """End a claim that stands as it was read.

    Did it not wait locked, and has become LOCKED meanwhile, it stays, and the index refuses whatever was to replace it.
    """
    work.write(_END, {"of": claim.claim_id, "was": str(claim.state), "at": clock.iso(work.now), "because": why})


def bury_claim(work: Work, row: dict[str, Any], why: str) -> None:
    """Keep the token of a claim that never lived, so that it never will."""
    work.add_new(claims, [UNKNOWN | row | {"state": ENDED, "ended_at": clock.iso(work.now), "why": why}])


def list_expired(work: Work, limit: int) -> list[tuple[str, str]]:
    """Reservations whose lease has run out, with their prefix, in ledgers we rule on.

    Any of them, so that none waits behind one that fails.
    """
    over = (claims.c.state == State.HELD) & (claims.c.until <= clock.iso(work.now)) & (guards.c.duty == Duty.ACTIVE)
    ours = select(claims.c.claim_id, claims.c.prefix).join(guards, guards.c.prefix == claims.c.prefix)
    return [(row.claim_id, row.prefix) for row in work.execute(ours.where(over).order_by(func.random()).limit(limit))]
