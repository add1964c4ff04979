"""How the read model learns what an authority says of a person's claims: the first answer to a question of ours."""

from collections.abc import Callable, Mapping

from contracts import claims as said
from contracts.envelope import Contract, Json, Message
from services.web.store import asking
from services.web.store import found as store
from services.web.usecases.claims import refusal_of
from shared.bus import refusal
from shared.errors import OutOfStep
from shared.outbox import Work

Hear = Callable[[Work, Message, Json], None]


def project(work: Work, contract: type[Contract]) -> None:
    """Take in the message that caused this work. OutOfStep for what answers no question of ours.

    What another city has asked passes here on its way out: it is that city's to know.
    """
    message, data = work.cause, work.data(contract)
    assert message is not None  # noqa: S101 - every door brings a message
    if message.destination:
        return
    command, hear = PROJECTIONS[contract]
    if not asking.has_asked(work, message.correlation, command.type, message.subject):
        raise OutOfStep("stale", "过时的消息")
    hear(work, message, data)


def _found(work: Work, message: Message, data: Json) -> None:
    """占用情况."""
    claims = work.personal(said.ClaimsFoundV1)["claims"]
    store.keep_claims(work, message.subject, data | {"claims": claims})
    asking.answer_command(work, message.correlation, "done", {})


def _dropped(work: Work, message: Message, data: Json) -> None:
    """已放弃, or not."""
    error = refusal_of(data)
    told = refusal(error) if error else {}
    asking.answer_command(work, message.correlation, told.pop("kind", "done"), told)


PROJECTIONS: Mapping[type[Contract], tuple[type[Contract], Hear]] = {  # answer -> what it answers, how it is heard
    said.ClaimsFoundV1: (said.LookUpClaimsV1, _found),
    said.ClaimDroppedV1: (said.DropClaimsV1, _dropped),
}
