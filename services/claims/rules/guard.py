"""谁守哪段号码: whether this node may rule on a key, in which epoch.

The directory says who guards a prefix; only a guard with the ledger in its hands rules. Epoch 1 begins empty; every
later one begins with the ledger of the one before. So a directory that is switched by mistake stops claims, and
doubles none.
"""

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import OutOfStep, Refused

FIRST_EPOCH = 1
FOREIGN = "foreign"  # the row of the authority table for every document without a division in its number
FROZEN, RECOVERING, LEDGER_MISSING, EPOCH_AHEAD = "frozen", "recovering", "ledger_missing", "epoch_ahead"


class Duty(enum.StrEnum):
    """What a node does for a prefix."""

    ACTIVE = "active"
    FROZEN = "frozen"  # the ledger is on its way to the next authority
    HANDED_OVER = "handed_over"
    RECOVERING = "recovering"  # restored: holders are asked what they hold


@dataclass(frozen=True, slots=True)
class Authority:
    """A row of the directory's authority table."""

    prefix: str
    node: str
    epoch: int


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


def authority_of(id_type: str, id_number: str, table: Iterable[Mapping[str, Any]]) -> Authority:
    """Who guards uniqueness for a document: by the six digits first given, the longest prefix first.

    A marriage's six digits are those of its first certificate's number; what has none is guarded by FOREIGN, and only
    that: a row that is added later begins empty. Where no row fits, Refused `authority_missing`: nobody may be
    registered before somebody guards it. It says nothing about competence or hukou.
    """
    rows = {str(row["prefix"]): row for row in table}
    for prefix in _prefixes(id_type, id_number):
        if prefix in rows:
            return Authority(prefix, str(rows[prefix]["node"]), int(rows[prefix]["epoch"]))
    words = "节点目录中没有负责这类证件号码的主管登记处,暂不能办结,请联系通办运行机构补全"
    raise Refused("authority_missing", words, basis="节点目录")


def _prefixes(id_type: str, id_number: str) -> list[str]:
    if id_type == "citizen":
        digits = id_number[:6]
    elif id_type == "marriage":
        digits = id_number.lstrip("JB")[:6]
    else:
        digits = ""
    return [digits[:length] for length in range(len(digits), 1, -1)] if digits.isdigit() else [FOREIGN]


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


def take_over(known: Guard | None, prefix: str, epoch: int) -> Guard:
    """接管: with the whole ledger in hand. OutOfStep when this node guards that epoch, or a later one, already."""
    if known is not None and known.epoch >= epoch:
        raise OutOfStep("ledger_taken_over_already", f"{prefix} 的账已经接管")
    return Guard(prefix, epoch, Duty.ACTIVE)


def recover(known: Guard | None, listed: Authority) -> Guard:
    """恢复中: after a restore nothing is granted until every holder has said what it holds.

    `listed`: the directory's row, which names us. What the restored ledger says of a hand-over is true as far as it
    goes; what happened after the copy was made, the directory knows. OutOfStep for what was handed over.
    """
    if known is not None and known.duty in (Duty.FROZEN, Duty.HANDED_OVER):
        raise OutOfStep("guard_not_active", f"{known.prefix} 正在移交或已移交,不能恢复")
    return Guard(listed.prefix, listed.epoch, Duty.RECOVERING)


def recovered(guard: Guard, listed: Authority, us: str) -> Guard:
    """恢复完成: every holder has answered. OutOfStep unless it was recovering, and the directory still names us."""
    if guard.duty is not Duty.RECOVERING or (listed.node, listed.epoch) != (us, guard.epoch):
        raise OutOfStep("guard_not_recovering", f"{guard.prefix} 没有在恢复,或节点目录已另有登记处")
    return dataclasses.replace(guard, duty=Duty.ACTIVE)
