"""Cases, their legs, papers and steps: the mapping, and the few questions asked of them."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from services.intake.rules.legs import Clock, Leg, State
from services.intake.store.tables import cases, legs, materials, steps
from shared.crypto.sealing import blind_index
from shared.errors import NotFound, OutOfStep
from shared.outbox import Work

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
        "pauses": [{"from_on": first.isoformat(), "until_on": last.isoformat()} for first, last in item.pauses],
        "paused_on": item.paused_on.isoformat() if item.paused_on else "",
        "ended_on": item.ended_on.isoformat() if item.ended_on else "",
    }


_day = datetime.date.fromisoformat


def _date(value: str) -> datetime.date | None:
    return _day(value) if value else None


def _clock(row: Mapping[str, Any]) -> Clock:
    return Clock(
        name=row["name"],
        started_on=_day(row["started_on"]),
        due_on=_day(row["due_on"]),
        days=row["days"],
        basis=row["basis"],
        provisional=row["provisional"],
        pauses=tuple((_day(pause["from_on"]), _day(pause["until_on"])) for pause in row["pauses"]),
        paused_on=_date(row["paused_on"]),
        ended_on=_date(row["ended_on"]),
    )


LEG_FIELDS = tuple(item.name for item in dataclasses.fields(Leg))


def _leg(row: Row[Any]) -> Leg:
    values = {name: getattr(row, name) for name in LEG_FIELDS}
    return Leg(**values | {"state": State(row.state), "clocks": tuple(map(_clock, row.clocks))})


def _leg_values(leg: Leg) -> dict[str, Any]:
    values = {name: getattr(leg, name) for name in LEG_FIELDS}
    return values | {
        "state": str(leg.state),
        "clocks": [_clock_json(c) for c in leg.clocks],
        "open": leg.open,
        "provisional": leg.provisional,
    }


def snapshot(leg: Leg) -> dict[str, Any]:
    """A leg as contracts.case.Leg tells it to others."""
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
    rest |= {"ours": False, "open": False, "provisional": False, "matter": "", "person_index": ""}
    rest |= {"node": told["node"], "role": told["role"]}
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


def list_provisional(work: Work) -> list[Leg]:
    """This node's open legs with a running clock whose last day is provisional."""
    return [_leg(row) for row in work.execute(select(legs).where(legs.c.ours, legs.c.open, legs.c.provisional))]


def list_lapsed_supplements(work: Work, on: datetime.date) -> list[str]:
    """The cases of this node's accepting legs whose applicants were to supplement before that day and have not."""
    waiting = (legs.c.role == "accepting") & (legs.c.state == str(State.SUPPLEMENT_REQUIRED))
    late = select(legs.c.case_id).where(legs.c.ours, legs.c.open, waiting, legs.c.supplement_until < on)
    return list(work.execute(late).scalars())


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
