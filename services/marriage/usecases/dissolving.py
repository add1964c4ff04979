"""离婚登记, its end: both have come again, the holder ends the marriage, and only then is there a certificate."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import divorce as rules
from services.marriage.rules import numbers
from services.marriage.rules.divorce import OVER, State
from services.marriage.rules.endings import DIVORCED, Ground
from services.marriage.rules.finding import Finding
from services.marriage.store import archives, marriages
from services.marriage.store.divorces import Kept
from services.marriage.usecases import case, copying, deciding, desk, divorce_case, divorcing
from services.marriage.usecases.beginning import with_number
from shared.directory import Office
from shared.errors import OutOfStep, Refused
from shared.outbox import Work

REGISTERED = "准予离婚登记,发给离婚证。"
REFUSED = "经审查,不符合离婚登记条件,不予登记。"


def register_divorce(work: Work) -> None:
    """登记: sign, or refuse; the certificate waits for the holder's word."""
    asked, kept = work.data(said.RegisterDivorceV1), divorce_case.get(work)
    shown, office = work.personal(said.RegisterDivorceV1), divorce_case.expect_turn(work, kept, asked, "register")
    papers, on = divorce_case.papers_of(work, kept, shown), divorce_case.day_of_act(work)
    ruling = rules.register(kept.divorce, papers, office.code, on)
    if not asked["approve"]:
        now = divorce_case.with_act(work, kept, "register", asked, shown)
        _refuse(work, now, (*divorce_case.against(kept), *ruling.grounds), on)
        return
    if ruling.grounds:
        words = "".join(ground.text for ground in ruling.grounds)
        raise Refused(ruling.grounds[0].code, words, basis=ruling.grounds[0].basis)
    _sign(work, kept, asked, shown, office)


def _sign(work: Work, kept: Kept, asked: Json, shown: Json, office: Office) -> None:
    signature = {"issuer_code": deciding.issuer_code(office), "division": office.division[:6]}
    now = divorce_case.with_act(work, kept, "register", asked, shown, **signature)
    known = dataclasses.replace(kept.known, refusal=None)
    signed = rules.sign(kept.divorce, divorce_case.day_of_act(work))
    now = dataclasses.replace(now, divorce=signed, ending=True, known=known)
    _ask_holder(work, now, office)
    divorce_case.open_task(work, now)


def _ask_holder(work: Work, kept: Kept, office: Office) -> None:
    on = kept.acts[-1]["on"]
    document = {"kind": "离婚登记", "issuer": office.name, "number": kept.case_facts["case_no"], "on": on}
    wish = divorcing.couple_of(kept) | {"ground": str(Ground.DIVORCE_REGISTERED), "on": on, "document": document}
    known = kept.known.found or {}
    data = {"office": deciding.office_ref(work, office), "marriage": known.get("marriage", "")}
    work.tell(said.EndMarriageV1, kept.case_id, data, wish, to=kept.holder)


def _refuse(work: Work, kept: Kept, grounds: tuple[Finding, ...], on: datetime.date) -> None:
    """不予登记, on a ground that the rules or the holder find, and on no other."""
    if not grounds:
        words = "没有不予登记的法定情形:一方没有来或材料不齐的,请约好双方、补齐后在期限内再来,逾期视为撤回"
        raise Refused("ground_not_lawful", words, basis=rules.WINDOW, field="reasons")
    why = [{"code": one.code, "text": one.text, "basis": one.basis} for one in grounds]
    statement = REFUSED + "".join(f"{one['text']}(依据:{one['basis']})" for one in why)
    after = dataclasses.replace(kept.divorce, state=State.REFUSED, ended_on=on)
    divorce_case.decide(work, kept, after, {"result": "refused", "reasons": why, "statement": statement})


# --- what the holder answers ---------------------------------------------------------------------------------------------


def note_ended(work: Work, kept: Kept) -> None:
    """婚姻已终止: by us, and the divorce is registered; or otherwise, and there is nothing left to divorce."""
    told, ended = work.data(said.MarriageEndedV1), work.personal(said.MarriageEndedV1)
    on = datetime.date.fromisoformat(ended["on"])
    if told["request"] != kept.case_id:
        _end_otherwise(work, kept, on)
    elif kept.ending:
        _complete(work, dataclasses.replace(kept, personal=_corrected(work, kept.personal, ended["persons"])), on)
    else:
        raise OutOfStep("stale", "过时的消息")


