"""How the read model learns of slots and bookings: every message twice, late or in the wrong order, the same rows."""

from collections.abc import Callable, Mapping

from contracts import appointment as said
from contracts.envelope import Contract, Json, Message
from services.web.store import appointments as store
from services.web.store import asking, writing
from shared.outbox import Work

Project = Callable[[Work, Message, Json], None]


def project(work: Work, contract: type[Contract]) -> None:
    """Take in the message that caused this work, and answer whoever asked for it."""
    message, data = work.cause, work.data(contract)
    assert message is not None  # noqa: S101 - every door brings a message
    work.lock(f"appointment/{message.subject}")
    if message.causation:
        refused = contract is said.ActRefusedV1
        told = {name: data[name] for name in ("code", "message", "basis", "field", "details")} if refused else {}
        asking.answer_command(work, message.causation, data["kind"] if refused else "done", told)
    PROJECTIONS[contract](work, message, data)


def _refused(work: Work, message: Message, data: Json) -> None:
    """未约上: only the refusal of the booking itself says something of it."""
    if asking.kind_of(work, message.causation) == said.BookAppointmentV1.type:
        store.note_not_booked(work, message.subject)


def _opened(work: Work, message: Message, data: Json) -> None:
    """已放号."""
    store.add_slots(work, data["slots"])


def _closed(work: Work, message: Message, data: Json) -> None:
    """已停号."""
    for slot in data["slots"]:
        store.keep_slot(work, slot)


def _changed(work: Work, message: Message, data: Json) -> None:
    """已取消, 已签到, 爽约."""
    store.keep_slot(work, data["slot"])
    store.keep_appointment(work, message.subject, data["slot"]["slot_id"], data["appointment"])


def _booked(work: Work, message: Message, data: Json) -> None:
    """已预约."""
    _changed(work, message, data)
    personal, actor = work.personal(said.AppointmentBookedV1), data["actor"]
    index = writing.person_index(work.node.keys, personal["person"]["id_type"], personal["person"]["id_number"])
    owner = f"{actor['kind']}:{actor['id']}"  # as Principal.owner has it
    store.keep_visit(work, message.subject, owner, index, personal, data["appointment"]["version"])


PROJECTIONS: Mapping[type[Contract], Project] = {
    said.ActRefusedV1: _refused,
    said.SlotsOpenedV1: _opened,
    said.SlotsClosedV1: _closed,
    said.AppointmentBookedV1: _booked,
    said.AppointmentCancelledV1: _changed,
    said.ArrivalNotedV1: _changed,
    said.NoShowNotedV1: _changed,
}
