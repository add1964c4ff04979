"""Every look-up of a person leaves a row that nobody can change unseen: who, where, why, whose, which fields."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, TypedDict, Unpack

from sqlalchemy import Column, MetaData, String, Table, Text, bindparam, insert, select, tuple_, update

from shared import clock
from shared.outbox import BigId, Work

LANES = 8  # chains that grow side by side, so that look-ups do not wait for each other
GENESIS = "0" * 64
Head = tuple[int, str]  # of a chain: its length and last hash
START: Head = (0, GENESIS)
PAGE = 1000  # rows at a time
audit_metadata = MetaData()

audit_rows = Table(
    "audit_rows",
    audit_metadata,
    Column("lane", BigId, primary_key=True, autoincrement=False),
    Column("n", BigId, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("office", String(40), nullable=False),
    Column("purpose", String(80), nullable=False),
    Column("act", String(40), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("person_index", String(32), nullable=False),
    Column("fields", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("chain", String(64), nullable=False),
)
audit_heads = Table(
    "audit_heads",
    audit_metadata,
    Column("lane", BigId, primary_key=True, autoincrement=False),
    Column("n", BigId, nullable=False),
    Column("chain", String(64), nullable=False),
)
ADD_ROW = insert(audit_rows)
MOVE_HEAD = update(audit_heads).where(audit_heads.c.lane == bindparam("of_lane"))
FREE_HEAD = select(audit_heads.c.lane, audit_heads.c.n, audit_heads.c.chain).limit(1).with_for_update(skip_locked=True)


class Look(TypedDict):
    """One look-up: who from which office looked why at what of whom. `person_index` is a blind index."""

    actor: str
    office: str
    purpose: str
    act: str
    subject: str
    person_index: str
    fields: tuple[str, ...]


def record(work: Work, **look: Unpack[Look]) -> None:
    """One look-up, in the look-up's own transaction."""
    lane, n, prev = _take_lane(work)
    row: dict[str, Any] = {**look, "fields": ",".join(look["fields"])}
    row |= {"at": clock.iso(work.now), "lane": lane, "n": n + 1, "prev": prev}
    row["chain"] = _chain(row)
    work.write(ADD_ROW, row)
    work.write(MOVE_HEAD, {"of_lane": lane, "n": n + 1, "chain": row["chain"]})


def _take_lane(work: Work) -> tuple[int, int, str]:
    """A chain nobody else is writing now; its number, length and last hash."""
    head = work.execute(FREE_HEAD).first()
    if head is None:
        for lane in range(LANES):
            work.insert_once(audit_heads, {"lane": lane, "n": 0, "chain": GENESIS})
        head = work.execute(FREE_HEAD.with_for_update()).one()
    return head.lane, head.n, head.chain


def _chain(row: dict[str, Any]) -> str:
    """The hash of a row, its predecessor's hash included."""
    text = json.dumps({name: row[name] for name in sorted(row) if name != "chain"}, ensure_ascii=False)
    return hashlib.new("sm3", text.encode()).hexdigest()


def broken_rows(work: Work) -> list[tuple[int, int]]:
    """Where a chain was tampered with, as (lane, n): changed and missing rows, heads that are missing or do not fit.

    Chains may grow meanwhile. Both tables emptied at once show nothing here; a head noted elsewhere would.
    """
    faults: list[tuple[int, int]] = []
    before = _heads(work) or dict.fromkeys(range(LANES), START)  # nobody has looked anything up so far
    passed, last = {lane for lane, head in before.items() if head == START}, dict[int, Head]()
    for row in _rows(work):
        lane, (n, prev) = row["lane"], last.get(row["lane"], START)
        if row["n"] != n + 1 or row["prev"] != prev or row["chain"] != _chain(row):
            faults.append((lane, row["n"]))
        last[lane] = row["n"], row["chain"]
        if before.get(lane) == last[lane]:
            passed.add(lane)
    after = _heads(work)
    lanes = sorted({*range(LANES), *after, *last}) if after or last else []
    return faults + [
        (lane, after.get(lane, START)[0]) for lane in lanes if lane not in passed or _beyond(lane, last, after)
    ]


def _beyond(lane: int, last: dict[int, Head], after: dict[int, Head]) -> bool:
    """Whether a chain goes on where its head does not."""
    end, head = last.get(lane, START), after.get(lane, START)
    return end != head and end[0] >= head[0]


def _heads(work: Work) -> dict[int, Head]:
    return {head.lane: (head.n, head.chain) for head in work.execute(select(audit_heads))}


def _rows(work: Work) -> Iterator[dict[str, Any]]:
    """All rows, chain by chain, a page at a time."""
    after = (-1, 0)
    ordered = select(audit_rows).order_by(audit_rows.c.lane, audit_rows.c.n).limit(PAGE)
    while page := work.execute(ordered.where(tuple_(audit_rows.c.lane, audit_rows.c.n) > after)).mappings().all():
        yield from map(dict, page)
        after = page[-1]["lane"], page[-1]["n"]
