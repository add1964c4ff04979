"""The queue `exchange` of the city's own broker: batches out of it, failures to where they are tried again."""

import threading
from collections.abc import Sequence

import pika
import structlog

from services.exchange.rules import Fate
from services.exchange.service.link import Copy, Got, Link
from shared import metrics
from shared.bus import Doors, Rejected, named
from shared.topology import ATTEMPT, REASON, dead_queue, retry_queue

PREFETCH = 200

log = structlog.get_logger()


class LocalQueue:
    """A service's queue, consumed by hand. Every method but `close` may raise one of LOST; then `close` it."""

    def __init__(self, url: str, doors: Doors, stop: threading.Event) -> None:
        self.doors = doors
        self.link = Link(url, stop)
        self.link.consume(doors.service, PREFETCH)
        self._box = self.link.arrived[doors.service]

    def fetch(self, at_most: int, seconds: float) -> list[Got]:
        """The next deliveries; waits so long for the first one."""
        self.link.gather(0 if self._box else seconds, at_most)
        return [self._box.popleft() for _ in range(min(len(self._box), at_most))]

    def answer(self, batch: Sequence[Got], outcomes: Sequence[Exception | None]) -> None:
        """Acknowledge all: what was not done is first put, and safe, where it is tried again or looked at."""
        pairs = zip(batch, outcomes, strict=True)
        failed = [(got, error) for got, error in pairs if error is not None]
        if failed:
            fates = self.link.publish([self._copy(got, error, number) for number, (got, error) in enumerate(failed)])
            if set(fates.values()) != {Fate.CONFIRMED}:
                raise ConnectionError("the broker does not take a copy")
        metrics.HANDLED.labels(self.doors.service, "done").inc(len(batch) - len(failed))
        self.link.ack([got.tag for got in batch])

    def _copy(self, got: Got, error: Exception, number: int) -> Copy:
        attempts, service = _attempts(got) + 1, self.doors.service
        headers: dict[str, object] = {ATTEMPT: attempts}
        if isinstance(error, Rejected) or attempts > len(self.doors.retry_delays):
            queue = dead_queue(service)
            headers[REASON] = (str(error) if isinstance(error, Rejected) else type(error).__name__)[:200]
            metrics.DEAD.labels(service).inc()
            with named(got.body, got.properties.message_id or ""):
                log.error("dead_letter", service=service, attempts=attempts, reason=headers[REASON])
        else:
            queue = retry_queue(service, self.doors.retry_delays[attempts - 1])
            metrics.RETRIED.labels(service).inc()
        properties = pika.BasicProperties(
            "application/json", "utf-8", headers, delivery_mode=2, message_id=got.properties.message_id or str(number)
        )
        return Copy("", queue, got.body, properties)

    def rest(self, seconds: float) -> None:
        """Keep the connection alive while nothing can be done."""
        self.link.turn(seconds)

    def close(self) -> None:
        """What was not answered comes again."""
        self.link.close()


def _attempts(got: Got) -> int:
    attempts = (got.properties.headers or {}).get(ATTEMPT)
    return attempts if isinstance(attempts, int) and attempts > 0 else 0
