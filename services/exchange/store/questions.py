"""What is asked of the exchange's tables, and the few changes that concern no batch."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, literal, select, update

from contracts.envelope import Json
from services.exchange.rules import GENESIS, Range
from services.exchange.store.tables import anchors, directories, exchange_log, gaps, peers, quarantine, sendings
from shared import clock
from shared.errors import NotFound
from shared.outbox import Work

PAGE = 500
ROWS_AT_ONCE = 100  # of one destination
BYTES_AT_ONCE = 8 << 20
PENDING = sendings.c.state == "pending"
LIST_WAITING = (
    select(sendings.c.destination, func.min(sendings.c.queued_at).label("since"))
    .where(PENDING)
    .group_by(sendings.c.destination)
)
LIST_PENDING = (
    select(sendings)
    .where(PENDING, sendings.c.destination == bindparam("to"))
    .order_by(sendings.c.seq)
    .limit(ROWS_AT_ONCE)
)
MARK_SENT = (
    update(sendings)
    .where(sendings.c.message_id.in_(bindparam("ids", expanding=True)), PENDING)
    .values(state="sent", body="", sent_at=bindparam("at"))
)


def count_gaps(work: Work) -> dict[str, int]:
    """Messages that are missing below a later one, by peer."""
    sums = select(gaps.c.peer, func.sum(gaps.c.last - gaps.c.first + 1).label("missing")).group_by(gaps.c.peer)
    return {row.peer: int(row.missing) for row in work.execute(sums)}


def list_waiting(work: Work) -> dict[str, str]:
    """Destinations for which something waits to be published, and since when."""
    return {row.destination: row.since for row in work.execute(LIST_WAITING)}


def list_pending(work: Work, destinations: Collection[str]) -> list[Any]:
    """The next sendings of each destination in the order of their numbers, within BYTES_AT_ONCE but at least one."""
    rows: list[Any] = []
    room = BYTES_AT_ONCE
    for destination in destinations:
        for row in work.execute(LIST_PENDING, {"to": destination}):
            room -= len(row.body)
            if rows and room < 0:
                return rows
            rows.append(row)
    return rows


def mark_sent(work: Work, message_ids: Collection[str]) -> None:
    """The hub has them: forget their bodies, keep what proves them."""
    if message_ids:
        work.write(MARK_SENT, {"ids": list(message_ids), "at": clock.iso(work.now)})


def mark_unroutable(work: Work, message_ids: Collection[str]) -> None:
    """Nobody is joined there."""
    if message_ids:
        mine = update(sendings).where(sendings.c.message_id.in_(message_ids), PENDING)
        work.execute(mine.values(state="unroutable"))


def redrive(work: Work, destination: str) -> int:
    """Let what could not be routed to a destination be published again; how many."""
    mine = sendings.c.state == "unroutable", sendings.c.destination == destination
    return work.change(update(sendings).where(*mine).values(state="pending"))


def list_unroutable(work: Work) -> list[Json]:
    """Messages that the hub gave back: message_id, type, destination, queued_at, oldest first."""
    shown = sendings.c.message_id, sendings.c.type, sendings.c.destination, sendings.c.queued_at
    given_back = select(*shown).where(sendings.c.state == "unroutable").order_by(sendings.c.queued_at)
    return [dict(row) for row in work.execute(given_back).mappings()]


def count_unroutable(work: Work) -> int:
    """Messages that the hub gave back."""
    mine = select(func.count()).select_from(sendings).where(sendings.c.state == "unroutable")
    return int(work.execute(mine).scalar_one())


def add_quarantined(work: Work, row: Json) -> bool:
    """Keep a message that was not let in; False when this very message lies there already."""
    return work.insert_once(quarantine, row)


def get_quarantined(work: Work, row_id: str) -> Any:
    """One row, its body opened. NotFound."""
    row = work.execute(select(quarantine).where(quarantine.c.id == row_id)).first()
    if row is None:
        raise NotFound("quarantined_unknown", "隔离区中没有这条报文")
    return row


def list_quarantined(work: Work, states: Collection[str], cases: Collection[str] | None = None) -> Sequence[Any]:
    """Rows without bodies, oldest first; `cases`: only what is about these."""
    columns = [column for column in quarantine.c if column.name != "body"]
    mine = select(*columns).where(quarantine.c.state.in_(states))
    mine = mine if cases is None else mine.where(quarantine.c.subject.in_(cases))
    return work.execute(mine.order_by(quarantine.c.at, quarantine.c.id)).all()


def set_quarantined(work: Work, row_id: str, state: str) -> None:
    """waiting, held or released."""
    work.execute(update(quarantine).where(quarantine.c.id == row_id).values(state=state))


def forget_quarantined(work: Work, row_id: str) -> None:
    """Throw a row away with its body: nobody needs to look at it, and the log keeps what proves it."""
    work.execute(delete(quarantine).where(quarantine.c.id == row_id))


def list_peers(work: Work) -> Sequence[str]:
    """All nodes with which messages were exchanged."""
    return work.execute(select(peers.c.node).order_by(peers.c.node)).scalars().all()


@dataclass(frozen=True, slots=True)
class Heads:
    """Where the two logs kept with a peer end, as (n, hash), and the highest number that came."""

    out: tuple[int, str] = (0, GENESIS)
    into: tuple[int, str] = (0, GENESIS)
    in_high: int = 0

    def of(self, direction: str) -> tuple[int, str]:
        """The end of one log: out, in."""
        return self.out if direction == "out" else self.into


def get_heads(work: Work, peer: str) -> Heads:
    """The heads now; those of empty logs when nothing was ever exchanged."""
    row = work.execute(select(peers).where(peers.c.node == peer)).first()
    return Heads((row.out_n, row.out_chain), (row.in_n, row.in_chain), row.in_high) if row else Heads()


def list_log(work: Work, peer: str, direction: str, after: int = 0) -> Iterator[Any]:
    """The lines of one log in order, from the one behind `after`; without bodies."""
    columns = [column for column in exchange_log.c if column.name != "body"]
    mine = select(*columns).where(exchange_log.c.peer == peer, exchange_log.c.direction == direction)
    while True:
        page = work.execute(mine.where(exchange_log.c.n > after).order_by(exchange_log.c.n).limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].n


def was_sent(work: Work, peer: str, message_id: str) -> bool:
    """Whether we have sent that message to that peer."""
    mine = exchange_log.c.message_id == message_id, exchange_log.c.peer == peer, exchange_log.c.direction == "out"
    return work.execute(select(literal(1)).where(*mine)).first() is not None


def list_lines_of(work: Work, case_id: str) -> Sequence[Any]:
    """Every line about a case, in the order in which it was written, and the receipt for what was sent."""
    joined = exchange_log.outerjoin(sendings, exchange_log.c.message_id == sendings.c.message_id)
    mine = select(exchange_log, sendings.c.receipt, sendings.c.state).select_from(joined)
    return work.execute(mine.where(exchange_log.c.subject == case_id).order_by(exchange_log.c.at)).all()


def hashes_sent(work: Work, peer: str, spans: Sequence[Range]) -> list[tuple[int, str]]:
    """(seq, hash of the body) of what we sent to a peer under these numbers."""
    columns = select(exchange_log.c.seq, exchange_log.c.body_sha256)
    mine = columns.where(exchange_log.c.peer == peer, exchange_log.c.direction == "out")
    found: list[tuple[int, str]] = []
    for first, last in spans:
        found += [
            (row.seq, row.body_sha256) for row in work.execute(mine.where(exchange_log.c.seq.between(first, last)))
        ]
    return found


def mark_receipted(work: Work, peer: str, spans: Sequence[Range], anchor_id: str) -> None:
    """The peer's anchor confirms these of our messages."""
    for first, last in spans:
        mine = sendings.c.destination == peer, sendings.c.seq.between(first, last), sendings.c.receipt == ""
        work.execute(update(sendings).where(*mine).values(receipt=anchor_id))


