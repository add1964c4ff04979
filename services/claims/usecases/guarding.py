"""Whether this node may rule on a key now; where it may not, whoever asked is told when or where to ask again."""

from collections.abc import Callable
from typing import TypeVar

from contracts import claims as said
from contracts.envelope import Contract, Json
from services.claims.rules import guard as rules
from services.claims.rules.guard import Answer, Authority, Guard
from services.claims.store import ledger as store
from shared.errors import Denied
from shared.outbox import Work

Found = TypeVar("Found")


def source(work: Work) -> str:
    """The node that sent the causing message."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.source


def case_of(work: Work) -> str:
    """The case the causing message is about."""
    assert work.cause is not None  # noqa: S101 - every door brings a message
    return work.cause.subject


def lock_prefix(work: Work, prefix: str, *, shared: bool = False) -> None:
    """Let no ruling of this prefix pass (`shared`: no hand-over and no recovery) before this transaction ends.

    Call it before the guard is read. Who rules has locked the claim's keys before; who locks a whole prefix never
    waits for a key, so nobody waits in a circle.
    """
    work.lock(f"prefix/{prefix}", shared=shared)


def with_guard(
    work: Work, prefix: str, listed: Authority | None, find: Callable[[], tuple[Guard | None, Found]]
) -> tuple[Guard | None, Found]:
    """What `find` finds; on the first wish for a prefix the node becomes its guard, where the directory lets it.

    Whatever is ruled on it is committed before its ledger leaves, or sees that it has left.
    """
    lock_prefix(work, prefix, shared=True)
    guard, found = find()
    first = rules.first_guard(listed, work.node.code) if guard is None and listed is not None else None
    if first is None:
        return guard, found
    store.add_guard(work, first)
    return find()


def is_met_here(work: Work, asked: Json, guard: Guard | None, listed: Authority | None, *, ends: bool = False) -> bool:
    """Whether a wish is ruled on here; if not, its sender is told: later, or elsewhere."""
    meeting = rules.meet(guard, asked["epoch"], listed, ends=ends)
    if meeting.answer is Answer.DEFER:
        answer(work, said.ClaimDeferredV1, asked["claim_id"], asked["epoch"], {"why": meeting.why})
    if meeting.answer is Answer.REDIRECT and meeting.to is not None:
        redirect(work, asked["claim_id"], meeting.to)
    return meeting.answer is Answer.RULE


def redirect(work: Work, claim_id: str, to: Authority) -> None:
    """Another node, or another epoch of ours, rules on this claim."""
    data = {"prefix": to.prefix, "authority": to.node or work.node.code}
    answer(work, said.ClaimRedirectedV1, claim_id, to.epoch, data)


def answer(work: Work, contract: type[Contract], claim_id: str, epoch: int, data: Json) -> None:
    """Tell whoever sent the causing message."""
    work.tell(contract, case_of(work), {"claim_id": claim_id, "epoch": epoch} | data, to=source(work))


def expect_ledger(work: Work, guard: Guard | None, epoch: int, listed: Authority | None) -> None:
    """Denied `not_the_authority` where a question comes to a node that has not got the ledger to answer it from."""
    if rules.meet(guard, epoch, listed).answer is Answer.REDIRECT or guard is None:
        raise Denied("not_the_authority", f"{work.node.code} 不是这类号码的主管登记处,请更新节点目录后再办")
