"""A case as those may see it who ask: its standing for all of them, its persons only for a purpose, on record."""

import datetime
from collections.abc import Mapping
from typing import Any

from contracts.envelope import Json
from contracts.intake import TakeInApplicationV1
from contracts.marriage_waits import WAITS
from contracts.matters import Matter, matter_version
from contracts.subsidy import MISSING_FACTS
from services.web import rules
from services.web.rules import Case, Principal
from services.web.store import asking, reading
from services.web.usecases import work_items
from services.web.usecases.tokens import index_of
from shared import audit, calendar, identity
from shared.errors import Denied, NotFound, Refused
from shared.outbox import Work

FIELDS = ("name", "id_number", "phone", "address", "answers", "reasons")
SUPERVISOR = "supervisor"
REFUSED = "not_taken_in"
FAR = 1000  # days
WAITED_FOR: Mapping[str, tuple[str, str]] = {**MISSING_FACTS, **WAITS}  # of every deciding service
RECEIPT_NOTE = "收件回执只证明材料已经收到;是否受理、办理结果以告知为准"


def get_case(work: Work, who: Principal, case_id: str) -> Case:
    """A case this principal may see; NotFound `case_unknown` for any other, so that nobody learns that it exists."""
    case = reading.find_case(work, case_id)
    seen = case is not None and rules.may_see(who, case.taken_in_by, reading.people_of(work, case_id))
    if case is None or not seen:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return case


def list_cases(work: Work, who: Principal, asked: Mapping[str, Any]) -> Json:
    """One page of cases without persons; `next_cursor` is empty on the last page."""
    filters = {name: asked[name] for name in ("state", "matter", "office", "case_no") if asked.get(name)}
    if who.kind != "clerk":
        filters["person_index"] = who.person_index or "-"
    if who.kind == "channel":
        filters["taken_in_by"] = who.owner
    limit = asked.get("limit", 50)
    found = reading.list_cases(work, filters, asked.get("cursor", ""), limit + 1)
    rows = [outline(work, case) for case in found[:limit]]
    return {"cases": rows, "next_cursor": found[limit - 1].case_id if len(found) > limit else ""}


def search(work: Work, who: Principal, asked: Mapping[str, Any], purpose: str) -> Json:
    """Cases by case number, or by a person's number: that only for clerks, for a purpose and on record."""
    if asked["case_no"]:
        if not rules.is_case_no(asked["case_no"]):
            raise Refused("case_no_wrong_check", "办件编号有误,请对照回执重新输入", field="case_no")
        return list_cases(work, who, {"case_no": asked["case_no"]})
    if who.kind != "clerk":
        raise Denied("search_denied", "只能按办件编号查询,或直接查看本人的办件列表", field="id_number")
    rules.expect_purpose(purpose)
    index = index_of(work.node.keys, asked["id_type"], asked["id_number"], work.today)
    look = audit.Look(
        actor=who.actor,
        office=who.office,
        purpose=purpose,
        act="search_person",
        subject="",
        person_index=index,
        fields=("id_number",),
    )
    audit.record(work, **look)
    found = reading.list_cases(work, {"person_index": index}, "", 100)
    return {"cases": [outline(work, case) for case in found], "next_cursor": ""}


def view_case(work: Work, who: Principal, case_id: str, purpose: str = "") -> Json:
    """Everything of a case that this principal may see. A clerk sees persons only with a purpose, and on record."""
    case = get_case(work, who, case_id)
    matter = matter_of(case)
    legs = reading.list_legs(work, case_id)
    task = _task(work, case, matter)
    standing = {
        "legs": [_leg(work, leg, matter) for leg in legs],
        "timeline": reading.list_steps(work, case_id),
        "task": task,
        "versions": _versions(work, legs, task),
        "work_items": work_items.of_case(work, who, case_id),
        "personal": _personal(work, who, case, purpose),
    }
    return outline(work, case) | _as_handed_in(work, case) | standing | _outcome(work, case)


def _as_handed_in(work: Work, case: Case) -> Json:
    return {
        "matter_version": case.facts["matter_version"],
        "channel": case.facts["channel"],
        "accepting_office": case.facts["accepting_office"],
        "taken_in_at": case.facts["taken_in_at"],
        "competent_node": case.competent_node,
        "competent_node_name": work.node.directory.name_of(case.competent_node),
        "division": case.division,
        "consents": list(case.facts["consents"]),
        "materials": reading.list_materials(work, case.case_id),
        "missing": list(case.missing),
    }