def add_anchor(work: Work, row: Json) -> None:
    """A head that a peer has sent us."""
    work.insert_once(anchors, row)


def find_anchor(work: Work, peer: str, kind: str, n: int) -> str | None:
    """The hash that a peer has given for a line."""
    mine = anchors.c.peer == peer, anchors.c.kind == kind, anchors.c.n == n
    return work.execute(select(anchors.c.chain).where(*mine)).scalar()


def list_anchors(work: Work, peer: str) -> Sequence[Any]:
    """All heads from a peer, lowest first."""
    return work.execute(select(anchors).where(anchors.c.peer == peer).order_by(anchors.c.kind, anchors.c.n)).all()


def latest_anchor(work: Work, peer: str, kind: str) -> tuple[int, str]:
    """The peer's highest head of that kind; (0, "") without any."""
    mine = select(anchors.c.n, anchors.c.chain).where(anchors.c.peer == peer, anchors.c.kind == kind)
    row = work.execute(mine.order_by(anchors.c.n.desc()).limit(1)).first()
    return (row.n, row.chain) if row else (0, "")


def list_receipts_due(work: Work, peer: str, after: int, at_most: int) -> Sequence[Any]:
    """n, seq and body hash of what came from a peer and has no receipt yet."""
    columns = select(exchange_log.c.n, exchange_log.c.seq, exchange_log.c.body_sha256)
    mine = exchange_log.c.peer == peer, exchange_log.c.direction == "in", exchange_log.c.n > after
    return work.execute(columns.where(*mine).order_by(exchange_log.c.n).limit(at_most)).all()


def add_directory(work: Work, version: int, document: str) -> bool:
    """Keep a directory for ever, so that old signatures stay checkable; False when it is kept already."""
    row = {"version": version, "seen_at": clock.iso(work.now), "document": document}
    return work.insert_once(directories, row)


def find_directory(work: Work, version: int) -> str | None:
    """The signed text of a directory."""
    return work.execute(select(directories.c.document).where(directories.c.version == version)).scalar()


def count_receipted(work: Work, peer: str) -> int:
    """Messages to a peer that its anchors confirm."""
    mine = select(func.count()).select_from(sendings).where(sendings.c.destination == peer, sendings.c.receipt != "")
    return int(work.execute(mine).scalar_one())
