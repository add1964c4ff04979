"""What the logs prove: heads laid down at the other side, receipts for what came, and the check of both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from contracts.envelope import Json
from contracts.exchange import LogAnchoredV1
from services.exchange import rules
from services.exchange.store import questions
from services.exchange.store.batches import Batch, Peer, open_batch, write_batch
from services.exchange.usecases.wire import Arrival
from shared import clock
from shared.crypto.signing import verify_detached
from shared.directory import Directory, open_directory
from shared.errors import Denied
from shared.outbox import Work, Works

RECEIPTS_AT_ONCE = 10_000
DIFFERS = "differs"  # receipts for something else than we have sent
REWRITTEN = "rewritten"  # another hash for a line whose hash we hold already
FAULTS = {
    DIFFERS: "the peer confirms something else than we have sent",
    REWRITTEN: "the peer gives another hash than before",
}
LAYS_DOWN = ("sent", "received", "held_sent", "held_received")

log = structlog.get_logger()


def anchor_logs(works: Works, *, all_peers: bool = False) -> int:
    """Send every peer the heads of the logs kept with it, where they have grown; how many anchors."""
    with works.begin() as work:
        names = questions.list_peers(work)
    return sum(_anchor(works, name, all_peers) for name in names)


def _anchor(works: Works, name: str, even_if_unchanged: bool) -> bool:
    with works.begin() as work:
        batch = open_batch(work, [name], (), ())
        peer = batch.peers[name]
        if not peer.unanchored and not even_if_unchanged:
            return False
        rows = questions.list_receipts_due(work, name, peer.receipted_n, RECEIPTS_AT_ONCE)
        work.tell(LogAnchoredV1, name, _anchor_data(work, peer, rows), to=name)
        peer.unanchored = 0
        peer.receipted_n = rows[-1].n if rows else peer.receipted_n
        write_batch(batch)
    return True


def _anchor_data(work: Work, peer: Peer, rows: Iterable[Any]) -> Json:
    hashes = {row.seq: row.body_sha256 for row in rows}
    return {
        "sent": {"n": peer.out_n, "chain": peer.out_chain},
        "received": {"n": peer.in_n, "chain": peer.in_chain},
        "held_sent": _head(questions.latest_anchor(work, peer.node, "sent")),
        "held_received": _head(questions.latest_anchor(work, peer.node, "received")),
        "receipts": [{"first": first, "last": last} for first, last in rules.ranges(hashes)],
        "receipts_sha256": rules.receipt(hashes.items()),
    }


def _head(found: tuple[int, str]) -> Json:
    return {"n": found[0], "chain": found[1] or rules.GENESIS}


def take_anchor(batch: Batch, arrival: Arrival) -> None:
    """Keep a peer's heads, and the receipts it gives for what we have sent."""
    work, data, peer = batch.work, arrival.data, arrival.sender
    heads = {kind: (data[kind]["n"], data[kind]["chain"]) for kind in LAYS_DOWN}
    spans = [(span["first"], span["last"]) for span in data["receipts"]]
    if spans and not _fits(work, peer, spans, data["receipts_sha256"]):
        log.error("receipts_differ", peer=peer)
        heads[DIFFERS] = (spans[0][0], data["receipts_sha256"])
    elif spans:
        questions.mark_receipted(work, peer, spans, arrival.message.id)
    for kind, (n, chain) in heads.items():
        if questions.find_anchor(work, peer, kind, n) not in (None, chain):
            log.error("log_rewritten", peer=peer, kind=kind, n=n)
            kind = REWRITTEN
        row = {"peer": peer, "kind": kind, "n": n, "chain": chain}
        questions.add_anchor(work, row | {"message_id": arrival.message.id, "at": clock.iso(work.now)})


