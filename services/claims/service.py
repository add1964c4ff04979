"""Claims' doors and timers: one queue for both sides, the authority's and the holder's."""

from operator import itemgetter

from contracts import claims
from services.claims.rules.attempt import to_say_again
from services.claims.rules.guard import Duty
from services.claims.store import attempts, ledger
from services.claims.usecases import authority, handing, holding, own, recovering, restating
from shared.bus import Doors, one_by_one
from shared.outbox import Works

SAY_AGAIN_SECONDS = 30
SWEEP_SECONDS = 60
BATCH = 200
IN_VAIN, PROBES = 50, 5  # attempts that may ask one authority again in vain; beyond that only so many each round

VERBS = {
    claims.ReserveClaimsV1: holding.reserve_claims,
    claims.RenewClaimsV1: holding.renew_claims,
    claims.ConfirmClaimsV1: holding.confirm_claims,
    claims.ReleaseClaimsV1: holding.release_claims,
    claims.NoteIssuedV1: holding.note_issued,
    claims.ClaimHeldV1: holding.note_held,
    claims.ClaimLockedV1: holding.note_locked,
    claims.ClaimReleasedV1: holding.note_released,
    claims.ClaimIssueNotedV1: holding.note_issue_noted,
    claims.ClaimDeniedV1: holding.note_denied,
    claims.ClaimDeferredV1: holding.note_deferred,
    claims.ClaimRedirectedV1: holding.note_redirected,
    claims.ReserveClaimV1: authority.reserve_claim,
    claims.RenewClaimV1: authority.renew_claim,
    claims.ConfirmClaimV1: authority.confirm_claim,
    claims.ReleaseClaimV1: authority.release_claim,
    claims.NoteClaimIssuedV1: authority.note_claim_issued,
    claims.LookUpClaimsV1: own.look_up_claims,
    claims.DropClaimsV1: own.drop_claims,
    claims.LookUpClaimV1: own.look_up_claim,
    claims.DropClaimV1: own.drop_claim,
    claims.ClaimAliasedV1: holding.note_aliased,
    claims.HandOverLedgerV1: handing.hear_piece,
    claims.LedgerTakenOverV1: handing.note_taken_over,
    claims.RestateClaimsV1: restating.restate_claims,
    claims.ClaimsRestatedV1: recovering.hear_restated,
}


def doors() -> Doors:
    """All ways into claims."""
    entrance = Doors("claims")
    for contract, verb in VERBS.items():
        entrance.listen(contract)(verb)
    entrance.every(SAY_AGAIN_SECONDS)(say_again)
    entrance.every(SWEEP_SECONDS)(sweep)
    entrance.every(SWEEP_SECONDS)(go_on_recovering)
    return entrance


def say_again(works: Works) -> None:
    """Say once more whatever no authority has answered in its time, ever less of it to one that stays silent."""
    with works.begin() as work:
        due, in_vain = attempts.list_unanswered(work), attempts.count_in_vain(work)
    waiting = to_say_again(due, in_vain, IN_VAIN, PROBES)
    one_by_one(waiting, lambda found: _say_again(works, *found), itemgetter(1))


def _say_again(works: Works, attempt_id: str, case_id: str) -> None:
    with works.begin() as work:
        holding.say_again(work, attempt_id, case_id)


def sweep(works: Works) -> None:
    """End every reservation whose lease has run out."""
    with works.begin() as work:
        expired = ledger.list_expired(work, BATCH)
    one_by_one(expired, lambda found: _sweep(works, *found), itemgetter(0))


def _sweep(works: Works, claim_id: str, prefix: str) -> None:
    with works.begin() as work:
        authority.sweep(work, claim_id, prefix)


def go_on_recovering(works: Works) -> None:
    """Ask who joined meanwhile, and end a recovery for which only the directory was missing."""
    with works.begin() as work:
        prefixes = [guard.prefix for guard in ledger.list_guards(work, Duty.RECOVERING)]
    one_by_one(prefixes, lambda prefix: _go_on_recovering(works, prefix))


def _go_on_recovering(works: Works, prefix: str) -> None:
    with works.begin() as work:
        recovering.finish(work, prefix)
