"""The gateway: local messages to the hub and the hub's messages to the city, the same on every hub."""

from collections.abc import Sequence

import structlog

from services.exchange import rules
from services.exchange.service.hub import Hub
from services.exchange.usecases.directories import take_directory
from services.exchange.usecases.receiving import receive_batch
from services.exchange.usecases.sending import Taken, accept_batch, list_due, settle
from shared import clock
from shared.outbox import Works

BATCH = 100

log = structlog.get_logger()


class Gateway:
    """One city's gateway. `send_batch`, `publish_pending` and `receive_pending` may each run in a thread of its own."""

    def __init__(self, works: Works, hub: Hub, holder: str = "embedded") -> None:
        self.works = works
        self.hub = hub
        self.holder = holder
        self._pauses: dict[str, tuple[float, float]] = {}  # destination -> length of the pause, its end
        self._in_hand: list[rules.Delivery] = []

    def send_batch(self, bodies: Sequence[str]) -> list[Taken]:
        """Take over at most BATCH local messages for other cities; of each: None, or why not.

        Rejected: a dead letter; any other exception: try it again later. Raises when the database is gone.
        """
        return accept_batch(self.works, bodies)

    def publish_pending(self) -> int:
        """Publish what is due, one round; how many the hub has answered for. Raises when the hub is away."""
        now = clock.monotonic()
        paused = [node for node, (_, end) in self._pauses.items() if end > now]
        parcels = list_due(self.works, self.holder, paused)
        if not parcels:
            return 0
        fates = self.hub.publish(parcels)
        full = settle(self.works, fates, parcels)
        self._pause(full, {rules.read_key(parcel.routing_key).destination for parcel in parcels})
        return sum(fate is not rules.Fate.NACKED for fate in fates.values())

    def _pause(self, full: set[str], tried: set[str]) -> None:
        """Leave full inboxes alone for 1, 2, 4 ... 60 seconds; to spin would cost both brokers a core."""
        for node in tried - full:
            self._pauses.pop(node, None)
        for node in full:
            length = rules.longer(self._pauses.get(node, (0.0, 0.0))[0])
            self._pauses[node] = (length, clock.monotonic() + length)
            log.warning("inbox_full", peer=node, seconds=length)

    def receive_pending(self, seconds: float = 0.0) -> int:
        """Take in directories, then at most BATCH deliveries; how many. Raises when the hub or the database is away.

        With the database away the deliveries stay in hand for the next call: to give them back would use up the
        number of times that the hub delivers a message.
        """
        for signed in self.hub.directories():
            take_directory(self.works, signed)
        self._in_hand = self._in_hand or self.hub.fetch(BATCH, seconds)
        if not self._in_hand:
            return 0
        receive_batch(self.works, self._in_hand)
        done, self._in_hand = self._in_hand, []
        self.hub.ack(done)
        return len(done)

    def let_go(self) -> None:
        """Give back what is in hand; after an error of the hub, or at the end."""
        self._in_hand = []
        self.hub.let_go()

    def tick(self) -> bool:
        """For the embedded bus: publish and receive until nothing moves; whether anything did."""
        moved = False
        while self.publish_pending() + self.receive_pending():
            moved = True
        return moved