def _fits(work: Work, peer: str, spans: list[rules.Range], receipts_sha256: str) -> bool:
    if sum(last - first + 1 for first, last in spans) > RECEIPTS_AT_ONCE:
        return False
    return rules.receipt(questions.hashes_sent(work, peer, spans)) == receipts_sha256


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What became of checking the logs kept with one peer; nothing is wrong when there are no faults."""

    peer: str
    sent: int
    received: int
    missing: int  # numbers that never came, and what the peer says it has sent beyond the highest that came
    receipted: int  # of the sent: confirmed by the peer's signed anchors
    faults: tuple[str, ...]


def verify_log(works: Works, peer: str) -> LogCheck:
    """Recompute both chains kept with a peer and compare them with the heads that the peer holds of them.

    Locks nothing: a log may grow while it is read.
    """
    with works.begin() as work:
        held = questions.list_anchors(work, peer)
        faults = [f"{row.kind} {row.n}: {FAULTS[row.kind]}" for row in held if row.kind in FAULTS]
        for direction, kind in (("out", "held_sent"), ("in", "held_received")):
            faults += _faults(work, peer, direction, {row.n: row.chain for row in held if row.kind == kind})
        heads = questions.get_heads(work, peer)
        said = max((row.n for row in held if row.kind == "sent"), default=0)
        missing = questions.count_gaps(work).get(peer, 0) + max(0, said - heads.in_high)
        receipted = questions.count_receipted(work, peer)
    return LogCheck(peer, heads.out[0], heads.into[0], missing, receipted, tuple(faults))


def _faults(work: Work, peer: str, direction: str, held: dict[int, str]) -> Iterator[str]:
    promised = questions.get_heads(work, peer).of(direction)
    n, chain = 0, rules.GENESIS
    complete = promised == (n, chain)
    for line in questions.list_log(work, peer, direction):
        entry = rules.Entry(**{name: getattr(line, name) for name in rules.Entry.__slots__})
        if line.n != n + 1 or line.prev != chain or line.chain != rules.link(line.prev, entry):
            yield f"{direction} {line.n}: the line was changed, or one before it is gone"
        if held.get(line.n, line.chain) != line.chain:
            yield f"{direction} {line.n}: the peer holds another hash of this line"
        n, chain = line.n, line.chain
        complete = complete or (n, chain) == promised
    if not complete or n > questions.get_heads(work, peer).of(direction)[0]:
        yield f"{direction} {n}: the log does not end where it should"
    if max(held, default=0) > n:
        yield f"{direction} {n}: the peer has seen this log longer, up to {max(held)}"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One line of a log about a case, and what it proves."""

    at: str
    direction: str
    peer: str
    n: int
    seq: int
    type: str
    message_id: str
    body_sha256: str
    chain: str
    signature: str  # valid, not_kept (pieces of files), or what is wrong with it
    state: str  # of what was sent: pending, sent, unroutable; "" for what came
    receipt: str  # the peer's anchor that confirms what was sent; "" without one


def evidence(work: Work, case_id: str) -> list[Exhibit]:
    """What was exchanged about a case, oldest first, each signature checked against the directory of its day."""
    rulers: dict[int, Directory] = {}
    return [_exhibit(work, row, rulers) for row in questions.list_lines_of(work, case_id)]


def _exhibit(work: Work, row: Any, rulers: dict[int, Directory]) -> Exhibit:
    if row.directory_version not in rulers:
        rulers[row.directory_version] = _directory(work, row.directory_version)
    shared = {name: getattr(row, name) for name in Exhibit.__slots__ if name not in ("signature", "state", "receipt")}
    signature = _signature(rulers[row.directory_version], row)
    return Exhibit(**shared, signature=signature, state=row.state or "", receipt=row.receipt or "")


def _directory(work: Work, version: int) -> Directory:
    kept = questions.find_directory(work, version)
    return open_directory(kept, work.node.root_key) if kept else work.node.directory


def _signature(directory: Directory, row: Any) -> str:
    if row.body is None:
        return "not_kept"
    raw, on = row.body.encode(), clock.legal_date(clock.instant(row.at))
    if rules.sha256(raw) != row.body_sha256:
        return "body_changed"
    try:
        verify_detached(row.jws, raw, lambda kid: directory.key(kid, "sign", on)["jwk"])
    except Denied as denied:
        return denied.code
    return "valid"
