"""What leaves this city: numbered, signed and logged in one transaction, then given to the hub until it confirms."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from contracts.envelope import Json, Message, encode
from contracts.exchange import LogAnchoredV1
from services.exchange import rules
from services.exchange.store import questions
from services.exchange.store.batches import Batch, handled, open_batch, remember, write_batch
from services.exchange.usecases.batches import all_or_each
from services.exchange.usecases.saying import Saying, parts_after
from services.exchange.usecases.wire import EARLY, HANDS_OVER, Draft, drafted
from shared import clock, metrics
from shared.bus import Rejected, named, naming
from shared.crypto.signing import sign_detached
from shared.directory import Directory
from shared.errors import Denied
from shared.outbox import Works

LEASE_SECONDS = 10  # of the right to publish to a destination; see `list_due`

log = structlog.get_logger()

Taken = Exception | None


def accept_batch(works: Works, bodies: Sequence[str]) -> list[Taken]:
    """Take local messages for other cities over, all in one transaction; of each: None, or why it was not taken.

    Rejected: it never can be, a dead letter; any other exception: not now, try it again later. Raises when the
    database is gone.
    """
    return all_or_each(works, partial(_accept, works), bodies, _failed)


def _failed(body: str, error: Exception) -> Taken:
    with named(body):
        log.error("sending_failed", error=type(error).__name__)
    return error


def _accept(works: Works, bodies: Sequence[str]) -> list[Taken]:
    directory = works.node.directory
    drafts = [_draft(works, directory, body) for body in bodies]
    messages = [draft.message for draft in drafts if isinstance(draft, Draft)]
    with works.begin() as work:
        destinations, cases = {m.destination for m in messages}, {m.subject for m in messages}
        batch = open_batch(work, destinations, cases, ())
        known = handled(work, [message.id for message in messages])
        done = set(known)
        taken = [_post(batch, directory, draft, done) if isinstance(draft, Draft) else draft for draft in drafts]
        remember(work, done - known)
        write_batch(batch)
    return taken


def _draft(works: Works, directory: Directory, body: str) -> Draft | Exception:
    try:
        return drafted(works.node, directory, body, clock.now())
    except (Rejected, Denied) as error:
        with named(body):
            log.error("not_sent", reason=str(error), code=error.code)
        return error
    except Exception as error:  # its text may hold what no log may
        with named(body):
            log.error("not_sent", error=type(error).__name__)
        return error


def _post(batch: Batch, directory: Directory, draft: Draft, done: set[str]) -> Taken:
    """Number, sign, log and queue one message, unless it is done already."""
    message = draft.message
    if message.id in done:
        return None
    try:
        parts = _parts_after(batch, draft)
        parcel, entry = _signed(batch, draft)
    except Denied as error:
        with naming(message):
            log.error("not_sent", code=error.code)
        # another replica may be about to open the case: that is worth the few attempts
        return error if error.code == EARLY else Rejected(f"{message.type}: {error.code}")
    batch.parts[message.subject] = parts
    body = None if draft.contract.lane == "file" else parcel.body
    batch.append(entry, directory.version, body, anchor=message.type == LogAnchoredV1.type)
    batch.queue(_sending(message, entry.seq, parcel))
    done.add(message.id)
    return None


def _sending(message: Message, seq: int, parcel: rules.Parcel) -> Json:
    return {
        "destination": message.destination,
        "seq": seq,
        "message_id": message.id,
        "type": message.type,
        "routing_key": parcel.routing_key,
        "body": parcel.body,
        "jws": parcel.jws,
    }


def _parts_after(batch: Batch, draft: Draft) -> rules.Parts:
    """Who has a part in the case once this is sent. Denied when we may not say it, or not to that node."""
    message, role = draft.message, draft.contract.crosses
    us, parts = batch.work.node.code, batch.parts.get(draft.message.subject, ())
    if role == "anyone":
        return parts
    if message.type == HANDS_OVER:
        rules.may_open(parts, us)
        return rules.handed_over(parts, us, message.destination, message.data["leg_no"])
    after = parts_after(batch, Saying(message, message.data, str(role), message.destination, "out"))
    rules.has_part(parts, message.destination)
    return after


def _signed(batch: Batch, draft: Draft) -> tuple[rules.Parcel, rules.Entry]:
    """The next number for the destination, and everything that hangs on it. Denied `oversized`."""
    peer = batch.peers[draft.message.destination]
    message = replace(draft.message, seq=peer.out_n + 1)
    body = encode(message)
    raw = body.encode()
    if len(raw) > rules.BODY_AT_MOST:
        raise Denied("oversized", "报文超过城际交换的大小上限")
    address = rules.Address(message.destination, message.source, draft.contract.lane, message.type)
    parcel = rules.Parcel(message.id, message.type, address.key, body, sign_detached(batch.work.node.keys.signer, raw))
    entry = rules.Entry(
        direction="out",
        peer=message.destination,
        n=message.seq,
        seq=message.seq,
        message_id=message.id,
        type=message.type,
        subject=message.subject,
        body_sha256=rules.sha256(raw),
        jws=parcel.jws,
        at=clock.iso(batch.work.now),
    )
    return parcel, entry


def list_due(works: Works, holder: str, paused: Collection[str]) -> list[rules.Parcel]:
    """What is to be published now, in order for each destination, and ours to publish for LEASE_SECONDS.

    Another replica may begin with the same parcels when the lease has run out over a silent hub. That doubles
    messages and reorders none: whoever publishes begins with the lowest number that is not confirmed.
    """
    with works.begin() as work:
        waiting = [node for node in questions.list_waiting(work) if node not in paused]
        ours = [node for node in waiting if work.lease(f"exchange.out.{node}", holder, LEASE_SECONDS)]
        rows = questions.list_pending(work, ours)
    return [rules.Parcel(row.message_id, row.type, row.routing_key, row.body, row.jws) for row in rows]


def settle(works: Works, fates: Mapping[str, rules.Fate], parcels: Sequence[rules.Parcel]) -> set[str]:
    """Write down what the hub did, by message id; the destinations whose inbox is full."""
    by_fate = {fate: [p for p in parcels if fates.get(p.message_id) is fate] for fate in rules.Fate}
    with works.begin() as work:
        questions.mark_sent(work, [parcel.message_id for parcel in by_fate[rules.Fate.CONFIRMED]])
        questions.mark_unroutable(work, [parcel.message_id for parcel in by_fate[rules.Fate.RETURNED]])
    for parcel in by_fate[rules.Fate.CONFIRMED]:
        metrics.EXCHANGED.labels("out", rules.read_key(parcel.routing_key).destination).inc()
    for parcel in by_fate[rules.Fate.RETURNED]:
        with named(parcel.body):
            log.error("hub_returned", routing_key=parcel.routing_key)
    return {rules.read_key(parcel.routing_key).destination for parcel in by_fate[rules.Fate.NACKED]}


def redrive(works: Works, destination: str) -> int:
    """Publish again what the hub could not route to that node; how many."""
    with works.begin() as work:
        return questions.redrive(work, destination)
