"""What ends an application: a marriage on record with its number, or a refusal on one of the four grounds."""

import dataclasses
import datetime
from collections.abc import Sequence

from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import numbers, records
from services.marriage.rules import registration as rules
from services.marriage.rules.editions import edition_on
from services.marriage.rules.finding import Finding
from services.marriage.rules.registration import Move, State
from services.marriage.store import marriages
from services.marriage.store.applications import Kept
from services.marriage.store.records import archive_of
from services.marriage.usecases import case, copying, desk, late
from shared import clock, identity
from shared.directory import Office
from shared.errors import Refused
from shared.outbox import Work

REGISTERED = "准予登记,发给结婚证。"
REFUSED = "经审查,不符合结婚登记条件,不予登记。"


def act_of(work: Work, verb: str, asked: Json, opinion: Json) -> Json:
    """A registrar's act, as it is kept with the application."""
    actor = asked["actor"]
    return {
        "verb": verb,
        "actor": actor["id"],
        "office": actor["office"],
        "approve": asked["approve"],
        "reasons": opinion["reasons"],
        "heard": opinion.get("heard", []),
        "at": clock.iso(work.now),
    }


def office_ref(work: Work, office: Office) -> Json:
    """An office of ours as contracts.case.OfficeRef."""
    return {"code": office.code, "name": office.name, "node": work.node.code, "phone": office.phone}


def issuer_code(office: Office) -> str:
    """Whose code stands on the certificate. Refused: nothing is decided without one who can certify it."""
    try:
        return identity.uscc(office.organisation_code)
    except Refused as error:
        words = f"{office.name}未配置有效的统一社会信用代码,不能签发结果,请管理员补全机构表"
        raise Refused("issuer_code_missing", words, basis=error.basis) from error


# --- 不予登记 --------------------------------------------------------------------------------------------------------


def refuse(work: Work, kept: Kept, act: Json) -> None:
    """不予登记, on a ground that the rules find, and on no other; both persons are free again. No certificate says so."""
    grounds = case.opinion_of(kept, work.today).grounds
    _expect_lawful(kept, grounds)
    why = [*act["reasons"]] or [{"code": one.code, "text": one.text, "basis": one.basis} for one in grounds]
    move = rules.end(kept.registration, State.REFUSED)
    after = dataclasses.replace(kept, version=kept.version + 1, wake_at="", waits_for=(), ask_office=None)
    statement = REFUSED + "".join(f"{reason['text']}(依据:{reason['basis']})" for reason in why)
    _decide(work, after, move, {"result": "refused", "reasons": why, "statement": statement})


def _expect_lawful(kept: Kept, grounds: Sequence[Finding]) -> None:
    """Refused `ground_not_lawful` where the rules find no ground, or the registrar names another one."""
    found, named = {one.code for one in grounds}, {reason["code"] for reason in kept.acts[-1]["reasons"]}
    if found and named <= found:
        return
    words = (
        "只有未到法定婚龄、一方不愿意、已有配偶、禁止结婚的亲属关系可以不予登记,且须经系统核实;"
        "正在其他机构办理或尚未答复的,暂不能办结,请等候或由当事人撤回"
    )
    raise Refused("ground_not_lawful", words, basis="民法典 第一千零四十六条至第一千零四十八条", field="reasons")


# --- 登记 ------------------------------------------------------------------------------------------------------------


def register(work: Work, kept: Kept, move: Move) -> None:
    """登记, in this one transaction: the number, the record, the decision, and the wish for the certificate.

    Refused `serial_exhausted`: nothing has happened, the case keeps its locks, and a person is told.
    """
    signed, ended = kept.acts[-1], dataclasses.replace(kept, version=kept.version + 1, waits_for=(), ask_office=None)
    number = _record(work, kept, signed)
    _decide(work, ended, move, {"result": "granted", "reasons": [], "statement": REGISTERED, "certificate_no": number})
    persons = case.persons_of(kept.personal)
    face: Json = {"certificate_no": number, "registered_on": work.today.isoformat(), "statement": REGISTERED}
    face |= {"persons": [{"name": person["name"]} for person in persons]}
    desk.wish_certificate(work, ended, signed["issuer_code"], persons, face, work.today)
    issued = {"attempt": move.after.attempt, "asked_by": case.US, "reference": number}
    work.tell(claims_contracts.NoteIssuedV1, kept.case_id, issued)
    work.tell(said.ReportRecordV1, kept.case_id, {})
    data = {"office": dict(kept.case_facts["accepting_office"]), "registered_on": work.today.isoformat()}
    work.tell(said.MarriageRegisteredV1, kept.case_id, data, dict(kept.personal) | {"certificate_no": number})
    copying.copy_status(work, "marriage_registered", kept.case_id, case.persons_of(kept.personal), work.today)


def _record(work: Work, kept: Kept, signed: Json) -> str:
    """The marriage on record, under its number."""
    division, year = signed["division"], work.today.year
    serial = marriages.next_serial(work, division, year)
    number = numbers.make("J", division, year, serial)
    persons = case.persons_of(kept.personal)
    row = {
        "marriage_id": kept.case_id,
        "certificate_no": number,
        "office": kept.office,
        "division": division,
        "year": year,
        "serial": serial,
        "registered_on": work.today,
        "registrar": signed["actor"],
        "state": "valid",
        "attempt": kept.registration.attempt,
        "claims_case": kept.case_id,
        "parties": persons,
        "archive": archive_of(record_of(kept, number, work.today)),
    }
    marriages.add_marriage(work, row, [case.person_index(work, person) for person in persons])
    return number


def record_of(kept: Kept, number: str, on: datetime.date) -> records.Record:
    """The record of a marriage registered on that day. Refused `date_malformed`, `conditions_met_later`."""
    met_on = late.conditions_met_on(kept)
    return records.registered_late(number, on, {}, met_on) if met_on else records.registered(number, on, {})


# --- both ------------------------------------------------------------------------------------------------------------


def _decide(work: Work, kept: Kept, move: Move, decided: Json) -> None:
    """Keep and tell the decision, and the rules and facts by which it can be repeated."""
    edition, findings = edition_on(work.today).code, case.findings_of(kept, work.today)
    after = case.go_on(work, kept, move, decided | {"edition": edition, "findings": findings})
    desk.tell_decision(work, after, decided, f"marriage/{edition}", findings)
