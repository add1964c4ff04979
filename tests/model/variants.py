"""Rules that are known to be wrong, each with one function swapped. The checker must find what each of them breaks."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from services.claims.rules import guard, ledger, recovery
from services.claims.rules.attempt import Attempt, Said, Step
from services.claims.rules.guard import Answer, Duty, Guard, Meeting
from services.claims.rules.ledger import Claim, Ruling, State, Verdict
from services.marriage.rules import registration
from services.marriage.rules.registration import Hold, Move, Registration
from tests.model.invariants import BLOCKED, NOT_LOCKED, REGISTERED_TWICE, TWO_MARRIAGES
from tests.model.world import NEVER, Application, Rules, Setting


@dataclass(frozen=True)
class Variant:
    """One mistake, a small world in which it shows, and the promise it breaks there."""

    name: str
    rules: Rules
    setting: Setting
    breaks: str = TWO_MARRIAGES


def issue_on_the_lease(now: Registration, attempt: str) -> Move:
    """Registered when the claims are held, without waiting for the locks."""
    move = registration.note_held(now, attempt)
    if move.after.hold is not Hold.CONFIRMING:
        return move
    return dataclasses.replace(move, after=dataclasses.replace(move.after, state=registration.State.REGISTERED))


def locks_expire(live: Claim | None, asked: Claim, at: Any, *, ended: bool) -> Ruling:
    """A lease is a lease, locked or not."""
    if live and live.state is State.LOCKED and live.until <= at and live.claim_id != asked.claim_id and not ended:
        return Ruling(asked, Verdict.HELD, ended=(live.claim_id,))
    return ledger.reserve(live, asked, at, ended=ended)


def no_inbox(inbox: frozenset[Any], message: Any) -> bool:
    """Nobody remembers what was handled."""
    del inbox, message
    return False


def unbound_release(live: Claim | None, claim_id: str, holder: str) -> Ruling:
    """Whoever releases, releases whatever is there."""
    del live, holder
    return Ruling(None, Verdict.RELEASED, ended=(claim_id,))


def late_confirm(live: Claim | None, claim_id: str, holder: str, at: Any) -> Ruling:
    """Nobody else has it, so why not lock it?"""
    if live is None:
        return Ruling(Claim(claim_id, holder, State.LOCKED, at), Verdict.LOCKED)
    return ledger.confirm(live, claim_id, holder, at)


def ruling_without_the_ledger(known: Guard | None, epoch: int, listed: Any, *, ends: bool = False) -> Meeting:
    """Whom the directory names rules at once, with whatever ledger there is."""
    del known, epoch, listed, ends
    return Meeting(Answer.RULE)


def granting_at_once(known: Guard | None, listed: guard.Authority, us: str) -> Guard:
    """Restored, so back to work."""
    return dataclasses.replace(guard.begin_recovery(known, listed, us), duty=Duty.ACTIVE)


def swept_early(known: Guard | None) -> bool:
    """To end a reservation cannot do any harm."""
    return known is not None and guard.meet(known, known.epoch, None, ends=True).answer is Answer.RULE


def half_done_goes_on(attempt: Attempt) -> recovery.Restatement:
    """What is being confirmed is not locked, so there is nothing to restate, and nothing to give up."""
    return recovery.Restatement(Said(attempt)) if attempt.step is Step.CONFIRMING else recovery.restate(attempt)


def tombstones_forgotten(attempt: Attempt) -> recovery.Restatement:
    """What has ended has ended: why speak of it?"""
    return dataclasses.replace(recovery.restate(attempt), ended=())


def two_commits(effect: Any, whole: Any) -> tuple[Any, ...]:
    """First the certificate, then the state; between them the power may fail."""
    return (whole,) if effect == whole else (effect, whole)


def numbers_begin_anew(attempt: str, person: str) -> str:
    """Attempts are counted in memory: after a crash an office gives its first number out again."""
    return f"{attempt[0]}/{person}"


def _setting(*applications: Application, **more: Any) -> Setting:
    return Setting("", applications, brisk=True, **more)


P, Q, P_AGAIN = Application("P1", "P", "A"), Application("Q1", "Q", "A"), Application("P2", "P", "A", after="P1")
VARIANTS = (
    Variant("issue on the lease", Rules(note_held=issue_on_the_lease), _setting(P, Q)),
    Variant("locks expire too", Rules(reserve=locks_expire), _setting(P, Q)),
    Variant("no inbox", Rules(seen=no_inbox), _setting(P, endings=(("P1", "divorce"),)), REGISTERED_TWICE),
    Variant("release not bound to its token", Rules(release=unbound_release), _setting(P, P_AGAIN, Q, prompt=True)),
    Variant("late confirm accepted when free", Rules(confirm=late_confirm), _setting(P, once=True), BLOCKED),
    Variant(
        "directory switched, no hand-over",
        Rules(meet=ruling_without_the_ledger),
        _setting(P, Q, prompt=True, successor="Y"),
    ),
    Variant("put off, and not asked again", Rules(), _setting(P, successor="Y", once=True, timer=NEVER), BLOCKED),
    Variant("restored, grants at once", Rules(recover=granting_at_once), _setting(P, Q, prompt=True, restores=True)),
    Variant(
        "restored, swept before recovered", Rules(may_end_unasked=swept_early), _setting(P, restores=True), NOT_LOCKED
    ),
    Variant(
        "restored, half-done claims go on", Rules(restate=half_done_goes_on), _setting(P, Q, prompt=True, restores=True)
    ),
    Variant(
        "restored, tombstones forgotten",
        Rules(restate=tombstones_forgotten),
        _setting(P, restores=True, once=True),
        BLOCKED,
    ),
    Variant("effect and state in two commits", Rules(commits=two_commits), _setting(P, Q)),
    Variant("attempt number used again", Rules(token=numbers_begin_anew), _setting(P, P_AGAIN, Q, prompt=True)),
)
