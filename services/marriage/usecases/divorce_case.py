"""What all verbs of a divorce share: whose turn it is, what was shown, telling, deciding, ending without a decision."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.claims import MARRIAGE_NO
from contracts.envelope import Json
from services.marriage.rules import divorce as rules
from services.marriage.rules.divorce import OPEN, Divorce, State
from services.marriage.rules.finding import Finding
from services.marriage.rules.papers import Agreement, CertificateShown, Papers, Side
from services.marriage.rules.registration import Hold
from services.marriage.store import divorces as store
from services.marriage.store.divorces import Kept
from services.marriage.usecases import case, desk
from shared import clock, identity
from shared.directory import Office
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Work

MATTER = "divorce-registration"
KIND = "divorce"  # of the claim: one divorce of a marriage at a time, in the whole country
RULES = "marriage/divorce-2021"  # the Civil Code; cooling-off has not changed since


def get(work: Work) -> Kept:
    """The divorce of the causing message's case. NotFound."""
    kept = store.find_divorce(work, case.id_of(work))
    if kept is None:
        raise NotFound("case_unknown", "没有这个办件,请核对办件编号")
    return kept


def day_of_act(work: Work, at: str = "") -> datetime.date:
    """The legal day on which somebody acted; word of it may reach us after midnight.

    `at`: when, where a fact says it of the command that caused it.
    """
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return clock.legal_date(clock.instant(at or work.cause.time))


def expect_turn(work: Work, kept: Kept, asked: Json, verb: str) -> Office:
    """The actor's office, which may do that. Denied, NotFound or OutOfStep."""
    expect_open(kept)
    desk.expect_newest(kept, asked)
    words = "离婚登记的撤回和发证,应当到受理申请的婚姻登记机关办理,请按受理回执单上的机构前往"
    elsewhere = Denied("not_the_accepting_office", words, basis=rules.SAME_OFFICE, field="actor")
    return desk.expect_office(work, kept, asked, verb, elsewhere)


def expect_open(kept: Kept) -> None:
    """OutOfStep when the case is over, or waits for nothing but the holder."""
    if kept.divorce.state not in OPEN:
        raise OutOfStep("divorce_ended", rules.OVER[kept.divorce.state])
    if kept.ending:
        raise OutOfStep("holder_asked", "双方已签字,正在等待婚姻登记地确认,确认后系统自动发证,不用再办")


def sides_of(work: Work, kept: Kept) -> tuple[Side, Side]:
    """Who of the two, in the order of the application, is the man. Refused `document_not_ours`, `party_missing`."""
    one, other = (sex(work, person) for person in case.persons_of(kept.personal))
    if one == other:
        raise Refused("same_sex", "双方证件显示的性别相同,请核对双方证件号码", field="parties")
    return ("man", "woman") if one == "male" else ("woman", "man")


def sex(work: Work, person: Json) -> str:
    """Of a person by their number. Refused `document_not_ours`."""
    if person["id_type"] != "citizen":
        words = "此类证件本系统暂不能办理离婚登记,请到省级民政部门或者其确定的机关办理"
        raise Refused("document_not_ours", words, basis=rules.SAME_OFFICE, field="parties")
    return identity.citizen_number(person["id_number"], work.today).sex


def papers_of(work: Work, kept: Kept, shown: Json) -> Papers:
    """What the clerk found, as the rules see it. Refused `person_not_heard`."""
    by_side = dict(zip(sides_of(work, kept), sorted(shown["heard"], key=lambda row: row["number"]), strict=True))
    if {row["number"] for row in shown["heard"]} != {0, 1}:
        raise Refused("person_not_heard", "请分别记录双方各自的询问情况", basis=rules.COOLING_OFF, field="heard")
    return Papers(
        present=frozenset(side for side, row in by_side.items() if row["present"]),
        willing={side: row["willing"] for side, row in by_side.items() if row["willing"] is not None},
        capable=frozenset(side for side, row in by_side.items() if row["capable"]),
        agreement=Agreement(**shown["agreement"]),
        certificate=CertificateShown(shown["certificate"]),
        registered_in_mainland=shown["registered_in_mainland"],
    )


def with_act(work: Work, kept: Kept, verb: str, asked: Json, shown: Json, **also: str) -> Kept:
    """The case with a clerk's act; `shown` is kept with it."""
    actor = asked["actor"]
    act = {"verb": verb, "actor": actor["id"], "office": actor["office"], "at": clock.iso(work.now), "shown": shown}
    act |= {"on": day_of_act(work).isoformat(), "approve": asked.get("approve", True)}
    return dataclasses.replace(kept, acts=(*kept.acts, act | also))


# --- telling ---------------------------------------------------------------------------------------------------------


def open_task(work: Work, kept: Kept) -> None:
    """Keep the case, and say what is to be done next and what stands in the way."""
    store.save_divorce(work, kept)
    data = desk.word(kept) | {
        "case": dict(kept.case_facts),
        "division": kept.division,
        "task": desk.task(work, kept, _next_verb(kept)),
        "missing_facts": missing(kept),
        "ask_office": None if kept.ask_office is None else dict(kept.ask_office),
    }
    work.tell(said.TaskOpenedV1, kept.case_id, data, {"findings": _findings(kept)})


