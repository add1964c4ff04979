"""离婚登记的证件和意愿: what both must bring, say and have agreed on, when they apply and when they come again."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from services.marriage.rules.finding import Finding
from shared.errors import Refused

Side = Literal["man", "woman"]
SIDES: Mapping[Side, str] = {"man": "男方", "woman": "女方"}
AGREEMENT = "民法典 第一千零七十六条"
WILL = "民法典 第一千零七十八条"
COURT = "民法典 第一千零七十九条"
NOT_ACCEPTED = "婚姻登记条例(国务院令第804号) 离婚登记不予受理的情形(条序待核)"
CERTIFICATE = "民发〔2020〕116号 二"


class CertificateShown(enum.StrEnum):
    """How the couple show that they are married."""

    SHOWN = "shown"
    ONE_LOST = "one_lost"  # the other one is shown, the loss stated in writing
    ARCHIVE_COPY = "archive_copy"  # both lost, stated in writing; a stamped copy of the archive is brought
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Agreement:
    """The written divorce agreement: both will it, and all three matters are settled."""

    signed: bool
    children: bool  # also where it says that there are none
    property: bool
    debts: bool


@dataclass(frozen=True, slots=True)
class Papers:
    """What the clerk found at the counter. `willing`: what each said when asked; who was not asked is left out."""

    present: frozenset[Side]
    willing: Mapping[Side, bool]
    capable: frozenset[Side]  # 完全民事行为能力人, or those of whom nothing else is known
    agreement: Agreement
    certificate: CertificateShown
    registered_in_mainland: bool = True  # or at a Chinese embassy or consulate


def shortcomings(shown: Papers) -> tuple[Finding, ...]:
    """Every ground on which an application is not accepted, or not registered. Refused `will_not_asked` before that."""
    expect_asked(shown)
    return (*_persons(shown), *_agreement(shown), *_certificate(shown))


def expect_asked(shown: Papers) -> None:
    """Refused `will_not_asked`: who is here must be asked before anything is decided."""
    silent = [name for side, name in SIDES.items() if side in shown.present and side not in shown.willing]
    if silent:
        words = f"还没有询问{'、'.join(silent)}是否自愿离婚,请先询问并记录"
        raise Refused("will_not_asked", words, basis=WILL, field="willing")


def expect_complete(shown: Papers) -> None:
    """Refused `both_must_come` or `papers_missing`: what can still be brought while the time runs refuses nobody."""
    if shown.present != frozenset(SIDES):
        words = "申请发给离婚证,双方必须亲自共同到场,请约好另一方后再来"
        raise Refused("both_must_come", words, basis=AGREEMENT, field="present")
    missing = [*_agreement(shown), *_certificate(shown)]
    if missing:
        words = "".join(finding.text for finding in missing)
        raise Refused("papers_missing", words, basis=missing[0].basis, field="papers")


def _persons(shown: Papers) -> Iterator[Finding]:
    for side, name in SIDES.items():
        if side not in shown.present:
            yield _against("not_in_person", f"{name}没有亲自到场。请双方共同到场办理。", AGREEMENT)
        if shown.willing.get(side) is False:
            text = f"{name}不愿意离婚。一方要求离婚的,可以由有关组织调解或者向人民法院起诉。"
            yield _against("unwilling", text, COURT)
        if side not in shown.capable:
            text = f"{name}不具有完全民事行为能力,不能办理离婚登记。请向人民法院提起离婚诉讼。"
            yield _against("restricted_capacity", text, NOT_ACCEPTED)


def _agreement(shown: Papers) -> Iterator[Finding]:
    agreed = shown.agreement
    parts = {"子女抚养": agreed.children, "财产": agreed.property, "债务": agreed.debts}
    missing = "、".join(name for name, there in parts.items() if not there)
    if missing:
        text = f"离婚协议没有写明对{missing}的处理意见。请双方协商一致后补充,没有的也要写明没有。"
        yield _against("agreement_incomplete", text, AGREEMENT)
    if not agreed.signed:
        yield _against("agreement_not_signed", "离婚协议没有双方签名。请双方当面签名。", AGREEMENT)


def _certificate(shown: Papers) -> Iterator[Finding]:
    if not shown.registered_in_mainland:
        text = "结婚登记不是在内地或者中国驻外使领馆办理的,不能在内地办理离婚登记。请向人民法院提起离婚诉讼。"
        yield _against("registered_elsewhere", text, NOT_ACCEPTED)
    elif shown.certificate is CertificateShown.MISSING:
        text = "没有结婚证。丢失一本的请书面声明并出示另一本,两本都丢失的请书面声明并提供盖章的登记档案复印件。"
        yield _against("marriage_certificate_missing", text, CERTIFICATE)


def _against(code: str, text: str, basis: str) -> Finding:
    return Finding(code, text, basis, eligible=False)
