"""补领结婚证、离婚证: where an application stands, and what the holder's record says of it.

asked ─ holder's answer ─► asked ─ 审查补发 ─► reissued; asked ─► refused, dropped.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from services.marriage.rules.endings import Standing
from services.marriage.rules.finding import Finding
from services.marriage.rules.numbers import Kind
from services.marriage.rules.records import REISSUE
from shared.errors import OutOfStep, Refused

DIVORCED = "divorced"  # where a divorce on record stands, beside the standings of marriages


@dataclass(frozen=True, slots=True)
class Series:
    """What a matter gives out anew: letters of its numbers, where the record must stand, what is said when granted."""

    letters: Kind
    standing: str
    granted: str


SERIES: Mapping[str, Series] = {  # matter -> what it gives out
    "marriage-certificate-reissue": Series("BJ", Standing.VALID, "准予补发结婚证。"),
    "divorce-certificate-reissue": Series("BL", DIVORCED, "准予补发离婚证。"),
}


class State(enum.StrEnum):
    """Where an application stands."""

    ASKED = "asked"
    REISSUED = "reissued"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the holder has: whether there is such a record, where it stands, and what is said of that."""

    found: bool
    standing: str = ""
    words: str = ""


def expect_open(state: State) -> None:
    """OutOfStep `application_ended` when the case is over."""
    if state is not State.ASKED:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")


def ground(answer: Answer | None, series: Series) -> Finding | None:
    """Why no certificate is reissued, if the holder's answer says so."""
    if answer is None or (answer.found and answer.standing == series.standing):
        return None
    return _of_divorce(answer) if series.letters == "BL" else _of_marriage(answer)


def _of_marriage(answer: Answer) -> Finding:
    if not answer.found:
        words = "婚姻登记地没有双方与此证字号一致的婚姻登记。请核对证字号和双方证件号码,撤回后重新提交。"
        return Finding("marriage_unknown", words, REISSUE, eligible=False)
    words = f"{answer.words},不能补领结婚证。需要证明的,请查询婚姻登记记录。"
    return Finding("reissue_of_ended_marriage", words, REISSUE, eligible=False)


def _of_divorce(answer: Answer) -> Finding:
    if not answer.found:
        words = "离婚登记地没有双方与此证字号一致的离婚登记。请核对证字号和双方证件号码,撤回后重新提交。"
        return Finding("divorce_unknown", words, REISSUE, eligible=False)
    words = "填写的是结婚证字号。登记离婚的,请查询本人记录,按离婚证字号重新提交;"
    words += "法院判决或调解离婚的没有离婚证,请使用法院的生效文书;没有离婚的,不能补领离婚证。"
    return Finding("no_divorce_certificate", words, REISSUE, eligible=False)


def expect_on_record(answer: Answer | None, series: Series) -> None:
    """Refused `holder_silent` while the holder has not answered; or on its ground."""
    if answer is None:
        words = "暂不能补发:原登记地尚未答复,系统会自动更新,无需重新提交"
        raise Refused("holder_silent", words, basis=REISSUE)
    against = ground(answer, series)
    if against:
        raise Refused(against.code, against.text, basis=against.basis)
