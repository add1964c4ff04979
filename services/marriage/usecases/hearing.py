"""What claims and other cities answer, led to whoever asked: an application, a divorce, a restoration, a clerk's ending."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from contracts import claims as claims_contracts
from contracts import intake as intake_contracts
from contracts.envelope import Contract, Json
from services.marriage.store import applications, archives, corrections, divorces, records, reissues, requests
from services.marriage.usecases import (
    archiving,
    beginning,
    case,
    cooling,
    correcting,
    dissolving,
    divorce_case,
    divorcing,
    holding,
    recording,
    registering,
    reissuing,
    restoring,
)
from shared.errors import OutOfStep
from shared.outbox import Work


def begin(work: Work) -> None:
    """受理, of a matter of ours."""
    told = work.data(intake_contracts.ApplicationAcceptedV1)
    if told["case"]["matter"] == divorce_case.MATTER:
        divorcing.begin_divorce(work)
    elif told["case"]["matter"] in reissuing.MATTERS:
        reissuing.begin_reissue(work)
    else:
        beginning.begin_application(work)


def drop(work: Work) -> None:
    """撤回 through intake; one that overtook its application is kept for it.

    Locked first: a case that begins meanwhile has either been seen here, or sees what was kept for it.
    """
    work.lock(case.id_of(work))
    kept = divorces.find_divorce(work, case.id_of(work))
    if kept is not None:
        divorcing.drop_divorce(work, kept)
    elif reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.drop_reissue(work, reissue)
    else:
        beginning.drop_application(work)


def register(work: Work) -> None:
    """登记, or 补发 of a certificate."""
    if kept := applications.find_application(work, case.id_of(work)):
        registering.register_marriage(work, kept)
    elif reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.register(work, reissue)
    else:
        raise case.unknown()


def reserve_again(work: Work) -> None:
    """再次预留."""
    kept = divorces.find_divorce(work, case.id_of(work))
    if kept is not None:
        cooling.reserve_again(work, kept)
    else:
        holding.reserve_again(work)


# --- claims --------------------------------------------------------------------------------------------------------------


Hear = Callable[[Work, Any, Json], None]


class Asker(NamedTuple):
    """Whoever asks claims for anything: where it is kept, and what it makes of each answer."""

    find: Callable[[Work, str], Any]
    held: Hear
    locked: Hear
    lost: Hear
    deferred: Hear


def _wait(_work: Work, _kept: Any, _told: Json) -> None:
    """Claims asks again by itself, and nobody is at a counter."""


ASKERS = (
    Asker(
        applications.find_application, holding.note_held, holding.note_locked, holding.note_lost, holding.note_deferred
    ),
    Asker(divorces.find_divorce, cooling.note_held, cooling.note_locked, cooling.note_lost, cooling.note_deferred),
    Asker(records.find_restoration, restoring.note_held, restoring.note_locked, restoring.note_lost, _wait),
    Asker(archives.find_entry, archiving.note_held, archiving.note_locked, archiving.note_lost, _wait),
)
ANSWERS: Mapping[type[Contract], Callable[[Asker], Hear]] = {
    claims_contracts.ClaimsHeldV1: lambda asker: asker.held,
    claims_contracts.ClaimsLockedV1: lambda asker: asker.locked,
    claims_contracts.ClaimsDeniedV1: lambda asker: asker.lost,
    claims_contracts.ClaimsLostV1: lambda asker: asker.lost,
    claims_contracts.ClaimsDeferredV1: lambda asker: asker.deferred,
}


def note_answer(work: Work, contract: type[Contract]) -> None:
    """已预留, 已锁定, 未能预留, 已失效, 暂缓: to whoever asked, if that was one of ours."""
    told = work.data(contract)
    if told["asked_by"] != case.US:
        return
    for asker in ASKERS:
        if kept := asker.find(work, case.id_of(work)):
            ANSWERS[contract](asker)(work, kept, told)
            return
    raise case.unknown()


def note_unasked(work: Work) -> None:
    """Claims cannot even ask."""
    if divorce := divorces.find_divorce(work, case.id_of(work)):
        cooling.note_unasked(work, divorce)
    elif restoration := records.find_restoration(work, case.id_of(work)):
        restoring.note_lost(work, restoration, {"attempt": restoration.attempt, "denials": ()})
    elif entry := archives.find_entry(work, case.id_of(work)):
        archiving.note_lost(work, entry, {"attempt": entry.attempt, "denials": ()})
    elif correction := corrections.find_correction(work, case.id_of(work)):
        correcting.note_linked(work, correction, linked=False)
    else:
        holding.note_refused(work)


def note_linked(work: Work) -> None:
    """占用情况, where a correction asked whether a new number is linked to the one in the record; else a clerk did."""
    if correction := corrections.find_correction(work, case.id_of(work)):
        linked = work.personal(claims_contracts.ClaimsFoundV1)["linked"]
        correcting.note_linked(work, correction, linked=linked)


# --- holders ---------------------------------------------------------------------------------------------------------------


def note_found(work: Work) -> None:
    """查核结果."""
    if divorce := divorces.find_divorce(work, case.id_of(work)):
        divorcing.note_found(work, divorce)
    elif reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.note_found(work, reissue)
    else:
        raise OutOfStep("stale", "过时的消息")


def note_superseded(work: Work) -> None:
    """已被新证取代."""
    if reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.note_superseded(work, reissue)
    else:
        raise OutOfStep("stale", "过时的消息")


def note_ended(work: Work) -> None:
    """婚姻已终止; what this node holds itself it knows already."""
    if divorce := divorces.find_divorce(work, case.id_of(work)):
        dissolving.note_ended(work, divorce)
    elif request := requests.find_request(work, case.id_of(work)):
        recording.note_ended(work, request)
    elif reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.note_ended(work, reissue)


def note_refused(work: Work) -> None:
    """未能终止或恢复."""
    if divorce := divorces.find_divorce(work, case.id_of(work)):
        dissolving.note_refused(work, divorce)
    elif request := requests.find_request(work, case.id_of(work)):
        recording.note_refused(work, request)


def note_back(work: Work) -> None:
    """婚姻已恢复."""
    if request := requests.find_request(work, case.id_of(work)):
        recording.note_back(work, request)
    elif reissue := reissues.find_reissue(work, case.id_of(work)):
        reissuing.note_back(work, reissue)
