"""婚姻终止的事由: how a marriage can end, what that makes of it, and the clause."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

DIVORCED = "民法典 第一千零八十条"
IMPERSONATED = "关于妥善处理以冒名顶替或者弄虚作假的方式办理婚姻登记问题的指导意见(2021年11月18日)"


class Standing(enum.StrEnum):
    """Where a marriage on record stands."""

    VALID = "valid"
    DISSOLVED = "dissolved"
    ENDED_BY_DEATH = "ended_by_death"
    VOID = "void"
    REVOKED = "revoked"


class Ground(enum.StrEnum):
    """Why a marriage ended."""

    DIVORCE_REGISTERED = "divorce_registered"
    DIVORCE_BY_COURT = "divorce_by_court"
    DEATH = "death"
    DECLARED_DEAD = "declared_dead"
    BIGAMY = "bigamy"
    KINSHIP = "kinship"
    UNDER_AGE = "under_age"
    COERCION = "coercion"
    ILLNESS = "illness"  # a serious one, not told before
    IMPERSONATION = "impersonation"


@dataclass(frozen=True, slots=True)
class Law:
    """What a ground makes of the marriage. `from_the_beginning`: as if there had never been one (Civil Code 1054)."""

    standing: Standing
    name: str  # what is said of the marriage: 该婚姻已经……
    basis: str
    from_the_beginning: bool = False


def _annulled(standing: Standing, name: str, article: str) -> Law:
    return Law(standing, name, f"民法典 {article}、第一千零五十四条", from_the_beginning=True)


LAWS: Mapping[Ground, Law] = {
    Ground.DIVORCE_REGISTERED: Law(Standing.DISSOLVED, "登记离婚", DIVORCED),
    Ground.DIVORCE_BY_COURT: Law(Standing.DISSOLVED, "由人民法院判决或调解离婚", DIVORCED),
    Ground.DEATH: Law(Standing.ENDED_BY_DEATH, "因一方死亡终止", "民法典 第十三条"),
    Ground.DECLARED_DEAD: Law(Standing.ENDED_BY_DEATH, "因一方被宣告死亡消除", "民法典 第五十一条"),
    Ground.BIGAMY: _annulled(Standing.VOID, "因重婚被宣告无效", "第一千零五十一条第一项"),
    Ground.KINSHIP: _annulled(Standing.VOID, "因禁止结婚的亲属关系被宣告无效", "第一千零五十一条第二项"),
    Ground.UNDER_AGE: _annulled(Standing.VOID, "因未到法定婚龄被宣告无效", "第一千零五十一条第三项"),
    Ground.COERCION: _annulled(Standing.REVOKED, "因胁迫被撤销", "第一千零五十二条"),
    Ground.ILLNESS: _annulled(Standing.REVOKED, "因未如实告知重大疾病被撤销", "第一千零五十三条"),
    Ground.IMPERSONATION: Law(
        Standing.REVOKED, "因冒名顶替或弄虚作假被撤销登记", IMPERSONATED, from_the_beginning=True
    ),
}
