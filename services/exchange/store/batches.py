"""One transaction over many messages: what it reads and locks at once, gathers, and writes at once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, insert, select, text, tuple_, update

from contracts.envelope import Json, Message, encode
from services.exchange.rules import GENESIS, Entry, Part, Parts, Range, Seen, link
from services.exchange.store.tables import case_roles, exchange_log, gaps, peers, sendings
from shared import clock
from shared.outbox import REMEMBER, TELL, Work, inbox

CHANGING = ("active", "last_leg", "last_version")  # of a part; the rest is its key
PEER_STATE = ("out_n", "out_chain", "in_n", "in_chain", "in_high", "unanchored", "receipted_n")
SOME: BindParameter[Any] = bindparam("some", expanding=True)
FIND_LOGGED = select(exchange_log.c.message_id, exchange_log.c.peer).where(exchange_log.c.message_id.in_(SOME))
LOCK_PEERS = select(peers).where(peers.c.node.in_(SOME)).order_by(peers.c.node).with_for_update()
FIND_GAPS = select(gaps).where(gaps.c.peer.in_(SOME)).order_by(gaps.c.peer, gaps.c.first)
FIND_PARTS = select(case_roles).where(case_roles.c.case_id.in_(SOME))
FIND_HANDLED = select(inbox.c.message_id).where(inbox.c.message_id.in_(SOME))
ADD_LINES, ADD_SENDINGS, ADD_PARTS = map(insert, (exchange_log, sendings, case_roles))
SAVE_PEER = update(peers).where(peers.c.node == bindparam("key")).values({name: bindparam(name) for name in PEER_STATE})
SAVE_PART = (
    update(case_roles)
    .where(*(case_roles.c[name] == bindparam(f"this_{name}") for name in ("case_id", "node", "role")))
    .values({name: bindparam(name) for name in CHANGING})
)


@dataclass(slots=True)
class Peer:
    """The state of the two logs kept with a peer."""

    node: str
    out_n: int
    out_chain: str
    in_n: int
    in_chain: str
    seen: Seen
    unanchored: int
    receipted_n: int


@dataclass(slots=True)
class Batch:
    """What one transaction over many messages has read, locked and is going to write."""

    work: Work
    peers: dict[str, Peer]
    parts: dict[str, Parts]
    logged: dict[str, str]  # message id -> peer, of messages that have been let in or sent
    parts_before: dict[str, Parts]
    gaps_before: dict[str, tuple[Range, ...]]
    lines: list[Json] = field(default_factory=list)
    queued: list[Json] = field(default_factory=list)
    retold: list[Message] = field(default_factory=list)

    def append(self, entry: Entry, directory_version: int, body: str | None, *, anchor: bool) -> None:
        """One line more in a log, chained to its predecessor."""
        peer = self.peers[entry.peer]
        prev = peer.out_chain if entry.direction == "out" else peer.in_chain
        chain = link(prev, entry)
        row = {name: getattr(entry, name) for name in Entry.__slots__} | {"prev": prev, "chain": chain}
        self.lines.append(row | {"directory_version": directory_version, "body": body})
        if entry.direction == "out":
            peer.out_n, peer.out_chain = entry.n, chain
        else:
            peer.in_n, peer.in_chain = entry.n, chain
        peer.unanchored += 0 if anchor else 1
        self.logged[entry.message_id] = entry.peer

    def queue(self, row: Json) -> None:
        """One sending more, to be published after the commit."""
        given = {"state": "pending", "queued_at": clock.iso(self.work.now), "sent_at": "", "receipt": ""}
        self.queued.append(row | given)


def ping(work: Work) -> None:
    """Raises when the database is gone."""
    work.execute(text("SELECT 1"))


def open_batch(work: Work, nodes: Iterable[str], cases: Iterable[str], message_ids: Iterable[str]) -> Batch:
    """Lock the peers, in one order for everybody, and read what the messages of a batch need.

    `message_ids` of what comes in; of what goes out none: neither gaps nor earlier arrivals matter then.
    """
    names, arrivals = sorted(set(nodes)), set(message_ids)
    locked = _lock_peers(work, names)
    missing = _missing(work, names) if arrivals else {}
    parts = _parts(work, set(cases))
    logged = _logged(work, arrivals) if arrivals else {}
    peers_now = {row.node: _peer(row, missing.get(row.node, ())) for row in locked}
    return Batch(work, peers_now, parts, logged, dict(parts), missing)


def _logged(work: Work, message_ids: Collection[str]) -> dict[str, str]:
    return {row.message_id: row.peer for row in work.execute(FIND_LOGGED, {"some": list(message_ids)})}


def _lock_peers(work: Work, names: list[str]) -> Sequence[Any]:
    locked = work.execute(LOCK_PEERS, {"some": names}).all()
    if len(locked) == len(names):
        return locked
    for name in names:
        row = {"node": name, "out_n": 0, "out_chain": GENESIS, "in_n": 0, "in_chain": GENESIS, "in_high": 0}
        work.insert_once(peers, row | {"unanchored": 0, "receipted_n": 0})
    return work.execute(LOCK_PEERS, {"some": names}).all()


def _peer(row: Any, missing: tuple[Range, ...]) -> Peer:
    return Peer(
        row.node,
        row.out_n,
        row.out_chain,
        row.in_n,
        row.in_chain,
        Seen(row.in_high, missing),
        row.unanchored,
        row.receipted_n,
    )


def _missing(work: Work, names: Collection[str]) -> dict[str, tuple[Range, ...]]:
    found: dict[str, tuple[Range, ...]] = {}
    for row in work.execute(FIND_GAPS, {"some": list(names)}):
        found[row.peer] = (*found.get(row.peer, ()), (row.first, row.last))
    return found


def _parts(work: Work, cases: Collection[str]) -> dict[str, Parts]:
    found: dict[str, Parts] = {}
    for row in work.execute(FIND_PARTS, {"some": list(cases)}):
        part = Part(row.node, row.role, row.active, (row.last_leg, row.last_version))
        found[row.case_id] = (*found.get(row.case_id, ()), part)
    return found


def write_batch(batch: Batch) -> None:
    """Write what the batch has gathered, many rows a statement."""
    if batch.lines:
        batch.work.write(ADD_LINES, batch.lines)
    if batch.queued:
        batch.work.write(ADD_SENDINGS, batch.queued)
    if batch.retold:
        _retell(batch.work, batch.retold)
    _write_parts(batch)
    _write_gaps(batch)
    _write_peers(batch)


def _retell(work: Work, messages: list[Message]) -> None:
    """What `work.retell` does, many at once."""
    now = clock.iso(work.now)
    rows = [{"message_id": m.id, "routing_key": m.routing_key, "body": encode(m), "created_at": now} for m in messages]
    work.write(TELL, rows)
    work.told += len(rows)


def list_bodies(batch: Batch, case_id: str, peer: str, direction: str) -> list[str]:
    """What was signed about a case in one log, this batch's own lines included; pieces of files left out."""
    mine = exchange_log.c.subject == case_id, exchange_log.c.peer == peer, exchange_log.c.direction == direction
    kept = batch.work.execute(select(exchange_log.c.body).where(*mine)).scalars()
    wanted = (case_id, peer, direction)
    new = [line["body"] for line in batch.lines if (line["subject"], line["peer"], line["direction"]) == wanted]
    return [body for body in (*kept, *new) if body is not None]


