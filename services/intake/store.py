"""Intake's tables and the few questions asked of them."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from services.intake.rules import Clock, Leg, State
from shared import clock
from shared.crypto.sealing import Sealed, blind_index
from shared.errors import NotFound, OutOfStep
from shared.outbox import BigId, Work, parked

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("facts", JSON, nullable=False),  # contracts.intake.CaseFacts without its materials
    Column("division", String(12), nullable=False),
    Column("personal", Sealed("intake.cases.personal"), nullable=False),
    Column("outcome", JSON, nullable=False),  # result, remedies, certificate; {} until decided
    Column("reasons", Sealed("intake.cases.reasons"), nullable=False),  # why, in sealed words; [] until decided
)
legs = Table(
    "legs",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
    Column("role", String(12), nullable=False),
    Column("node", String(6), nullable=False),
    Column("state", String(24), nullable=False),
    Column("version", Integer, nullable=False),
    Column("clocks", JSON, nullable=False),
    Column("redirects", Integer, nullable=False),
    Column("peer_node", String(6), nullable=False),
    Column("peer_leg_no", Integer, nullable=False),
    Column("peer_version", Integer, nullable=False),
    Column("decider_version", Integer, nullable=False),
    Column("ours", Boolean, nullable=False),  # else: what another city's node last said of its leg
    Column("open", Boolean, nullable=False),
    Column("matter", String(60), nullable=False),
    Column("person_index", String(32), nullable=False),
    # one open case per person and matter: what two counters in one minute cannot break
    Index(
        "legs_one_open_case",
        "role",
        "matter",
        "person_index",
        unique=True,
        postgresql_where=text("open AND ours"),
        sqlite_where=text("open AND ours"),
    ),
)
materials = Table(
    "materials",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("material", JSON, nullable=False),  # contracts.intake.Material
)
steps = Table(
    "steps",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("leg_no", Integer, nullable=False),
    Column("verb", String(40), nullable=False),
    Column("at", String(27), nullable=False),
    Column("office", JSON, nullable=False),  # contracts.intake.OfficeRef
    Column("note", String(400), nullable=False),
    Column("actor", String(80), nullable=False),
    UniqueConstraint("case_id", "leg_no", "verb", "at"),
)
notices = Table(
    "notices",
    metadata,
    Column("notice_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False),
    Column("event", String(40), nullable=False),
    Column("phone", Sealed("intake.notices.phone"), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", String(27), nullable=False),
    UniqueConstraint("case_id", "event"),  # told once per event
)
chunks = Table(
    "chunks",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("chunk", Sealed("intake.chunks.chunk"), nullable=False),
)
work_items = Table(
    "work_items",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("case_id", String(36), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("text", String(400), nullable=False),
    Column("opened_at", String(27), nullable=False),
    Column("closed_at", String(27), nullable=False),
)

# --- statements, made once: to make one costs more than to run it ---------------------------------------------------------

FIND_CASE = select(cases).where(cases.c.case_id == bindparam("of_case"))
CHANGE_CASE = update(cases).where(cases.c.case_id == bindparam("of_case"))
LIST_MATERIALS = select(materials.c.material).where(materials.c.case_id == bindparam("of_case")).order_by(materials.c.n)
LIST_STEPS = (
    select(steps.c.verb, steps.c.office, steps.c.at, steps.c.leg_no, steps.c.note)
    .where(steps.c.case_id == bindparam("of_case"))
    .order_by(steps.c.position)
)
LIST_LEGS = select(legs).where(legs.c.case_id == bindparam("of_case")).order_by(legs.c.leg_no)
FIND_LEG = (
    select(legs)
    .where(legs.c.case_id == bindparam("of_case"), legs.c.role == bindparam("as_role"), legs.c.ours)
    .order_by(legs.c.leg_no.desc())
    .limit(1)
    .with_for_update()
)
THIS_LEG = (legs.c.case_id == bindparam("of_case")) & (legs.c.leg_no == bindparam("of_leg"))
SAVE_LEG = update(legs).where(THIS_LEG, legs.c.version == bindparam("read_version"))
KEEP_PEER_LEG = update(legs).where(THIS_LEG, ~legs.c.ours, legs.c.version < bindparam("told_version"))


@dataclass(frozen=True, slots=True)
class Case:
    """A case as this node keeps it; its materials, legs and steps are asked for apart."""

    case_id: str
    facts: Mapping[str, Any]
    division: str
    personal: Mapping[str, Any]
    outcome: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A short message to an applicant; `sent_at` is empty until it has left."""

    notice_id: str
    case_id: str
    event: str
    phone: str
    text: str
    sent_at: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked message, and what it waits for."""

    message_id: str
    awaits: str


def person_index(work: Work, party: Mapping[str, Any]) -> str:
    """The blind index by which this node knows a person again."""
    return blind_index(work.node.keys, "person", f"{party['id_type']}:{party['id_number']}")


def _clock_json(item: Clock) -> dict[str, Any]:
    return {
        "name": item.name,
        "started_on": item.started_on.isoformat(),
        "due_on": item.due_on.isoformat(),
        "days": item.days,
        "basis": item.basis,
        "provisional": item.provisional,
        "paused_on": item.paused_on.isoformat() if item.paused_on else "",
        "ended_on": item.ended_on.isoformat() if item.ended_on else "",
    }


def _date(value: str) -> datetime.date | None:
    return datetime.date.fromisoformat(value) if value else None


def _clock(row: Mapping[str, Any]) -> Clock:
    return Clock(
        name=row["name"],
        started_on=datetime.date.fromisoformat(row["started_on"]),
        due_on=datetime.date.fromisoformat(row["due_on"]),
        days=row["days"],
        basis=row["basis"],
        provisional=row["provisional"],
        paused_on=_date(row["paused_on"]),
        ended_on=_date(row["ended_on"]),
    )


LEG_FIELDS = tuple(item.name for item in dataclasses.fields(Leg))


def _leg(row: Row[Any]) -> Leg:
    values = {name: getattr(row, name) for name in LEG_FIELDS}
    return Leg(**values | {"state": State(row.state), "clocks": tuple(map(_clock, row.clocks))})


def _leg_values(leg: Leg) -> dict[str, Any]:
    values = {name: getattr(leg, name) for name in LEG_FIELDS}
    return values | {"state": str(leg.state), "clocks": [_clock_json(c) for c in leg.clocks], "open": leg.open}


def snapshot(leg: Leg) -> dict[str, Any]:
    """A leg as contracts.intake.Leg tells it to others."""
    return {
        "leg_no": leg.leg_no,
        "role": leg.role,
        "node": leg.node,
        "state": str(leg.state),
        "version": leg.version,
        "clocks": [_clock_json(item) for item in leg.clocks],
    }


def keep_case(work: Work, case_id: str, facts: Mapping[str, Any], division: str, personal: Mapping[str, Any]) -> Case:
    """Keep a case with its materials; one that was here before, on another leg, is brought up to date."""
    plain = {name: value for name, value in facts.items() if name != "materials"}
    known = {"division": division, "personal": dict(personal)}
    row: dict[str, Any] = {"case_id": case_id, "facts": plain, "outcome": {}, "reasons": []} | known
    if not work.insert_once(cases, row):
        work.write(CHANGE_CASE, {"of_case": case_id} | known)
        work.write(delete(materials).where(materials.c.case_id == case_id))
    _add_materials(work, case_id, 0, facts["materials"])
    return Case(**row)


def open_leg(work: Work, leg: Leg, matter: str, index: str) -> bool:
    """Keep a leg of ours; False when this person already has an open case in this matter here."""
    values = _leg_values(leg) | {"ours": True, "matter": matter, "person_index": index}
    return work.insert_once(legs, values)


def save_leg(work: Work, leg: Leg, read_version: int) -> None:
    """Write back a leg that was read at `read_version`; OutOfStep when somebody else was faster."""
    this = {"of_case": leg.case_id, "of_leg": leg.leg_no, "read_version": read_version}
    if work.change(SAVE_LEG, this | _leg_values(leg)) != 1:
        raise OutOfStep("version_changed", "此办件刚被他人更新,请刷新后再办")


def keep_peer_leg(work: Work, case_id: str, told: Mapping[str, Any]) -> None:
    """Remember what another node says of its leg; our own legs are never overwritten."""
    if told["node"] == work.node.code:
        return
    values = {"state": told["state"], "version": told["version"], "clocks": told["clocks"]}
    this = {"of_case": case_id, "of_leg": told["leg_no"], "told_version": told["version"]}
    rest = {"redirects": 0, "peer_node": "", "peer_leg_no": 0, "peer_version": 0, "decider_version": 0}
    rest |= {"ours": False, "open": False, "matter": "", "person_index": "", "node": told["node"], "role": told["role"]}
    work.add_new(legs, [{"case_id": case_id, "leg_no": told["leg_no"]} | values | rest])
    work.write(KEEP_PEER_LEG, this | values)


def find_leg(work: Work, case_id: str, role: str) -> Leg | None:
    """This node's newest leg in that role, locked until the transaction ends."""
    row = work.execute(FIND_LEG, {"of_case": case_id, "as_role": role}).first()
    return _leg(row) if row else None