def _outcome(work: Work, case: Case) -> Json:
    """What came of it so far; null what there is not."""
    refused = case.state == REFUSED
    return {
        "refusal": asking.find_refusal(work, case.case_id, TakeInApplicationV1.type) if refused else None,
        "result": reading.find_result(work, case.case_id) if case.state in rules.ENDED else None,
        "decision": reading.find_decision(work, case.case_id),
        "certificate": reading.find_certificate(work, case.case_id),
        "notices": [_notice(row) for row in reading.list_notices(work, case.case_id, "", 20)],
    }


def outline(work: Work, case: Case) -> Json:
    """A case in one line, without persons."""
    matter = matter_of(case)
    return {
        "case_id": case.case_id,
        "case_no": case.case_no,
        "matter": case.matter,
        "matter_name": matter.name if matter else case.matter,
        "state": case.state,
        "state_name": rules.STATES[case.state],
        "office": case.office,
        "office_name": case.facts["accepting_office"]["name"],
        "applied_on": case.facts["applied_on"],
        "updated_at": case.updated_at,
        "due_on": case.due_on,
        "overdue": bool(case.due_on) and case.due_on < work.today.isoformat(),
    }


def receipt(work: Work, who: Principal, case_id: str) -> Json:
    """收件回执: what was handed in, where and when; it never changes."""
    return receipt_of(work, get_case(work, who, case_id))


def receipt_of(work: Work, case: Case) -> Json:
    """The receipt of a case that the one who asks may see."""
    matter = matter_of(case)
    names = {spec["code"]: spec["name"] for spec in matter.materials} if matter else {}
    received_at = case.facts["taken_in_at"]
    handed_in = [item for item in reading.list_materials(work, case.case_id) if item["provided_at"] == received_at]
    return {
        "case_id": case.case_id,
        "case_no": case.case_no,
        "matter": case.matter,
        "matter_name": matter.name if matter else case.matter,
        "office": case.facts["accepting_office"],
        "received_at": received_at,
        "received_on": case.facts["applied_on"],
        "materials": [{"code": item["code"], "name": names.get(item["code"], item["code"])} for item in handed_in],
        "state_name": rules.STATES["received"],
        "note": RECEIPT_NOTE,
    }


def list_tasks(work: Work, who: Principal) -> Json:
    """待办: what waits for the clerk's office, the most urgent first."""
    rows = []
    for case, task in reading.list_tasks(work, who.office, 200):
        about = {"version": task["version"], "opened_at": task["opened_at"], "division": case.division}
        about["missing_facts"] = [_missing(code) for code in task["missing_facts"]]
        rows.append(outline(work, case) | about | _verb(task["task"], matter_of(case)))
    return {"tasks": rows}


def matter_of(case: Case) -> Matter | None:
    """The version of the matter that the case began with; None when another city knows a newer one than we."""
    try:
        return matter_version(case.matter, case.facts["matter_version"])
    except KeyError:
        return None


def _verb(task: Mapping[str, Any], matter: Matter | None) -> Json:
    step = matter.step(task["verb"]) if matter else None
    return {"verb": task["verb"], "verb_name": step["name"] if step else task["verb"], "tier": task["tier"]}


def _task(work: Work, case: Case, matter: Matter | None) -> Json | None:
    """The open task; none on a case that has ended, whatever was heard last."""
    found = reading.find_task(work, case.case_id)
    if found is None or not found["task"] or case.state in rules.ENDED:
        return None
    about = {name: found[name] for name in ("version", "opened_at")}
    about["missing_facts"] = [_missing(code) for code in found["missing_facts"]]
    who = {"offices": found["task"]["offices"], "ask_office": found["task"].get("ask_office")}
    return _verb(found["task"], matter) | about | who


def _missing(code: str) -> Json:
    """A missing fact in plain words; one a newer decider speaks of keeps its code for a name."""
    name, advice = WAITED_FOR.get(code, (code, ""))
    return {"code": code, "name": name, "advice": advice}


def _versions(work: Work, legs: list[Json], task: Json | None) -> Json:
    """What an act must expect: `task` for those of deciding services, else our leg in that role."""
    ours = {leg["role"]: leg["version"] for leg in legs if leg["node"] == work.node.code}
    roles = {role: ours.get(role) for role in ("accepting", "competent")}
    return roles | {"task": task["version"] if task else None}


def _leg(work: Work, leg: Json, matter: Matter | None) -> Json:
    titles = {spec["name"]: spec["title"] for spec in matter.clocks} if matter else {}
    clocks = [clock_view(item, titles.get(item["name"], item["name"]), work.today) for item in leg["clocks"]]
    return leg | {"node_name": work.node.directory.name_of(leg["node"]), "clocks": clocks}


def clock_view(item: Json, title: str, today: datetime.date) -> Json:
    """A legal clock with the working days left (negative: over by so many) while it runs."""
    running = not item["ended_on"] and not item["paused_on"]
    left = _days_left(today, item["due_on"]) if running else None
    overdue = running and item["due_on"] < today.isoformat()
    return item | {"title": title, "days_left": left, "overdue": overdue}