def _write_peers(batch: Batch) -> None:
    rows = [
        {
            "key": peer.node,
            "out_n": peer.out_n,
            "out_chain": peer.out_chain,
            "in_n": peer.in_n,
            "in_chain": peer.in_chain,
            "in_high": peer.seen.high,
            "unanchored": peer.unanchored,
            "receipted_n": peer.receipted_n,
        }
        for peer in batch.peers.values()
    ]
    if rows:
        batch.work.write(SAVE_PEER, rows)


def _write_parts(batch: Batch) -> None:
    """In one order for everybody. A row that another transaction has just made fails the batch: it is done again."""
    before = {(case_id, part.node, part.role): part for case_id, parts in batch.parts_before.items() for part in parts}
    after = {(case_id, part.node, part.role): part for case_id, parts in batch.parts.items() for part in parts}
    changed = [key for key in sorted(after) if before.get(key) != after[key]]
    new = [_part_row(key, after[key]) for key in changed if key not in before]
    if new:
        batch.work.write(ADD_PARTS, new)
    old = [_part_row(key, after[key]) for key in changed if key in before]
    if old:
        batch.work.write(SAVE_PART, [_this(row) for row in old])


def _part_row(key: tuple[str, str, str], part: Part) -> Json:
    changing = dict(zip(CHANGING, (part.active, *part.last), strict=True))
    return {"case_id": key[0], "node": key[1], "role": key[2], **changing}


def _this(row: Json) -> Json:
    return {name if name in CHANGING else f"this_{name}": value for name, value in row.items()}


def _write_gaps(batch: Batch) -> None:
    now = clock.iso(batch.work.now)
    for name, peer in batch.peers.items():
        before, after = set(batch.gaps_before.get(name, ())), set(peer.seen.missing)
        if closed := before - after:
            gone = tuple_(gaps.c.first, gaps.c.last).in_(sorted(closed))
            batch.work.write(delete(gaps).where(gaps.c.peer == name, gone))
        opened = [{"peer": name, "first": a, "last": b, "noticed_at": now} for a, b in sorted(after - before)]
        if opened:
            batch.work.write(insert(gaps), opened)


def handled(work: Work, message_ids: Collection[str]) -> set[str]:
    """Those of the local messages that have taken effect already."""
    return set(work.execute(FIND_HANDLED, {"some": list(message_ids)}).scalars())


def remember(work: Work, message_ids: Iterable[str]) -> None:
    """Inbox rows for local messages; the caller holds the locks that keep others from doing the same."""
    rows = [{"message_id": message_id, "received_at": clock.iso(work.now)} for message_id in message_ids]
    if rows:
        work.write(REMEMBER, rows)
