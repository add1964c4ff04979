"""恢复: what a holder restates to an authority that was restored, and what that makes of the restored ledger.

A claim that is being confirmed may have been locked before the loss, and the word of it may still be on its way. So
nothing half done is restated: the holder gives it up, and only what is wholly locked goes on. Ended tokens are restated
too, for their tombstones may be lost: a late reservation and confirmation would block the person for ever.
"""

import dataclasses
from dataclasses import dataclass

from services.claims.rules import attempt as attempts
from services.claims.rules.attempt import Attempt, Said, Step
from services.claims.rules.ledger import Claim, Ruling, State, Verdict


@dataclass(frozen=True, slots=True)
class Restatement:
    """The attempt afterwards with its words, and the state of every one of its tokens."""

    said: Said
    locked: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


def restate(attempt: Attempt) -> Restatement:
    """重述, of all claims of an attempt: locked when all are, else ended, and given up by that."""
    tokens = tuple(claim_id for claim_id, _ in attempt.claims)
    if attempt.step in (Step.LOCKED, Step.ISSUED):
        return Restatement(Said(attempt), locked=tokens)
    return Restatement(attempts.release(attempt), ended=tokens)


def hear_locked(live: Claim | None, restated: Claim, *, ended: bool) -> Ruling:
    """A holder's locked claim goes before what the copy says. `ended`: it was released after it was restated."""
    if ended:
        return Ruling(live, Verdict.RELEASED)
    gone = () if live is None or live.claim_id == restated.claim_id else (live.claim_id,)
    return Ruling(dataclasses.replace(restated, state=State.LOCKED), Verdict.LOCKED, ended=gone)
