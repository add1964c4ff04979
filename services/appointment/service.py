"""Appointment's doors, and the timer that waits for nobody any more."""

import structlog

from contracts import appointment
from services.appointment import store
from services.appointment.usecases import arriving, booking, slots
from shared.bus import Doors
from shared.errors import OutOfStep
from shared.logs import about, where
from shared.outbox import Works

EXPIRE_SECONDS = 300
EXPIRE_BATCH = 200
log = structlog.get_logger()

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
    for appointment_id in missed:
        _expire(works, appointment_id)


def _expire(works: Works, appointment_id: str) -> None:
    """One by itself: a booking that cannot be ended keeps no other from it."""
    with about(case=appointment_id):
        try:
            with works.begin() as work:
                arriving.expire(work, appointment_id)
        except OutOfStep:  # somebody came meanwhile
            return
        except Exception as error:
            log.error("case_failed", error=type(error).__name__, where=where(error))
