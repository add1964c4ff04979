"""At the accepting office, what is heard of the cities that hold its cases."""

import dataclasses
import datetime
from collections.abc import Mapping

from contracts import exchange
from contracts import intake as said
from contracts.envelope import Json
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases as store
from services.intake.usecases import case, clocks, notices, peer
from services.intake.usecases.accepting import NOBODY, forward
from shared import calendar, regions
from shared.errors import OutOfStep, Refused
from shared.outbox import Work

TO_DO: Mapping[str, str] = {  # reason of a decline that refuses nobody -> what the clerk does
    said.NO_OFFICE: "请核对区划后转办;确实无处可办的,可以撤回",
    said.RELEASE_BEHIND: "请联系接办地升级系统,升级后再转办;申请人不愿等待的,可以撤回",
}


@peer.hears_at_once(said.ApplicationTakenOverV1)
def note_taken_over(work: Work) -> None:
    """接办回执: the competent city holds the case now."""
    told = work.data(said.ApplicationTakenOverV1)
    leg = case.heard(work, told["leg"])
    if leg is not None:
        if leg.state is State.FORWARDED:
            case.change_aloud(work, leg, rules.move(leg, "note_taken_over"))
        else:
            case.change(work, leg, leg)
        case.note_told(work, leg.case_id, told["leg"], [told["step"]])


@peer.hears_at_once(said.ApplicationProgressedV1)
def note_progress(work: Work) -> None:
    """办理进展: a step was done where the case is."""
    told = work.data(said.ApplicationProgressedV1)
    leg = case.heard(work, told["leg"])
    if leg is None:
        return
    case.note_told(work, leg.case_id, told["leg"], [told["step"]])
    if leg.state is State.WITHDRAWING and told["step"]["verb"] == rules.REFUSE_WITHDRAWAL:
        _go_on(work, leg)
    else:
        case.change(work, leg, leg)


def _go_on(work: Work, leg: Leg) -> None:
    """撤回未成: whoever asked for it, and may count on it, is told."""
    case.change_aloud(work, leg, rules.move(leg, rules.REFUSE_WITHDRAWAL))
    event = f"withdrawal_refused/{leg.peer_leg_no}.{leg.peer_version}"
    notices.send(work, store.get_case(work, leg.case_id), event)


@peer.hears_at_once(said.SupplementRequestedV1)
def note_supplement_request(work: Work) -> None:
    """补正告知: tell the applicant, once, all that is missing."""
    told = work.data(said.SupplementRequestedV1)
    leg = case.heard(work, told["leg"])
    if leg is None:
        return
    case.note_told(work, leg.case_id, told["leg"], [told["step"]])
    if leg.state is State.WITHDRAWING:
        case.change(work, leg, leg)
        return
    kept = store.get_case(work, leg.case_id)
    until = datetime.date.fromisoformat(told["due_on"]) if told["due_on"] else clocks.supplement_until(work, kept)
    asked = dataclasses.replace(rules.ask_supplement(leg, until), decider_version=told["request"])
    case.change_aloud(work, leg, asked)
    notices.send(work, kept, f"supplement_requested/{told['leg']['leg_no']}.{told['leg']['version']}", until)


@peer.hears_at_once(said.ApplicationDeclinedV1)
def note_declined(work: Work) -> None:
    """未能接办: close here with the reasons of the competent city; where they refuse nobody, a person must look."""
    told = work.data(said.ApplicationDeclinedV1)
    leg = store.get_leg(work, case.id_of(work), "accepting")
    if leg.peer_leg_no != told["leg"]["leg_no"] or not leg.open:
        raise peer.Late
    kept, why = store.get_case(work, leg.case_id), told["reasons"][0]
    store.keep_peer_leg(work, leg.case_id, told["leg"])
    case.note(work, leg, "decline", told["ask_office"])
    if why["code"] in said.REFUSES_NOBODY:
        _hand_back(work, leg, why)
        return
    notices.settle(work, leg.case_id)
    outcome = case.without_certificate("not_accepted", case.matter_of(kept).remedies)
    store.set_outcome(work, leg.case_id, outcome, told["reasons"])
    case.change_aloud(work, leg, case.end(leg, work, "decline"))
    notices.send(work, kept, "not_accepted")


def _hand_back(work: Work, leg: Leg, why: Json) -> None:
    """无办理机构、版本较旧: a wrong division or an old release is no reason to refuse."""
    if leg.state is State.WITHDRAWING:
        _end_withdrawn(work, leg)
    else:
        _need_attention(work, leg, leg, why["code"], f"{why['text']},{TO_DO[why['code']]}")


