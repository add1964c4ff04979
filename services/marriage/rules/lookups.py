"""查询婚姻登记记录: who may ask for what purpose, and when "no record" may be certified."""

from collections.abc import Collection
from dataclasses import dataclass

from services.marriage.rules.eligibility import NATIONAL_DATABASE
from shared.errors import Denied, Refused

ABOLISHED = "民政部关于进一步规范(无)婚姻登记记录证明相关工作的通知(文号、原文待核)"
PURPOSE = "个人信息保护法 第六条"


@dataclass(frozen=True, slots=True)
class Purpose:
    """A purpose as the data have it (contracts.record_purposes)."""

    name: str
    basis: str
    asked_by: Collection[str]
    organisations: Collection[str]
    department: bool
    certificate: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks: the kind of actor, the organisation of a clerk's office, for which department; for a certificate."""

    kind: str
    organisation: str
    department: str
    certificate: bool


def expect_purpose(purpose: Purpose | None, asked: Question, known: Collection[str]) -> Purpose:
    """Refused `purpose_unknown`, `department_missing`, `no_record_certificate_abolished`; Denied `purpose_not_yours`."""
    if purpose is None:
        raise Refused("purpose_unknown", f"查询目的只能是:{'、'.join(known)}", basis=PURPOSE, field="X-Purpose")
    not_theirs = asked.kind == "clerk" and asked.organisation not in purpose.organisations
    if asked.kind not in purpose.asked_by or not_theirs:
        words = f"本机构不能以“{purpose.name}”为目的查询,请由有权的机构查询,或改用本机构履行职责的目的"
        raise Denied("purpose_not_yours", words, basis=purpose.basis, field="X-Purpose")
    if purpose.department and not asked.department.strip():
        words = "请写明是为哪个部门查询(department),并留存该部门的公函或协查通知"
        raise Refused("department_missing", words, basis=purpose.basis, field="department")
    if asked.certificate and not purpose.certificate:
        words = (
            "民政部门不再出具(无)婚姻登记记录证明,涉台和向九个国家使用的公证除外。"
            "请由需要核实的部门通过数据共享直接查询;本人可以出示结婚证、离婚证或查询本人记录"
        )
        raise Refused("no_record_certificate_abolished", words, basis=ABOLISHED, field="certificate")
    return purpose


def expect_no_record(married: bool | None) -> None:
    """What the national registry says of whom "no record" is to be certified; `married` None: it has not answered.

    Refused `national_record_found`, `national_registry_silent`: no certificate contradicts it, or runs ahead of it.
    """
    if married:
        words = (
            "全国婚姻基础信息库中有当事人的婚姻登记,不能出具无婚姻登记记录证明。"
            "请当事人出示结婚证或离婚证;登记有误的,请到原登记机关办理更正"
        )
        raise Refused("national_record_found", words, basis=NATIONAL_DATABASE, field="certificate")
    if married is None:
        words = "全国婚姻基础信息库暂时没有答复,不能出具无婚姻登记记录证明,请稍后重新查询"
        raise Refused("national_registry_silent", words, basis=NATIONAL_DATABASE, field="certificate")
