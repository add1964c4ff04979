"""双方的预留: what claims answers, and how an application comes to hold both persons again."""

import dataclasses
import datetime
import secrets
from collections.abc import Iterable

from contracts import claims as claims_contracts
from contracts import marriage as said
from contracts.claims import HELD_ELSEWHERE, LOCKED_ELSEWHERE
from contracts.envelope import Json
from services.marriage.rules import registration as rules
from services.marriage.rules.eligibility import Standing, standing_of_claim
from services.marriage.rules.registration import OPEN, Hold, Move, State
from services.marriage.store import applications as store
from services.marriage.store.applications import Kept, Known
from services.marriage.usecases import case, deciding, desk
from shared import clock
from shared.errors import OutOfStep
from shared.outbox import Work

SOONEST_SECONDS, LATEST_SECONDS = 30, 120  # before persons who are held elsewhere are reserved again
RENEW_BEFORE = datetime.timedelta(minutes=15)
SOURCE = "claims"


def note_held(work: Work, kept: Kept, told: Json) -> None:
    """已预留, or renewed; a signed and cleared application asks for the locks at once."""
    move = rules.note_held(kept.registration, told["attempt"])
    now = dataclasses.replace(kept, held_until=told["until"], known=_free(kept.known))
    now = dataclasses.replace(now, waits_for=(), ask_office=None, wake_at="")
    now = case.go_on(work, now, move)
    if kept.registration.hold is Hold.ASKED:
        case.open_task(work, now)


def _free(known: Known) -> Known:
    return dataclasses.replace(known.with_standings(SOURCE, dict.fromkeys((0, 1), Standing.FREE)), fault=None)


def note_lost(work: Work, kept: Kept, told: Json) -> None:
    """未能预留 (somebody else has one of the two), 已失效: what was signed is reserved again at once.

    A person may have given the reservation up: who has not signed here is not reserved again unasked.
    """
    move = rules.note_lost(kept.registration, told["attempt"])
    now = _denied(work, dataclasses.replace(kept, registration=move.after), told["denials"])
    if Standing.MARRIED in (standing.get(SOURCE) for standing in now.known.standings):
        move = rules.note_spouse(move.after)
    elif kept.registration.hold is not Hold.ASKED:
        now, move = _after_loss(work, now, move)
    else:
        now = _tried_later(work, now)
    after = case.go_on(work, now, move)
    if _shown(work, kept) != _shown(work, after):
        case.open_task(work, after)


def _denied(work: Work, kept: Kept, denials: Iterable[Json]) -> Kept:
    """With what the denials say of the persons, and which office to ask."""
    by_place = {row["number"]: standing_of_claim(row["why"], row["issued"]) for row in denials}
    known = kept.known.without(SOURCE).with_standings(
        SOURCE, {n: said_of for n, said_of in by_place.items() if said_of}
    )
    why = {row["why"] for row in denials}
    waits = tuple(name for name in (LOCKED_ELSEWHERE, HELD_ELSEWHERE) if name in why)[:1] or ("claims_lost",)
    ask = next((row["by"] for row in denials if row["by"]), None)
    return dataclasses.replace(kept, known=known, waits_for=waits, ask_office=ask, held_until="", wake_at="")


def _after_loss(work: Work, kept: Kept, lost: Move) -> tuple[Kept, Move]:
    if kept.registration.state is not State.REGISTERING:
        return kept, lost
    now = dataclasses.replace(kept, retry_until=case.lease_end(work), renewed=False)
    return now, rules.reserve_again(lost.after, clock.new_id())


def _shown(work: Work, kept: Kept) -> tuple[object, ...]:
    return desk.task(work, kept, case.next_verb(kept)), case.missing(kept), kept.ask_office, kept.known.standings


def _tried_later(work: Work, kept: Kept) -> Kept:
    """To be reserved again by a timer; for who has signed the time for it begins anew when it is over."""
    at = _soon(work, kept)
    if not at and kept.registration.state is State.REGISTERING:
        kept = dataclasses.replace(kept, retry_until=case.lease_end(work))
        at = _soon(work, kept)
    return dataclasses.replace(kept, wake_at=at)


