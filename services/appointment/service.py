"""Appointment's doors, and the timer that waits for nobody any more."""

from contracts import appointment
from services.appointment import store
from services.appointment.usecases import arriving, booking, slots
from shared.bus import Doors, one_by_one
from shared.outbox import Works

EXPIRE_SECONDS = 300
EXPIRE_BATCH = 200

VERBS = {
    appointment.OpenSlotsV1: slots.open_slots,
    appointment.CloseSlotsV1: slots.close_slots,
    appointment.BookAppointmentV1: booking.book_appointment,
    appointment.CancelAppointmentV1: booking.cancel_appointment,
    appointment.NoteArrivalV1: arriving.note_arrival,
    appointment.NoteNoShowV1: arriving.note_no_show,
}


def doors() -> Doors:
    """All ways into appointment."""
    entrance = Doors("appointment")
    for contract, verb in VERBS.items():
        entrance.listen(contract)(verb)
    entrance.every(EXPIRE_SECONDS)(expire_missed)
    return entrance


def expire_missed(works: Works) -> None:
    """Note a no-show for every booking to which nobody came until the counter had closed."""
    with works.begin() as work:
        missed = store.list_missed(work, EXPIRE_BATCH)
    one_by_one(missed, lambda appointment_id: _expire(works, appointment_id))


def _expire(works: Works, appointment_id: str) -> None:
    with works.begin() as work:
        arriving.expire(work, appointment_id)
