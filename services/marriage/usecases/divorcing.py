"""离婚登记, from the application to the receipt: looked up at the holder, examined, and withdrawn by either."""

import dataclasses
import datetime

from contracts import claims as claims_contracts
from contracts import intake as intake_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import divorce as rules
from services.marriage.rules.divorce import Divorce, State
from services.marriage.rules.papers import Side
from services.marriage.rules.registration import Hold
from services.marriage.store import applications
from services.marriage.store import divorces as store
from services.marriage.store.divorces import Kept, Known
from services.marriage.usecases import case, desk, divorce_case
from services.marriage.usecases.beginning import with_number
from services.marriage.usecases.recording import holder_of
from shared import clock
from shared.calendar import RestDays
from shared.errors import OutOfStep, Refused, TongbanError
from shared.outbox import Work

REFUSED = "经审查,不符合离婚登记受理条件,不予受理。"


def begin_divorce(work: Work) -> None:
    """收到申请: find the node that holds the marriage and ask it; the task opens at once and says what is awaited."""
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    personal = work.personal(intake_contracts.ApplicationAcceptedV1)
    personal |= {"parties": [with_number(work, party) for party in personal["parties"]]}
    kept = _with_holder(work, _new(work, told, personal))
    work.lock(kept.case_id)
    if not store.open_divorce(work, kept):
        raise OutOfStep("stale", "过时的消息")
    if applications.was_withdrawn(work, kept.case_id, kept.leg_no):
        _withdraw(work, kept, None, divorce_case.day_of_act(work))
        return
    _look_up(work, kept)


def _look_up(work: Work, kept: Kept) -> None:
    """Ask the holder, where it is known; the task says what is awaited."""
    if kept.holder:
        data = {"office": dict(kept.case_facts["accepting_office"])}
        work.tell(said.LookUpMarriageV1, kept.case_id, data, couple_of(kept), to=kept.holder)
    divorce_case.open_task(work, kept)


def look_up_again(work: Work, kept: Kept) -> None:
    """再查: books may have been entered, or a city may have joined, since the marriage was not found."""
    _look_up(work, _with_holder(work, dataclasses.replace(kept, holder="", known=Known())))


def _new(work: Work, told: Json, personal: Json) -> Kept:
    office = told["case"]["accepting_office"]["code"]
    return Kept(
        case_id=case.id_of(work),
        leg_no=told["leg"]["leg_no"],
        office=office,
        division=told["division"],
        holder="",
        version=1,
        divorce=Divorce(office, datetime.date.fromisoformat(told["case"]["applied_on"]), _rest_days(work, office)),
        case_facts=told["case"],
        personal=personal,
    )


def _rest_days(work: Work, office: str) -> RestDays:
    """Of the office by the table of this city; the calendar's, where it does not stand in it any more."""
    known = work.node.offices.by_code.get(office)
    return known.rest_days if known else RestDays.WEEKENDS_AND_HOLIDAYS


def _with_holder(work: Work, kept: Kept) -> Kept:
    """With the node to ask, or why none can be asked: a person sees it, and no case is lost by it."""
    answers = kept.personal["answers"]
    try:
        divorce_case.sides_of(work, kept)
        holder = holder_of(work, answers["certificate_no"], answers.get("registering_division") or "")
    except TongbanError as error:
        fault = {"code": error.code, "text": error.message, "basis": error.basis or rules.SAME_OFFICE}
        return dataclasses.replace(kept, known=Known(fault=fault))
    return dataclasses.replace(kept, holder=holder)


def couple_of(kept: Kept) -> Json:
    """Both persons and the number they gave, as contracts.marriage_parts.Couple."""
    persons = [desk.named(person) for person in case.persons_of(kept.personal)]
    number = kept.known.first_no or kept.personal["answers"]["certificate_no"].strip()
    return {"certificate_no": number, "persons": persons}


def note_found(work: Work, kept: Kept) -> None:
    """查核结果: the one divorce of a living marriage is reserved; or once: where to ask instead."""
    if kept.known.found is not None or kept.divorce.state is not State.APPLIED:
        raise OutOfStep("stale", "过时的消息")
    found = work.personal(said.MarriageFoundV1)
    if found["holder"] and not kept.known.first_no:
        known = dataclasses.replace(kept.known, first_no=found["certificate_no"])
        _look_up(work, dataclasses.replace(kept, holder=found["holder"], known=known))
        return
    now = dataclasses.replace(kept, known=dataclasses.replace(kept.known, found=found))
    divorce_case.open_task(work, now if divorce_case.is_obstructed(now) else divorce_case.reserve(work, now))


