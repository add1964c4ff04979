"""补领结婚证: where an application stands, and what the holder's record says of it.

asked ─ holder's answer ─► asked ─ 审查补发 ─► reissued; asked ─► refused, dropped.
"""

import enum
from dataclasses import dataclass

from services.marriage.rules.finding import Finding
from services.marriage.rules.records import REISSUE
from shared.errors import OutOfStep, Refused


class State(enum.StrEnum):
    """Where an application stands."""

    ASKED = "asked"
    REISSUED = "reissued"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the holder has: whether there is such a marriage, whether it is valid, and why not."""

    found: bool
    valid: bool
    words: str = ""


def expect_open(state: State) -> None:
    """OutOfStep `application_ended` when the case is over."""
    if state is not State.ASKED:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")


def ground(answer: Answer | None) -> Finding | None:
    """Why no certificate is reissued, if the holder's answer says so."""
    if answer is None or (answer.found and answer.valid):
        return None
    if not answer.found:
        text = "婚姻登记地没有双方与此证字号一致的婚姻登记。请核对证字号和双方证件号码,撤回后重新提交。"
        return Finding("marriage_unknown", text, REISSUE, eligible=False)
    text = f"{answer.words},不能补领结婚证。需要证明的,请查询婚姻登记记录。"
    return Finding("reissue_of_ended_marriage", text, REISSUE, eligible=False)


def expect_valid(answer: Answer | None) -> None:
    """Refused `holder_silent` while the holder has not answered; or on its ground."""
    if answer is None:
        words = "暂不能补发:婚姻登记地尚未答复,系统会自动更新,无需重新提交"
        raise Refused("holder_silent", words, basis=REISSUE)
    against = ground(answer)
    if against:
        raise Refused(against.code, against.text, basis=against.basis)
