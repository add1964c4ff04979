"""重述: a holder tells a restored authority which of its claims are locked, and gives up all that is half done."""

import dataclasses

from contracts import claims as said
from services.claims.rules import guard as guards
from services.claims.rules import ledger as rules
from services.claims.rules import recovery
from services.claims.store import attempts as store
from services.claims.store import ledger, restatable
from services.claims.usecases import subjects
from services.claims.usecases.guarding import lock_prefix, source
from services.claims.usecases.handing import forget_arriving, tell_taken_over
from services.claims.usecases.holding import go_on
from shared.errors import Denied
from shared.outbox import Work

WHY = "authority_restored"


def restate_claims(work: Work) -> None:
    """请重述. Denied for whoever does not guard the prefix, or wants to before we have handed it over.

    Whoever has forgotten that it handed its ledger over to us is told so instead.
    """
    asked = work.data(said.RestateClaimsV1)
    prefix = asked["prefix"]
    lock_prefix(work, prefix)
    ours = ledger.find_guard(work, prefix)
    if source(work) != work.node.code and guards.is_later(ours, asked["epoch"]) and ours is not None:
        tell_taken_over(work, prefix, ours.epoch, source(work))
        return
    if not guards.may_restate_to(subjects.listed(work, prefix), source(work)):
        raise Denied("not_the_authority", f"{source(work)} 不是这一号段的主管登记处,或本节点的目录不是最新的")
    if source(work) != work.node.code:
        forget_arriving(work, prefix, ours, source(work))  # it hands over anew, and that may be another ledger by then
    for attempt_id, case_id in restatable.list_half_done(work, prefix):
        _give_up(work, attempt_id, case_id, prefix)
    count = restatable.count_pages(work, prefix)
    for number, rows in enumerate(restatable.list_pages(work, prefix), start=1):
        data = {"prefix": prefix, "round": asked["round"], "number": number, "count": count}
        work.tell(said.ClaimsRestatedV1, prefix, data, {"rows": rows}, to=source(work))


def _give_up(work: Work, attempt_id: str, case_id: str, prefix: str) -> None:
    """Its lock may be lost, or the word of it on its way: who asked tries again."""
    work.lock(f"case/{case_id}")
    kept = store.find_attempt(work, attempt_id)
    if kept is None or kept.step not in recovery.HALF_DONE:
        return
    number = next(wish.number for wish in kept.wishes if wish.prefix == prefix)
    after = dataclasses.replace(kept, why=kept.why or WHY)
    go_on(work, kept, after, recovery.give_up(kept.attempt), {"number": number, "why": rules.ENDED})
