"""What comes into this city: believed only when everything fits, let in once, or kept apart."""

from collections.abc import Collection, Sequence
from functools import partial

import structlog

from contracts.exchange import LogAnchoredV1, MessageMisdirectedV1
from services.exchange import rules
from services.exchange.store import questions
from services.exchange.store.batches import Batch, open_batch, write_batch
from services.exchange.usecases import quarantine
from services.exchange.usecases.batches import all_or_each
from services.exchange.usecases.proofs import take_anchor
from services.exchange.usecases.saying import Saying, is_of_a_leg_sent_back, parts_after
from services.exchange.usecases.wire import HANDS_OVER, Arrival, checked
from shared import clock, metrics
from shared.bus import naming
from shared.directory import Directory
from shared.errors import Denied, Refused
from shared.outbox import Works

log = structlog.get_logger()


def receive_batch(works: Works, deliveries: Sequence[rules.Delivery]) -> None:
    """Let in what may come in, quarantine the rest, all in one transaction: every delivery may be acknowledged then.

    Raises when the database is gone: keep the deliveries and call again.
    """
    admitted = all_or_each(works, partial(_receive, works), deliveries, partial(_keep_failed, works))
    opened = {arrival.message.subject for arrival in admitted if arrival and arrival.message.type == HANDS_OVER}
    if opened:
        look_again(works, opened)


def _receive(works: Works, deliveries: Sequence[rules.Delivery]) -> list[Arrival | None]:
    directory = works.node.directory
    found = [_look(works, directory, delivery) for delivery in deliveries]
    arrivals = [one for one in found if isinstance(one, Arrival)]
    admitted: list[Arrival | None] = []
    with works.begin() as work:
        messages = [arrival.message for arrival in arrivals]
        batch = open_batch(work, {m.source for m in messages}, {m.subject for m in messages}, [m.id for m in messages])
        for delivery, one in zip(deliveries, found, strict=True):
            outcome = _admit(batch, directory, one) if isinstance(one, Arrival) else one
            if isinstance(outcome, Denied):
                quarantine.keep(work, delivery, outcome)
            admitted.append(outcome if isinstance(outcome, Arrival) else None)
        write_batch(batch)
    for arrival in admitted:
        if arrival:
            metrics.EXCHANGED.labels("in", arrival.sender).inc()
    return admitted


def _look(works: Works, directory: Directory, delivery: rules.Delivery) -> Arrival | Denied:
    try:
        return checked(works.node, directory, delivery, clock.now())
    except Denied as denied:
        return denied


def _keep_failed(works: Works, delivery: rules.Delivery, error: Exception) -> None:
    """A fault of ours must not turn the message round and round in the hub until the hub gives it up."""
    log.error("receiving_failed", error=type(error).__name__)
    with works.begin() as work:
        quarantine.keep(work, delivery, Denied("failed", "本节点处理这条报文时出错"))


def _admit(batch: Batch, directory: Directory, arrival: Arrival) -> Arrival | Denied | None:
    """The arrival when it was let in now, None when it had been before, or when its case was sent back."""
    with naming(arrival.message):
        if batch.logged.get(arrival.message.id) == arrival.sender:
            log.info("duplicate", peer=arrival.sender)
            return None
        try:
            if arrival.message.id in batch.logged:
                raise Denied("id_taken", "这个报文编号已由另一城市使用")
            if arrival.message.type != HANDS_OVER and is_of_a_leg_sent_back(batch, _saying(arrival)):
                _take(batch, directory, arrival)  # so that no number is missing; what it brings is kept nowhere
                log.warning("dropped", peer=arrival.sender, why="sent_back")
                return None
            _let_in(batch, directory, arrival)
        except Denied as denied:
            return denied
    return arrival


def _let_in(batch: Batch, directory: Directory, arrival: Arrival) -> None:
    """All checks first, then all effects: what is denied here leaves no trace but its quarantine."""
    message = arrival.message
    parts = _parts_after(batch, arrival)
    if message.type == MessageMisdirectedV1.type and not questions.was_sent(
        batch.work, arrival.sender, arrival.data["message_id"]
    ):
        raise Denied("not_our_message", "对方退回的不是本节点发出的报文")
    _take(batch, directory, arrival)
    if message.type == LogAnchoredV1.type:
        take_anchor(batch, arrival)
    elif message.type == HANDS_OVER and not _is_ours(directory, batch.work.node.code, arrival.data["division"]):
        _send_back(batch, directory, arrival)
    else:
        batch.parts[message.subject] = parts
        batch.retold.append(message)


