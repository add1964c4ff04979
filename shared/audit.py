"""Every look-up of a person leaves a row that nobody can change unseen: who, where, why, whose, which fields."""

import hashlib
import json
from typing import Any, TypedDict, Unpack

from sqlalchemy import Column, MetaData, String, Table, Text, bindparam, insert, select, update

from shared import clock
from shared.outbox import BigId, Work

LANES = 8  # chains that grow side by side, so that look-ups do not wait for each other
GENESIS = "0" * 64
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

    Both tables emptied at once show nothing here; a head noted elsewhere would.
    """
    faults: list[tuple[int, int]] = []
    last: dict[int, tuple[int, str]] = {}
    for found in work.execute(select(audit_rows).order_by(audit_rows.c.lane, audit_rows.c.n)).mappings():
        row = dict(found)
        n, prev = last.get(row["lane"], (0, GENESIS))
        if row["n"] != n + 1 or row["prev"] != prev or row["chain"] != _chain(row):
            faults.append((row["lane"], row["n"]))
        last[row["lane"]] = (row["n"], row["chain"])
    heads = {head.lane: (head.n, head.chain) for head in work.execute(select(audit_heads))}
    lanes = sorted({*range(LANES), *heads, *last}) if heads or last else []
    faults += [(lane, heads.get(lane, (0,))[0]) for lane in lanes if heads.get(lane) != last.get(lane, (0, GENESIS))]
    return faults
