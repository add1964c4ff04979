"""预约: slots that anybody may see, bookings in one's own name, and what the clerks of an office do with them."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import appointment as said
from contracts.envelope import Contract, Json
from contracts.matters import find_matter
from services.web import rules
from services.web.rules import Principal
from services.web.store import appointments as store
from services.web.store import asking, writing
from services.web.usecases import checking
from services.web.usecases.taking_in import actor, find_repeated, index_of_body, keep
from services.web.usecases.tokens import known_number
from services.web.usecases.viewing import FIELDS, SUPERVISOR
from shared import audit, clock, identity
from shared.errors import Denied, NotFound, Refused
from shared.outbox import Work

MOST = 1000  # rows of one answer
USUAL_DAYS, LONGEST_DAYS = 14, 62
NOTE = "预约只保留时段,不代表已经受理,也不核验资格;窗口随时可以办理,不用预约"
KIND_NAMES = {"regular": "工作日", "weekend": "天天办", "special": "特色办"}
STATE_NAMES = {
    "asked": "预约中",
    "not_booked": "未约上",
    "booked": "已预约",
    "cancelled": "已取消",
    "arrived": "已签到",
    "no_show": "未到",
}
COMMANDS: Mapping[str, type[Contract]] = {
    "cancel": said.CancelAppointmentV1,
    "arrive": said.NoteArrivalV1,
    "no_show": said.NoteNoShowV1,
}


# --- slots -----------------------------------------------------------------------------------------------------------


def list_slots(work: Work, asked: Mapping[str, Any]) -> Json:
    """Open slots still to come, with how many places are free. Refused `days_invalid`."""
    first = asked["from_on"] or work.today
    last = asked["until_on"] or first + datetime.timedelta(days=USUAL_DAYS)
    if not 0 <= (last - first).days <= LONGEST_DAYS:
        words = f"结束日期不能早于开始日期,一次最多查询 {LONGEST_DAYS} 天"
        raise Refused("days_invalid", words, field="to")
    starts_at, ends_at = _instants(first, last)
    found = store.list_slots(work, asked, (store.later_of(work, starts_at), ends_at), MOST + 1)
    return {"slots": [slot_view(work, slot) for slot in found[:MOST]], "truncated": len(found) > MOST}


def _instants(first: datetime.date, last: datetime.date) -> tuple[str, str]:
    """From the beginning of the first day to the end of the last one, in Shanghai."""
    days = first, last + datetime.timedelta(days=1)
    begin, end = (datetime.datetime.combine(day, datetime.time.min, clock.SHANGHAI) for day in days)
    return clock.iso(begin), clock.iso(end)


def slot_view(work: Work, slot: Json) -> Json:
    """A slot as contracts.api.appointments.SlotView."""
    office = work.node.offices.by_code.get(slot["office"])
    starts, ends = (clock.instant(slot[name]).astimezone(clock.SHANGHAI) for name in ("starts_at", "ends_at"))
    names = ("slot_id", "office", "matters", "kind", "site", "starts_at", "ends_at", "capacity")
    return {name: slot[name] for name in names} | {
        "office_name": office.name if office else slot["office"],
        "kind_name": KIND_NAMES[slot["kind"]],
        "on": starts.date().isoformat(),
        "starts": f"{starts:%H:%M}",
        "ends": f"{ends:%H:%M}",
        "free": slot["free"] if slot["is_open"] else 0,
    }


def nearest(work: Work, slot_ids: Iterable[str]) -> list[Json]:
    """The slots that a refusal named as the nearest free ones."""
    found = [store.find_slot(work, slot_id) for slot_id in slot_ids]
    return [slot_view(work, slot) for slot in found if slot]


def open_slots(work: Work, who: Principal, office: str, asked: Json, key: str) -> None:
    """Ask that an office's slots be opened; a repetition under the same key asks nothing new."""
    for matter in asked["matters"]:
        checking.matter_in_force(matter, work.today)
    days = {name: asked[name].isoformat() for name in ("from_on", "until_on")}
    _change_slots(work, who, said.OpenSlotsV1, {"office": office} | asked | days, key)