def _soon(work: Work, kept: Kept) -> str:
    """When to try again: the later, the longer it took so far; a last time when the lease time of the matter ends.

    Up to twice as late by chance, so that two couples who stand in each other's way do not keep step.
    """
    last = clock.instant(kept.retry_until) if kept.retry_until else work.now
    if last <= work.now + datetime.timedelta(seconds=SOONEST_SECONDS):
        return ""
    waited = int((clock.instant(case.lease_end(work)) - last).total_seconds())
    pause = min(max(SOONEST_SECONDS, waited // 4), LATEST_SECONDS)
    at = work.now + datetime.timedelta(seconds=pause + secrets.randbelow(pause))
    return clock.iso(min(at, last))


def note_deferred(work: Work, kept: Kept, told: Json) -> None:
    """暂缓: claims asks again by itself; whoever waits is told why. OutOfStep for an attempt that is not ours any more."""
    if not _awaits_claims(kept) or kept.registration.attempt != told["attempt"]:
        raise OutOfStep("stale", "过时的消息")
    if "authority_away" not in kept.waits_for:
        _tell_wait(work, dataclasses.replace(kept, waits_for=("authority_away",), ask_office=None))


def _awaits_claims(kept: Kept) -> bool:
    return kept.registration.state in OPEN and kept.registration.hold in (Hold.ASKED, Hold.CONFIRMING)


def _tell_wait(work: Work, kept: Kept) -> None:
    now = dataclasses.replace(kept, wake_at="")
    store.save_application(work, now)
    case.open_task(work, now)


def note_refused(work: Work) -> None:
    """Claims cannot even ask: nobody guards such numbers, say. It is tried again; whoever waits is told why."""
    told, kept = work.data(claims_contracts.ActRefusedV1), store.find_application(work, case.id_of(work))
    if kept is None or kept.registration.hold is not Hold.ASKED:
        return
    fault = {"code": told["code"], "text": told["message"], "basis": told["basis"], "passing": "yes"}
    move = rules.note_lost(kept.registration, kept.registration.attempt)
    now = dataclasses.replace(kept, known=dataclasses.replace(kept.known, fault=fault), waits_for=("authority_away",))
    after = case.go_on(work, _tried_later(work, now), move)
    if kept.known != after.known:
        case.open_task(work, after)


def note_locked(work: Work, kept: Kept, told: Json) -> None:
    """已锁定: registered in this very transaction."""
    deciding.register(work, kept, rules.note_locked(kept.registration, told["attempt"]))


def reserve_again(work: Work) -> None:
    """再次预留, by a registrar who knows that what stood in the way may be gone."""
    asked, kept = work.data(said.ReserveAgainV1), case.get(work)
    case.expect_turn(work, kept, asked)
    case.opinion_of(kept, work.today)  # whom the rules cannot even name is not reserved
    now = dataclasses.replace(kept, retry_until=case.lease_end(work), waits_for=(), ask_office=None)
    case.open_task(work, _reserve(work, now))


def _reserve(work: Work, kept: Kept) -> Kept:
    move = rules.reserve_again(kept.registration, clock.new_id())
    return case.go_on(work, dataclasses.replace(case.looked_up(work, kept), renewed=False, wake_at=""), move)


def wake(work: Work, case_id: str) -> None:
    """到时: open a task that claims have not answered yet, or try again to reserve both. OutOfStep: it went on meanwhile."""
    kept = store.find_application(work, case_id)
    if kept is None or not kept.wake_at or kept.registration.state not in OPEN:
        raise OutOfStep("stale", "过时的消息")
    if kept.registration.hold is Hold.NONE:
        _reserve(work, kept)
    else:
        _tell_wait(work, kept)


def renew(work: Work, case_id: str) -> None:
    """续期, once: the lease of an open application is about to end. OutOfStep: it went on meanwhile."""
    kept = store.find_application(work, case_id)
    if kept is None or kept.registration.hold is not Hold.HELD or kept.renewed:
        raise OutOfStep("stale", "过时的消息")
    store.save_application(work, dataclasses.replace(kept, renewed=True))
    mine = {"attempt": kept.registration.attempt, "asked_by": case.US}
    work.tell(claims_contracts.RenewClaimsV1, case_id, mine)
