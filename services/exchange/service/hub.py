"""What the gateway needs of a hub, whichever it is."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.exchange.rules import Delivery, Fate, Parcel


class Hub(Protocol):
    """Store and forward between cities: nothing confirmed is lost, anything may come twice."""

    def publish(self, parcels: Sequence[Parcel]) -> Mapping[str, Fate]:
        """What became of each parcel, by message id, once the hub has answered for all of them."""

    def fetch(self, at_most: int, seconds: float) -> list[Delivery]:
        """The next deliveries for this city, urgent ones first; waits so long for the first one."""

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These have taken effect: the hub may forget them."""

    def let_go(self) -> None:
        """Whatever was fetched and not acknowledged will come again."""

    def directories(self) -> list[str]:
        """Signed directories that were published since the last call, or the newest one at first."""

    def publish_directory(self, signed: str) -> None:
        """Give a signed directory to all cities; for the operator of the hub."""

    def close(self) -> None:
        """Let go of everything."""