def close_slots(work: Work, who: Principal, office: str, asked: Json, key: str) -> None:
    """Ask that slots take no further bookings."""
    _change_slots(work, who, said.CloseSlotsV1, {"office": office} | asked, key)


def _change_slots(work: Work, who: Principal, contract: type[Contract], asked: Json, key: str) -> None:
    work.node.offices.get(asked["office"])
    if asked["office"] != who.office:
        raise Denied("slots_of_another_office", "只能发布或停用本机构的时段", field="office")
    _tell_once(work, who, key, contract, clock.new_id(), asked)


def _tell_once(work: Work, who: Principal, key: str, contract: type[Contract], subject: str, asked: Json) -> None:
    """One command of this kind under a key, without a sealed part."""
    body_index = index_of_body(work, contract.type, asked)
    if find_repeated(work, who, key, body_index) is None:
        command_id = work.tell(contract, subject, asked | {"actor": actor(who)})
        keep(work, who, key, body_index, {"command_id": command_id, "case_id": subject, "kind": contract.type})


# --- bookings --------------------------------------------------------------------------------------------------------


def book(work: Work, who: Principal, asked: Json, key: str) -> str:
    """The id of the booking that this request asks for, now or when it was first made under the same key.

    Refused, Denied or NotFound name what is wrong; whether there is a place is for appointment to say.
    """
    body_index = index_of_body(work, "book", asked)
    known = find_repeated(work, who, key, body_index)
    if known is not None:
        return known.case_id
    if store.find_slot(work, asked["slot_id"]) is None:
        raise NotFound("slot_unknown", "没有这个时段,请刷新后重新选择", field="slot_id")
    personal = {name: _visitor(asked[name], name, work.today) for name in ("person", "other")}
    index = writing.person_index(work.node.keys, personal["person"]["id_type"], personal["person"]["id_number"])
    _expect_own(who, index)
    appointment_id = clock.new_id()
    _keep_asked(work, who, appointment_id, asked, personal, index)
    told = {"slot_id": asked["slot_id"], "matter": asked["matter"], "actor": actor(who)}
    command_id = work.tell(said.BookAppointmentV1, appointment_id, told, personal | {"asked_for": who.person_index})
    about = {"command_id": command_id, "case_id": appointment_id, "kind": said.BookAppointmentV1.type}
    keep(work, who, key, body_index, about)
    return appointment_id


def _visitor(asked: Json | None, path: str, today: datetime.date) -> Any:
    if asked is None:
        return None
    read = dict(asked)
    with checking.at_field(path, "name"):
        read["name"] = identity.person_name(asked["name"])
    with checking.at_field(path, "id_number"):
        read["id_number"] = known_number(asked["id_type"], asked["id_number"], today)
    with checking.at_field(path, "phone"):
        read["phone"] = identity.phone(asked["phone"]) if asked["phone"] else ""
    return read


def _expect_own(who: Principal, index: str) -> None:
    if who.kind != "clerk" and who.person_index != index:
        raise Denied("booking_of_another", "只能以本人名义预约,请核对证件号码", field="person.id_number")


def _keep_asked(work: Work, who: Principal, appointment_id: str, asked: Json, personal: Json, index: str) -> None:
    waiting = {"matter": asked["matter"], "number": "", "arrive_until": "", "state": "asked", "version": 0}
    store.keep_appointment(work, appointment_id, asked["slot_id"], waiting)
    store.keep_visit(work, appointment_id, who.owner, index, personal | {"warnings": []}, 0)


def get_appointment(work: Work, who: Principal, appointment_id: str) -> Json:
    """A booking this principal may see; NotFound `appointment_unknown` for any other, so that nobody learns of it."""
    found = store.find_appointment(work, appointment_id)
    seen = found and (who.kind == "clerk" or rules.may_fetch(who, found["booked_by"], found["person_index"]))
    if found is None or not seen:
        raise NotFound("appointment_unknown", "没有这个预约,请核对后再试")
    return found


