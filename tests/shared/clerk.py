"""A tiny town for tests of the bus: a clerk who fails on demand, and an archive that hears of what he did."""

import time

from marshmallow import Schema, fields
from sqlalchemy import Column, MetaData, String, Table, insert, select

from contracts.envelope import Contract, Message
from shared.bus import Doors
from shared.errors import OutOfStep, Refused
from shared.outbox import BigId, Work, Works

PRIVATE = "王秀英的身份证号"  # stands in every error the clerk makes: it must turn up nowhere

clerk_metadata = MetaData()
effects = Table(
    "effects",
    clerk_metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("what", String(80), nullable=False),
)
attempts = Table(
    "attempts",
    clerk_metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False),
)


class NoteRefusedV1(Contract):
    type = "clerk.note_refused.v1"
    consumers = ("archive",)
    kind = fields.String(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)
    basis = fields.String(required=True)
    field = fields.String(required=True)
    details = fields.Dict(required=True)


class TakeNoteV1(Contract):
    """`how` the clerk is to behave; `times`: so many attempts fail; `seconds`: so long it takes."""

    type = "clerk.take_note.v1"
    consumers = ("clerk",)
    answers = NoteRefusedV1
    how = fields.String(load_default="well")
    times = fields.Integer(load_default=0)
    seconds = fields.Float(load_default=0)

    class Personal(Schema):
        name = fields.String(required=True)


class NoteTakenV1(Contract):
    type = "clerk.note_taken.v1"
    consumers = ("archive",)


class PageTurnedV1(Contract):
    """A fact: page `number` comes after the page before it."""

    type = "front.page_turned.v1"
    consumers = ("clerk",)
    number = fields.Integer(required=True)
    how = fields.String(load_default="well")


class NobodyListensV1(Contract):
    type = "front.nobody_listens.v1"


class KnockV1(Contract):
    """Nothing but a sign that all before it have been delivered."""

    type = "front.knock.v1"
    consumers = ("clerk", "archive")


def attempted(works: Works, message: Message) -> int:
    """Count the attempts at a message outside its transaction; which one this is."""
    with works.begin() as work:
        work.execute(insert(attempts).values(message_id=message.id))
        mine = select(attempts.c.position).where(attempts.c.message_id == message.id)
        attempt = len(work.execute(mine).all())
    if message.data.get("how") == "fails_asking" and attempt <= message.data["times"]:
        raise RuntimeError(PRIVATE)
    return attempt


def keep(work: Work, what: str) -> None:
    assert work.cause
    work.execute(insert(effects).values(message_id=work.cause.id, subject=work.cause.subject, what=what))


def take_note(work: Work) -> None:
    assert work.cause
    wish, attempt = work.data(TakeNoteV1), work.answer
    keep(work, "noted")
    work.tell(NoteTakenV1, work.cause.subject, {})
    if wish["how"] == "refused":
        raise Refused("no_paper", PRIVATE)
    if wish["how"] == "late":
        raise OutOfStep("too_late", PRIVATE)
    if wish["how"] == "fails" and attempt <= wish["times"]:
        raise RuntimeError(PRIVATE)
    if wish["how"] == "blocks":
        stop_everything(wish["seconds"])
    else:
        time.sleep(wish["seconds"])


def stop_everything(seconds: float) -> None:
    """Let no other greenlet run."""
    from eventlet.patcher import original

    original("time").sleep(seconds)


def turn_page(work: Work) -> None:
    assert work.cause
    page, subject = work.data(PageTurnedV1), work.cause.subject
    if page["how"] == "refused":
        raise Refused("no_such_book", PRIVATE)
    if page["how"] == "late":
        raise OutOfStep("book_closed", PRIVATE)
    work.lock(subject)
    before = select(effects.c.position).where(effects.c.subject == subject, effects.c.what == f"{page['number'] - 1}")
    if page["number"] > 1 and work.execute(before).first() is None:
        work.park(f"{subject}/{page['number'] - 1}")
        return
    keep(work, f"{page['number']}")
    work.arrived(f"{subject}/{page['number']}")


def town_doors(delays: tuple[int, ...] = (1,), tick_seconds: int = 0) -> dict[str, Doors]:
    """The services of the town; the front desk only sends."""
    clerk, archive = Doors("clerk", delays), Doors("archive", delays)
    clerk.listen(TakeNoteV1, ask=attempted)(take_note)
    clerk.listen(PageTurnedV1)(turn_page)
    archive.listen(NoteTakenV1)(lambda work: keep(work, "taken"))
    archive.listen(NoteRefusedV1)(lambda work: keep(work, work.data(NoteRefusedV1)["code"]))
    for doors in (clerk, archive):
        doors.listen(KnockV1)(lambda work: None)
    if tick_seconds:

        @clerk.every(tick_seconds)
        def tick(works: Works) -> None:
            with works.begin() as work:
                work.execute(insert(effects).values(message_id="", subject="tick", what="tick"))

    return {"clerk": clerk, "archive": archive, "front": Doors("front", delays)}
