"""What one leg of a case says to the other: by message, or, where this city has both, at once and in one transaction."""

from collections.abc import Callable

import structlog

from contracts.envelope import Contract, Json
from services.intake.rules.legs import Leg
from shared.bus import Rejected
from shared.errors import OutOfStep, TongbanError
from shared.outbox import Work

Hear = Callable[[Work], None]
log = structlog.get_logger()
_at_once: dict[type[Contract], Hear] = {}


class Late(OutOfStep):
    """A word that changes nothing any more. Raised before anything of it was written."""

    def __init__(self) -> None:
        super().__init__("stale", "过时的消息")


def hears_at_once(contract: type[Contract]) -> Callable[[Hear], Hear]:
    """The decorated verb takes in that word of the other leg at once where this city has both.

    Not for a word that the deciding service hears, too: what it answers may come only after the word itself.
    """

    def enter(hear: Hear) -> Hear:
        _at_once[contract] = hear
        return hear

    return enter


def tell(
    work: Work, leg: Leg, contract: type[Contract], data: Json, personal: Json | None = None, *, shown: bool = True
) -> None:
    """Say it to the other leg, which may have moved when this returns: do not write an old copy of it.

    `shown`: the screens of a city that has both legs must hear it, too.
    """
    hear = _at_once.get(contract) if leg.peer_node == work.node.code else None
    if hear is None:
        work.tell(contract, leg.case_id, data, personal, to=leg.peer_node)
        return
    beside = [service for service in contract.consumers if shown and service != work.service]
    work.hear_oneself(_at_the_other_leg(hear), contract, leg.case_id, data, personal, beside=beside)


def _at_the_other_leg(hear: Hear) -> Hear:
    """As with a message: what comes too late keeps nobody from going on, and whoever speaks is not refused for the rest."""

    def heard(work: Work) -> None:
        try:
            hear(work)
        except Late:
            log.info("word_of_a_leg_too_late")
        except TongbanError as error:
            raise Rejected(f"the other leg: {type(error).__name__} {error.code}", error.code) from error

    return heard
