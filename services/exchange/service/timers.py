"""What the exchange does by the clock, and what an operator sees of it."""

from contextlib import suppress

from prometheus_client import Gauge

from services.exchange.store import questions
from services.exchange.usecases.proofs import anchor_logs
from services.exchange.usecases.receiving import look_again
from shared import clock, metrics, topology
from shared.bus import Doors
from shared.outbox import Works

GAPS = Gauge("tongban_exchange_missing", "Messages missing below a later one", ("peer",))
OLDEST = Gauge("tongban_exchange_oldest_unsent_seconds", "Age of the oldest message not yet at the hub", ("peer",))
DIRECTORY = Gauge("tongban_directory_version", "Version of the node directory in force")


def doors() -> Doors:
    """The gateway listens to no type, it takes whatever is addressed elsewhere; its timers run like everybody's."""
    found = Doors("exchange")
    found.every(60)(anchor)
    found.every(60)(try_early)
    return found


def anchor(works: Works) -> None:
    """Lay the heads of our logs down at the peers with whom something was exchanged since."""
    anchor_logs(works)


def try_early(works: Works) -> None:
    """Look again at pieces of files that came before their case."""
    look_again(works)


def measure_queues(amqp_url: str, ways_in: Doors) -> None:
    """Set the figures of our own queue, its retries and its dead letters; while the broker is away they stay."""
    with suppress(*topology.LOST):
        found = topology.depths(amqp_url, [ways_in])
        for queue, depth in found.items():
            metrics.QUEUE_DEPTH.labels(queue).set(depth)
        metrics.DEAD_LETTERS.labels(ways_in.service).set(found.get(topology.dead_queue(ways_in.service), 0))


def measure(works: Works) -> None:
    """Set the figures; every process does it for itself."""
    with works.begin() as work:
        missing, waiting = questions.count_gaps(work), questions.list_waiting(work)
        metrics.UNROUTABLE.labels("exchange").set(questions.count_unroutable(work))
        now = work.now
    for gauge in (GAPS, OLDEST):
        gauge.clear()
    for peer, count in missing.items():
        GAPS.labels(peer).set(count)
    for peer, since in waiting.items():
        OLDEST.labels(peer).set((now - clock.instant(since)).total_seconds())
    DIRECTORY.set(works.node.directory.version)
