"""Claims and marriage without one of their rules, each as somebody might write them who does not know better."""

import dataclasses
import time
from typing import Any

MOMENT_SECONDS = 0.5  # all that comes in it is ruled on at its end
SHORT_LEASE_MINUTES = 1  # ends while the run is there to see it
FREE_THE_KEY = (
    "UPDATE claims SET state = 'ended', why = 'unbound' WHERE state <> 'ended' AND key_index <> ''"
    " AND key_index = (SELECT key_index FROM claims WHERE claim_id = :token)"
)


def without_lock() -> None:
    """Two wishes for one key are ruled on in the same moment; the database's own guarantee is dropped besides."""
    from shared import clock
    from shared.outbox import Work

    def lock(_work: Work, _key: str, *, shared: bool = False) -> None:
        if not shared:
            time.sleep(MOMENT_SECONDS - clock.monotonic() % MOMENT_SECONDS)

    Work.lock = lock  # type: ignore[method-assign]


def issue_on_lease() -> None:
    """A couple is registered as soon as the registrar has signed and both are reserved: the locks are not waited for."""
    from contracts.claim_kinds import claim_kinds
    from contracts.claims import ClaimsLockedV1
    from services.marriage.rules.registration import Wish
    from services.marriage.usecases import case

    kinds: Any = claim_kinds()
    kinds[case.US] = dataclasses.replace(kinds[case.US], lease_minutes=SHORT_LEASE_MINUTES, renewals=0)
    honest = case.tell_claims

    def tell_claims(work: Any, kept: Any, move: Any) -> None:
        if move.wish is Wish.CONFIRM:
            work.tell(ClaimsLockedV1, kept.case_id, {"attempt": move.after.attempt, "asked_by": case.US})
        else:
            honest(work, kept, move)

    case.tell_claims = tell_claims


def unbound_release() -> None:
    """A release frees the key, whoever has it by then."""
    from sqlalchemy import text

    from contracts.claims import ReleaseClaimV1
    from services.claims import service

    honest = service.VERBS[ReleaseClaimV1]

    def release_claim(work: Any) -> None:
        honest(work)
        work.write(text(FREE_THE_KEY), {"token": work.data(ReleaseClaimV1)["claim_id"]})

    service.VERBS[ReleaseClaimV1] = release_claim  # before the doors are made
