"""How the read model takes in what it hears: every write may come twice, late and in any order."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from contracts.envelope import Json
from contracts.matters import parties_of
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

SUBJECTS = ("applicant", "beneficiary")  # under whose numbers a case is found, beside those who apply together
NEWER_WORD = ("leg_no", "version")  # a later leg knows better, and on a leg its later word

THIS_CASE = cases.c.case_id == bindparam("of_case")
PLACE_CASE = update(cases).where(THIS_CASE, cases.c.division_leg <= bindparam("upto"))
CHANGE_CASE = update(cases).where(THIS_CASE)
FORGET_OFFICES = delete(task_offices).where(task_offices.c.case_id == bindparam("of_case"))


def person_index(keys: NodeKeys, id_type: str, id_number: str) -> str:
    """The blind index by which this node knows a person again; the number as shared.identity writes it."""
    return blind_index(keys, "person", f"{id_type}:{id_number}")


def add_case(work: Work, case_id: str, facts: Mapping[str, Any], personal: Json, taken_in_by: str) -> None:
    """Keep a case that was opened here and now; its people, so that they are found, and its materials."""
    work.execute(insert(cases), _case_row(work, case_id, facts, personal, taken_in_by))
    brought = _material_rows(case_id, facts["materials"])
    if brought:
        work.execute(insert(materials), brought)
    named = _people_rows(work, case_id, facts, personal["parties"])
    if named:
        work.execute(insert(case_people), named)


def open_case(work: Work, case_id: str, facts: Mapping[str, Any], personal: Json | None) -> None:
    """Keep a case that an event speaks of, unless it is kept already; its people as the first event names them."""
    row = _case_row(work, case_id, facts, personal, "")
    if personal is None:
        work.add_new(cases, [row])
    elif work.change(_open_or_name(work.connection.dialect.name), row):
        work.add_new(case_people, _people_rows(work, case_id, facts, personal["parties"]))
    add_materials(work, case_id, facts["materials"])


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


def _people_rows(
    work: Work, case_id: str, facts: Mapping[str, Any], parties: Iterable[Mapping[str, Any]]
) -> list[Json]:
    roles = {*SUBJECTS, *parties_of(facts["matter"], facts["matter_version"])}
    subjects = [party for party in parties if party["role"] in roles]
    indexes = [person_index(work.node.keys, party["id_type"], party["id_number"]) for party in subjects]
    named = zip(subjects, indexes, strict=True)
    return [{"case_id": case_id, "person_index": index, "role": party["role"]} for party, index in named]


def add_materials(work: Work, case_id: str, brought: Iterable[Mapping[str, Any]]) -> None:
    """Add materials to a case; one that is known already stands once."""
    work.add_new(materials, _material_rows(case_id, brought))


def _material_rows(case_id: str, brought: Iterable[Mapping[str, Any]]) -> list[Json]:
    names = ("code", "provided_at", "file_id")
    return [{name: item[name] for name in names} | {"case_id": case_id, "material": dict(item)} for item in brought]


def place_case(work: Work, case_id: str, leg_no: int, division: str, node: str) -> None:
    """Where the case is decided, by the leg that was opened there: the newest leg holds."""
    work.write(
        PLACE_CASE,
        {"of_case": case_id, "upto": leg_no, "division": division, "competent_node": node, "division_leg": leg_no},
    )


def change_case(work: Work, case_id: str, **values: Any) -> None:
    """Set columns of a case."""
    assert set(values) <= set(cases.c.keys())  # noqa: S101 - what names no column would be passed over
    work.write(CHANGE_CASE, {"of_case": case_id} | values)


def keep_leg(work: Work, case_id: str, leg: Json) -> None:
    """Keep the newest snapshot of a leg."""
    work.keep_newest(legs, {"case_id": case_id, "leg_no": leg["leg_no"], "version": leg["version"], "leg": leg})


def add_steps(work: Work, case_id: str, steps: Iterable[Mapping[str, Any]]) -> None:
    """Add to what was done; a step heard of twice stands once."""
    names = ("leg_no", "verb", "at", "office", "note")
    work.add_new(timeline, [{name: step[name] for name in names} | {"case_id": case_id} for step in steps])


def add_mark(work: Work, case_id: str, mark: Mark) -> None:
    """Remember a fact about where the case stands."""
    row = {"case_id": case_id, "name": mark.name, "leg_no": mark.leg_no, "version": mark.version}
    work.add_new(marks, [row])


def keep_task(work: Work, case_id: str, at: tuple[int, int, str], task: Json, more: Json | None = None) -> None:
    """What is to be done next, by the deciding service's newest word, spoken `at` (leg_no, version, time).

    `more`: findings and missing_facts of an opening; an opening at the same version knows better.
    """
    leg_no, version, time = at
    row = {"case_id": case_id, "leg_no": leg_no, "version": version, "task": task, "opened_at": time}
    unknown: Json = {"findings": None, "missing_facts": []}
    if work.change(_newer_task(work.connection.dialect.name, opened=more is not None), row | (more or unknown)):
        work.write(FORGET_OFFICES, {"of_case": case_id})
        work.add_new(task_offices, [{"office": code, "case_id": case_id} for code in set(task.get("offices", ()))])


def keep_result(work: Work, case_id: str, at: tuple[int, int], result: Json) -> None:
    """The newest result, told `at` (leg_no, version); the case itself may not have been heard of yet."""
    row = {"case_id": case_id, "leg_no": at[0], "version": at[1], "result": result}
    work.keep_newest(results, row, NEWER_WORD)


def keep_words(work: Work, case_id: str, kind: str, at: tuple[int, int], words: Json) -> None:
    """The newest words of a kind that may only reach the applicant, spoken `at` (leg_no, version)."""
    row = {"case_id": case_id, "kind": kind, "leg_no": at[0], "version": at[1], "words": words}
    work.keep_newest(sealed_words, row, NEWER_WORD)


def keep_decision(work: Work, case_id: str, decision: Json) -> None:
    """What was decided, by the newest application."""
    row = {"case_id": case_id, "decision": decision} | {name: decision[name] for name in NEWER_WORD}
    work.keep_newest(decisions, row, NEWER_WORD)


def keep_certificate(work: Work, case_id: str, face: Json) -> None:
    """The newest version of a certificate's face, with the newest word on its status."""
    row = {"certificate_id": face["certificate_id"], "case_id": case_id, "version": face["version"], "face": face}
    work.keep_newest(certificates, row | {"status_at": face["status_at"]}, ("version", "status_at"))


