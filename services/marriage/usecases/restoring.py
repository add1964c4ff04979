"""The holder's side of 恢复: a marriage whose end by death was an error comes back once both can be claimed again."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import certificate as certificate_contracts
from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.envelope import Json
from services.marriage.rules import records
from services.marriage.rules.eligibility import Standing, standing_of_claim
from services.marriage.rules.endings import Ground
from services.marriage.rules.records import ONLY_ONE, Reappearance
from services.marriage.store import records as store
from services.marriage.store.records import Held, Restoration
from services.marriage.usecases import case, copying, ending, reporting
from shared import clock
from shared.errors import OutOfStep, Refused, TongbanError
from shared.outbox import Work

BLOCKED = "双方有一方已在别处登记或正在登记,原婚姻未恢复。请两名工作人员核对双方现在的婚姻状况,处理后重新提出恢复"


def withdraw_ending(work: Work) -> None:
    """撤销死亡: both persons are claimed anew first; what the law does not restore is only written down."""
    wish, request = work.personal(said.WithdrawEndingV1), case.id_of(work)
    work.lock(f"ending/{request}")
    if store.find_restoration(work, request):
        raise OutOfStep("stale", "过时的消息")
    try:
        held = ending.find(work, wish)
        record = records.restore(held.record, reappearance(wish, remarried=False))
    except TongbanError as error:
        ending.refuse(work, error)
    else:
        bring_back(work, request, held, wish, record)


def bring_back(work: Work, request: str, held: Held, wish: Json, record: records.Record) -> None:
    """Begin to restore: `record` is what the law makes of the marriage if neither of the two has remarried.

    `wish`: on, document and declined, as of contracts.marriage_parts.Withdrawal.
    """
    kept = Restoration(request, held.marriage_id, case.source(work), clock.new_id(), "asked", _plain(wish))
    store.open_restoration(work, kept)
    if record.standing is held.record.standing:  # declared dead, and the spouse does not want it back
        _keep_ended(work, kept, held, record)
    else:
        _reserve(work, kept, held)


def _plain(wish: Json) -> Json:
    return {name: wish[name] for name in ("on", "document", "declined")}


def reappearance(wish: Json, *, remarried: bool) -> Reappearance:
    """A wish as the law of records sees it."""
    on = datetime.date.fromisoformat(wish["on"])
    return Reappearance(on, ending.document_of(wish), remarried, declined=wish["declined"])


def _reserve(work: Work, kept: Restoration, held: Held) -> None:
    office = {"code": work.node.code, "name": work.node.directory.name_of(work.node.code), "node": work.node.code}
    data = _mine(kept) | {"kind": case.US, "office": office}
    subjects = {"subjects": [_subject(work, person) for person in held.persons]}
    work.tell(claims_contracts.ReserveClaimsV1, kept.request_id, data, subjects)


def _subject(work: Work, person: Mapping[str, Any]) -> Json:
    _, sex, born_on = case.identified(person, work.today)
    plain = {name: person[name] for name in ("id_type", "id_number", "name")}
    return plain | {"born_on": born_on.isoformat(), "sex": sex}


def _mine(kept: Restoration) -> Json:
    return {"attempt": kept.attempt, "asked_by": case.US}


# --- what claims answers --------------------------------------------------------------------------------------------------


def note_held(work: Work, kept: Restoration) -> None:
    """已预留: now the locks."""
    _expect_open(kept)
    work.tell(claims_contracts.ConfirmClaimsV1, kept.request_id, _mine(kept))


def note_locked(work: Work, kept: Restoration) -> None:
    """已锁定: restored, in this very transaction; or given up, where the marriage ended otherwise meanwhile."""
    _expect_open(kept)
    held = _held(work, kept)
    try:
        record = records.restore(held.record, reappearance(kept.wish, remarried=False))
    except TongbanError as error:
        _give_up(work, kept, error)
        return
    held = dataclasses.replace(held, attempt=kept.attempt, claims_case=kept.request_id)
    reporting.save_record(work, held, record, live=True)
    issued = _mine(kept) | {"reference": record.number}
    work.tell(claims_contracts.NoteIssuedV1, kept.request_id, issued)
    ending.tell_certificate(work, held, certificate_contracts.ReinstateCertificateV1)
    _tell_back(work, kept, held, "restored")


def note_lost(work: Work, kept: Restoration, denials: Iterable[Json] = ()) -> None:
    """未能预留: by law the marriage stays ended, or two people must look."""
    _expect_open(kept)
    held = _held(work, kept)
    married = Standing.MARRIED in (standing_of_claim(row["why"], row["issued"]) for row in denials)
    if married and held.record.ground is Ground.DECLARED_DEAD:
        _keep_ended(work, kept, held, records.restore(held.record, reappearance(kept.wish, remarried=True)))
        return
    store.end_restoration(work, kept.request_id, "blocked")
    data = {"marriage": held.marriage_id, "office": held.office, "text": BLOCKED}
    work.tell(said.RestorationBlockedV1, kept.request_id, data)
    _refuse(work, kept, _why(held, kept, remarried=married))


def _why(held: Held, kept: Restoration, *, remarried: bool) -> TongbanError:
    try:
        records.restore(held.record, reappearance(kept.wish, remarried=remarried))
    except TongbanError as error:
        return error
    return Refused("restoration_blocked", BLOCKED, basis=ONLY_ONE)


def _give_up(work: Work, kept: Restoration, error: TongbanError) -> None:
    """Nothing comes back: both are free again, and whoever asked hears why."""
    _release(work, kept)
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
    store.end_restoration(work, kept.request_id, state)
    data = {"marriage": held.marriage_id, "request": kept.request_id}
    sealed = ending.couple_of(held) | {"restored": state == "restored"}
    for node in dict.fromkeys((kept.node, work.node.code)):
        work.tell(said.EndingWithdrawnV1, kept.request_id, data, sealed, to=node)
    if state == "restored":
        copying.copy_status(work, "marriage_restored", kept.request_id, held.persons, work.today)


def _held(work: Work, kept: Restoration) -> Held:
    held = store.find_held(work, kept.marriage_id)
    assert held is not None  # noqa: S101 - records are never deleted
    return held


def _expect_open(kept: Restoration) -> None:
    if kept.state != "asked":
        raise OutOfStep("stale", "过时的消息")
