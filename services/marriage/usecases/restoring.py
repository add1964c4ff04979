"""The holder's side of 恢复: a marriage whose end by death was an error comes back once both can be claimed again."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.ports import MaritalStatus
from services.marriage.rules import records
from services.marriage.rules.eligibility import Standing, standing_of_claim
from services.marriage.rules.endings import LAWS, Ground
from services.marriage.rules.records import ONLY_ONE, Reappearance
from services.marriage.store import deaths, marriages
from services.marriage.store import records as store
from services.marriage.store.records import Held, Restoration
from services.marriage.usecases import archive_lines, case, copying, ending, reporting
from shared import clock
from shared.errors import OutOfStep, Refused, TongbanError
from shared.outbox import Work

DEAD = (
    "死亡登记中双方或一方仍登记为死亡,现在不能恢复婚姻。登记有误的,请当事人先向公安机关申请撤销该死亡登记;"
    "撤销后,因该登记终止的婚姻自动恢复,其他的请重新提出恢复"
)
FIRST_CORRECT = "档案中有一方的证件号码不准确,不能据此恢复婚姻。请先核实并更正婚姻登记档案,再提出恢复"
BLOCKED = "双方有一方已在别处登记或正在登记,原婚姻未恢复。请两名工作人员核对双方现在的婚姻状况,处理后重新提出恢复"


def withdraw_ending(work: Work) -> None:
    """撤销死亡: both persons are claimed anew first; what the law does not restore is only written down."""
    wish, request = work.personal(said.WithdrawEndingV1), case.id_of(work)
    work.lock(f"ending/{request}")
    if store.find_restoration(work, request):
        raise OutOfStep("stale", "过时的消息")
    try:
        held = ending.find(work, wish)
        bring_back(work, request, held, wish, _restored(work, held, wish))
    except TongbanError as error:
        ending.refuse(work, error, wish)


def _restored(work: Work, held: Held, wish: Json) -> records.Record:
    """What the law makes of the marriage if neither of the two has remarried. Refused `death_stands`, as records.restore."""
    if deaths.is_anybody_dead(work, held.marriage_id):
        raise Refused("death_stands", DEAD, basis=LAWS[Ground.DEATH].basis)
    return records.restore(held.record, reappearance(wish, remarried=False))


def bring_back(work: Work, request: str, held: Held, wish: Json, record: records.Record) -> None:
    """Begin to restore: `record` is what the law makes of the marriage if neither of the two has remarried.

    `wish`: on, document and declined, as of contracts.marriage_parts.Withdrawal. Refused where a number in the record is
    none: nothing has been written.
    """
    unwanted = record.standing is held.record.standing  # declared dead, and the spouse does not want it back
    subjects = [] if unwanted else [_subject(work, person) for person in held.persons]
    kept = Restoration(request, held.marriage_id, case.source(work), clock.new_id(), "asked", _plain(wish))
    store.open_restoration(work, kept)
    if unwanted:
        _keep_ended(work, kept, held, record)
    else:
        _reserve(work, kept, subjects)


def _plain(wish: Json) -> Json:
    return {name: wish[name] for name in ("on", "document", "declined")}


def reappearance(wish: Json, *, remarried: bool) -> Reappearance:
    """A wish as the law of records sees it."""
    on = datetime.date.fromisoformat(wish["on"])
    return Reappearance(on, ending.document_of(wish), remarried, declined=wish["declined"])


def _reserve(work: Work, kept: Restoration, subjects: list[Json]) -> None:
    office = {"code": work.node.code, "name": work.node.directory.name_of(work.node.code), "node": work.node.code}
    data = _mine(kept) | {"kind": case.US, "office": office}
    work.tell(claims_contracts.ReserveClaimsV1, kept.request_id, data, {"subjects": subjects})


def _subject(work: Work, person: Mapping[str, Any]) -> Json:
    """As contracts.claims.Subject; of foreign documents old books name neither sex nor birth. Refused `number_uncertain`."""
    if not archive_lines.is_certain(dict(person), work.today):
        raise Refused("number_uncertain", FIRST_CORRECT, basis=records.ARCHIVES)
    plain = {name: person[name] for name in ("id_type", "id_number", "name")}
    if person["id_type"] != "citizen" and not person.get("born_on"):
        return plain
    _, sex, born_on = case.identified(person, work.today)
    return plain | {"born_on": born_on.isoformat(), "sex": sex}


def _mine(kept: Restoration) -> Json:
    return {"attempt": kept.attempt, "asked_by": case.US}


# --- what claims answers --------------------------------------------------------------------------------------------------


def note_held(work: Work, kept: Restoration, told: Json) -> None:
    """已预留: the national registry is asked before the locks."""
    _expect_open(kept, told["attempt"])
    work.tell(said.RestoreMarriageV1, kept.request_id, {"attempt": told["attempt"]})


def begin_look(work: Work, request: str, attempt: str) -> list[Json]:
    """Whom to ask the national registry about, on record; nobody where that attempt is over."""
    kept = store.find_restoration(work, request)
    if kept is None or (kept.state, kept.attempt) != ("asked", attempt):
        return []
    persons = [dict(person) for person in _held(work, kept).persons]
    ending.record_look(work, request, "", "ask_registries", persons)
    return persons


def restore_marriage(work: Work) -> None:
    """恢复: now the locks, unless somebody has remarried; where the registry gave no answer it is asked again later."""
    kept = store.find_restoration(work, case.id_of(work))
    if kept is None:
        raise OutOfStep("stale", "过时的消息")
    _expect_open(kept, work.data(said.RestoreMarriageV1)["attempt"])
    held, answers = _held(work, kept), work.answer
    if _is_remarried(work, held, [one for one in answers if one]):
        _release(work, kept)
        _stay_ended(work, kept, held, remarried=True)
    elif len(answers) == len(case.ROLES) and all(answers):
        work.tell(claims_contracts.ConfirmClaimsV1, kept.request_id, _mine(kept))
    else:
        _release(work, kept)
        _wait(work, kept)


def _is_remarried(work: Work, held: Held, answers: Iterable[MaritalStatus]) -> bool:
    """Whether one of the two has married since; a declaration of death stays in force also where that marriage ended."""
    others = [
        other
        for person in held.persons
        for other in store.list_of_person(work, case.person_index(work, person))
        if other.marriage_id != held.marriage_id
    ]
    if any(records.stands_against(held.record, other.record) for other in others):
        return True
    foreign = [one for one in answers if one.number not in (held.record.number, *held.record.certificates)]
    return any(one.married or records.came_after(held.record, one.since) for one in foreign)


def note_locked(work: Work, kept: Restoration, told: Json) -> None:
    """已锁定: restored, in this very transaction; or given up, where the marriage ended otherwise meanwhile."""
    _expect_open(kept, told["attempt"])
    held = _held(work, kept)
    try:
        record = _restored(work, held, kept.wish)
    except TongbanError as error:
        _release(work, kept)
        _give_up(work, kept, error)
        return
    held = dataclasses.replace(held, attempt=kept.attempt, claims_case=kept.request_id)
    reporting.save_record(work, held, record, live=True)
    deaths.forget(work, held.marriage_id)
    issued = _mine(kept) | {"reference": record.number}
    work.tell(claims_contracts.NoteIssuedV1, kept.request_id, issued)
    ending.tell_certificate(work, held, certificate_contracts.ReinstateCertificateV1)
    _tell_back(work, kept, held, "restored")


def note_lost(work: Work, kept: Restoration, told: Json) -> None:
    """未能预留: tried again while nothing but our own old claims or a lapsed lease is in the way; else it stays ended by law,
    or two people must look.
    """
    _expect_open(kept, told["attempt"])
    held, denials = _held(work, kept), told["denials"]
    if denials and all(_passes(work, held, row) for row in denials):
        _wait(work, kept)
        return
    married = Standing.MARRIED in (standing_of_claim(row["why"], row["issued"]) for row in denials)
    _stay_ended(work, kept, held, remarried=married)


def _passes(work: Work, held: Held, denial: Json) -> bool:
    """Whether it is only a lease that ran out, or the claim of this very marriage, whose release is still on its way."""
    if denial["why"] == claims_contracts.ENDED:
        return True
    ours = bool(denial["by"]) and denial["by"]["node"] == work.node.code
    return ours and not marriages.list_married(work, [case.person_index(work, one) for one in held.persons])


def _wait(work: Work, kept: Restoration) -> None:
    """Nothing is claimed; the timer tries again."""
    store.save_restoration(work, dataclasses.replace(kept, state="waiting"))


def reserve_again(work: Work, request: str) -> None:
    """Try again, under a new attempt; or give up, where the marriage ended otherwise meanwhile. OutOfStep when it went on."""
    kept = store.find_restoration(work, request)
    if kept is None or kept.state != "waiting":
        raise OutOfStep("stale", "过时的消息")
    held = _held(work, kept)
    try:
        _restored(work, held, kept.wish)
        subjects = [_subject(work, person) for person in held.persons]
    except TongbanError as error:
        _give_up(work, kept, error)
        return
    now = dataclasses.replace(kept, state="asked", attempt=clock.new_id())
    store.save_restoration(work, now)
    _reserve(work, now, subjects)


def _stay_ended(work: Work, kept: Restoration, held: Held, *, remarried: bool) -> None:
    """By law the marriage stays ended, or two people must look."""
    if remarried and held.record.ground is Ground.DECLARED_DEAD:
        _keep_ended(work, kept, held, records.restore(held.record, reappearance(kept.wish, remarried=True)))
        return
    store.end_restoration(work, kept.request_id, "blocked")
    data = {"marriage": held.marriage_id, "office": held.office, "text": BLOCKED}
    work.tell(said.RestorationBlockedV1, kept.request_id, data)
    _refuse(work, kept, _why(held, kept, remarried=remarried))


def _why(held: Held, kept: Restoration, *, remarried: bool) -> TongbanError:
    try:
        records.restore(held.record, reappearance(kept.wish, remarried=remarried))
    except TongbanError as error:
        return error
    return Refused("restoration_blocked", BLOCKED, basis=ONLY_ONE)


def _give_up(work: Work, kept: Restoration, error: TongbanError) -> None:
    """Nothing comes back, and whoever asked hears why."""
    store.end_restoration(work, kept.request_id, "refused")
    _refuse(work, kept, error)


def _release(work: Work, kept: Restoration) -> None:
    work.tell(claims_contracts.ReleaseClaimsV1, kept.request_id, _mine(kept) | {"why": "not_restored"})


def _refuse(work: Work, kept: Restoration, error: TongbanError) -> None:
    why = {"code": error.code, "message": error.message, "basis": error.basis, "ended_on": ""}
    work.tell(said.EndingRefusedV1, kept.request_id, {}, why, to=kept.node)


def _keep_ended(work: Work, kept: Restoration, held: Held, record: records.Record) -> None:
    reporting.save_record(work, held, record, live=False)
    _tell_back(work, kept, held, "kept")


def _tell_back(work: Work, kept: Restoration, held: Held, state: str) -> None:
    """Tell whoever asked, and this city; of a marriage that is back also everybody who heard of its end."""
    store.end_restoration(work, kept.request_id, state)
    data = {"marriage": held.marriage_id, "request": kept.request_id}
    sealed = ending.couple_of(held) | {"restored": state == "restored"}
    everybody = {(kept.request_id, node): None for node in (kept.node, work.node.code)}
    if state == "restored":
        everybody |= dict.fromkeys(store.list_watchers(work, held.marriage_id))
    for subject, node in everybody:
        work.tell(said.EndingWithdrawnV1, subject, data, sealed, to=node)
    if state == "restored":
        copying.copy_status(work, "marriage_restored", kept.request_id, held.persons, work.today)


def _held(work: Work, kept: Restoration) -> Held:
    held = store.find_held(work, kept.marriage_id)
    assert held is not None  # noqa: S101 - records are never deleted
    return held


def _expect_open(kept: Restoration, attempt: str) -> None:
    if (kept.state, kept.attempt) != ("asked", attempt):
        raise OutOfStep("stale", "过时的消息")