def add_notice(work: Work, message_id: str, about: str, kind: str, data: Json) -> None:
    """Something the people of this node should know of."""
    row = {"message_id": message_id, "case_id": about, "kind": kind, "data": data, "at": clock.iso(work.now)}
    work.add_new(notices, [row])


def set_standing(work: Work, case_id: str, state: str, due_on: str) -> None:
    """Write down where the case stands."""
    change_case(work, case_id, state=state, due_on=due_on, updated_at=clock.iso(work.now))


# --- statements, made once -------------------------------------------------------------------------------------------


@cache
def _open_or_name(dialect: str) -> Executable:
    """A new case with its people, or people for a case that has none yet."""
    statement = postgresql.insert(cases) if dialect == "postgresql" else sqlite.insert(cases)
    named = {"personal": statement.excluded.personal}
    nameless = cases.c.personal.is_(None)
    return statement.on_conflict_do_update(index_elements=[cases.c.case_id], set_=named, where=nameless)


@cache
def _newer_task(dialect: str, *, opened: bool) -> Executable:
    """A case's task by a newer word; what an opening says of it beside, no step changes."""
    statement = postgresql.insert(tasks) if dialect == "postgresql" else sqlite.insert(tasks)
    said, word = statement.excluded, (tasks.c.leg_no, tasks.c.version)
    older = tuple_(*word) < tuple_(said.leg_no, said.version)
    same = (tuple_(*word) == tuple_(said.leg_no, said.version)) & (tasks.c.opened_at <= said.opened_at)
    names = ("leg_no", "version", "task", "opened_at", *(("findings", "missing_facts") if opened else ()))
    new = {name: said[name] for name in names}
    late = older | same if opened else older
    return statement.on_conflict_do_update(index_elements=[tasks.c.case_id], set_=new, where=late)
