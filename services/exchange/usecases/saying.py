"""What a word about a case does to the parts in it, judged by the part its speaker had when it was said."""

from dataclasses import dataclass

from contracts.envelope import Json, Message, decode
from contracts.intake import (
    ApplicationClosedV1,
    ApplicationDeclinedV1,
    ApplicationForwardedV1,
    ApplicationRedirectedV1,
)
from services.exchange import rules
from services.exchange.store.batches import Batch, list_bodies

HAND_BACK = frozenset({ApplicationRedirectedV1.type, ApplicationDeclinedV1.type})
ENDS = HAND_BACK | {ApplicationClosedV1.type}  # after none of these comes another, so none of them can be late


@dataclass(frozen=True, slots=True)
class Saying:
    """A message about a case that does not hand it over: the role it asks for, the log it would stand in."""

    message: Message
    data: Json
    role: str
    peer: str
    direction: str  # in, out


def parts_after(batch: Batch, saying: Saying) -> rules.Parts:
    """Who has a part in the case once this is said. Denied `case_unknown`, `no_part` or `wrong_role`.

    Queues and retries reorder: a word may come behind the one with which its speaker gave the case back. It still
    counts when the leg had that version before, when nothing else was said of that version, and when it ends nothing.
    """
    message, word = saying.message, _word(saying.data)
    parts = batch.parts.get(message.subject, ())
    if not _is_late(batch, saying, parts, word):
        rules.may_say(parts, message.source, saying.role, word)
    return rules.handed_back(parts, message.source, word) if message.type in HAND_BACK else parts


def _is_late(batch: Batch, saying: Saying, parts: rules.Parts, word: rules.Word) -> bool:
    message = saying.message
    if message.type in ENDS or not rules.may_finish(parts, message.source, saying.role, word):
        return False
    bodies = list_bodies(batch, message.subject, saying.peer, saying.direction)
    return all(_word(decode(body).data) != word for body in bodies)


def is_of_a_leg_sent_back(batch: Batch, saying: Saying) -> bool:
    """Whether it is about a hand-over of its speaker that was misdirected here: that city hears nothing of the case.

    Such a hand-over stands in the log like any other, but no part came of it.
    """
    us, parts = batch.work.node.code, batch.parts.get(saying.message.subject, ())
    mine = [part for part in parts if (part.node, part.role) == (us, "competent")]
    leg_no = saying.data.get("leg_no", 0)
    if saying.role != "accepting" or any(part.active or leg_no <= part.last[0] for part in mine):
        return False
    bodies = list_bodies(batch, saying.message.subject, saying.peer, saying.direction)
    said = [decode(body) for body in bodies]
    return any(it.type == ApplicationForwardedV1.type and it.data["leg_no"] == leg_no for it in said)


def _word(data: Json) -> rules.Word:
    """(0, 0), which nobody says, for what tells of no leg."""
    leg = data.get("leg") or {"leg_no": 0, "version": 0}
    return int(leg["leg_no"]), int(leg["version"])