def _take(batch: Batch, directory: Directory, arrival: Arrival) -> None:
    """Take its number and log it. Denied `seq_taken`."""
    peer = batch.peers[arrival.sender]
    seen = rules.take_number(peer.seen, arrival.message.seq)
    _log_in(batch, arrival, peer.in_n + 1, directory.version)
    peer.seen = seen


def _saying(arrival: Arrival) -> Saying:
    return Saying(arrival.message, arrival.data, str(arrival.contract.crosses), arrival.sender, "in")


def _parts_after(batch: Batch, arrival: Arrival) -> rules.Parts:
    """Who has a part in the case once this is let in. Denied when its sender may not say it."""
    message, role = arrival.message, arrival.contract.crosses
    parts = batch.parts.get(message.subject, ())
    if role == "anyone":
        return parts
    if message.type == HANDS_OVER:
        rules.may_open(parts, arrival.sender)
        return rules.handed_over(parts, arrival.sender, batch.work.node.code, arrival.data["leg_no"])
    return parts_after(batch, _saying(arrival))


def _is_ours(directory: Directory, node: str, division: str) -> bool:
    try:
        return directory.node_of(division) == node
    except Refused:
        return False


def _send_back(batch: Batch, directory: Directory, arrival: Arrival) -> None:
    work, message = batch.work, arrival.message
    log.warning("misdirected", peer=arrival.sender, division=arrival.data["division"])
    work.cause = message
    data = {"message_id": message.id, "message_type": message.type, "division": arrival.data["division"]}
    data["directory_version"] = directory.version
    work.tell(MessageMisdirectedV1, message.subject, data, to=arrival.sender)
    work.cause = None


def _log_in(batch: Batch, arrival: Arrival, n: int, directory_version: int) -> None:
    message = arrival.message
    entry = rules.Entry(
        direction="in",
        peer=arrival.sender,
        n=n,
        seq=message.seq,
        message_id=message.id,
        type=message.type,
        subject=message.subject,
        body_sha256=rules.sha256(arrival.body.encode()),
        jws=arrival.jws,
        at=clock.iso(batch.work.now),
    )
    body = None if arrival.contract.lane == "file" else arrival.body
    batch.append(entry, directory_version, body, anchor=message.type == LogAnchoredV1.type)


def release(works: Works, row_id: str, *, vouched: bool = False) -> bool:
    """Let a quarantined message in after all.

    False when it had come in on another way, or its case was sent back: then nothing of it is kept in quarantine.

    Every check is made again: Denied names the one it still fails, and nothing has happened then. NotFound.
    Keys and age count as of the day it came; with `vouched` a person answers for its age, and for nothing else.
    """
    with works.begin() as work:
        row = questions.get_quarantined(work, row_id)
    directory = works.node.directory
    came_at = clock.instant(row.at)
    arrival = checked(works.node, directory, quarantine.delivered_again(row), came_at, vouched=vouched)
    message = arrival.message
    with works.begin() as work:
        batch = open_batch(work, [arrival.sender], [message.subject], [message.id])
        admitted = _admit(batch, directory, arrival)
        if isinstance(admitted, Denied):
            raise admitted
        write_batch(batch)
        if admitted is None:
            questions.forget_quarantined(work, row_id)
        else:
            questions.set_quarantined(work, row_id, "released")
    with naming(message):
        log.info("released", quarantined=row_id, let_in=admitted is not None, vouched=vouched)
    return admitted is not None


def look_again(works: Works, cases: Collection[str] | None = None) -> None:
    """Try what came too early once more, or what is about these cases; say aloud what has waited an hour in vain."""
    early = [row for row in quarantine.list_early(works, cases) if not _released(works, row.id)]
    quarantine.say_overdue(works, [row for row in early if row.state == "waiting"])


def _released(works: Works, row_id: str) -> bool:
    try:
        release(works, row_id)
    except Denied:
        return False
    return True