def get_leg(work: Work, case_id: str, role: str) -> Leg:
    """As find_leg, but NotFound when this node has no such leg."""
    leg = find_leg(work, case_id, role)
    if leg is None:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return leg


def list_legs(work: Work, case_id: str) -> list[Leg]:
    """Every leg this node knows of, its own and the others'."""
    return [_leg(row) for row in work.execute(LIST_LEGS, {"of_case": case_id})]


def find_open_case(work: Work, role: str, matter: str, index: str) -> Mapping[str, Any] | None:
    """The facts of the case that keeps this person from opening another one in this matter and role here."""
    held = (legs.c.matter == matter) & (legs.c.person_index == index) & legs.c.open & legs.c.ours
    found = select(cases.c.facts).join(legs, legs.c.case_id == cases.c.case_id).where(held, legs.c.role == role)
    return work.execute(found.limit(1)).scalar()


def get_case(work: Work, case_id: str) -> Case:
    """The case; NotFound without one."""
    row = work.execute(FIND_CASE, {"of_case": case_id}).first()
    if row is None:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return Case(**row._mapping)


def change_case(work: Work, case_id: str, **values: Any) -> None:
    """The hukou turned out to be elsewhere (`division`), or the applicant answered more (`personal`)."""
    work.write(CHANGE_CASE, {"of_case": case_id} | values)


