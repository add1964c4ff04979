"""At the competent office: take over, ask for supplements, redirect, decide, close."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import intake as said
from contracts import marriage as marriage_contracts
from contracts import subsidy as subsidy_contracts
from contracts.deciding import Decided, Dropped, StepDone
from contracts.envelope import Json
from contracts.matters import Matter, matter_version
from services.intake.rules import form
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases as store
from services.intake.store.cases import Case
from services.intake.usecases import case, materials, peer
from shared import calendar, clock
from shared.directory import Office
from shared.errors import OutOfStep, Refused
from shared.outbox import Work

REFUSE = "decide"  # the step of a timeline in which something is refused, whichever step of the matter that was


@peer.hears_at_once(said.ApplicationForwardedV1)
def take_over_application(work: Work) -> None:
    """接办受理: keep one open case per person and matter, start the clock, let the deciding service begin.

    What cannot be taken over is declined, with the reason; so is a version of the matter that is not here yet.
    """
    told, personal = work.data(said.ApplicationForwardedV1), work.personal(said.ApplicationForwardedV1)
    facts = told["case"]
    work.lock(case.id_of(work))
    _expect_new(work, told["leg_no"])
    try:
        matter = matter_version(facts["matter"], facts["matter_version"])
    except KeyError:  # its city has a newer release than we
        why = Refused("release_behind", "接办地系统版本较旧,还没有此事项的这一版本")
        _decline(work, _competent_leg(work, told), why, facts["accepting_office"])
    else:
        _take_over(work, told, personal, matter)


def _take_over(work: Work, told: Json, personal: Json, matter: Matter) -> None:
    facts = told["case"]
    index = store.person_index(work, dict(form.find_subject(personal["parties"], matter.subject_role)))
    leg = rules.start_clocks(_competent_leg(work, told), "taken_over", matter.clocks, work.today, calendar.standard())
    here = case.competent_offices(work, matter, told["division"], facts["accepting_office"])
    if not here:
        why = Refused("no_competent_office", "接办地没有此事项的办理机构", basis=matter.legal_basis[0])
        _decline(work, leg, why, facts["accepting_office"])
    elif not store.open_leg(work, leg, matter.matter, index):
        ask = case.office_to_ask(work, "competent", matter, index)
        _decline(work, leg, case.duplicate(ask), ask)
    else:
        _begin(work, leg, matter, here[0], _kept(work, told, personal))
        materials.expect_files(work, leg, facts["materials"])


def _expect_new(work: Work, leg_no: int) -> None:
    known = store.find_leg(work, case.id_of(work), "competent")
    if known is not None and known.leg_no >= leg_no:
        raise peer.Late


def _kept(work: Work, told: Json, personal: Json) -> Case:
    """The case with its papers; as the other leg of our own case we have them already."""
    case_id = case.id_of(work)
    case.note_told(work, case_id, told["leg"], told["steps"])
    if told["leg"]["node"] == work.node.code:
        return store.get_case(work, case_id)
    return store.keep_case(work, case_id, told["case"], told["division"], personal)


def _competent_leg(work: Work, told: Json) -> Leg:
    return Leg(
        case.id_of(work),
        told["leg_no"],
        "competent",
        work.node.code,
        State.ACCEPTED,
        1,
        redirects=told["redirects"],
        peer_node=told["leg"]["node"],
        peer_leg_no=told["leg"]["leg_no"],
    )


def _begin(work: Work, leg: Leg, matter: Matter, office: Office, kept: Case) -> None:
    done = case.note(work, leg, "take_over", case.office_ref(work, office))
    told = {"leg": store.snapshot(leg), "step": done}
    peer.tell(work, leg, said.ApplicationTakenOverV1, told, shown=False)  # by what follows
    data = {
        "case": dict(kept.facts) | {"materials": store.list_materials(work, leg.case_id)},
        "leg": store.snapshot(leg),
        "division": kept.division,
        "decides": matter.decides,
        "steps": store.list_steps(work, leg.case_id),
    }
    work.tell(said.ApplicationAcceptedV1, leg.case_id, data, dict(kept.personal))


def _decline(work: Work, leg: Leg, why: Refused, ask: Json) -> None:
    declined = dataclasses.replace(leg, state=State.DECLINED, clocks=())
    reasons = [{"code": why.code, "text": why.message, "basis": why.basis}]
    data = {"leg": store.snapshot(declined), "reasons": reasons, "ask_office": ask}
    peer.tell(work, leg, said.ApplicationDeclinedV1, data)


def note_supplement(work: Work) -> None:
    """补正到件: the clocks go on, unless the case ended meanwhile, or a newer request waits for its own answer."""
    told = work.data(said.ApplicationSupplementedV1)
    leg = store.get_leg(work, case.id_of(work), "competent")
    if told["leg"]["node"] != work.node.code:  # as the other leg of our own case we have them already
        store.add_materials(work, leg.case_id, told["materials"])
        materials.expect_files(work, leg, told["materials"])
        answers = work.personal(said.ApplicationSupplementedV1)["answers"]
        case.keep_answers(work, store.get_case(work, leg.case_id), answers)
    case.note_told(work, leg.case_id, told["leg"], [told["step"]])
    if leg.state not in (State.SUPPLEMENT_REQUIRED, State.ACCEPTED):
        return
    if rules.still_awaits(leg, told["leg_no"], told["request"]):
        return
    leg = case.change(work, leg, _gone_on(leg, work.today))
    office = case.competent_ref(work, store.get_case(work, leg.case_id))
    case.progress(work, leg, case.note(work, leg, "receive_supplement", office))
    work.arrived(case.supplemented(leg))


def note_withdrawal(work: Work) -> None:
    """撤回 asked for or done: noted here, be the case known yet or not; the deciding service says if it is in time."""
    told = work.data(said.ApplicationWithdrawnV1)
    case.note_told(work, case.id_of(work), told["leg"], [told["step"]])


def refuse_withdrawal(work: Work) -> None:
    """撤回未成: the case goes on here, and the accepting office learns why. It waits for the word that it follows."""
    told = work.data(marriage_contracts.WithdrawalRefusedV1)
    leg = store.get_leg(work, case.id_of(work), "competent")
    if leg.decider_version < told["version"]:
        work.park(case.decider_word(leg, told["version"]))
        return
    leg = case.change(work, leg, rules.move(leg, "progress"))
    _note_and_tell(work, leg, rules.REFUSE_WITHDRAWAL, told)


def drop_application(work: Work, contract: type[Dropped]) -> None:
    """终止, for a withdrawal in time or because nothing is left to decide: end the case here and say so."""
    told = work.data(contract)
    leg = case.decider_said(work, told["version"], while_supplementing=True)
    if leg is None:
        return
    leg = case.change(work, leg, case.end(leg, work, "withdraw"))
    office = case.competent_ref(work, store.get_case(work, leg.case_id))
    done = case.note(work, leg, "end_withdrawn", office, why=told.get("note", ""))
    case.tell_closed(work, leg, case.without_certificate("withdrawn"), [], done)


def redirect_application(work: Work) -> None:
    """退回转办: the hukou is in another county now; hand the case back to where it was taken in."""
    told = work.data(subsidy_contracts.HukouMovedV1)
    leg = case.decider_said(work, told["version"])
    if leg is None:
        return
    leg = case.change(work, leg, case.end(leg, work, "redirect"))
    done = case.step(leg, "redirect", told["office"], told["at"])
    store.add_steps(work, leg.case_id, [done])
    data = {"leg": store.snapshot(leg), "step": done, "to_division": told["to_division"]}
    peer.tell(work, leg, said.ApplicationRedirectedV1, data)


def note_step(work: Work, contract: type[StepDone], verb: str, moment: str) -> None:
    """初审、审核、审查 done: end and start the clocks that hang on it, tell the accepting office."""
    told = work.data(contract)
    leg = case.decider_said(work, told["version"])
    if leg is None:
        return
    specs = case.matter_of(store.get_case(work, leg.case_id)).clocks
    moved = rules.end_clocks(rules.move(leg, "progress"), moment, specs, _day_of(told))
    leg = case.change(work, leg, rules.start_clocks(moved, moment, specs, _day_of(told), calendar.standard()))
    _note_and_tell(work, leg, verb, told)


def ask_supplement(work: Work) -> None:
    """补正: what the deciding office misses, told once and in time."""
    told = work.data(subsidy_contracts.SupplementNeededV1)
    leg = case.decider_said(work, told["version"])
    if leg is None:
        return
    leg = case.change(work, leg, rules.pause_clocks(rules.move(leg, "require_supplement"), _day_of(told)))
    until = f"请在 {told['due_on']} 前补正" if told["due_on"] else ""
    done = case.step(leg, "request_supplement", told["office"], told["at"], until)
    store.add_steps(work, leg.case_id, [done])
    missing = work.personal(subsidy_contracts.SupplementNeededV1)
    told_on = {"leg": store.snapshot(leg), "step": done, "due_on": told["due_on"], "request": told["version"]}
    peer.tell(work, leg, said.SupplementRequestedV1, told_on, missing)


def note_lapse(work: Work) -> None:
    """逾期未补正: the deciding office goes on without; the clocks go on, unless the supplement came meanwhile."""
    told = work.data(subsidy_contracts.SupplementLapsedV1)
    leg = case.decider_said(work, told["version"], while_supplementing=True)
    if leg is None:
        return
    _note_and_tell(work, case.change(work, leg, _gone_on(leg, _day_of(told))), "supplement_lapsed", told)


def _gone_on(leg: Leg, on: datetime.date) -> Leg:
    """The leg waits no more: its supplement is here, or its time is over; whichever is second finds it going on."""
    if leg.state is not State.SUPPLEMENT_REQUIRED:
        return rules.move(leg, "progress")
    return rules.resume_clocks(rules.move(leg, "supplement"), on, calendar.standard())


def note_decision(work: Work, contract: type[Decided]) -> None:
    """审定、登记: keep the decision; the case closes when its certificate is there, or at once where none comes."""
    told = work.data(contract)
    leg = case.decider_said(work, told["version"])
    if leg is None:
        return
    why, granted = work.personal(contract)["reasons"], told["result"] == "granted"
    outcome = case.without_certificate(told["result"], told["remedies"])
    matter = case.matter_of(store.get_case(work, leg.case_id))
    leg = case.change(work, leg, rules.end_clocks(rules.move(leg, "decide"), "decided", matter.clocks, _day_of(told)))
    _note_and_tell(work, leg, matter.steps[-1]["verb"] if granted else REFUSE, told)
    store.set_outcome(work, leg.case_id, outcome, why)
    if granted or matter.output["refusals"]:
        work.arrived(f"decided/{leg.case_id}")
    else:
        _close(work, leg, outcome, why, told["office"])


def _day_of(told: Json) -> datetime.date:
    """The legal day on which the deciding office acted; word of it may reach us later."""
    return clock.legal_date(clock.instant(told["at"]))


def _note_and_tell(work: Work, leg: Leg, verb: str, told: Json) -> None:
    done = case.step(leg, verb, told["office"], told["at"], told.get("note", ""))
    store.add_steps(work, leg.case_id, [done])
    case.progress(work, leg, done)


def close_application(work: Work) -> None:
    """办结: decision and certificate are both here; the accepting office may tell."""
    face = work.data(certificate_contracts.CertificateIssuedV1)["certificate"]
    leg = store.get_leg(work, case.id_of(work), "competent")
    if leg.state is not State.DECIDED:
        if not leg.open:
            raise OutOfStep("stale", "过时的消息")
        work.park(f"decided/{leg.case_id}")
        return
    kept = store.get_case(work, leg.case_id)
    named = {"certificate_id": face["certificate_id"], "certificate_name": face["name"]}
    _close(work, leg, dict(kept.outcome) | named, kept.reasons, face["issuer"])


def _close(work: Work, leg: Leg, outcome: Json, reasons: Sequence[Mapping[str, Any]], office: Json) -> None:
    leg = case.change(work, leg, case.end(leg, work, "close"))
    done = case.note(work, leg, "close", office, why=outcome["certificate_id"])
    case.tell_closed(work, leg, outcome, reasons, done)


@peer.hears_at_once(said.ApplicantToldV1)
def note_told(work: Work) -> None:
    """已告知: both ends now hold the same, finished case."""
    told = work.data(said.ApplicantToldV1)
    case.note_told(work, case.id_of(work), told["leg"], [told["step"]])