def _corrected(work: Work, personal: Mapping[str, Any], recorded: Sequence[Json]) -> Mapping[str, Any]:
    """The application with the numbers of the two that the holder has corrected since they were looked up."""

    def key(person: Json) -> str:
        return case.person_index(work, with_number(work, person))

    persons = case.persons_of(personal)
    gone = [one for one in persons if key(one) not in {key(it) for it in recorded}]
    new = [it for it in recorded if key(it) not in {key(one) for one in persons}]
    if len(gone) != len(new):
        return personal
    if len(gone) == len(case.ROLES):  # both: of him his, of her hers
        gone, new = _by_sex(work, gone), _by_sex(work, new)
    numbers = [{name: it[name] for name in ("id_type", "id_number")} for it in new]
    put_right = [(one, one | number) for one, number in zip(gone, numbers, strict=True)]
    parties = [next((after for one, after in put_right if one is party), party) for party in personal["parties"]]
    return {**personal, "parties": parties}


def _by_sex(work: Work, persons: Sequence[Json]) -> list[Json]:
    return sorted(persons, key=lambda one: divorce_case.sex(work, one))


def note_refused(work: Work, kept: Kept) -> None:
    """未能终止: it had ended otherwise, or the clerk is shown what the holder has against it, and both sign again later on:
    they were in time.
    """
    if not kept.ending:
        raise OutOfStep("stale", "过时的消息")
    why = work.personal(said.EndingRefusedV1)
    if why["code"] == "marriage_ended":
        day = why["ended_on"] or work.today.isoformat()
        _end_otherwise(work, kept, datetime.date.fromisoformat(day))
        return
    refusal = {"code": why["code"], "text": why["message"], "basis": why["basis"] or DIVORCED}
    now = dataclasses.replace(kept, ending=False, known=dataclasses.replace(kept.known, refusal=refusal))
    divorce_case.open_task(work, now)


def _end_otherwise(work: Work, kept: Kept, on: datetime.date) -> None:
    """A death or a court was first; what both signed meanwhile has no effect. OutOfStep when the case is over."""
    after = rules.note_marriage_ended(kept.divorce, on, signed=kept.ending)
    divorce_case.drop(work, kept, after, OVER[State.MARRIAGE_ENDED])


def _complete(work: Work, kept: Kept, on: datetime.date) -> None:
    """登记, in this one transaction: the number, the decision, the wish for the certificate; the claim is free again.

    Refused `serial_exhausted`: nothing has happened, and a person is told.
    """
    signed = kept.acts[-1]
    serial = marriages.next_serial(work, signed["division"], on.year, "L")
    number = numbers.make("L", signed["division"], on.year, serial)
    decided = {"result": "granted", "reasons": [], "statement": REGISTERED, "certificate_no": number}
    now = dataclasses.replace(kept, certificate_no=number)
    whose = [case.person_index(work, person) for person in case.persons_of(kept.personal)]
    archives.add_persons(work, kept.case_id, whose, live=False)
    divorce_case.decide(work, now, rules.complete(kept.divorce, on), decided)
    _issue(work, now, signed["issuer_code"], on)
    data = {"office": dict(kept.case_facts["accepting_office"]), "registered_on": on.isoformat()}
    work.tell(said.DivorceRegisteredV1, kept.case_id, data, dict(kept.personal) | {"certificate_no": number})
    copying.copy_status(work, "divorce_registered", kept.case_id, case.persons_of(kept.personal), on)


def _issue(work: Work, kept: Kept, issuer: str, on: datetime.date) -> None:
    persons = case.persons_of(kept.personal)
    face: Json = {"certificate_no": kept.certificate_no, "registered_on": on.isoformat(), "statement": REGISTERED}
    face |= {"persons": [{"name": person["name"]} for person in persons]}
    desk.wish_certificate(work, kept, issuer, persons, face, on)
