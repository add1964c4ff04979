"""Appointment's tables and the few questions asked of them. That a slot is never overbooked is said by the database."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    select,
    text,
    update,
)

from contracts.envelope import Json
from services.appointment.rules.schedule import Slot
from shared import clock
from shared.crypto.sealing import Sealed
from shared.errors import NotFound, OutOfStep
from shared.outbox import Work

metadata = MetaData()

slots = Table(
    "slots",
    metadata,
    Column("slot_id", String(36), primary_key=True),
    Column("office", String(60), nullable=False),
    Column("matters", String(400), nullable=False),  # sorted, a blank before and behind each
    Column("kind", String(10), nullable=False),
    Column("site", String(60), nullable=False),
    Column("starts_at", String(27), nullable=False),
    Column("ends_at", String(27), nullable=False),
    Column("closes_at", String(27), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("free", Integer, nullable=False),
    Column("last_number", Integer, nullable=False),  # given out, cancelled ones included
    Column("is_open", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("office", "site", "matters", "starts_at", name="slots_once"),
    CheckConstraint("free >= 0 AND free <= capacity", name="slots_never_overbooked"),
)
appointments = Table(
    "appointments",
    metadata,
    Column("appointment_id", String(36), primary_key=True),
    Column("slot_id", String(36), nullable=False),
    Column("matter", String(60), nullable=False),
    Column("number", Integer, nullable=False),
    Column("starts_at", String(27), nullable=False),
    Column("arrive_until", String(27), nullable=False),
    Column("missed_from", String(27), nullable=False),  # then nobody is waited for any more
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", JSON, nullable=False),  # contracts.case.Actor, who booked
    Column("person_index", String(32), nullable=False),
    Column("personal", Sealed("appointment.appointments.personal"), nullable=False),  # person, other
    UniqueConstraint("slot_id", "number", name="appointments_one_a_place"),
    Index(
        "appointments_one_open",
        "person_index",
        "matter",
        unique=True,
        postgresql_where=text("state = 'booked'"),
        sqlite_where=text("state = 'booked'"),
    ),
    Index("appointments_by_state", "state", "missed_from"),
    Index("appointments_by_person", "person_index", "state"),
)

OF_SLOT = slots.c.slot_id == bindparam("of")
TAKE_PLACE = (
    update(slots)
    .where(OF_SLOT, slots.c.free > 0, slots.c.is_open.is_(True))
    .values(free=slots.c.free - 1, last_number=slots.c.last_number + 1, version=slots.c.version + 1)
    .returning(*slots.c)
)
GIVE_BACK = update(slots).where(OF_SLOT).values(free=slots.c.free + 1, version=slots.c.version + 1).returning(*slots.c)
CLOSE = (
    update(slots)
    .where(OF_SLOT, slots.c.is_open.is_(True))
    .values(is_open=False, version=slots.c.version + 1)
    .returning(*slots.c)
)
SLOT = tuple(Slot.__dataclass_fields__)
NEAR = 3  # free slots looked for on either side


@dataclass(frozen=True, slots=True)
class Kept:
    """A booking as it is kept; instants are UTC."""

    appointment_id: str
    slot_id: str
    matter: str
    number: int
    starts_at: datetime.datetime
    arrive_until: datetime.datetime
    missed_from: datetime.datetime
    state: str
    version: int
    person_index: str


def matters_text(matters: Iterable[str]) -> str:
    """Codes of matters as one column holds them."""
    return f" {' '.join(sorted(set(matters)))} "


def _slot(row: Row[Any]) -> Slot:
    found = {name: getattr(row, name) for name in SLOT}
    instants = {name: clock.instant(found[name]) for name in ("starts_at", "ends_at", "closes_at")}
    return Slot(**found | instants | {"matters": tuple(row.matters.split())})


def add_slot(work: Work, slot: Slot) -> bool:
    """Keep a slot unless that office serves those matters there at that time already; whether it is new."""
    row: Json = {name: getattr(slot, name) for name in SLOT}
    row |= {name: clock.iso(row[name]) for name in ("starts_at", "ends_at", "closes_at")}
    return work.insert_once(slots, row | {"matters": matters_text(slot.matters), "last_number": 0})


def get_slot(work: Work, slot_id: str) -> Slot:
    """A slot; NotFound `slot_unknown`."""
    row = work.execute(select(slots).where(OF_SLOT), {"of": slot_id}).first()
    if row is None:
        raise NotFound("slot_unknown", "没有这个时段,请刷新后重新选择", field="slot_id")
    return _slot(row)


def take_place(work: Work, slot_id: str) -> tuple[Slot, int] | None:
    """Take one place and the next number of a slot; None when none is free. The row is ours until the commit."""
    row = work.execute(TAKE_PLACE, {"of": slot_id}).first()
    return (_slot(row), row.last_number) if row else None


def give_back(work: Work, slot_id: str) -> Slot:
    """One place of a slot is free again."""
    return _slot(work.execute(GIVE_BACK, {"of": slot_id}).one())


def close_slot(work: Work, slot_id: str) -> Slot | None:
    """Take no further bookings; None where that is so already."""
    row = work.execute(CLOSE, {"of": slot_id}).first()
    return _slot(row) if row else None


def list_near(work: Work, slot: Slot, matter: str) -> list[Slot]:
    """Free slots of the slot's office for a matter, still to come, on either side of it."""
    bookable = select(slots).where(
        slots.c.office == slot.office,
        slots.c.matters.contains(f" {matter} ", autoescape=True),
        slots.c.free > 0,
        slots.c.is_open.is_(True),
        slots.c.starts_at > clock.iso(work.now),
    )
    at = clock.iso(slot.starts_at)
    later = bookable.where(slots.c.starts_at >= at).order_by(slots.c.starts_at).limit(NEAR)
    earlier = bookable.where(slots.c.starts_at < at).order_by(slots.c.starts_at.desc()).limit(NEAR)
    return [_slot(row) for query in (earlier, later) for row in work.execute(query)]


