"""Web's doors: every event that says something of a case, and the timers that tell webhooks and forget look-ups."""

from collections.abc import Collection
from functools import partial

from services.web.store import found
from services.web.usecases import appointments_heard, claims_heard, projecting, webhooks
from shared.bus import Doors
from shared.outbox import Works

DAILY = 86_400
SEND_EVERY_SECONDS = 15  # longer than one round of sending: its lease must not run out meanwhile


def doors(webhook_hosts: Collection[str] = ()) -> Doors:
    """All ways into the read model; `webhook_hosts`: where webhooks may lead inside."""
    entrance = Doors("web", at_once=3)
    for contract in projecting.PROJECTIONS:
        entrance.listen(contract)(partial(projecting.project, contract=contract))
    for contract in appointments_heard.PROJECTIONS:
        entrance.listen(contract)(partial(appointments_heard.project, contract=contract))
    for contract in claims_heard.PROJECTIONS:
        entrance.listen(contract)(partial(claims_heard.project, contract=contract))

    @entrance.every(SEND_EVERY_SECONDS)
    def send_webhooks(works: Works) -> None:
        webhooks.send_due(works, partial(webhooks.post_once, webhook_hosts))

    @entrance.every(DAILY)
    def forget_found(works: Works) -> None:
        with works.begin() as work:
            found.forget_found(work)

    return entrance
