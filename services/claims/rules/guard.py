"""谁守哪段号码: whether this node may rule on a key, in which epoch.

The directory says who guards a prefix; only a guard with the ledger in its hands rules. Epoch 1 begins empty; every
later one begins with the ledger of the one before. So a directory that is switched by mistake stops claims, and
doubles none.
"""

import dataclasses
import enum
from dataclasses import dataclass

from shared.errors import Denied, OutOfStep, Refused

FIRST_EPOCH = 1
FROZEN, RECOVERING, LEDGER_MISSING, EPOCH_AHEAD = "frozen", "recovering", "ledger_missing", "epoch_ahead"


class Duty(enum.StrEnum):
    """What a node does for a prefix."""

    ACTIVE = "active"
    FROZEN = "frozen"  # the ledger is on its way to the next authority
    HANDED_OVER = "handed_over"
    RECOVERING = "recovering"  # restored: holders are asked what they hold


@dataclass(frozen=True, slots=True)
class Authority:
    """A row of the directory's authority table; `before`: who guarded the prefix in the epoch before, if it says so."""

    prefix: str
    node: str
    epoch: int
    before: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """This node's own record of a prefix; `successor`: who guards it after a hand-over, in epoch + 1."""

    prefix: str
    epoch: int
    duty: Duty
    successor: str = ""


class Answer(enum.StrEnum):
    """How a wish is met."""

    RULE = "rule"
    DEFER = "defer"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class Meeting:
    """How a wish is met: ruled, put off for a reason, or sent on to another authority."""

    answer: Answer
    why: str = ""
    to: Authority | None = None


def first_guard(authority: Authority, us: str) -> Guard | None:
    """The guard a node is by the directory alone: only in the first epoch, which begins empty."""
    if authority.node == us and authority.epoch == FIRST_EPOCH:
        return Guard(authority.prefix, FIRST_EPOCH, Duty.ACTIVE)
    return None


def meet(guard: Guard | None, epoch: int, listed: Authority | None, *, ends: bool = False) -> Meeting:
    """How a wish of that epoch is met here. `listed`: the directory's row; `ends`: its holder ends a claim.

    An older epoch is sent on, never ruled on: whoever asks must know the authority that rules now.
    """
    if guard is None:
        if listed is None:
            return Meeting(Answer.DEFER, LEDGER_MISSING)
        return Meeting(Answer.DEFER, LEDGER_MISSING) if listed.epoch <= epoch else Meeting(Answer.REDIRECT, to=listed)
    if guard.duty is Duty.HANDED_OVER:
        return Meeting(Answer.REDIRECT, to=Authority(guard.prefix, guard.successor, guard.epoch + 1))
    if epoch > guard.epoch:
        return Meeting(Answer.DEFER, EPOCH_AHEAD)
    if guard.duty is Duty.FROZEN:
        return Meeting(Answer.DEFER, FROZEN)
    if epoch < guard.epoch:
        return Meeting(Answer.REDIRECT, to=Authority(guard.prefix, "", guard.epoch))
    if guard.duty is Duty.RECOVERING and not ends:
        return Meeting(Answer.DEFER, RECOVERING)
    return Meeting(Answer.RULE)


def has_ledger(guard: Guard | None) -> bool:
    """Whether the ledger here is this node's own; else what is here of it may still be arriving."""
    return guard is not None and guard.duty is not Duty.HANDED_OVER


def may_end_unasked(guard: Guard | None) -> bool:
    """Whether a lease's end or a person's wish may end a claim here now, without its holder.

    Not while the ledger is restored: what looks held there may be locked, and its holder is about to say so.
    """
    return guard is not None and guard.duty is Duty.ACTIVE


def freeze(guard: Guard, successor: str) -> Guard:
    """冻结: nothing is ruled on any more. OutOfStep unless it is active, or frozen for the same successor."""
    if guard.duty is Duty.FROZEN and guard.successor == successor:
        return guard
    if guard.duty is not Duty.ACTIVE:
        raise OutOfStep("guard_not_active", f"{guard.prefix} 当前不由本节点主管或正在移交,不能移交")
    return dataclasses.replace(guard, duty=Duty.FROZEN, successor=successor)


def hand_over(guard: Guard, successor: str, epoch: int) -> Guard:
    """移交完成: the successor has every piece. OutOfStep unless it was frozen for it."""
    if (guard.duty, guard.successor, guard.epoch + 1) != (Duty.FROZEN, successor, epoch):
        raise OutOfStep("guard_not_frozen", f"{guard.prefix} 没有在移交给 {successor}")
    return dataclasses.replace(guard, duty=Duty.HANDED_OVER)


