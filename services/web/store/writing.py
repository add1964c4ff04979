"""How the read model takes in what it hears: every write may come twice, late and in any order."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from contracts.envelope import Json
from services.web.rules import Mark
from services.web.store.tables import (
    case_people,
    cases,
    certificates,
    decisions,
    legs,
    marks,
    materials,
    notices,
    results,
    task_offices,
    tasks,
    timeline,
)
from services.web.store.tables import words as sealed_words
from shared import clock
from shared.crypto.keys import NodeKeys
from shared.crypto.sealing import blind_index
from shared.outbox import Work

SUBJECTS = ("applicant", "beneficiary")  # under whose numbers a case is found


def person_index(keys: NodeKeys, id_type: str, id_number: str) -> str:
    """The blind index by which this node knows a person again; the number as shared.identity writes it."""
    return blind_index(keys, "person", f"{id_type}:{id_number}")


def add_case(work: Work, case_id: str, facts: Mapping[str, Any], personal: Json, taken_in_by: str) -> None:
    """Keep a case that was opened here and now; its people, so that they are found, and its materials."""
    work.execute(insert(cases), _case_row(work, case_id, facts, personal, taken_in_by))
    brought = _material_rows(case_id, facts["materials"])
    if brought:
        work.execute(insert(materials), brought)
    named = _people_rows(work, case_id, personal["parties"])
    if named:
        work.execute(insert(case_people), named)


def open_case(work: Work, case_id: str, facts: Mapping[str, Any], personal: Json | None) -> None:
    """Keep a case that an event speaks of, unless it is kept already."""
    new = work.insert_once(cases, _case_row(work, case_id, facts, personal, ""))
    add_materials(work, case_id, facts["materials"])
    if personal is not None and (new or _keep_personal(work, case_id, personal)):
        work.insert_new(case_people, _people_rows(work, case_id, personal["parties"]))


def _case_row(work: Work, case_id: str, facts: Mapping[str, Any], personal: Json | None, taken_in_by: str) -> Json:
    row = {
        "case_id": case_id,
        "case_no": facts["case_no"],
        "matter": facts["matter"],
        "office": facts["accepting_office"]["code"],
        "node": facts["accepting_office"]["node"],
        "facts": {name: value for name, value in facts.items() if name != "materials"},
        "taken_in_by": taken_in_by,
        "state": "received",
        "updated_at": clock.iso(work.now),
        "personal": personal,
    }
    empty = {"division": "", "division_leg": 0, "competent_node": "", "missing": [], "due_on": ""}
    return row | empty


def _keep_personal(work: Work, case_id: str, personal: Json) -> bool:
    unknown = update(cases).where(cases.c.case_id == case_id, cases.c.personal.is_(None))
    return work.change(unknown.values(personal=personal)) == 1


def _people_rows(work: Work, case_id: str, parties: Iterable[Mapping[str, Any]]) -> list[Json]:
    subjects = [party for party in parties if party["role"] in SUBJECTS]
    indexes = [person_index(work.node.keys, party["id_type"], party["id_number"]) for party in subjects]
    named = zip(subjects, indexes, strict=True)
    return [{"case_id": case_id, "person_index": index, "role": party["role"]} for party, index in named]


def add_materials(work: Work, case_id: str, brought: Iterable[Mapping[str, Any]]) -> None:
    """Add materials to a case; one that is known already stands once."""
    work.insert_new(materials, _material_rows(case_id, brought))


def _material_rows(case_id: str, brought: Iterable[Mapping[str, Any]]) -> list[Json]:
    names = ("code", "provided_at", "file_id")
    return [{name: item[name] for name in names} | {"case_id": case_id, "material": dict(item)} for item in brought]


def place_case(work: Work, case_id: str, leg_no: int, division: str, node: str) -> None:
    """Where the case is decided, by the leg that was opened there: the newest leg holds."""
    here = (cases.c.case_id == case_id) & (cases.c.division_leg <= leg_no)
    values = {"division": division, "competent_node": node, "division_leg": leg_no}
    work.execute(update(cases).where(here).values(values))


def change_case(work: Work, case_id: str, **values: Any) -> None:
    """Set columns of a case."""
    work.execute(update(cases).where(cases.c.case_id == case_id).values(values))


def keep_leg(work: Work, case_id: str, leg: Json) -> None:
    """Keep the newest snapshot of a leg."""
    row = {"case_id": case_id, "leg_no": leg["leg_no"], "version": leg["version"], "leg": leg}
    if not work.insert_once(legs, row):
        older = (legs.c.case_id == case_id) & (legs.c.leg_no == leg["leg_no"]) & (legs.c.version < leg["version"])
        work.execute(update(legs).where(older).values(version=leg["version"], leg=leg))


def add_steps(work: Work, case_id: str, steps: Iterable[Mapping[str, Any]]) -> None:
    """Add to what was done; a step heard of twice stands once."""
    names = ("leg_no", "verb", "at", "office", "note")
    work.insert_new(timeline, [{name: step[name] for name in names} | {"case_id": case_id} for step in steps])


def add_mark(work: Work, case_id: str, mark: Mark) -> None:
    """Remember a fact about where the case stands."""
    row = {"case_id": case_id, "name": mark.name, "leg_no": mark.leg_no, "version": mark.version}
    work.insert_once(marks, row)


def keep_task(work: Work, case_id: str, at: tuple[int, str], task: Json, more: Json | None = None) -> None:
    """What is to be done next, by the deciding service's newest word, spoken `at` (version, time).

    `more`: findings and missing_facts of an opening; a later opening at the same version knows better.
    """
    version, time = at
    row = {"version": version, "task": task, "opened_at": time} | (more or {})
    if not work.insert_once(tasks, {"case_id": case_id, "findings": None, "missing_facts": []} | row):
        older = tasks.c.version < version
        if more is not None:
            older = older | ((tasks.c.version == version) & (tasks.c.opened_at < time))
        if not work.change(update(tasks).where(tasks.c.case_id == case_id, older).values(row)):
            return
    work.execute(delete(task_offices).where(task_offices.c.case_id == case_id))
    work.insert_new(task_offices, [{"office": code, "case_id": case_id} for code in set(task.get("offices", ()))])


def keep_result(work: Work, case_id: str, at: tuple[int, int], result: Json) -> None:
    """The newest result, told `at` (leg_no, version); the case itself may not have been heard of yet."""
    row = {"leg_no": at[0], "version": at[1], "result": result}
    if not work.insert_once(results, {"case_id": case_id} | row):
        older = (results.c.leg_no < at[0]) | ((results.c.leg_no == at[0]) & (results.c.version < at[1]))
        work.execute(update(results).where(results.c.case_id == case_id, older).values(row))


def keep_words(work: Work, case_id: str, kind: str, at: tuple[int, int], words: Json) -> None:
    """The newest words of a kind that may only reach the applicant, spoken `at` (leg_no, version)."""
    row = {"leg_no": at[0], "version": at[1], "words": words}
    if not work.insert_once(sealed_words, {"case_id": case_id, "kind": kind} | row):
        mine = (sealed_words.c.case_id == case_id) & (sealed_words.c.kind == kind)
        older = (sealed_words.c.leg_no < at[0]) | ((sealed_words.c.leg_no == at[0]) & (sealed_words.c.version < at[1]))
        work.execute(update(sealed_words).where(mine, older).values(row))


def keep_decision(work: Work, case_id: str, decision: Json) -> None:
    """What was decided."""
    row = {"version": decision["version"], "decision": decision}
    if not work.insert_once(decisions, row | {"case_id": case_id}):
        older = (decisions.c.case_id == case_id) & (decisions.c.version < decision["version"])
        work.execute(update(decisions).where(older).values(row))


def keep_certificate(work: Work, case_id: str, face: Json) -> None:
    """The newest version of a certificate's face."""
    row = {"certificate_id": face["certificate_id"], "case_id": case_id, "version": face["version"], "face": face}
    if not work.insert_once(certificates, row):
        known = certificates.c.certificate_id == face["certificate_id"]
        older = update(certificates).where(known, certificates.c.version < face["version"])
        work.execute(older.values(version=face["version"], face=face))


def add_notice(work: Work, message_id: str, about: str, kind: str, data: Json) -> None:
    """Something the people of this node should know of."""
    row = {"message_id": message_id, "case_id": about, "kind": kind, "data": data, "at": clock.iso(work.now)}
    work.insert_once(notices, row)


def set_standing(work: Work, case_id: str, state: str, due_on: str) -> bool:
    """Write down where the case stands; whether its state is another one now."""
    before = work.execute(select(cases.c.state).where(cases.c.case_id == case_id)).scalar()
    change_case(work, case_id, state=state, due_on=due_on, updated_at=clock.iso(work.now))
    return before is not None and before != state