@peer.hears_at_once(said.ApplicationRedirectedV1)
def forward_again(work: Work) -> None:
    """退回转办: send the case to where the hukou is now; after three times a person must look."""
    told = work.data(said.ApplicationRedirectedV1)
    leg = case.heard(work, told["leg"])
    if leg is None:
        return
    case.note_told(work, leg.case_id, told["leg"], [told["step"]])
    notices.settle(work, leg.case_id)
    again = dataclasses.replace(leg, redirects=leg.redirects + 1)
    if leg.state is State.WITHDRAWING:  # it is back here, and nobody wants it to go on
        _end_withdrawn(work, leg)
    elif again.redirects > rules.MOST_REDIRECTS:
        _need_attention(work, leg, again, "redirected_too_often", "已退回转办三次以上,请与各地核实户籍后处理")
    else:
        _forward_to(work, leg, again, told["to_division"])


def note_misdirected(work: Work) -> None:
    """送错: that city does not answer for the division; try the one of our directory by now, else a person must look."""
    told = work.data(exchange.MessageMisdirectedV1)
    leg = store.get_leg(work, case.id_of(work), "accepting")
    refuser = case.sender(work)
    if told["message_type"] != said.ApplicationForwardedV1.type or leg.peer_node != refuser or not leg.open:
        raise OutOfStep("stale", "过时的消息")
    if leg.state is State.WITHDRAWING:
        _end_withdrawn(work, leg)
    else:
        _forward_to(work, leg, leg, told["division"], refuser)


def _forward_to(work: Work, before: Leg, leg: Leg, division: str, refused_by: str = "") -> None:
    try:
        regions.standard().resolve(division, work.today)
        holder = work.node.directory.node_of(division)
        if holder == refused_by:
            raise Refused("misdirected", f"{holder} 不受理 {division} 的办件,请核对节点目录")
    except Refused as error:
        _need_attention(work, before, leg, error.code, error.message)
        return
    store.change_case(work, leg.case_id, division=division)
    kept = store.get_case(work, leg.case_id)
    forward(work, before, dataclasses.replace(leg, peer_node=holder), kept, work.today)


def _need_attention(work: Work, before: Leg, after: Leg, kind: str, words: str) -> None:
    """No rule can go on alone: the leg waits for a clerk of the accepting office."""
    kept = store.get_case(work, before.case_id)
    waits = rules.move(after, "need_attention")
    specs = case.matter_of(kept).clocks  # the papers are complete, and the time to hand them over runs
    case.change_aloud(work, before, rules.start_clocks(waits, "complete", specs, work.today, calendar.standard()))
    notices.open_work_item(work, before.case_id, kind, words, kept.facts["accepting_office"]["code"])


@peer.hears_at_once(said.ApplicationClosedV1)
def note_closed(work: Work) -> None:
    """办结: keep the result and the certificate, start the clock of telling, tell the applicant."""
    told = work.data(said.ApplicationClosedV1)
    leg = case.heard(work, told["leg"])
    if leg is None:
        return
    case.note_told(work, leg.case_id, told["leg"], told["steps"])
    if told["result"] == "withdrawn":
        _end_withdrawn(work, leg, leg.peer_node)
    else:
        _begin_telling(work, leg, told)


def _begin_telling(work: Work, leg: Leg, told: Json) -> None:
    outcome = {name: told[name] for name in ("result", "remedies", "certificate_id", "certificate_name")}
    store.set_outcome(work, leg.case_id, outcome, work.personal(said.ApplicationClosedV1)["reasons"])
    notices.settle(work, leg.case_id)
    kept = store.get_case(work, leg.case_id)
    decided = rules.move(leg, "decide")
    specs = case.matter_of(kept).clocks
    case.change_aloud(work, leg, rules.start_clocks(decided, "closed", specs, work.today, calendar.standard()))
    notices.send(work, kept, notices.RESULT)


def _end_withdrawn(work: Work, leg: Leg, to: str = "") -> None:
    """The case ends without a decision: the withdrawal that was asked for came in time, or the deciding service ended it."""
    kept, event = store.get_case(work, leg.case_id), _how_it_ended(leg)
    leg = case.change(work, leg, case.end(leg, work, "withdraw"))
    store.set_outcome(work, leg.case_id, case.without_certificate("withdrawn"), [])
    done = case.note(work, leg, "end_withdrawn", kept.facts["accepting_office"])
    data = {"leg": store.snapshot(leg), "step": done, "leg_no": NOBODY, "at": case.acted_at(work)}
    work.tell(said.ApplicationWithdrawnV1, leg.case_id, data, to=to)
    notices.send(work, kept, event)


def _how_it_ended(leg: Leg) -> str:
    """The notice: only who asked for the withdrawal themselves is told that it was their wish."""
    if leg.state is not State.WITHDRAWING:
        return "ended"
    return rules.SUPPLEMENT_LAPSED if leg.supplement_until else "withdrawn"
