"""At the accepting office, what clerks and applicants do: take in, supplement, withdraw, forward, tell."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from contracts import intake as said
from contracts.envelope import Json
from contracts.matters import (
    FormFault,
    Matter,
    asked_materials,
    find_answer_fault,
    find_channel_fault,
    find_matter,
    find_party_fault,
    promised,
)
from services.intake.ports import Reply
from services.intake.rules import form
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases as store
from services.intake.store import telling
from services.intake.store.cases import Case
from services.intake.usecases import case, clocks, materials, notices, peer
from shared import calendar, clock, identity, regions
from shared.directory import Office
from shared.errors import Denied, OutOfStep, Refused
from shared.outbox import Work

CHILD_BELOW = 14
NOBODY = 0  # the leg asked to end when none is


def take_in_application(work: Work) -> None:
    """收件: check form, competence and completeness; forward at once when nothing is missing."""
    asked, personal = work.data(said.TakeInApplicationV1), work.personal(said.TakeInApplicationV1)
    facts = asked["case"]
    matter = _matter_of(facts)
    office = _expect_power(work, matter, facts["accepting_office"]["code"])
    subject = _expect_parties(matter, personal["parties"], facts, work.today)
    wanted = asked_materials(matter, personal["parties"])
    _expect_materials(work, wanted, facts["materials"], asked["actor"])
    _expect(find_answer_fault(matter, personal["answers"], promised(facts["materials"])))
    division = _competent_division(work, matter, office, subject, asked["place_division"])
    holder = work.node.directory.node_of(division)
    form.expect_reach(matter.reach, work.node.code, holder)
    leg = _open(work, matter, subject, holder)
    kept = store.keep_case(work, leg.case_id, facts, division, personal)
    done = case.note(work, leg, "take_in", case.office_ref(work, office), actor=asked["actor"]["id"])
    missing = form.missing_materials(wanted, facts["materials"])
    if missing:
        leg = case.change(work, leg, rules.ask_supplement(leg, clocks.supplement_until(work, kept)))
    _tell_taken_in(work, leg, kept, {"case": facts, "steps": [done], "missing": missing})
    if missing:
        notices.send(work, kept, "supplement_required", leg.supplement_until)
    else:
        forward(work, leg, leg, kept, clock.legal_date(clock.instant(facts["taken_in_at"])))


def _open(work: Work, matter: Matter, subject: Json, holder: str) -> Leg:
    case_id, here = case.id_of(work), work.node.code
    leg = Leg(case_id, rules.FIRST_LEG, "accepting", here, State.TAKEN_IN, 1, peer_node=holder, decider_version=0)
    index = store.person_index(work, subject)
    if not store.open_leg(work, leg, matter.matter, index):
        raise case.duplicate(case.office_to_ask(work, "accepting", matter, index))
    return leg


def _matter_of(facts: Json) -> Matter:
    matter = find_matter(facts["matter"], datetime.date.fromisoformat(facts["applied_on"]))
    if matter is None or matter.version != facts["matter_version"]:
        raise Refused("matter_unknown", "没有这个事项或该事项当日尚未生效,请在事项清单中选择", field="matter")
    _expect(find_channel_fault(matter, facts["channel"]))
    return matter


def _expect_power(work: Work, matter: Matter, office_code: str) -> Office:
    office = work.node.offices.get(office_code)
    if not case.may_take_in(office, matter, work.today):
        raise Denied("office_without_power", f"{office.name}无权收取此事项的申请", field="office")
    return office


def _expect_parties(matter: Matter, parties: list[Json], facts: Json, on: datetime.date) -> Json:
    """Every party well-formed, all there whom the matter needs, the consents given; the subject."""
    ages = [_normalised(party, on) for party in parties]
    child = any(age is not None and age < CHILD_BELOW for age in ages)
    form.expect_consents(facts["consents"], child)
    form.expect_agency(parties, on)
    _expect(find_party_fault(matter, parties))
    return dict(form.find_subject(parties, matter.subject_role))


def _expect_materials(work: Work, wanted: Sequence[Mapping[str, Any]], brought: list[Json], actor: Json) -> None:
    form.expect_known_materials(wanted, brought)
    form.expect_shown(brought, actor["kind"] == "clerk")
    materials.expect_uploaded(work, brought)


def _expect(fault: FormFault | None) -> None:
    if fault:
        raise Refused(fault.code, fault.words, basis=fault.basis, field=fault.field)


def _normalised(party: Json, on: datetime.date) -> int | None:
    """Write the party's name, phone and number in their one right form; the age if a citizen's number tells it."""
    party["name"] = identity.person_name(party["name"])
    party["phone"] = identity.phone(party["phone"]) if party["phone"] else ""
    if party["id_type"] != "citizen":
        party["id_number"] = identity.document_number(party["id_type"], party["id_number"], on)
        return None
    number = identity.citizen_number(party["id_number"], on)
    party["id_number"] = number.number
    return calendar.full_years(number.born_on, on)


def _competent_division(work: Work, matter: Matter, office: Office, subject: Json, place: str) -> str:
    division = form.competent_division(
        matter.competence,
        office_division=office.division,
        hukou=subject["hukou_division"],
        residence=subject["residence_division"],
        place=place,
    )
    _expect_narrow(work, matter, division)
    return division


def _expect_narrow(work: Work, matter: Matter, division: str) -> None:
    """A division of today, as narrow as a county."""
    regions.standard().resolve(division, work.today)
    if matter.competence != "accepting" and regions.standard().children(division, work.today):
        raise Refused("division_too_wide", "请选择到县(市、区)或乡镇(街道)", basis=regions.BASIS, field="division")


def _tell_taken_in(work: Work, leg: Leg, kept: Case, data: Json) -> None:
    told = data | {"leg": store.snapshot(leg), "competent_node": leg.peer_node, "division": kept.division}
    work.tell(said.ApplicationTakenInV1, leg.case_id, told, dict(kept.personal))


def forward(work: Work, before: Leg, leg: Leg, kept: Case, complete_on: datetime.date, actor: str = "system") -> None:
    """转办: hand the case with all its papers to the competent city."""
    specs, brought = case.matter_of(kept).clocks, store.list_materials(work, leg.case_id)
    begun = rules.start_clocks(leg, "complete", specs, complete_on, calendar.standard())
    sent = rules.end_clocks(rules.move(begun, "forward"), "forwarded", specs, work.today)
    leg = case.change(work, before, dataclasses.replace(sent, peer_leg_no=leg.peer_leg_no + 1, peer_version=0))
    case.note(work, leg, "forward", kept.facts["accepting_office"], actor=actor)
    data = {
        "case": dict(kept.facts) | {"materials": brought},
        "leg_no": leg.peer_leg_no,
        "division": kept.division,
        "redirects": leg.redirects,
        "steps": store.list_steps(work, leg.case_id),
        "leg": store.snapshot(leg),
    }
    peer.tell(work, leg, said.ApplicationForwardedV1, data, dict(kept.personal))
    materials.send_files(work, leg, brought)


def supplement_application(work: Work) -> None:
    """补正: the applicant brings or answers what was missing, here where the case was taken in."""
    asked = work.data(said.SupplementApplicationV1)
    leg = store.get_leg(work, case.id_of(work), "accepting")
    rules.expect_version(leg, asked["expected_version"])
    if leg.state is not State.SUPPLEMENT_REQUIRED:
        raise OutOfStep("state_changed", "此办件现在不需要补正,请刷新后再办")
    kept = store.get_case(work, leg.case_id)
    matter = case.matter_of(kept)
    wanted = asked_materials(matter, kept.personal["parties"])
    _expect_materials(work, wanted, asked["materials"], asked["actor"])
    answers = work.personal(said.SupplementApplicationV1)["answers"]
    kept = _with_answers(work, kept, answers, [*store.list_materials(work, leg.case_id), *asked["materials"]])
    store.add_materials(work, leg.case_id, asked["materials"])
    done = case.note(work, leg, "supplement", kept.facts["accepting_office"], actor=asked["actor"]["id"])
    notices.settle(work, leg.case_id)
    if not rules.is_held_here(leg):
        _pass_on(work, leg, done, asked["materials"], answers)
    elif not form.missing_materials(wanted, store.list_materials(work, leg.case_id)):
        forward(work, leg, leg, kept, work.today)
    else:
        raise Refused("material_missing", "材料仍不齐全,请对照一次性告知清单补齐后提交", field="materials")


def _with_answers(work: Work, kept: Case, answers: Json, brought: list[Json]) -> Case:
    """The case with what was answered now in the place of earlier answers; Refused where the whole cannot stand."""
    both = kept.personal["answers"] | answers
    _expect(find_answer_fault(case.matter_of(kept), both, promised(brought)))
    return case.keep_answers(work, kept, answers)


def _pass_on(work: Work, leg: Leg, done: Json, brought: list[Json], answers: Json) -> None:
    leg = case.change(work, leg, rules.move(leg, "supplement"))
    data: Json = {"leg": store.snapshot(leg), "step": done, "materials": brought}
    data |= {"leg_no": leg.peer_leg_no, "request": leg.decider_version}
    work.tell(said.ApplicationSupplementedV1, leg.case_id, data, {"answers": answers}, to=leg.peer_node)
    materials.send_files(work, leg, brought)


def withdraw_application(work: Work) -> None:
    """撤回: at once while the case is still here, else by asking the office that holds it.

    By the applicant, or a clerk of the accepting office. Denied `office_not_accepting`.
    """
    asked = work.data(said.WithdrawApplicationV1)
    leg = store.get_leg(work, case.id_of(work), "accepting")
    rules.expect_version(leg, asked["expected_version"])
    kept = store.get_case(work, leg.case_id)
    here, lapsed = rules.is_held_here(leg), asked["supplement_lapsed"]
    _expect_accepting(kept, asked["actor"])
    wished = rules.withdrawn_by(leg, asked["actor"]["kind"], work.today, lapsed=lapsed)
    after = case.end(wished, work, "withdraw") if here else rules.move(wished, "ask_withdrawal")
    leg, why = case.change(work, leg, after), f"{leg.supplement_until} 前未补正" if lapsed else ""
    done = case.note(work, leg, "withdraw", kept.facts["accepting_office"], actor=asked["actor"]["id"], why=why)
    notices.settle(work, leg.case_id)
    if here:
        store.set_outcome(work, leg.case_id, case.without_certificate("withdrawn"), [])
        if lapsed:  # the applicant did not ask for it
            notices.send(work, kept, rules.SUPPLEMENT_LAPSED)
    data: Json = {"leg": store.snapshot(leg), "step": done, "at": case.acted_at(work)}
    data |= {"leg_no": NOBODY if here else leg.peer_leg_no}
    work.tell(said.ApplicationWithdrawnV1, leg.case_id, data, to="" if here else leg.peer_node)


def forward_application(work: Work) -> None:
    """转办 by a clerk, where no rule could go on: the division is given anew, and checked as at 收件."""
    asked = work.data(said.ForwardApplicationV1)
    leg, kept = _acted_on(work, asked)
    if leg.state is not State.NEEDS_ATTENTION:
        raise OutOfStep("state_changed", "此办件现在不需要人工转办,请刷新后再办")
    matter, division = case.matter_of(kept), asked["to_division"]
    _expect_narrow(work, matter, division)
    holder = work.node.directory.node_of(division)
    form.expect_reach(matter.reach, work.node.code, holder)
    store.change_case(work, leg.case_id, division=division)
    kept = dataclasses.replace(kept, division=division)
    notices.settle(work, leg.case_id)
    forward(work, leg, dataclasses.replace(leg, peer_node=holder), kept, work.today, asked["actor"]["id"])


def _acted_on(work: Work, asked: Json) -> tuple[Leg, Case]:
    """Our leg as the clerk saw it, and the case. Denied to another office than the one that took it in."""
    leg = store.get_leg(work, case.id_of(work), "accepting")
    rules.expect_version(leg, asked["expected_version"])
    kept = store.get_case(work, leg.case_id)
    _expect_accepting(kept, asked["actor"])
    return leg, kept


def _expect_accepting(kept: Case, actor: Json) -> None:
    if actor["kind"] == "clerk" and actor["office"] != kept.facts["accepting_office"]["code"]:
        raise Denied("office_not_accepting", "只有收件机构可以执行此操作", field="act")


def tell_applicant(work: Work) -> None:
    """告知 by a clerk: in person or in writing, where no short message could do it."""
    asked = work.data(said.TellApplicantV1)
    leg, kept = _acted_on(work, asked)
    _end_told(work, leg, kept, asked["actor"]["id"])
    notices.settle(work, leg.case_id)


def _end_told(work: Work, leg: Leg, kept: Case, actor: str = "system") -> None:
    """已告知: the case is over at both ends."""
    told = rules.end_clocks(rules.move(leg, "tell"), "told", case.matter_of(kept).clocks, work.today)
    leg = case.change(work, leg, told)
    done = case.note(work, leg, "tell", kept.facts["accepting_office"], actor=actor)
    peer.tell(work, leg, said.ApplicantToldV1, {"leg": store.snapshot(leg), "step": done})


def note_attempt(work: Work, notice_id: str, reply: Reply) -> None:
    """What the message house said of a notice; the case is over when the one about the result has left."""
    case_id = telling.get_notice(work, notice_id).case_id
    leg = store.find_leg(work, case_id, "accepting")  # locked before its notices, as every act does
    sent = notices.note_reply(work, notice_id, reply)
    if sent and sent.event == notices.RESULT and leg and leg.state is State.DECIDED:
        _end_told(work, leg, store.get_case(work, case_id))
