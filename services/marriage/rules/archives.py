"""补录: a line of an old book on its way to the record, and what two people decide where it contradicts another.

asked ─► entered; asked ─► conflict ─► asked again, entered as ended, or discarded. What needs no claims is entered at once.
"""

import enum
from dataclasses import dataclass

from services.marriage.rules.records import ARCHIVES
from shared.errors import Denied, OutOfStep, Refused

NUMBER_TAKEN = "number_taken"  # why two people must look: another record has the line's number


class State(enum.StrEnum):
    """Where a line stands."""

    ASKED = "asked"  # both persons are being claimed
    ENTERED = "entered"
    CONFLICT = "conflict"  # two people must look
    DISCARDED = "discarded"


class Choice(enum.StrEnum):
    """What two people make of a contradiction."""

    AGAIN = "again"  # the other record was put right
    ENDED = "ended"  # the marriage had ended: enter it as history, or end the one on record
    DISCARD = "discard"  # the line is wrong, or on record elsewhere
    REPEATED = "repeated"  # two couples were really given this number: enter it as it stands


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a line; `rejects`: so that it is not entered, else people should know of it."""

    field: str
    words: str
    rejects: bool = True


def expect_conflict(state: State) -> None:
    """OutOfStep `no_conflict` unless two people must look at it."""
    if state is not State.CONFLICT:
        raise OutOfStep("no_conflict", "这一条现在没有待处理的冲突,请重新列出后再处理")


def expect_not_taken(why: str) -> None:
    """Refused `number_taken`: an ended marriage whose number another record has is entered anew as one."""
    if why == NUMBER_TAKEN:
        words = "证字号重复的冲突不能按已终止处理:请作废这一条,在表中写明终止情况后重新导入,再按重号录入(repeated)"
        raise Refused("number_taken", words, basis=ARCHIVES, field="choice")


def expect_taken(why: str) -> None:
    """Refused `number_not_taken`: only a number that another record has can be there twice."""
    if why != NUMBER_TAKEN:
        words = "这一条的冲突不是证字号重复,不能按重号录入,请按冲突原因处理"
        raise Refused("number_not_taken", words, basis=ARCHIVES, field="choice")


def expect_two(by: str, confirmed_by: str) -> None:
    """Refused `two_persons` unless two people answer for it."""
    if not by or not confirmed_by or by == confirmed_by:
        raise Refused("two_persons", "须由两名不同的工作人员办理:--by 和 --confirmed-by", basis=ARCHIVES)


def expect_second(proposed_by: str, confirmed_by: str) -> None:
    """OutOfStep `nothing_proposed`; Denied `same_operator`: what one person has proposed another one confirms."""
    if not proposed_by:
        raise OutOfStep("nothing_proposed", "还没有人提出处理意见,请先由一名工作人员提出(resolve)")
    if proposed_by == confirmed_by:
        words = "提出处理意见和复核应当由两名工作人员分别办理,请另一名工作人员对照档案复核"
        raise Denied("same_operator", words, basis=ARCHIVES)