# --- 审查受理 --------------------------------------------------------------------------------------------------------


def examine_divorce(work: Work) -> None:
    """审查: both are here, free and agreed, or it is not accepted. Cooling-off begins with the locked claim."""
    asked, kept = work.data(said.ExamineDivorceV1), divorce_case.get(work)
    shown = work.personal(said.ExamineDivorceV1)
    divorce_case.expect_turn(work, kept, asked, "examine")
    ruling = rules.accept(kept.divorce, divorce_case.papers_of(work, kept, shown))
    grounds = (*divorce_case.against(kept), *ruling.grounds)
    now = divorce_case.with_act(work, kept, "examine", asked, shown)
    if not asked["approve"]:
        _refuse(work, now, [dataclasses.asdict(ground) for ground in grounds])
        return
    if grounds:
        raise Refused(grounds[0].code, "".join(one.text for one in grounds), basis=grounds[0].basis)
    divorce_case.expect_found(kept)
    _expect_reserved(kept)
    work.tell(claims_contracts.ConfirmClaimsV1, kept.case_id, divorce_case.mine(kept))
    divorce_case.open_task(work, dataclasses.replace(now, divorce=ruling.after, hold=Hold.CONFIRMING))


def _expect_reserved(kept: Kept) -> None:
    if kept.hold is not Hold.HELD:
        words = "暂不能受理:婚姻登记地尚未答复,或此婚姻正在其他机构办理离婚(见所缺事项和应询问的机构),请处理后再办"
        raise Refused("marriage_not_reserved", words, basis=rules.SAME_OFFICE)


def _refuse(work: Work, kept: Kept, grounds: list[Json]) -> None:
    """不予受理, on a ground that the rules find, and on no other."""
    if not grounds:
        words = "没有不予受理的法定情形:暂时缺少答复的,请等候;当事人不愿意继续的,请办理撤回"
        raise Refused("ground_not_lawful", words, basis=rules.COOLING_OFF, field="reasons")
    after = dataclasses.replace(kept.divorce, state=State.NOT_ACCEPTED)
    why = [{name: one[name] for name in ("code", "text", "basis")} for one in grounds]
    statement = REFUSED + "".join(f"{one['text']}(依据:{one['basis']})" for one in why)
    divorce_case.decide(work, kept, after, {"result": "refused", "reasons": why, "statement": statement})


# --- 撤回 ------------------------------------------------------------------------------------------------------------


def withdraw_divorce(work: Work) -> None:
    """撤回 by one of the two, at the accepting office, until the last day of cooling-off."""
    asked, kept = work.data(said.WithdrawDivorceV1), divorce_case.get(work)
    number = work.personal(said.WithdrawDivorceV1)["number"]
    divorce_case.expect_turn(work, kept, asked, "examine")
    now = divorce_case.with_act(work, kept, "withdraw", asked, {"number": number})
    _withdraw(work, now, number, divorce_case.day_of_act(work))


def drop_divorce(work: Work, kept: Kept) -> None:
    """撤回 through intake, which does not tell which of the two; what comes too late is refused, and the days decide.

    OutOfStep when the case is over: how it ended has been told.
    """
    told = work.data(intake_contracts.ApplicationWithdrawnV1)
    if not told["leg_no"]:
        return
    if kept.divorce.state not in rules.OPEN:
        raise OutOfStep("divorce_ended", rules.OVER[kept.divorce.state])
    try:
        divorce_case.expect_open(kept)
        _withdraw(work, kept, None, divorce_case.day_of_act(work, told["at"]))
    except (OutOfStep, Refused) as error:  # raised before anything was written
        _refuse_withdrawal(work, kept, error.message)


def _refuse_withdrawal(work: Work, kept: Kept, why: str) -> None:
    """撤回未成: nothing has changed here; who asked for it must learn that."""
    office = dict(kept.case_facts["accepting_office"])
    data = desk.word(kept) | {"office": office, "at": clock.iso(work.now), "note": why}
    work.tell(said.WithdrawalRefusedV1, kept.case_id, data)


def _withdraw(work: Work, kept: Kept, number: int | None, on: datetime.date) -> None:
    after = rules.withdraw(kept.divorce, _side(work, kept, number), kept.office, on)
    how = "经收件窗口或网上申请" if number is None else "一方"
    divorce_case.drop(work, kept, after, f"{how}于{on}撤回离婚登记申请")


def _side(work: Work, kept: Kept, number: int | None) -> Side | None:
    """Who withdraws; None where nobody has said so, or the papers do not say who is who: they may change their mind, too."""
    try:
        return None if number is None else divorce_case.sides_of(work, kept)[number]
    except TongbanError:
        return None
