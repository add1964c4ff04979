"""One connection to a RabbitMQ, driven by hand: nothing happens on it but inside `turn`, in the one thread it has."""

import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
from pika.adapters.select_connection import IOLoop
from pika.credentials import ExternalCredentials
from pika.exceptions import AMQPError

from services.exchange.rules import Fate
from shared import clock

LOST = (AMQPError, OSError)  # TimeoutError is one of them
AUTHORITY, CERTIFICATE, KEY = "hub-ca.pem", "hub-cert.pem", "hub-key.pem"  # in the node's home
OPEN_SECONDS = 10.0
CONFIRM_SECONDS = 30.0  # confirms may never come on a healthy channel: then the connection is given up
STOP_SECONDS = 3.0  # and so long when we are told to stop
CLOSE_SECONDS = 1.0
HEARTBEAT_SECONDS = 20
SLICE_SECONDS = 0.5  # a wait notices a stop that soon


@dataclass(frozen=True, slots=True)
class Copy:
    """A message to publish."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


@dataclass(frozen=True, slots=True)
class Got:
    """A message consumed."""

    queue: str
    tag: int
    routing_key: str
    body: bytes
    properties: Any


def _parameters(url: str, certificates: Path | None) -> pika.URLParameters:
    """How to log in: by what the URL says, or, at an `amqps` one that names no user, by certificate (EXTERNAL)."""
    parameters = pika.URLParameters(url)
    parts = urlsplit(url)
    if parts.scheme == "amqps" and not parts.username and certificates:
        context = ssl.create_default_context(cafile=certificates / AUTHORITY)
        context.load_cert_chain(certificates / CERTIFICATE, certificates / KEY)
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
        parameters.credentials = ExternalCredentials()
    return parameters


class Link:
    """A confirming channel that also consumes. Raises one of LOST once the connection or the channel is gone."""

    def __init__(self, url: str, stop: threading.Event, certificates: Path | None = None) -> None:
        parameters = _parameters(url, certificates)
        parameters.heartbeat = HEARTBEAT_SECONDS
        parameters.blocked_connection_timeout = CONFIRM_SECONDS
        parameters.socket_timeout = parameters.stack_timeout = OPEN_SECONDS / 2
        self.stop = stop
        self.arrived: dict[str, deque[Got]] = {}
        self._channel: Any = None
        self._lost: BaseException | None = None
        self._sent = 0  # the broker numbers what it confirms from 1
        self._open: dict[int, str] = {}  # number -> message id, of what is not confirmed yet
        self._fates: dict[str, Fate] = {}
        self._gathered_at = clock.monotonic()
        self._loop = IOLoop()
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=self._lose,
            on_close_callback=self._lose,
            custom_ioloop=self._loop,
        )
        try:
            self._await(lambda: self._channel is not None, OPEN_SECONDS)
        except LOST:
            self.close()
            raise

    def turn(self, seconds: float) -> None:
        """Let happen what happens within `seconds`, or until something of interest does; 0: what is due now."""
        timer = self._loop.call_later(seconds, self._loop.stop)
        self._loop.start()
        self._loop.remove_timeout(timer)
        if self._lost is not None:
            raise self._lost

    def gather(self, seconds: float, enough: int) -> None:
        """Wait up to `seconds` for a first delivery, and a moment for others until there are `enough`."""
        worked = clock.monotonic() - self._gathered_at
        self.turn(seconds)
        end = clock.monotonic() + clock.linger(worked)
        while 0 < sum(map(len, self.arrived.values())) < enough and (left := end - clock.monotonic()) > 0:
            self.turn(left)
        self._gathered_at = clock.monotonic()

    def wake(self) -> None:
        """End a `turn` early; the only method that other threads may call."""
        self._loop.add_callback_threadsafe(self._loop.stop)

    def _await(self, done: Callable[[], bool], seconds: float) -> None:
        end = clock.monotonic() + seconds
        while not done():
            if self.stop.is_set():
                end = min(end, clock.monotonic() + STOP_SECONDS)
            if clock.monotonic() >= end:
                raise TimeoutError("the broker does not answer")
            self.turn(SLICE_SECONDS)

    def publish(self, copies: Sequence[Copy]) -> Mapping[str, Fate]:
        """Publish all, wait for all answers; what became of each, by message id."""
        self._fates = {}
        for copy in copies:
            self._channel.basic_publish(copy.exchange, copy.routing_key, copy.body, copy.properties, mandatory=True)
            self._sent += 1
            self._open[self._sent] = str(copy.properties.message_id)
        self._await(lambda: not self._open, CONFIRM_SECONDS)
        return self._fates

    def consume(self, queue: str, prefetch: int, arguments: Mapping[str, Any] | None = None) -> None:
        """Begin to consume; what comes is in `arrived`, at most `prefetch` messages that are not acknowledged."""
        self.arrived[queue] = deque()
        self._channel.basic_qos(prefetch_count=prefetch)  # of the consumers that follow
        self._channel.basic_consume(queue, self._arrive(queue), arguments=dict(arguments or {}))

    def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge deliveries."""
        for tag in tags:
            self._channel.basic_ack(tag)
        self.turn(0)

    def close(self) -> None:
        """Say farewell if anybody listens, and close the socket in any case: an open one would keep a ghost consumer."""
        with suppress(Exception):  # pika asserts what does not hold for a connection that is closed while it opens
            self._leave()
        self._loop.close()

    def _leave(self) -> None:
        if not (self._connection.is_closed or self._connection.is_closing):
            self._lost = None
            self._connection.close()
        self._turn_until_closed()
        if not self._connection.is_closed and (transport := self._connection._transport) is not None:
            transport.abort()  # pika has no public way to leave a peer that does not answer
            self._turn_until_closed()

    def _turn_until_closed(self) -> None:
        end = clock.monotonic() + CLOSE_SECONDS
        while not self._connection.is_closed and clock.monotonic() < end:
            with suppress(*LOST):
                self.turn(0.05)

    def _opened(self, channel: Any) -> None:
        channel.add_on_return_callback(self._returned)
        channel.add_on_close_callback(self._lose)
        channel.add_on_cancel_callback(lambda frame: self._lose(channel, "the queue is gone"))
        channel.confirm_delivery(self._answered, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Any) -> None:
        self._channel = channel
        self._loop.stop()

    def _lose(self, _whose: Any, reason: BaseException | str) -> None:
        self._lost = self._lost or (reason if isinstance(reason, LOST) else ConnectionError(str(reason)))
        self._loop.stop()

    def _arrive(self, queue: str) -> Callable[..., None]:
        box = self.arrived[queue]

        def arrive(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            box.append(Got(queue, method.delivery_tag, method.routing_key, body, properties))
            self._loop.stop()

        return arrive

    def _returned(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        self._fates[properties.message_id] = Fate.RETURNED

    def _answered(self, frame: Any) -> None:
        method = frame.method
        fate = Fate.CONFIRMED if isinstance(method, pika.spec.Basic.Ack) else Fate.NACKED
        tags = [tag for tag in self._open if tag <= method.delivery_tag] if method.multiple else [method.delivery_tag]
        for tag in tags:
            self._fates.setdefault(self._open.pop(tag), fate)  # a return comes before its confirm
        if not self._open:
            self._loop.stop()