def _next_verb(kept: Kept) -> str:
    return "examine" if kept.divorce.state in (State.APPLIED, State.ACCEPTED) else "register"


def missing(kept: Kept) -> list[str]:
    """What an open case waits for, of contracts.marriage_waits.WAITS."""
    if kept.ending:
        return ["holder"]
    if kept.known.found is None and kept.known.fault is None:
        return ["marriage_record"]
    if waits(kept):
        return ["marriage_on_record"]
    wanted = list(kept.waits_for)
    if kept.hold is Hold.ASKED and not wanted:
        wanted.append("claims_asked")
    return [*wanted, "to_register"] if kept.hold is Hold.CONFIRMING else wanted


def waits(kept: Kept) -> list[Json]:
    """Why the marriage cannot be looked up, or was not ended, as contracts.case.Reason: nothing that refuses anybody."""
    known, found = kept.known, kept.known.found
    told = [dict(reason) for reason in (known.fault, known.refusal) if reason]
    if found is not None and not found["found"]:
        words = (
            "婚姻登记地没有双方与此证字号一致的婚姻登记。请对照结婚证核对证字号和双方证件号码,有误的撤回后重新提交;"
            "无误的请与登记地联系补录或更正档案,之后点“再次预留”重新核对。"
        )
        told.append({"code": "marriage_unknown", "text": words, "basis": rules.SAME_OFFICE})
    return told


def against(kept: Kept) -> tuple[Finding, ...]:
    """The ground that the holder's answer gives: a marriage that is none any more needs no divorce."""
    found = kept.known.found
    if found is None or not found["found"] or found["standing"] == "valid":
        return ()
    words = f"{found['words']},不需要再办理离婚登记。"
    return (Finding("marriage_not_valid", words, rules.SAME_OFFICE, eligible=False),)


def is_obstructed(kept: Kept) -> bool:
    """Whether something stands against the case beyond its papers."""
    return bool(waits(kept) or against(kept))


def expect_found(kept: Kept) -> None:
    """Refused with what is to be done while the marriage is not found: 暂不能办结."""
    for one in waits(kept):
        code = one["code"]
        raise Refused(code, f"暂不能办结:{one['text']}", basis=one["basis"])


def _findings(kept: Kept) -> list[Json]:
    grounds = [dataclasses.asdict(one) for one in against(kept)]
    told = [(one, None) for one in waits(kept)] + [(one, False) for one in grounds]
    plain = ("code", "text", "basis")
    return [
        {"ground": one["code"], "eligible": eligible, "reasons": [{name: one[name] for name in plain}]}
        for one, eligible in told
    ]


# --- the claim on the marriage ---------------------------------------------------------------------------------------


def reserve(work: Work, kept: Kept) -> Kept:
    """预留 the one divorce of this marriage, under a new attempt."""
    assert kept.known.found is not None  # noqa: S101 - only a marriage that was found is reserved
    now = dataclasses.replace(kept, hold=Hold.ASKED, attempt=clock.new_id(), waits_for=(), ask_office=None)
    subject = {"id_type": MARRIAGE_NO, "id_number": _claimed(kept.known.found)}
    data = mine(now) | {"kind": KIND, "office": dict(kept.case_facts["accepting_office"])}
    work.tell(claims_contracts.ReserveClaimsV1, kept.case_id, data, {"subjects": [subject]})
    return now


def _claimed(found: Mapping[str, Any]) -> str:
    """What names one marriage in the country: the number says who guards it, the id which of the same number it is."""
    return f"{found['certificate_no']}#{found['marriage']}"


def mine(kept: Kept) -> Json:
    """The attempt, as claims knows it."""
    return {"attempt": kept.attempt, "asked_by": case.US}


def released(work: Work, kept: Kept) -> Kept:
    """The case without its claim."""
    if kept.hold is not Hold.NONE:
        work.tell(claims_contracts.ReleaseClaimsV1, kept.case_id, mine(kept) | {"why": str(kept.divorce.state)})
    return dataclasses.replace(kept, hold=Hold.NONE)


# --- how it ends -----------------------------------------------------------------------------------------------------


def decide(work: Work, kept: Kept, after: Divorce, decided: Json) -> None:
    """The decision, kept and told; the marriage may be divorced elsewhere, or is no more."""
    now = dataclasses.replace(kept, divorce=after, version=kept.version + 1, ending=False, waits_for=())
    now = released(work, now)
    store.save_divorce(work, now, decided)
    desk.tell_decision(work, now, decided, RULES)


def drop(work: Work, kept: Kept, after: Divorce, note: str) -> None:
    """终止 without a decision: withdrawn, deemed withdrawn, or the marriage ended otherwise."""
    now = dataclasses.replace(kept, divorce=after, version=kept.version + 1, ending=False, waits_for=())
    now = released(work, now)
    store.save_divorce(work, now)
    data = desk.word(now) | {"at": clock.iso(work.now), "note": note}
    work.tell(said.ApplicationDroppedV1, kept.case_id, data)