def _days_left(today: datetime.date, due_on: str) -> int | None:
    """None where another city wrote no date, or one so far away that nobody counts the days."""
    try:
        due = datetime.date.fromisoformat(due_on)
    except ValueError:
        return None
    days = calendar.standard().working_days_between
    if abs((due - today).days) > FAR:
        return None
    return days(today, due) if due >= today else -days(due, today)


def _personal(work: Work, who: Principal, case: Case, purpose: str) -> Json | None:
    """Clerks of an office concerned: everything, on record. Applicants and channels: masked, and their decision."""
    if who.kind == "clerk" and not purpose:
        return None
    found = reading.find_personal(work, case.case_id)
    if who.kind == "clerk":
        record_look(work, who, case, rules.expect_purpose(purpose), "view_case", FIELDS)
    elif who.kind == "channel":
        record_look(work, who, case, "act_for_citizen", "view_case", ("name", "reasons"))
    if found is None:
        return None
    words = reading.find_words(work, case.case_id)
    if who.kind == "clerk":
        found = _with_later_answers(found, words)
    else:
        found = {"parties": [_masked(party) for party in found["parties"]], "answers": {}}
    return found | _words(work, case.case_id, words) | {"checked": _checked(words) if who.kind == "clerk" else []}


def _checked(words: Mapping[str, Json]) -> list[Json]:
    """What registries said of promises and papers, in plain words."""
    found = [words[kind] for kind in sorted(words) if kind.startswith("checked.")]
    return [checked | {"name": _missing(checked["fact"])["name"]} for checked in found]


def _with_later_answers(found: Json, words: Mapping[str, Json]) -> Json:
    """The persons' own part, with the answers of supplements in the place of earlier ones."""
    later = sorted((kind for kind in words if kind.startswith("answers.")), key=lambda kind: int(kind[8:]))
    answers = dict(found["answers"])
    for kind in later:
        answers |= words[kind]["answers"]
    return found | {"answers": answers}


def _words(work: Work, case_id: str, words: Mapping[str, Json]) -> Json:
    """What tells of a person's health and means: the reasons, and what the rules found."""
    decision = words.get("decision", {"statement": "", "findings": None, "reasons": []})
    return {
        "statement": decision["statement"],
        "certificate_no": decision.get("certificate_no", ""),
        "reasons": words.get("result", decision)["reasons"],
        "missing": words.get("missing", {"missing": []})["missing"],
        "findings": decision["findings"] or reading.find_findings(work, case_id),
    }


def _masked(party: Mapping[str, str]) -> Json:
    hidden = {"address": "", "basis": ""}
    phone = identity.mask_phone(party["phone"])
    number, name = identity.mask_number(party["id_number"]), identity.mask_name(party["name"])
    return dict(party) | hidden | {"name": name, "id_number": number, "phone": phone}


def record_look(work: Work, who: Principal, case: Case, purpose: str, act: str, fields: tuple[str, ...]) -> None:
    """Put a look at a case's persons on record. Denied `office_not_concerned` to clerks whom the case is not for."""
    if who.kind == "clerk" and not _is_concerned(work, who, case):
        raise Denied("office_not_concerned", "本机构不经办此办件,不能查看其中的个人信息")
    people = reading.people_of(work, case.case_id)
    index = people[0] if people else ""
    look = audit.Look(
        actor=who.actor,
        office=who.office,
        purpose=purpose,
        act=act,
        subject=case.case_id,
        person_index=index,
        fields=fields,
    )
    audit.record(work, **look)


def _is_concerned(work: Work, who: Principal, case: Case) -> bool:
    """The office that took the case in, those with a power to decide it where it is decided, and supervisors.

    What the accepting office decides itself concerns no other.
    """
    if SUPERVISOR in who.roles or (case.office == who.office and case.node == work.node.code):
        return True
    matter = matter_of(case)
    if matter is None or matter.competence == "accepting" or case.competent_node != work.node.code:
        return False
    office = work.node.offices.get(who.office)
    may = any(office.may(step["verb"], case.matter, work.today) for step in matter.steps)
    return may and office.covers(case.division)


def list_notices(work: Work, asked: Mapping[str, Any]) -> Json:
    """One page of what the people of this node should know of, newest first; `next_cursor` is empty on the last."""
    found = reading.list_notices(work, "", asked["cursor"], asked["limit"] + 1)
    rows = found[: asked["limit"]]
    more = len(found) > asked["limit"]
    return {"notices": [_notice(row) for row in rows], "next_cursor": rows[-1]["message_id"] if more else ""}


def _notice(row: Json) -> Json:
    return {name: value for name, value in row.items() if name != "message_id"}
