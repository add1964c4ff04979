"""What an operator's Prometheus sees: handler times, retries, dead letters, and the age of what waits."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest, start_http_server

from shared import clock

log = structlog.get_logger()

HANDLER_SECONDS = Histogram(
    "tongban_handler_seconds",
    "Time from decoding a message to its commit",
    ("service", "type"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
HANDLED = Counter("tongban_handled_total", "Deliveries by outcome", ("service", "outcome"))
IN_HAND = Gauge("tongban_in_hand", "Deliveries being handled now", ("service",))
RETRIED = Counter("tongban_retried_total", "Deliveries put off to a retry queue", ("service",))
DEAD = Counter("tongban_dead_total", "Deliveries sent to a dead-letter queue", ("service",))
DEAD_LETTERS = Gauge("tongban_dead_letters", "Messages now in a dead-letter queue", ("service",))
PARKED = Gauge("tongban_parked", "Messages waiting for their predecessor", ("service",))
UNROUTABLE = Gauge("tongban_unroutable", "Messages no queue wanted", ("service",))
OUTBOX_AGE = Gauge("tongban_outbox_oldest_seconds", "Age of the oldest unsent message", ("service",))
QUEUE_DEPTH = Gauge("tongban_queue_ready", "Messages ready in a queue", ("queue",))
PUBLISHED = Counter("tongban_published_total", "Messages confirmed by the broker", ("service",))
EXCHANGED = Counter("tongban_exchanged_total", "Messages sent to or taken from another city", ("direction", "peer"))
QUARANTINED = Counter("tongban_quarantined_total", "Messages from the hub that were not let in", ("code",))


@cache
def child(metric: Any, *labels: str) -> Any:
    """The figure of a metric for these labels: prometheus_client takes longer to find it than to count."""
    return metric.labels(*labels)


@contextmanager
def handling(service: str, kind: str) -> Iterator[None]:
    """Measure one handler."""
    with child(HANDLER_SECONDS, service, kind).time():
        yield


def exposition() -> bytes:
    """All figures in the Prometheus text format."""
    return generate_latest(REGISTRY)


def serve(host: str, port: int) -> None:
    """Answer GET /metrics on a port of its own; 0: do not. A port that is taken costs the figures, not the work."""
    if not port:
        return
    try:
        start_http_server(port, host)
    except OSError as error:
        log.error("no_metrics", port=port, error=type(error).__name__)


FRESH_SECONDS = 10.0


def beat(home: Path, process: str, *, ready: bool) -> None:
    """Say in `home/health/<process>.json` that this process lives and whether it can do its work; every 2 s."""
    path = home / "health" / f"{process}.json"
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"at": clock.iso(clock.now()), "pid": os.getpid(), "ready": ready}), "utf-8")
    draft.replace(path)  # not `shared.files`: nothing is worth a sync here, and who only asks for health imports little


def healthy(home: Path, process: str) -> bool:
    """Whether the process has lately said that it can do its work."""
    try:
        said = json.loads((home / "health" / f"{process}.json").read_text("utf-8"))
        age = clock.now() - clock.instant(said["at"])
    except (OSError, ValueError, KeyError):
        return False
    return bool(said["ready"]) and abs(age.total_seconds()) < FRESH_SECONDS
