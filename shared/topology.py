"""The one place that names exchanges and queues: declares them, measures them and looks after dead letters."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import structlog
from amqp import Message as Delivery
from amqp.exceptions import AMQPError, MessageNacked, PreconditionFailed, RecoverableConnectionError
from amqp.exceptions import NotFound as QueueMissing
from kombu.connection import Connection

from contracts.envelope import Json, Message, Unreadable, decode
from shared import clock
from shared.bus import Doors
from shared.errors import NotFound

log = structlog.get_logger()

EXCHANGE = "tongban.events"
GATEWAY = "exchange"  # reads in order: what one city says to another keeps the order in which it was told
EVERYTHING_ADDRESSED = "*.*.*.*"  # type (three words) and destination
DELIVERY_LIMIT = 20  # deliveries nobody answered, e.g. because the process died of them
LOOKED_AT_LIMIT = 1_000_000  # each look at a dead letter counts as a delivery; RabbitMQ 4 would drop it after 20
CONFIRM_SECONDS = 10
CLOSE_SECONDS = 3
BACK_SECONDS = 2
LOST = (AMQPError, OSError)  # py-amqp lets the socket's own errors through

QUORUM = {"x-queue-type": "quorum"}
IN_ORDER = {"x-single-active-consumer": True}  # of several processes one reads, the others stand by
NEVER_LOST = {"x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}

ATTEMPT = "x-attempt"  # attempts made so far
REASON = "x-reason"
KEPT = ("content_type", "content_encoding", "message_id", "timestamp")  # of a message's properties in its copies


def is_away(error: BaseException) -> bool:
    """Whether an error says that the broker is not there, rather than that something is not in it."""
    gone = isinstance(error, AMQPError | ConnectionError | TimeoutError | socket.gaierror)
    return gone and not isinstance(error, QueueMissing | BrokenPipeError)


def is_missing_queue(error: BaseException) -> bool:
    """Whether the broker is there, but not yet the queue that was asked for."""
    return isinstance(error, QueueMissing)


def retry_queue(service: str, seconds: int) -> str:
    """Where a delivery of `service` waits for its next attempt."""
    return f"{service}.retry.{seconds}s"


def dead_queue(service: str) -> str:
    """Where deliveries of `service` end that no attempt could handle."""
    return f"{service}.dead"


def queues(doors: Doors) -> dict[str, Json]:
    """All queues of a service and their arguments, the ones that others lead to first."""
    service = doors.service
    found: dict[str, Json] = {dead_queue(service): QUORUM | {"x-delivery-limit": LOOKED_AT_LIMIT}}
    dead = {"x-dead-letter-routing-key": dead_queue(service), "x-delivery-limit": DELIVERY_LIMIT}
    found[service] = QUORUM | NEVER_LOST | dead | (IN_ORDER if service == GATEWAY else {})
    for seconds in doors.retry_delays:
        back = {"x-dead-letter-routing-key": service, "x-message-ttl": seconds * 1000}
        found[retry_queue(service, seconds)] = QUORUM | NEVER_LOST | back
    return found


def binding_keys(doors: Doors) -> list[str]:
    """What the service's queue takes from the exchange.

    The gateway's queue gets everything addressed to other cities; the web's projector sees what leaves, too.
    """
    keys = sorted(doors.by_type)
    if doors.service == GATEWAY:
        keys.append(EVERYTHING_ADDRESSED)
    if doors.service == "web":
        keys += [f"{kind}.*" for kind in keys]
    return keys


@contextmanager
def connected(amqp_url: str, heartbeat: int = 0) -> Iterator[Any]:
    """A py-amqp connection that never re-connects behind our back; raises one of LOST when there is none."""
    there = Connection(amqp_url, connect_timeout=5, heartbeat=heartbeat)  # type: ignore[no-untyped-call]
    link = there.transport.establish_connection()
    try:
        yield link
    finally:
        with suppress(*LOST):
            if link.connected:
                link.transport.sock.settimeout(CLOSE_SECONDS)  # a blocked broker reads nothing, not even a farewell
                link.close()
        link.collect()


class QueueDiffers(Exception):
    """A queue is there with other arguments, and stays so until somebody deletes it."""


def declare_on(channel: Any, doors: Doors) -> None:
    """Declare one service's queues and bindings. QueueDiffers when one of them is there with other arguments."""
    try:
        channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
        for name, arguments in queues(doors).items():
            channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
    except PreconditionFailed as error:
        log.critical("queue_has_other_arguments", service=doors.service, broker_says=str(error))
        raise QueueDiffers(doors.service) from error
    for key in binding_keys(doors):
        channel.queue_bind(doors.service, EXCHANGE, key)


def declare(amqp_url: str, every: Iterable[Doors]) -> None:
    """Declare the queues and bindings of all these services.

    Do it for all services of the node before the relay starts: a message is missed by whoever has no queue yet.
    """
    with connected(amqp_url) as link:
        channel = link.channel()
        for doors in every:
            declare_on(channel, doors)


def depths(amqp_url: str, every: Iterable[Doors]) -> dict[str, int]:
    """Messages ready in each queue of these services; a queue that is missing is missing here, too."""
    found = {}
    with connected(amqp_url) as link:
        for name in (name for doors in every for name in queues(doors)):
            with suppress(QueueMissing):
                channel = link.channel()
                found[name] = channel.queue_declare(name, passive=True).message_count
                channel.close()
    return found


