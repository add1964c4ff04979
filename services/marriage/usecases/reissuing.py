"""补领结婚证、离婚证, at the office that gives it out: the holder is asked, the number is ours, the day stays the first one."""

import dataclasses

from contracts import certificate as certificate_contracts
from contracts import intake as intake_contracts
from contracts import marriage as said
from contracts.envelope import Contract, Json
from services.marriage.rules import numbers
from services.marriage.rules import reissue as rules
from services.marriage.rules.records import REISSUE
from services.marriage.rules.reissue import SERIES, Answer, Series, State
from services.marriage.store import applications, marriages
from services.marriage.store import reissues as store
from services.marriage.store.reissues import Kept
from services.marriage.usecases import case, desk
from services.marriage.usecases.beginning import with_number
from services.marriage.usecases.deciding import act_of, issuer_code
from services.marriage.usecases.recording import holder_of
from shared import clock
from shared.directory import Office
from shared.errors import Denied, OutOfStep, Refused, TongbanError
from shared.outbox import Work

MATTERS = tuple(SERIES)
ENDED = "ended"  # where a marriage stands of which only that is told
RULES = "marriage/reissue-2025"
REFUSED = "经审查,不符合补领条件,不予补发。"


def begin_reissue(work: Work) -> None:
    """收到申请: ask the node that holds the record; the task opens at once and says what is awaited."""
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    personal = work.personal(intake_contracts.ApplicationAcceptedV1)
    personal |= {"parties": [with_number(work, party) for party in personal["parties"]]}
    office = told["case"]["accepting_office"]["code"]
    kept = Kept(case.id_of(work), told["leg"]["leg_no"], office, told["division"], told["case"], personal)
    kept = _with_holder(work, kept)
    work.lock(kept.case_id)
    if not store.open_reissue(work, kept):
        raise OutOfStep("stale", "过时的消息")
    if applications.was_withdrawn(work, kept.case_id, kept.leg_no):
        _drop(work, kept)
        return
    _look_up(work, kept)
    _open_task(work, kept)


def _look_up(work: Work, kept: Kept) -> None:
    if kept.holder:
        data = {"office": dict(kept.case_facts["accepting_office"])}
        work.tell(said.LookUpMarriageV1, kept.case_id, data, _couple(kept), to=kept.holder)


def _with_holder(work: Work, kept: Kept) -> Kept:
    """With the node to ask, or why none can be asked: a person sees it, and no case is lost by it."""
    answers = kept.personal["answers"]
    try:
        holder = holder_of(work, answers["certificate_no"], answers.get("registering_division") or "")
    except TongbanError as error:
        return dataclasses.replace(kept, fault={"code": error.code, "text": error.message, "basis": error.basis})
    return dataclasses.replace(kept, holder=holder)


def _couple(kept: Kept) -> Json:
    persons = [desk.named(person) for person in case.persons_of(kept.personal)]
    return {"certificate_no": kept.first_no or kept.personal["answers"]["certificate_no"].strip(), "persons": persons}


def note_found(work: Work, kept: Kept) -> None:
    """查核结果, or once: where to ask instead."""
    if kept.found is not None or kept.state is not State.ASKED:
        raise OutOfStep("stale", "过时的消息")
    found = work.personal(said.MarriageFoundV1)
    if found["holder"] and not kept.first_no:
        kept = dataclasses.replace(kept, holder=found["holder"], first_no=found["certificate_no"])
        _look_up(work, kept)
        store.save_reissue(work, kept)
    else:
        _open_task(work, dataclasses.replace(kept, found=found))


def note_ended(work: Work, kept: Kept) -> None:
    """婚姻已终止, meanwhile or later: what was given out states a marriage no more."""
    if kept.state is State.REISSUED:
        _tell_certificate(work, kept, certificate_contracts.RevokeCertificateV1)
    elif kept.state is State.ASKED:
        ended = {"standing": ENDED, "words": "该婚姻已经终止"}
        _open_task(work, dataclasses.replace(kept, found=dict(kept.found or {"found": True}) | ended))


def note_back(work: Work, kept: Kept) -> None:
    """婚姻已恢复: what was given out states a marriage again, and what is asked for may be given out.

    Denied `not_the_holder`.
    """
    if case.source(work) != kept.holder:
        raise Denied("not_the_holder", "只有保管登记档案的城市可以说明婚姻已恢复")
    if not work.personal(said.EndingWithdrawnV1)["restored"]:
        return
    if kept.state is State.REISSUED:
        _tell_certificate(work, kept, certificate_contracts.ReinstateCertificateV1)
    elif kept.state is State.ASKED and kept.found is not None:
        _open_task(work, dataclasses.replace(kept, found=dict(kept.found) | {"standing": "valid", "words": ""}))


def note_superseded(work: Work, kept: Kept) -> None:
    """已被新证取代: given out anew once more, says the holder. Denied `not_the_holder`; OutOfStep when none was given out."""
    if case.source(work) != kept.holder:
        raise Denied("not_the_holder", "只有保管登记档案的城市可以说明证件已被取代")
    if kept.state is not State.REISSUED:
        raise OutOfStep("stale", "过时的消息")
    _tell_certificate(work, kept, certificate_contracts.SupersedeCertificateV1)


