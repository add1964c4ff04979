"""放号、停号: what an office publishes, and what of it it takes back."""

import datetime

from contracts import appointment as said
from contracts.envelope import Json
from services.appointment import store
from services.appointment.rules import schedule as rules
from services.appointment.rules.schedule import Schedule, Slot
from shared import calendar, clock
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Work


def open_slots(work: Work) -> None:
    """放号, as the causing message asks."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    asked = work.data(said.OpenSlotsV1)
    _expect_own_office(asked)
    publish(work, work.cause.subject, asked)


def publish(work: Work, subject: str, asked: Json) -> int:
    """Open the slots of a schedule that are still to come and not there yet; how many.

    `asked`: as contracts.appointment.OpenSlotsV1. Refused, Denied or NotFound name what is wrong; OutOfStep
    `slots_there` when nothing was new.
    """
    schedule = _schedule(asked)
    rules.expect_sound(schedule)
    _expect_power(work, schedule)
    times = rules.slot_times(schedule, calendar.standard(), clock.SHANGHAI)
    if len(times) > said.ONE_COMMAND:
        words = f"一次最多发布 {said.ONE_COMMAND} 个时段,请缩短日期范围,分几次发布"
        raise Refused("schedule_too_long", words, field="until_on")
    made = [_slot(schedule, *found) for found in times if found[0] > work.now]
    new = [slot for slot in made if store.add_slot(work, slot)]
    if not new:
        raise OutOfStep("slots_there", "没有新的时段:已经发布过,或都已过去,或所选日期都是休息日")
    work.tell(said.SlotsOpenedV1, subject, {"slots": [slot_face(slot) for slot in new]})
    return len(new)


def _schedule(asked: Json) -> Schedule:
    day, time = datetime.date.fromisoformat, datetime.time.fromisoformat
    return Schedule(
        **{name: asked[name] for name in ("office", "kind", "site", "minutes", "capacity")},
        matters=tuple(sorted(set(asked["matters"]))),
        from_on=day(asked["from_on"]),
        until_on=day(asked["until_on"]),
        weekdays=frozenset(asked["weekdays"]),
        opens=time(asked["opens"]),
        closes=time(asked["closes"]),
    )


def _expect_own_office(asked: Json) -> None:
    if asked["actor"]["office"] != asked["office"]:
        raise Denied("slots_of_another_office", "只能发布或停用本机构的时段", field="office")


def _expect_power(work: Work, schedule: Schedule) -> None:
    office = work.node.offices.get(schedule.office)
    if not all(office.may("take_in", matter, work.today) for matter in schedule.matters):
        raise Denied("office_without_power", f"{office.name}无权收其中某个事项的件,请核对事项", field="matters")


def _slot(
    schedule: Schedule, starts_at: datetime.datetime, ends_at: datetime.datetime, closes_at: datetime.datetime
) -> Slot:
    return Slot(
        slot_id=clock.new_id(),
        office=schedule.office,
        matters=schedule.matters,
        kind=schedule.kind,
        site=schedule.site,
        starts_at=starts_at,
        ends_at=ends_at,
        closes_at=closes_at,
        capacity=schedule.capacity,
        free=schedule.capacity,
        is_open=True,
        version=1,
    )


def close_slots(work: Work) -> None:
    """停号: nothing happens to bookings that were made."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    asked = work.data(said.CloseSlotsV1)
    _expect_own_office(asked)
    ids = sorted(set(asked["slot_ids"]))
    if any(store.get_slot(work, slot_id).office != asked["office"] for slot_id in ids):
        raise NotFound("slot_unknown", "其中有的时段不是本机构的,请刷新后重新选择", field="slot_ids")
    closed = [slot for slot_id in ids if (slot := store.close_slot(work, slot_id))]
    if not closed:
        raise OutOfStep("slots_closed", "这些时段都已停止预约")
    work.tell(said.SlotsClosedV1, work.cause.subject, {"slots": [slot_face(slot) for slot in closed]})


def slot_face(slot: Slot) -> Json:
    """A slot as contracts.appointment.Slot."""
    names = ("slot_id", "office", "kind", "site", "capacity", "free", "is_open", "version")
    times = {"starts_at": clock.iso(slot.starts_at), "ends_at": clock.iso(slot.ends_at)}
    return {name: getattr(slot, name) for name in names} | times | {"matters": list(slot.matters)}
