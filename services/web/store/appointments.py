"""Slots and bookings as web shows them: heard in any order, the highest version is the newest."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, Row, String, Table, select, update

from contracts.envelope import Json
from services.web.store.tables import metadata
from shared import clock
from shared.crypto.sealing import Sealed
from shared.outbox import Work

slots = Table(
    "slots",
    metadata,
    Column("slot_id", String(36), primary_key=True),
    Column("office", String(60), nullable=False),
    Column("matters", String(400), nullable=False),  # a blank before and behind each
    Column("kind", String(10), nullable=False),
    Column("site", String(60), nullable=False),
    Column("starts_at", String(27), nullable=False),
    Column("ends_at", String(27), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("free", Integer, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("slots_of_office", "office", "starts_at"),
    Index("slots_by_time", "starts_at"),
)
appointments = Table(
    "appointments",
    metadata,
    Column("appointment_id", String(36), primary_key=True),
    Column("slot_id", String(36), nullable=False, index=True),
    Column("matter", String(60), nullable=False),
    Column("number", String(20), nullable=False),
    Column("arrive_until", String(27), nullable=False),
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),  # 0: asked for, nothing was heard yet
)
visits = Table(  # whose booking it is: known when it is asked for, or when it is booked by somebody else
    "visits",
    metadata,
    Column("appointment_id", String(36), primary_key=True),
    Column("booked_by", String(80), nullable=False),  # owner of the token
    Column("person_index", String(32), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("personal", Sealed("web.visits.personal"), nullable=False),  # person, other, warnings
)
SLOT = tuple(column.name for column in slots.columns)
APPOINTMENT = ("appointment_id", "matter", "number", "arrive_until", "state")
VISIT = ("booked_by", "person_index")


def _slot_row(slot: Mapping[str, Any]) -> Json:
    return {name: slot[name] for name in SLOT} | {"matters": f" {' '.join(slot['matters'])} "}


def _slot(row: Row[Any]) -> Json:
    return {name: getattr(row, name) for name in SLOT} | {"matters": row.matters.split()}


def add_slots(work: Work, told: Iterable[Mapping[str, Any]]) -> None:
    """Slots that were opened; one whose later version was heard before stays."""
    work.add_new(slots, [_slot_row(slot) for slot in told])


def keep_slot(work: Work, slot: Mapping[str, Any]) -> None:
    """Keep the newest of a slot."""
    work.keep_newest(slots, _slot_row(slot))


def find_slot(work: Work, slot_id: str) -> Json | None:
    """A slot as it was last heard of."""
    row = work.execute(select(slots).where(slots.c.slot_id == slot_id)).first()
    return _slot(row) if row else None


def list_slots(work: Work, filters: Mapping[str, str], times: tuple[str, str], limit: int) -> list[Json]:
    """Open slots that start from the first instant until before the second, in order. `filters`: office, matter."""
    in_time = slots.c.is_open.is_(True), slots.c.starts_at >= times[0], slots.c.starts_at < times[1]
    wanted = select(slots).where(*in_time).order_by(slots.c.starts_at, slots.c.office, slots.c.slot_id).limit(limit)
    if filters["office"]:
        wanted = wanted.where(slots.c.office == filters["office"])
    if filters["matter"]:
        wanted = wanted.where(slots.c.matters.contains(f" {filters['matter']} ", autoescape=True))
    return [_slot(row) for row in work.execute(wanted)]


def keep_appointment(work: Work, appointment_id: str, slot_id: str, told: Mapping[str, Any]) -> None:
    """Keep the newest of a booking; `told`: as contracts.appointment.Appointment."""
    names = ("matter", "number", "arrive_until", "state", "version")
    row = {name: told[name] for name in names} | {"appointment_id": appointment_id, "slot_id": slot_id}
    work.keep_newest(appointments, row)


def keep_visit(
    work: Work, appointment_id: str, booked_by: str, person_index: str, personal: Json, version: int
) -> None:
    """Keep whose booking it is, and the persons; the newest version holds."""
    row = {"appointment_id": appointment_id, "booked_by": booked_by, "person_index": person_index}
    work.keep_newest(visits, row | {"personal": personal, "version": version})


def note_not_booked(work: Work, appointment_id: str) -> None:
    """Nothing came of what was asked for; nothing happens to a booking that was made."""
    asked = (appointments.c.appointment_id == appointment_id) & (appointments.c.version == 0)
    work.write(update(appointments).where(asked).values(state="not_booked"))


def _whole(row: Row[Any]) -> Json:
    shown = {name: getattr(row, name) for name in (*APPOINTMENT, *VISIT)}
    return shown | {"slot": _slot(row)}


def _joined() -> Any:
    columns = [*(appointments.c[name] for name in APPOINTMENT), *(visits.c[name] for name in VISIT), *slots.c]
    both = appointments.join(slots, slots.c.slot_id == appointments.c.slot_id)
    return select(*columns).select_from(both.join(visits, visits.c.appointment_id == appointments.c.appointment_id))


def find_appointment(work: Work, appointment_id: str) -> Json | None:
    """A booking with its slot and whose it is, without its persons."""
    row = work.execute(_joined().where(appointments.c.appointment_id == appointment_id)).first()
    return _whole(row) if row else None


def find_personal(work: Work, appointment_id: str) -> Json:
    """The opened persons of a booking."""
    mine = select(visits.c.personal).where(visits.c.appointment_id == appointment_id)
    found: Json = work.execute(mine).scalar_one()
    return found


def list_of_person(work: Work, person_index: str, booked_by: str, limit: int) -> list[Json]:
    """A person's bookings, the last first; `booked_by`: of one owner only, "" for all."""
    mine = _joined().where(visits.c.person_index == person_index)
    if booked_by:
        mine = mine.where(visits.c.booked_by == booked_by)
    return [_whole(row) for row in work.execute(mine.order_by(slots.c.starts_at.desc()).limit(limit))]


def list_of_office(work: Work, office: str, times: tuple[str, str], limit: int) -> list[Json]:
    """The bookings of an office that start from the first instant until before the second, in order."""
    in_time = slots.c.office == office, slots.c.starts_at >= times[0], slots.c.starts_at < times[1]
    made = _joined().where(*in_time, appointments.c.version > 0)
    return [_whole(row) for row in work.execute(made.order_by(slots.c.starts_at, appointments.c.number).limit(limit))]


def later_of(work: Work, starts_at: str) -> str:
    """The later of an instant and now: what has begun is offered to nobody."""
    return max(starts_at, clock.iso(work.now))