def publish_copy(channel: Any, queue: str, delivery: Delivery, headers: Mapping[str, Any]) -> None:
    """Put a copy of a delivery straight into a queue and wait until it is safe there; raises one of LOST when not.

    The channel must not be used again after an error: a late confirm could be taken for that of another message.
    """
    properties = {name: delivery.properties[name] for name in KEPT if name in delivery.properties}
    copy = Delivery(delivery.body, application_headers=dict(headers), delivery_mode=2, **properties)
    returned: list[Any] = []
    channel.events["basic_return"].add(returned_to := lambda *args: returned.append(args))
    try:
        channel.basic_publish_confirm(copy, "", queue, mandatory=True, confirm_timeout=CONFIRM_SECONDS)
    except MessageNacked as error:
        raise RecoverableConnectionError(f"{queue} does not take the message") from error
    finally:
        channel.events["basic_return"].discard(returned_to)
    if returned:
        raise RecoverableConnectionError(f"there is no queue {queue}")


def headers_of(delivery: Delivery) -> Json:
    """A delivery's headers; empty when it has none."""
    return delivery.properties.get("application_headers") or {}


def attempts_of(delivery: Delivery) -> int:
    """How many attempts at this message were made before this delivery; 0 for whatever else stands in the header."""
    attempts = headers_of(delivery).get(ATTEMPT)
    return attempts if isinstance(attempts, int) and attempts > 0 else 0


def _ready(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)


@contextmanager
def _looked_at(amqp_url: str, queue: str) -> Iterator[tuple[Iterator[Delivery], Callable[[Delivery], None]]]:
    """What lies in a queue, and how to let go of one; the others are in their place again afterwards."""
    with connected(amqp_url) as link:
        channel, beside = link.channel(), link.channel()
        held: set[int] = set()

        def take() -> Iterator[Delivery]:
            for _ in range(_ready(channel, queue)):
                delivery = channel.basic_get(queue)
                if delivery is None:
                    return
                held.add(delivery.delivery_tag)
                yield delivery

        def let_go(delivery: Delivery) -> None:
            channel.basic_ack(delivery.delivery_tag)
            held.remove(delivery.delivery_tag)

        yield take(), let_go
        whole = _ready(beside, queue) + len(held)
        channel.close()
        end = clock.monotonic() + BACK_SECONDS
        while _ready(beside, queue) < whole and clock.monotonic() < end:
            time.sleep(0.01)  # the broker puts them back in its own time


def list_dead(amqp_url: str, service: str, limit: int = 100) -> list[Json]:
    """The first dead letters of a service: message, type, case, attempts, reason."""
    with _looked_at(amqp_url, dead_queue(service)) as (deliveries, _):
        return [_row(delivery) for delivery in islice(deliveries, limit)]


def list_retried(amqp_url: str, doors: Doors, limit: int = 100) -> list[Json]:
    """The first of a service's deliveries that wait for their next attempt: message, type, case, attempts, reason.

    Whoever looks too often only makes an attempt come early: that is what the broker does with them then.
    """
    found: list[Json] = []
    for seconds in doors.retry_delays:
        with _looked_at(amqp_url, retry_queue(doors.service, seconds)) as (deliveries, _):
            found += [_row(delivery) for delivery in islice(deliveries, limit)]
    return found


def show_dead(amqp_url: str, service: str, message_id: str) -> Json:
    """One dead letter with its readable part; whether it has a sealed one, never what is in it.

    NotFound `dead_letter_unknown`.
    """
    with _looked_at(amqp_url, dead_queue(service)) as (deliveries, _):
        for delivery in deliveries:
            if _id(delivery) == message_id:
                return _row(delivery) | _readable(delivery)
    raise _unknown()


def redrive(amqp_url: str, service: str, message_id: str = "") -> int:
    """Put one dead letter, or all, back into the service's queue with no attempts made; how many.

    NotFound `dead_letter_unknown` when that one is not there. Each is safe in the queue before it leaves the other.
    """
    count = 0
    with connected(amqp_url) as link, _looked_at(amqp_url, dead_queue(service)) as (deliveries, let_go):
        channel = link.channel()
        for delivery in deliveries:
            if not message_id or _id(delivery) == message_id:
                publish_copy(channel, service, delivery, {})
                let_go(delivery)
                count += 1
    if message_id and not count:
        raise _unknown()
    return count


def _unknown() -> NotFound:
    return NotFound("dead_letter_unknown", "死信中没有这条消息")


def _read(delivery: Delivery) -> Message | None:
    try:
        return decode(delivery.body)
    except Unreadable:
        return None


def _id(delivery: Delivery) -> str:
    message = _read(delivery)
    return message.id if message else str(delivery.properties.get("message_id", ""))


def _row(delivery: Delivery) -> Json:
    message, headers = _read(delivery), headers_of(delivery)
    deaths = headers.get("x-death") or [{}]  # by the broker: rejected, delivery_limit
    return {
        "message": _id(delivery),
        "type": message.type if message else "unreadable",
        "case": message.subject if message else "",
        "attempts": attempts_of(delivery),
        "reason": str(headers.get(REASON) or deaths[0].get("reason", "")),
    }


def _readable(delivery: Delivery) -> Json:
    message = _read(delivery)
    if message is None:
        return {"bytes": len(delivery.body)}
    names = ("source", "time", "data", "correlation", "causation", "destination")
    return {name: getattr(message, name) for name in names} | {"sealed": message.sealed is not None}
