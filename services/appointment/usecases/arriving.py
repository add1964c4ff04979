"""签到、爽约: who came, who did not, and who is not waited for any more."""

from contracts import appointment as said
from contracts.envelope import Json
from services.appointment import store
from services.appointment.rules import booking as rules
from services.appointment.usecases.booking import face, held, moved_to
from shared import clock
from shared.errors import Denied
from shared.outbox import Work

SYSTEM: Json = {"id": "system", "kind": "system", "office": ""}


def note_arrival(work: Work) -> None:
    """签到: on the day itself, also late and also when a no-show was noted too soon."""
    actor = work.data(said.NoteArrivalV1)["actor"]
    _expect_clerk(actor)
    kept, slot = held(work, actor)
    state = rules.moved(kept.state, "arrive")
    rules.expect_that_day(clock.legal_date(kept.starts_at), work.today)
    store.move(work, kept, state)
    told = face(work, moved_to(kept, state), slot, actor) | {"late": work.now > kept.arrive_until}
    work.tell(said.ArrivalNotedV1, kept.appointment_id, told)


def note_no_show(work: Work) -> None:
    """记爽约: by a clerk of the office, once the place is no longer kept."""
    actor = work.data(said.NoteNoShowV1)["actor"]
    _expect_clerk(actor)
    kept, _ = held(work, actor)
    rules.expect_missed(kept.arrive_until, work.now)
    _miss(work, kept.appointment_id, actor)


def _expect_clerk(actor: Json) -> None:
    if actor["kind"] != "clerk":
        raise Denied("act_not_allowed", "只有办理机构的工作人员可以签到或记未到", field="act")


def expire(work: Work, appointment_id: str) -> None:
    """爽约, by the house itself after the counter has closed. OutOfStep where something was done meanwhile."""
    _miss(work, appointment_id, SYSTEM)


def _miss(work: Work, appointment_id: str, actor: Json) -> None:
    kept = store.get_appointment(work, appointment_id)
    state = rules.moved(kept.state, "miss")
    store.move(work, kept, state)
    slot = store.get_slot(work, kept.slot_id)
    work.tell(said.NoShowNotedV1, appointment_id, face(work, moved_to(kept, state), slot, actor))
