"""恢复: what a holder restates to an authority that was restored, and what that makes of the restored ledger.

A claim that is being confirmed may have been locked before the loss, and the word of it may still be on its way. So
nothing half done is restated: the holder gives it up, and only what is wholly locked goes on. Ended tokens are restated
too, for their tombstones may be lost: a late reservation and confirmation would block the person for ever.
"""

import dataclasses
from dataclasses import dataclass

from services.claims.rules import attempt as attempts
from services.claims.rules.attempt import Attempt, Said, Step, Word
from services.claims.rules.ledger import LOCKED_ELSEWHERE, Claim, Ruling, State, Verdict

REPLACED = "replaced"  # why a claim of the copy ended: another one on its key was restated as locked
NOT_RESTATED, SECOND_LOCK, ENDED_HERE = "not_restated", "second_lock", "ended_here"  # what two people look at
LINKED_LIVE = "linked_live"  # so is a claim on a document that leads to another one
OURS = (REPLACED, "lease_ended", "dropped", "holder_gone")  # why a claim ended that its holder did not release
LOST = {Step.RESERVING: Word.DENIED, Step.HELD: Word.LOST, Step.CONFIRMING: Word.LOST}
HALF_DONE = tuple(LOST)  # given up when its authority was restored; every other step is restated as one of these:
RESTATED_LOCKED, RESTATED_ENDED = (Step.LOCKED, Step.ISSUED), (Step.RELEASING, Step.OVER)


@dataclass(frozen=True, slots=True)
class Restatement:
    """The attempt afterwards with its words, and the state of every one of its tokens."""

    said: Said
    locked: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


def restate(attempt: Attempt) -> Restatement:
    """重述, of all claims of an attempt: locked when all are, else ended, and given up by that."""
    tokens = tuple(claim_id for claim_id, _ in attempt.claims)
    if attempt.step in RESTATED_LOCKED:
        return Restatement(Said(attempt), locked=tokens)
    given_up = attempts.release(attempt)
    return Restatement(given_up, ended=tokens if given_up.attempt.step in RESTATED_ENDED else ())


def give_up(attempt: Attempt) -> Said:
    """As `restate` of what is half done, and whoever asked for it is told that it is lost."""
    said = restate(attempt).said
    return dataclasses.replace(said, words=(*said.words, (LOST[attempt.step], ())))


def hear_locked(live: Claim | None, restated: Claim, *, ended: bool, heard: bool = False) -> Ruling:
    """A holder's locked claim goes before what the copy says. `ended`: it was released after it was restated.

    `heard`: what is live was restated as locked, too; both cannot be, so the first stays and people look.
    """
    if ended:
        return Ruling(live, Verdict.RELEASED)
    other = live is not None and live.claim_id != restated.claim_id
    if live is not None and other and heard:
        return Ruling(live, Verdict.DENIED, LOCKED_ELSEWHERE, live)
    gone = (live.claim_id,) if live is not None and other else ()
    return Ruling(dataclasses.replace(restated, state=State.LOCKED), Verdict.LOCKED, ended=gone)


def doubt_of(ruling: Ruling, why: str) -> str:
    """What people must look at after a claim was restated as locked; empty where nothing is odd. `why`: it had ended."""
    if ruling.verdict is Verdict.DENIED or why == REPLACED:
        return SECOND_LOCK
    return ENDED_HERE if ruling.verdict is Verdict.RELEASED and why in OURS else ""
