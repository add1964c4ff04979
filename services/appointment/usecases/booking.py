"""预约、取消: one place in a slot, held and given back."""

import datetime
from dataclasses import replace

from contracts import appointment as said
from contracts.envelope import Json
from services.appointment import store
from services.appointment.rules import booking as rules
from services.appointment.rules.booking import Policy
from services.appointment.rules.schedule import Slot, nearest
from services.appointment.standards import policy_on
from services.appointment.store import Kept
from services.appointment.usecases.slots import slot_face
from shared import calendar, clock, identity
from shared.crypto.sealing import blind_index
from shared.errors import OutOfStep, TongbanError
from shared.outbox import Work

OFFERED = 3  # slots named to one who found theirs taken
WEEKDAYS = "一二三四五六日"


def book_appointment(work: Work) -> None:
    """预约: a place, unless the slot, the person or their no-shows forbid it; nobody is registered for anything."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    asked, visit = work.data(said.BookAppointmentV1), work.personal(said.BookAppointmentV1)
    kind, matter, policy = asked["actor"]["kind"], asked["matter"], policy_on(work.today)
    index = blind_index(work.node.keys, "person", f"{visit['person']['id_type']}:{visit['person']['id_number']}")
    rules.expect_own(kind, visit["asked_for"], index)
    work.lock(f"person/{index}")
    rules.expect_room(policy, store.open_matters(work, index), matter)
    rules.expect_not_suspended(policy, kind, store.missed_on(work, index), work.today)
    slot, number = _take(work, store.get_slot(work, asked["slot_id"]), matter, policy)
    kept = _kept(work.cause.subject, slot, number, matter, policy, index)
    personal = {name: visit[name] for name in ("person", "other")}
    store.add_appointment(work, kept, asked["actor"], personal)
    told = face(work, kept, slot, asked["actor"])
    work.tell(said.AppointmentBookedV1, kept.appointment_id, told, personal | {"warnings": _warnings(visit, kept)})


def _take(work: Work, slot: Slot, matter: str, policy: Policy) -> tuple[Slot, int]:
    """A place in the slot; what stands against it names the free slots that are nearest."""
    try:
        days_ahead = (clock.legal_date(slot.starts_at) - work.today).days
        rules.expect_bookable(slot, matter, work.now, days_ahead, policy)
        taken = store.take_place(work, slot.slot_id)
        if taken is None:
            raise OutOfStep("slot_full", "这个时段刚刚约满,请另选时段", field="slot_id")
    except TongbanError as error:
        _offer(work, error, slot, matter)
        raise
    return taken


def _offer(work: Work, error: TongbanError, slot: Slot, matter: str) -> None:
    free = nearest(slot.starts_at, store.list_near(work, slot, matter), OFFERED)
    error.details["nearest"] = " ".join(found.slot_id for found in free)
    times = "、".join(map(_spoken, free))
    error.message += f";还有空位:{times}" if free else f";近期没有空位,{rules.ALWAYS_SERVED}"


def _spoken(slot: Slot) -> str:
    at = slot.starts_at.astimezone(clock.SHANGHAI)
    return f"{at.month}月{at.day}日(周{WEEKDAYS[at.weekday()]}){at:%H:%M}{slot.site}"


def _kept(appointment_id: str, slot: Slot, number: int, matter: str, policy: Policy, index: str) -> Kept:
    return Kept(
        appointment_id=appointment_id,
        slot_id=slot.slot_id,
        matter=matter,
        number=number,
        starts_at=slot.starts_at,
        arrive_until=rules.arrive_until(policy, slot),
        missed_from=rules.missed_from(policy, slot),
        state="booked",
        version=1,
        person_index=index,
    )


def face(work: Work, kept: Kept, slot: Slot, actor: Json) -> Json:
    """A booking and its slot as contracts.appointment.Told."""
    at = kept.starts_at.astimezone(clock.SHANGHAI)
    shown: Json = {"number": f"{at:%H%M}-{kept.number:02d}", "arrive_until": clock.iso(kept.arrive_until)}
    shown |= {"matter": kept.matter, "state": kept.state, "version": kept.version}
    return {"appointment": shown, "slot": slot_face(slot), "actor": actor, "at": clock.iso(work.now)}


def _warnings(visit: Json, kept: Kept) -> list[Json]:
    """What to know before coming, by what was given alone: no register is asked, nothing is refused."""
    day = clock.legal_date(kept.starts_at)
    people = [person for person in (visit["person"], visit["other"]) if person]
    ages = [_sex_and_age(person, day) for person in people if person["id_type"] == "citizen"]
    names = ("code", "text", "basis")
    found = rules.warnings(policy_on(day), kept.matter, ages)
    return [{name: getattr(advice, name) for name in names} for advice in found]


def _sex_and_age(person: Json, day: datetime.date) -> tuple[str, int]:
    number = identity.citizen_number(person["id_number"], day)
    return number.sex, calendar.full_years(number.born_on, day)


def cancel_appointment(work: Work) -> None:
    """取消: by whom it is for or by a clerk of the office; exactly one place is free again."""
    asked, owner = work.data(said.CancelAppointmentV1), work.personal(said.CancelAppointmentV1)
    kept, slot = held(work, asked["actor"])
    rules.expect_own(asked["actor"]["kind"], owner["asked_for"], kept.person_index)
    state = rules.moved(kept.state, "cancel")
    rules.expect_cancellable(policy_on(work.today), asked["actor"]["kind"], kept.starts_at, work.now)
    store.move(work, kept, state)
    slot = store.give_back(work, slot.slot_id)
    work.tell(said.AppointmentCancelledV1, kept.appointment_id, face(work, moved_to(kept, state), slot, asked["actor"]))


def held(work: Work, actor: Json) -> tuple[Kept, Slot]:
    """The booking that the causing message is about, its person locked, and its slot.

    Denied to clerks of other offices.
    """
    assert work.cause is not None  # noqa: S101 - every door brings a message
    kept = store.get_appointment(work, work.cause.subject)
    work.lock(f"person/{kept.person_index}")  # as booking does: two orders of locks would meet crosswise
    kept, slot = store.get_appointment(work, kept.appointment_id), store.get_slot(work, kept.slot_id)
    rules.expect_office(actor["kind"], actor["office"], slot.office)
    return kept, slot


def moved_to(kept: Kept, state: str) -> Kept:
    """A booking in its next state."""
    return replace(kept, state=state, version=kept.version + 1)