def add_appointment(work: Work, kept: Kept, actor: Json, personal: Json) -> None:
    """Keep a booking; the database refuses a second open one of the same person and matter."""
    row: Json = {name: getattr(kept, name) for name in Kept.__dataclass_fields__}
    row |= {name: clock.iso(row[name]) for name in ("starts_at", "arrive_until", "missed_from")}
    work.execute(appointments.insert(), row | {"actor": actor, "personal": personal})


def get_appointment(work: Work, appointment_id: str) -> Kept:
    """A booking; NotFound `appointment_unknown`."""
    columns = [appointments.c[name] for name in Kept.__dataclass_fields__]
    row = work.execute(select(*columns).where(appointments.c.appointment_id == appointment_id)).first()
    if row is None:
        raise NotFound("appointment_unknown", "没有这个预约,请核对后再试")
    found: Json = dict(row._mapping)
    instants = {name: clock.instant(found[name]) for name in ("starts_at", "arrive_until", "missed_from")}
    return Kept(**found | instants)


def move(work: Work, kept: Kept, state: str) -> None:
    """Put a booking into a state. OutOfStep where somebody else moved it meanwhile."""
    mine = (appointments.c.appointment_id == kept.appointment_id) & (appointments.c.version == kept.version)
    if not work.change(update(appointments).where(mine).values(state=state, version=kept.version + 1)):
        raise OutOfStep("appointment_changed", "此预约刚刚有变化,请刷新后查看")


def open_matters(work: Work, person_index: str) -> list[str]:
    """The matters of a person's open bookings."""
    mine = (appointments.c.person_index == person_index) & (appointments.c.state == "booked")
    return list(work.execute(select(appointments.c.matter).where(mine)).scalars())


def missed_on(work: Work, person_index: str) -> list[datetime.date]:
    """The days of the bookings to which a person did not come."""
    mine = (appointments.c.person_index == person_index) & (appointments.c.state == "no_show")
    found = work.execute(select(appointments.c.starts_at).where(mine)).scalars()
    return [clock.legal_date(clock.instant(starts_at)) for starts_at in found]


def list_missed(work: Work, most: int) -> list[str]:
    """The ids of bookings to which nobody came until nobody was waited for any more, the oldest first."""
    over = (appointments.c.state == "booked") & (appointments.c.missed_from < clock.iso(work.now))
    found = select(appointments.c.appointment_id).where(over).order_by(appointments.c.missed_from).limit(most)
    return list(work.execute(found).scalars())
