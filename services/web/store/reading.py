"""The questions asked of the read model."""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import JSON, Row, Select, bindparam, exists, func, or_, select

from contracts.envelope import Json
from services.web.rules import ENDED, Case, Mark
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
    webhooks,
    words,
)
from shared.outbox import Work, inbox

CASE = tuple(field.name for field in dataclasses.fields(Case))
CASE_COLUMNS = tuple(cases.c[name] for name in CASE)
FIND_CASE = select(*CASE_COLUMNS).where(cases.c.case_id == bindparam("id"))
LIST_LEGS = select(legs.c.leg).where(legs.c.case_id == bindparam("id")).order_by(legs.c.leg_no)
FILTERS = ("state", "matter", "office", "case_no", "taken_in_by")


def _case(row: Row[Any]) -> Case:
    return Case(**{name: getattr(row, name) for name in CASE})


def _plain(row: Row[Any], *names: str) -> Json:
    return {name: getattr(row, name) for name in names}


def find_case(work: Work, case_id: str) -> Case | None:
    """A case without its personal part."""
    row = work.execute(FIND_CASE, {"id": case_id}).first()
    return _case(row) if row else None


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """All that was heard of where a case stands, and the ids of the webhooks that want to know."""

    case: Case
    legs: list[Json]
    marks: list[Mark]
    webhooks: list[str]


def find_standing(work: Work, case_id: str) -> Standing | None:
    """By one question: it is asked after every word of intake."""
    row = work.execute(_standing(work.connection.dialect.name), {"id": case_id}).first()
    if row is None:
        return None
    return Standing(_case(row), row.legs or [], [Mark(*mark) for mark in row.marks or []], row.webhooks or [])


@cache
def _standing(dialect: str) -> Select[Any]:
    sqlite = dialect == "sqlite"
    array, gathered = (func.json_array, func.json_group_array) if sqlite else (func.json_build_array, func.json_agg)
    leg = func.json(legs.c.leg) if sqlite else legs.c.leg
    its_legs = select(gathered(leg, type_=JSON)).where(legs.c.case_id == bindparam("id"))
    mark = array(marks.c.name, marks.c.leg_no, marks.c.version)
    its_marks = select(gathered(mark, type_=JSON)).where(marks.c.case_id == bindparam("id"))
    wanted = or_(webhooks.c.whole_node, webhooks.c.owner == cases.c.taken_in_by)
    its_webhooks = select(gathered(webhooks.c.webhook_id, type_=JSON)).where(webhooks.c.removed_at == "", wanted)
    gathers = {"legs": its_legs, "marks": its_marks, "webhooks": its_webhooks.correlate(cases)}
    columns = [query.scalar_subquery().label(name) for name, query in gathers.items()]
    return select(*CASE_COLUMNS, *columns).where(cases.c.case_id == bindparam("id"))


def find_personal(work: Work, case_id: str) -> Json | None:
    """The opened personal part of a case: parties and answers."""
    found: Json | None = work.execute(select(cases.c.personal).where(cases.c.case_id == case_id)).scalar()
    return found


def people_of(work: Work, case_id: str) -> list[str]:
    """The blind indexes of a case's subjects, the applicant's first."""
    found = select(case_people.c.person_index).where(case_people.c.case_id == case_id).order_by(case_people.c.role)
    return list(work.execute(found).scalars())


def list_cases(work: Work, filters: Mapping[str, str], cursor: str, limit: int) -> list[Case]:
    """Cases by FILTERS and person_index (all optional), newest first, those after `cursor`."""
    wanted = select(*CASE_COLUMNS).order_by(cases.c.case_id.desc()).limit(limit)
    for name in FILTERS:
        if filters.get(name):
            wanted = wanted.where(cases.c[name] == filters[name])
    if filters.get("person_index"):
        named = case_people.c.person_index == filters["person_index"]
        wanted = wanted.where(exists().where(case_people.c.case_id == cases.c.case_id, named))
    if cursor:
        wanted = wanted.where(cases.c.case_id < cursor)
    return [_case(row) for row in work.execute(wanted)]


