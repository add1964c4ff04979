"""登记: the registrar signs; the national registry is asked about both; the locks follow when it says "none"."""

import dataclasses
from collections.abc import Sequence

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import registration as rules
from services.marriage.rules.eligibility import SPOUSE, Standing
from services.marriage.rules.registration import Hold, State
from services.marriage.store import applications as store
from services.marriage.store.applications import Kept
from services.marriage.usecases import case, deciding, late
from shared import audit
from shared.directory import Office
from shared.errors import OutOfStep, Refused, TongbanError
from shared.outbox import Work

ANSWERS = Sequence[Standing | None]  # of the national registry, per person; None: no answer
REGISTRY = "national_registry"


def begin_look(work: Work, case_id: str, asked: Json) -> list[Json]:
    """Whom to ask about for a registrar who signs, on record; nobody where the signature cannot stand."""
    kept = store.find_application(work, case_id)
    if kept is None or not asked["approve"] or kept.registration.state is not State.EXAMINED:
        return []
    try:
        case.expect_turn(work, kept, asked, "register")
        _expect_reserved(kept)
    except TongbanError:
        return []
    return _noted_look(work, kept, asked["actor"]["id"], "marriage_registration")


def begin_look_again(work: Work, case_id: str) -> tuple[str, list[Json]]:
    """The attempt for which, and whom, to ask about once more, on record."""
    kept = store.find_application(work, case_id)
    if kept is None or not _awaits_registry(kept):
        return "", []
    return kept.registration.attempt, _noted_look(work, kept, "system", "marriage_registration_again")


def _awaits_registry(kept: Kept) -> bool:
    now = kept.registration
    return now.state is State.REGISTERING and not now.cleared and now.hold is not Hold.NONE


def _noted_look(work: Work, kept: Kept, actor: str, purpose: str) -> list[Json]:
    persons = case.persons_of(kept.personal)
    for person in persons:
        audit.record(
            work,
            actor=actor,
            office=kept.office,
            purpose=purpose,
            act="ask_registries",
            subject=kept.case_id,
            person_index=case.person_index(work, person),
            fields=("national-marriage",),
        )
    return persons


def register_marriage(work: Work, kept: Kept) -> None:
    """登记: sign, or refuse on one of the four grounds; both may be heard again before it, and their will counts."""
    asked = work.data(said.RegisterMarriageV1)
    office, opinion = case.expect_turn(work, kept, asked, "register"), work.personal(said.RegisterMarriageV1)
    if opinion["heard"]:
        case.expect_both(opinion["heard"])
        kept = case.with_heard(kept, opinion["heard"])
    act = deciding.act_of(work, "register", asked, opinion)
    if not asked["approve"]:
        deciding.refuse(work, dataclasses.replace(kept, acts=(*kept.acts, act)), act)
        return
    _expect_reserved(kept)
    now = _heard_of(kept, work.answer)
    if _is_married(work.answer):
        case.go_on(work, now, rules.note_spouse(kept.registration))
    else:
        now = _sign(work, now, act, office)
    case.open_task(work, now)


def _expect_reserved(kept: Kept) -> None:
    """Refused while the persons are neither reserved nor about to be: 暂不能办结."""
    if kept.registration.state is State.EXAMINED and kept.registration.hold is Hold.NONE:
        words = "暂不能办结:双方登记资格没有预留成功(见所缺事项和应询问的机构),请处理后点“再次预留”,成功后再登记"
        raise Refused("persons_not_reserved", words, basis=SPOUSE)


def _sign(work: Work, kept: Kept, act: Json, office: Office) -> Kept:
    for ground in case.opinion_of(kept, work.today, case.BEFORE_SIGNING).grounds:
        raise Refused(ground.code, ground.text, basis=ground.basis)
    late.expect_met(work, kept)  # a marriage may have been found ended since the application
    signature = act | {"issuer_code": deciding.issuer_code(office), "division": office.division[:6]}
    signed = rules.register(kept.registration)
    move = rules.clear(signed.after, signed.after.attempt) if _is_free(work.answer) else signed
    return case.go_on(work, dataclasses.replace(kept, acts=(*kept.acts, signature)), move)


def _heard_of(kept: Kept, answers: ANSWERS) -> Kept:
    """With what the registry says by now; no answer is no news."""
    told = {place: answer for place, answer in enumerate(answers) if answer is not None}
    return dataclasses.replace(kept, known=kept.known.with_standings(REGISTRY, told))


def _is_married(answers: ANSWERS) -> bool:
    return Standing.MARRIED in answers


def _is_free(answers: ANSWERS) -> bool:
    return len(answers) == len(case.ROLES) and all(answer is Standing.FREE for answer in answers)


def note_answers(work: Work, case_id: str, attempt: str, answers: ANSWERS) -> None:
    """The registry was away and has answered, while nobody's transaction was open. OutOfStep when it came too late."""
    kept = store.find_application(work, case_id)
    if kept is None or not _awaits_registry(kept) or kept.registration.attempt != attempt:
        raise OutOfStep("stale", "过时的消息")
    now = _heard_of(kept, answers)
    if _is_married(answers):
        now = case.go_on(work, now, rules.note_spouse(now.registration))
    elif _is_free(answers):
        now = case.go_on(work, now, rules.clear(now.registration, attempt))
    else:
        return
    case.open_task(work, now)