def act(work: Work, who: Principal, appointment_id: str, verb: str, key: str) -> None:
    """Ask for one act on a booking; whether it comes in time is for appointment to say."""
    if who.kind != "clerk" and verb != "cancel":
        raise Denied("act_not_allowed", "只有办理机构的工作人员可以执行此操作", field="act")
    body_index = index_of_body(work, f"appointment/{appointment_id}", {"act": verb})
    if find_repeated(work, who, key, body_index) is not None:
        return
    found = get_appointment(work, who, appointment_id)
    if who.kind == "clerk" and found["slot"]["office"] != who.office:
        raise Denied("appointment_elsewhere", "这是其他机构的预约,请由该机构处理")
    contract = COMMANDS[verb]
    personal = {"asked_for": who.person_index} if contract.Personal else None
    command_id = work.tell(contract, appointment_id, {"actor": actor(who)}, personal)
    keep(work, who, key, body_index, {"command_id": command_id, "case_id": appointment_id, "kind": contract.type})


# --- what is shown ---------------------------------------------------------------------------------------------------


def list_appointments(work: Work, who: Principal, on: datetime.date | None) -> Json:
    """Clerks: their office's of one day, in order. Citizens, and channels for them: all their own, the last first."""
    if who.kind == "clerk":
        day = on or work.today
        found = store.list_of_office(work, who.office, _instants(day, day), MOST + 1)
    else:
        found = store.list_of_person(work, who.person_index, who.owner if who.kind == "channel" else "", MOST + 1)
    return {"appointments": [_outline(work, row) for row in found[:MOST]], "truncated": len(found) > MOST}


def _outline(work: Work, found: Json) -> Json:
    matter = find_matter(found["matter"], work.today)
    names = ("appointment_id", "matter", "state", "number", "arrive_until")
    return {name: found[name] for name in names} | {
        "matter_name": matter.name if matter else found["matter"],
        "state_name": STATE_NAMES[found["state"]],
        "slot": slot_view(work, found["slot"]),
    }


def view_appointment(work: Work, who: Principal, appointment_id: str, purpose: str = "") -> Json:
    """A booking as this principal may see it. A clerk sees persons only with a purpose, and on record."""
    found = get_appointment(work, who, appointment_id)
    refusal = asking.find_refusal(work, appointment_id, said.BookAppointmentV1.type)
    shown = {"note": NOTE, "refusal": refusal if found["state"] == "not_booked" else None}
    return _outline(work, found) | shown | {"personal": _personal(work, who, found, purpose)}


def _personal(work: Work, who: Principal, found: Json, purpose: str) -> Json | None:
    if who.kind == "clerk" and not purpose:
        return None
    if who.kind == "clerk":
        _expect_concerned(who, found)
        _record_look(work, who, found, rules.expect_purpose(purpose))
    elif who.kind == "channel":
        _record_look(work, who, found, "act_for_citizen")
    personal = store.find_personal(work, found["appointment_id"])
    if who.kind == "clerk":
        return personal
    return personal | {name: _masked(personal[name]) for name in ("person", "other")}


def _expect_concerned(who: Principal, found: Json) -> None:
    if found["slot"]["office"] != who.office and SUPERVISOR not in who.roles:
        raise Denied("office_not_concerned", "本机构不经办此预约,不能查看其中的个人信息")


def _record_look(work: Work, who: Principal, found: Json, purpose: str) -> None:
    audit.record(
        work,
        actor=who.actor,
        office=who.office,
        purpose=purpose,
        act="view_appointment",
        subject=found["appointment_id"],
        person_index=found["person_index"],
        fields=FIELDS[:3],
    )


def _masked(person: Json | None) -> Json | None:
    if person is None:
        return None
    number, phone = identity.mask_number(person["id_number"]), identity.mask_phone(person["phone"])
    return person | {"name": identity.mask_name(person["name"]), "id_number": number, "phone": phone}
