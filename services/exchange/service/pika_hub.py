"""The hub on RabbitMQ: one connection for what goes out, one for what comes in, each used by one thread only."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pika

from services.exchange.rules import LANES, Delivery, Fate, Parcel
from services.exchange.service.link import LOST, Copy, Got, Link

INWARD, DIRECTORY_IN = "x.in", "x.dir"
DIRECTORY_QUEUE = "s.directory"
PREFETCH = {"urgent": 100, "std": 200, "file": 20}  # a piece of a file has up to half a megabyte
CONTENT_TYPE = "application/cloudevents+json"


class PikaHub:
    """The way of a user, a city or the operator, to the hub; connects when needed, closes whatever fails."""

    def __init__(
        self, url: str, user: str, stop: threading.Event | None = None, certificates: Path | None = None
    ) -> None:
        self.certificates = certificates  # the folder with the user's, if the URL is one for logging in by certificate
        self.url = url
        self.user = user
        self.stop = stop or threading.Event()
        self._out: Link | None = None
        self._in: Link | None = None

    def publish(self, parcels: Sequence[Parcel]) -> Mapping[str, Fate]:
        """Raises one of LOST when the hub is away, or has not answered for all in time."""
        return self._publish([self._copy(parcel) for parcel in parcels])

    def _publish(self, copies: Sequence[Copy]) -> Mapping[str, Fate]:
        self._out = self._out or Link(self.url, self.stop, self.certificates)
        try:
            return self._out.publish(copies)
        except LOST:
            self.close_outward()
            raise

    def _copy(self, parcel: Parcel) -> Copy:
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            content_encoding="utf-8",
            delivery_mode=2,
            message_id=parcel.message_id,
            type=parcel.type,
            user_id=self.user,
            headers={"jws": parcel.jws},
        )
        return Copy(INWARD, parcel.routing_key, parcel.body.encode(), properties)

    def rest_outward(self, seconds: float) -> None:
        """Keep the outward connection alive while there is nothing to publish. Raises one of LOST."""
        self._out = self._out or Link(self.url, self.stop, self.certificates)
        self._out.turn(seconds)

    def close_outward(self) -> None:
        """Close the outward connection."""
        link, self._out = self._out, None
        if link is not None:
            link.close()

    def wake(self) -> None:
        """There is something to publish: other threads may call this."""
        link = self._out
        with suppress(OSError, AttributeError, ValueError):  # it may be closing just now
            if link is not None:
                link.wake()

    def fetch(self, at_most: int, seconds: float) -> list[Delivery]:
        """Raises one of LOST when the hub is away."""
        link = self._inward()
        boxes = [link.arrived[self._inbox(lane)] for lane in LANES]
        link.gather(0 if any(boxes) else seconds, min(at_most, PREFETCH["file"]))
        gotten = [box.popleft() for box in boxes for _ in range(min(len(box), at_most))]
        for got in reversed(gotten[at_most:]):
            link.arrived[got.queue].appendleft(got)
        return [_delivery(got) for got in gotten[:at_most]]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Raises one of LOST; then they will come again."""
        if self._in is not None:
            self._in.ack([delivery.tag for delivery in deliveries])

    def rest_inward(self, seconds: float) -> None:
        """Keep the inward connection alive while what it brought cannot be handled."""
        if self._in is not None:
            self._in.turn(seconds)

    def let_go(self) -> None:
        """Close the inward connection."""
        link, self._in = self._in, None
        if link is not None:
            link.close()

    def directories(self) -> list[str]:
        """Raises one of LOST when the hub is away."""
        link = self._inward()
        gotten = list(link.arrived[DIRECTORY_QUEUE])
        if gotten:
            link.arrived[DIRECTORY_QUEUE].clear()
            link.ack([got.tag for got in gotten])
        return [got.body.decode("utf-8", "replace") for got in gotten]

    def publish_directory(self, signed: str) -> None:
        """Raises one of LOST, also when the hub does not take it."""
        properties = pika.BasicProperties("application/json", "utf-8", delivery_mode=2, message_id="directory")
        fate = self._publish([Copy(DIRECTORY_IN, "", signed.encode(), properties)])["directory"]
        if fate is not Fate.CONFIRMED:
            raise ConnectionError(f"the hub has not taken the directory: {fate}")

    def close(self) -> None:
        """Close both connections; call it when the threads that use them have ended."""
        self.close_outward()
        self.let_go()

    def _inbox(self, lane: str) -> str:
        return f"inbox.{self.user}.{lane}"

    def _inward(self) -> Link:
        if self._in is None:
            self._in = Link(self.url, self.stop, self.certificates)
            for lane in LANES:
                self._in.consume(self._inbox(lane), PREFETCH[lane])
            self._in.consume(DIRECTORY_QUEUE, 10, {"x-stream-offset": "last"})
        return self._in


def _delivery(got: Got) -> Delivery:
    headers: Mapping[str, Any] = got.properties.headers or {}
    return Delivery(got.body, got.routing_key, str(headers.get("jws", "")), got.properties.user_id or "", got.tag)