def _tell_certificate(work: Work, kept: Kept, contract: type[Contract]) -> None:
    data = {"certificate_type": desk.matter_of(kept).output["certificate_type"], "at": clock.iso(work.now)}
    work.tell(contract, kept.case_id, data)


def drop_reissue(work: Work, kept: Kept) -> None:
    """撤回 through intake. OutOfStep once it is decided."""
    if work.data(intake_contracts.ApplicationWithdrawnV1)["leg_no"]:
        _drop(work, kept)


def _drop(work: Work, kept: Kept) -> None:
    rules.expect_open(kept.state)
    now = dataclasses.replace(kept, state=State.DROPPED, version=kept.version + 1)
    store.save_reissue(work, now)
    data = desk.word(now) | {"at": clock.iso(work.now), "note": ""}
    work.tell(said.ApplicationDroppedV1, now.case_id, data)


# --- 审查补发 --------------------------------------------------------------------------------------------------------


def register(work: Work, kept: Kept) -> None:
    """补发, or refuse on what the holder says, and on nothing else."""
    asked, opinion = work.data(said.RegisterMarriageV1), work.personal(said.RegisterMarriageV1)
    office = _expect_turn(work, kept, asked)
    now = dataclasses.replace(kept, acts=(*kept.acts, act_of(work, "register", asked, opinion)))
    if asked["approve"]:
        rules.expect_on_record(_answer(kept), _series(kept))
        _issue(work, now, office)
    else:
        _refuse(work, now)


def _expect_turn(work: Work, kept: Kept, asked: Json) -> Office:
    rules.expect_open(kept.state)
    desk.expect_newest(kept, asked)
    elsewhere = Denied("office_not_accepting", "补领由收件的婚姻登记机关办理,请到收件机构办理", field="actor")
    return desk.expect_office(work, kept, asked, "register", elsewhere)


def _issue(work: Work, kept: Kept, office: Office) -> None:
    """In one transaction: the number, the decision, the wish for the certificate, and the holder's note."""
    issuer, division, year = issuer_code(office), office.division[:6], work.today.year
    series = _series(kept)
    number = numbers.make(series.letters, division, year, marriages.next_serial(work, division, year, series.letters))
    now = dataclasses.replace(kept, certificate_no=number, state=State.REISSUED)
    decided = {"result": "granted", "reasons": [], "statement": series.granted, "certificate_no": number}
    _decide(work, now, decided)
    note = _couple(kept) | {"reissued_as": number, "on": work.today.isoformat()}
    data = {"office": dict(kept.case_facts["accepting_office"]), "marriage": (kept.found or {}).get("marriage", "")}
    work.tell(said.NoteReissueV1, kept.case_id, data, note, to=kept.holder)
    _wish(work, now, issuer)


def _wish(work: Work, kept: Kept, issuer: str) -> None:
    """The certificate: of the new number, with the day and the number of the registration."""
    found, holders = kept.found or {}, _couple(kept)["persons"]
    face = {"certificate_no": kept.certificate_no, "persons": [{"name": person["name"]} for person in holders]}
    face |= {"registered_on": found["registered_on"], "first_certificate_no": found["certificate_no"]}
    face |= {"statement": _series(kept).granted}
    desk.wish_certificate(work, kept, issuer, holders, face, work.today)


def _refuse(work: Work, kept: Kept) -> None:
    against = rules.ground(_answer(kept), _series(kept))
    if against is None:
        words = "没有不予补发的情形:原登记地尚未答复的,请等候;当事人不愿意继续的,请办理撤回"
        raise Refused("ground_not_lawful", words, basis=REISSUE, field="reasons")
    why = [{"code": against.code, "text": against.text, "basis": against.basis}]
    statement = f"{REFUSED}{against.text}(依据:{against.basis})"
    now = dataclasses.replace(kept, state=State.REFUSED)
    _decide(work, now, {"result": "refused", "reasons": why, "statement": statement})


def _decide(work: Work, kept: Kept, decided: Json) -> None:
    now = dataclasses.replace(kept, version=kept.version + 1)
    store.save_reissue(work, now, decided)
    desk.tell_decision(work, now, decided, RULES)


# --- telling ---------------------------------------------------------------------------------------------------------


def _series(kept: Kept) -> Series:
    return SERIES[kept.case_facts["matter"]]


def _answer(kept: Kept) -> Answer | None:
    if kept.found is None:
        return None
    return Answer(kept.found["found"], kept.found.get("standing", ""), kept.found.get("words", ""))


def _open_task(work: Work, kept: Kept) -> None:
    """Keep the case, and say what is to be done next and what stands in the way."""
    store.save_reissue(work, kept)
    against = rules.ground(_answer(kept), _series(kept))
    data = desk.word(kept) | {
        "case": dict(kept.case_facts),
        "division": kept.division,
        "task": desk.task(work, kept, "register"),
        "missing_facts": ["marriage_record"] if kept.found is None and kept.fault is None else [],
        "ask_office": None,
    }
    told = [dict(kept.fault)] if kept.fault else []
    told += [{"code": against.code, "text": against.text, "basis": against.basis}] if against else []
    findings = [{"ground": one["code"], "eligible": False, "reasons": [one]} for one in told]
    work.tell(said.TaskOpenedV1, kept.case_id, data, {"findings": findings})