def taken_over(guard: Guard, listed: Authority | None, successor: str, epoch: int) -> Guard:
    """What a node is once another says that it has taken over: after a hand-over, or restored from before one.

    A restored one believes who the directory names. OutOfStep for a repetition; Denied for anybody else.
    """
    if (guard.duty, guard.successor, guard.epoch + 1) == (Duty.HANDED_OVER, successor, epoch):
        raise OutOfStep("stale", "过时的消息")
    later = listed is not None and (listed.node, listed.epoch) == (successor, epoch) and epoch > guard.epoch
    if guard.duty is Duty.RECOVERING and later:
        return Guard(guard.prefix, epoch - 1, Duty.HANDED_OVER, successor)
    if (guard.duty, guard.successor, guard.epoch + 1) != (Duty.FROZEN, successor, epoch):
        raise Denied("not_the_successor", f"{guard.prefix} 没有在移交给 {successor}")
    return hand_over(guard, successor, epoch)


def expect_predecessor(listed: Authority | None, source: str, us: str, epoch: int) -> None:
    """Denied unless the ledger of the epoch before is `source`'s to give, by whichever directory is here.

    The one before the hand-over names it as the authority; the one after names us, and it as the authority before.
    """
    before = listed is not None and (listed.node, listed.epoch) == (source, epoch - 1)
    after = listed is not None and (listed.node, listed.epoch, listed.before) == (us, epoch, source)
    if not (before or after):
        raise Denied("not_the_predecessor", f"{source} 不是这一号段的前任登记处,或本节点的目录不是最新的")


def expect_successor(guard: Guard, listed: Authority | None, us: str, successor: str) -> None:
    """Refused where a directory that is ahead names another successor, or another epoch."""
    ahead = listed is not None and listed.node != us
    if listed is not None and ahead and (listed.node, listed.epoch) != (successor, guard.epoch + 1):
        words = f"节点目录中 {guard.prefix} 的下一登记处是 {listed.node}(第 {listed.epoch} 期),只能移交给它"
        raise Refused("successor_wrong", words)


def take_over(known: Guard | None, prefix: str, epoch: int) -> Guard:
    """接管: with the whole ledger in hand. OutOfStep when this node guards that epoch, or a later one, already.

    Denied where an earlier one is still ours: nobody else can have its ledger to give.
    """
    if known is not None and known.epoch >= epoch:
        raise OutOfStep("ledger_taken_over_already", f"{prefix} 的账已经接管")
    if known is not None and known.duty is not Duty.HANDED_OVER:
        raise Denied("ledger_is_ours", f"{prefix} 的账仍由本节点主管,不能从他处接管")
    return Guard(prefix, epoch, Duty.ACTIVE)


def recover(known: Guard | None, listed: Authority) -> Guard:
    """恢复中: after a restore nothing is granted until every holder has said what it holds.

    `listed`: the directory's row, which names us, or is behind or ahead of what we know. What the restored ledger says
    of a hand-over is true as far as it goes; what happened after the copy was made, the directory knows. OutOfStep for
    what was handed over and has not come back.
    """
    away = known is not None and known.duty in (Duty.FROZEN, Duty.HANDED_OVER)
    if known is not None and away and known.epoch >= listed.epoch:
        raise OutOfStep("guard_not_active", f"{known.prefix} 正在移交或已移交,不能恢复")
    return Guard(listed.prefix, max(listed.epoch, known.epoch if known else 0), Duty.RECOVERING)


def begin_recovery(known: Guard | None, listed: Authority | None, us: str) -> Guard:
    """恢复中, of whatever this node guards by its own record or the directory's. OutOfStep for what it does not."""
    if listed is not None and listed.node == us:
        return recover(known, listed)
    if known is None or known.duty in (Duty.FROZEN, Duty.HANDED_OVER):
        raise OutOfStep("guard_not_active", "不由本节点主管,或正在移交,不需恢复")
    return dataclasses.replace(known, duty=Duty.RECOVERING)


def may_restate_to(listed: Authority | None, source: str) -> bool:
    """Whether the directory names that node as the authority of a prefix, or as the one before a hand-over."""
    return listed is not None and source in (listed.node, listed.before)


def is_later(ours: Guard | None, epoch: int) -> bool:
    """Whether we guard what another node wants to recover in that epoch: it does not know that it handed it over.

    Denied where we guard an earlier epoch: its ledger is still ours, and nobody else may rule before it has left.
    """
    if ours is None or ours.duty is Duty.HANDED_OVER or (ours.duty is Duty.FROZEN and ours.epoch < epoch):
        return False
    if ours.epoch < epoch:
        raise Denied("ledger_is_ours", f"{ours.prefix} 的账仍在本节点,须先移交")
    return True


def is_named(guard: Guard, listed: Authority | None, us: str) -> bool:
    """Whether a directory lets this node rule in its guard's epoch; one that is ahead waits for the ledger to come."""
    if listed is None:
        return False
    ahead = listed.node != us and listed.epoch == guard.epoch + 1
    return (listed.node, listed.epoch) == (us, guard.epoch) or ahead


def recovered(guard: Guard, listed: Authority, us: str) -> Guard:
    """恢复完成: every holder has answered. OutOfStep unless it was recovering, and the directory still names us."""
    if guard.duty is not Duty.RECOVERING or not is_named(guard, listed, us):
        raise OutOfStep("guard_not_recovering", f"{guard.prefix} 没有在恢复,或节点目录已另有登记处")
    return dataclasses.replace(guard, duty=Duty.ACTIVE)