def set_outcome(work: Work, case_id: str, outcome: Mapping[str, Any], reasons: Iterable[Mapping[str, Any]]) -> None:
    """What was decided and why, and which certificate says so."""
    work.write(CHANGE_CASE, {"of_case": case_id, "outcome": dict(outcome), "reasons": list(reasons)})


def add_materials(work: Work, case_id: str, brought: Iterable[Mapping[str, Any]]) -> None:
    """Append materials to a case."""
    start = work.execute(select(func.count()).where(materials.c.case_id == case_id)).scalar_one()
    _add_materials(work, case_id, start, brought)


def _add_materials(work: Work, case_id: str, start: int, brought: Iterable[Mapping[str, Any]]) -> None:
    rows = [{"case_id": case_id, "n": start + n, "material": dict(item)} for n, item in enumerate(brought)]
    if rows:
        work.write(insert(materials), rows)


def list_materials(work: Work, case_id: str) -> list[dict[str, Any]]:
    """The case's materials in the order in which they came."""
    return list(work.execute(LIST_MATERIALS, {"of_case": case_id}).scalars())


def add_steps(work: Work, case_id: str, taken: Iterable[Mapping[str, Any]], actor: str = "") -> None:
    """Append to what was done; a step heard of twice stands once."""
    names = ("leg_no", "verb", "at", "office", "note")
    work.add_new(steps, [{n: step[n] for n in names} | {"case_id": case_id, "actor": actor} for step in taken])


def list_steps(work: Work, case_id: str) -> list[dict[str, Any]]:
    """What was done so far, in the order in which this node learned of it."""
    return [dict(row) for row in work.execute(LIST_STEPS, {"of_case": case_id}).mappings()]


def add_notice(work: Work, case_id: str, event: str, phone: str, words: str) -> str | None:
    """A notice to be sent; None when this event was told already."""
    notice_id = clock.new_id()
    row = {"notice_id": notice_id, "case_id": case_id, "event": event, "phone": phone, "text": words, "sent_at": ""}
    return notice_id if work.insert_once(notices, row) else None


def get_notice(work: Work, notice_id: str) -> Notice:
    """A notice; NotFound without one."""
    row = work.execute(select(notices).where(notices.c.notice_id == notice_id)).first()
    if row is None:
        raise NotFound("notice_unknown", "没有这条通知")
    return Notice(**row._mapping)


def mark_sent(work: Work, notice_id: str) -> None:
    """The notice has left; its phone number is no longer needed here."""
    sent = {"sent_at": clock.iso(work.now), "phone": ""}
    work.execute(update(notices).where(notices.c.notice_id == notice_id).values(sent))


def keep_chunk(work: Work, file_id: str, number: int, chunk: str) -> int:
    """Keep one piece of a file; how many there are now."""
    work.insert_once(chunks, {"file_id": file_id, "number": number, "chunk": chunk})
    return int(work.execute(select(func.count()).where(chunks.c.file_id == file_id)).scalar_one())


def take_chunks(work: Work, file_id: str) -> Sequence[str]:
    """All pieces of a file in order; they are gone from here afterwards."""
    pieces = work.execute(select(chunks.c.chunk).where(chunks.c.file_id == file_id).order_by(chunks.c.number))
    found = pieces.scalars().all()
    work.execute(delete(chunks).where(chunks.c.file_id == file_id))
    return found


def open_work_item(work: Work, case_id: str, kind: str, words: str) -> bool:
    """Something a person must look at; False when the same is open already."""
    same = (work_items.c.case_id == case_id) & (work_items.c.kind == kind) & (work_items.c.text == words)
    if work.execute(select(work_items.c.position).where(same, work_items.c.closed_at == "").limit(1)).first():
        return False
    row = {"case_id": case_id, "kind": kind, "text": words, "opened_at": clock.iso(work.now), "closed_at": ""}
    work.execute(insert(work_items).values(row))
    return True


def list_parked_too_long(work: Work, before: datetime.datetime) -> list[Waiting]:
    """Messages whose predecessor has been awaited since before that instant."""
    waiting = select(parked.c.message_id, parked.c.awaits).where(parked.c.parked_at < clock.iso(before))
    return [Waiting(**row._mapping) for row in work.execute(waiting)]