def list_legs(work: Work, case_id: str) -> list[Json]:
    """The newest snapshot of every leg."""
    return list(work.execute(LIST_LEGS, {"id": case_id}).scalars())


def list_steps(work: Work, case_id: str) -> list[Json]:
    """What was done on every leg, in the order of the instants at which it was done."""
    mine = select(timeline).where(timeline.c.case_id == case_id).order_by(timeline.c.at, timeline.c.position)
    return [_plain(row, "leg_no", "verb", "at", "office", "note") for row in work.execute(mine)]


def list_materials(work: Work, case_id: str) -> list[Json]:
    """The materials of a case."""
    mine = select(materials.c.material).where(materials.c.case_id == case_id)
    return list(work.execute(mine.order_by(materials.c.provided_at, materials.c.code)).scalars())


def case_of_file(work: Work, file_id: str) -> str | None:
    """The id of the case whose material a file is."""
    found: str | None = work.execute(select(materials.c.case_id).where(materials.c.file_id == file_id)).scalar()
    return found


def find_task(work: Work, case_id: str) -> Json | None:
    """The deciding service's last word on a case: the task is {} when nothing is to be done."""
    names = ("version", "task", "missing_facts", "opened_at")
    row = work.execute(select(*(tasks.c[name] for name in names)).where(tasks.c.case_id == case_id)).first()
    return _plain(row, *names) if row else None


def list_tasks(work: Work, office: str, limit: int) -> list[tuple[Case, Json]]:
    """The open tasks of an office with their cases, the most urgent first."""
    names = ("version", "task", "missing_facts", "opened_at")
    waiting = select(*CASE_COLUMNS, *(tasks.c[name] for name in names))
    joined = waiting.join(tasks, tasks.c.case_id == cases.c.case_id)
    joined = joined.join(task_offices, task_offices.c.case_id == cases.c.case_id)
    urgent = func.coalesce(func.nullif(cases.c.due_on, ""), "9999-12-31")
    mine = joined.where(task_offices.c.office == office, cases.c.state.not_in(ENDED))
    rows = work.execute(mine.order_by(urgent, tasks.c.opened_at).limit(limit))
    return [(_case(row), _plain(row, *names)) for row in rows]


def find_result(work: Work, case_id: str) -> Json | None:
    """The result as the competent city told it, without its reasons."""
    found: Json | None = work.execute(select(results.c.result).where(results.c.case_id == case_id)).scalar()
    return found


def find_decision(work: Work, case_id: str) -> Json | None:
    """The decision, without its words."""
    found: Json | None = work.execute(select(decisions.c.decision).where(decisions.c.case_id == case_id)).scalar()
    return found


def find_words(work: Work, case_id: str) -> dict[str, Json]:
    """The opened reasons and statements of a case, by kind: see the table."""
    return {row.kind: row.words for row in work.execute(select(words).where(words.c.case_id == case_id))}


def find_findings(work: Work, case_id: str) -> list[Json]:
    """The opened findings of the newest task."""
    return work.execute(select(tasks.c.findings).where(tasks.c.case_id == case_id)).scalar() or []


def find_certificate(work: Work, case_id: str) -> Json | None:
    """The face of the case's newest certificate."""
    mine = select(certificates.c.face).where(certificates.c.case_id == case_id)
    found: Json | None = work.execute(mine.order_by(certificates.c.version.desc()).limit(1)).scalar()
    return found


def list_notices(work: Work, about: str, cursor: str, limit: int) -> list[Json]:
    """What the people of this node should know of, newest first, those after `cursor`.

    `about`: a case, or "" for everything.
    """
    wanted = select(notices).order_by(notices.c.message_id.desc()).limit(limit)
    wanted = wanted.where(notices.c.case_id == about) if about else wanted
    wanted = wanted.where(notices.c.message_id < cursor) if cursor else wanted
    return [_plain(row, "message_id", "kind", "case_id", "data", "at") for row in work.execute(wanted)]


def last_heard_at(work: Work) -> str:
    """When the read model last took something in, judged by the youngest message; "" when it never did."""
    return work.execute(select(inbox.c.received_at).order_by(inbox.c.message_id.desc()).limit(1)).scalar() or ""
