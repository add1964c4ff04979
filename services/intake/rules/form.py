"""收件的规矩: whose case it is, what is missing, who may apply and for whom."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.errors import Denied, Refused

ORIGINAL = "original"  # what a clerk has seen of a material
PROVIDED_WITHOUT_APPLICANT = frozenset({"registry", "e-certificate"})


def missing_materials(materials: Iterable[Mapping[str, Any]], provided: Iterable[Mapping[str, Any]]) -> list[str]:
    """Codes of materials that no registry holds and the applicant has not brought or promised.

    What a registry holds may not be asked for (政务数据共享条例): it counts as provided.
    """
    brought = {(item["code"], item["source"]) for item in provided}
    return [
        spec["code"]
        for spec in materials
        if PROVIDED_WITHOUT_APPLICANT.isdisjoint(spec["sources"])
        and not any((spec["code"], source) in brought for source in spec["sources"])
    ]


def expect_known_materials(materials: Sequence[Mapping[str, Any]], provided: Iterable[Mapping[str, Any]]) -> None:
    """Refused for a material the matter does not ask for: what is not needed may not be collected (个保法 第六条)."""
    sources = {spec["code"]: spec["sources"] for spec in materials}
    for item in provided:
        if item["source"] not in sources.get(item["code"], ()):
            raise Refused(
                "material_not_asked",
                f"此事项不需要材料“{item['code']}”或不接受这种提供方式,请删除后重新提交",
                basis="个人信息保护法 第六条",
                field="materials",
            )


def expect_shown(provided: Iterable[Mapping[str, Any]], by_clerk: bool) -> None:
    """Refused `material_not_shown` for what an applicant is said to have brought and nobody has seen.

    It is a file, or a clerk says that the original was seen: what nobody can look at is not brought.
    """
    for item in provided:
        seen = by_clerk and item["seen"] == ORIGINAL and item["seen_by"]
        if item["source"] == "applicant" and not (item["file_id"] or seen):
            raise Refused(
                "material_not_shown",
                f"材料“{item['code']}”没有文件;请上传,或由窗口工作人员注明已核验原件",
                basis="行政许可法 第三十二条",
                field="materials",
            )


def competent_division(competence: str, *, office_division: str, hukou: str, residence: str, place: str) -> str:
    """The division whose county decides. Refused `division_missing` when the person has not said it."""
    division = {
        "accepting": office_division,
        "hukou": hukou,
        "hukou-or-residence": residence or hukou,
        "place-of-event": place,
    }[competence]
    if not division:
        missing = "急难发生地" if competence == "place-of-event" else "户籍所在地"
        raise Refused("division_missing", f"请填写{missing}的行政区划", field="division")
    return division


def expect_reach(reach: str, accepting_node: str, competent_node: str) -> None:
    """Refused when the matter may not be taken in so far from where it is decided (市内/省内/跨省通办)."""
    near = {"city": accepting_node[:4] == competent_node[:4], "province": accepting_node[:2] == competent_node[:2]}
    if not near.get(reach, True):
        raise Refused("out_of_reach", "此事项暂不能在此地受理,请告知申请人到事项主管地办理")


def find_subject(parties: Iterable[Mapping[str, Any]], role: str) -> Mapping[str, Any]:
    """The one party the case is about. Refused `party_missing` or `party_twice`."""
    subjects = [party for party in parties if party["role"] == role]
    if not subjects:
        raise Refused("party_missing", "缺少事项当事人信息,请补充后提交", field="parties")
    if len(subjects) > 1:
        raise Refused("party_twice", "一件申请只能有一名当事人,请分别提交", field="parties")
    return subjects[0]


def expect_agency(parties: Iterable[Mapping[str, Any]], on: datetime.date) -> None:
    """Denied when an agent or guardian shows no basis, or one that has run out (民法典 第一百六十五、一百七十三条)."""
    for party in parties:
        if party["role"] in ("agent", "guardian") and not (party.get("basis") and _lasts(party, on)):
            raise Denied("agency_invalid", "代办或监护关系缺少依据或已过期,请核对委托书或监护证明", field="parties")


def _lasts(party: Mapping[str, Any], on: datetime.date) -> bool:
    """Whether the authority holds on that day; one whose end cannot be read does not."""
    try:
        return not party.get("expires_on") or datetime.date.fromisoformat(party["expires_on"]) >= on
    except ValueError:
        return False


def expect_consents(consents: Iterable[str], child: bool) -> None:
    """The notice must have been shown; a guardian consents for a child under 14 (个人信息保护法 第十七、三十一条)."""
    given = set(consents)
    if "notice_shown" not in given:
        raise Refused(
            "notice_not_shown", "请先向申请人出示个人信息处理告知", basis="个人信息保护法 第十七条", field="consents"
        )
    if child and "guardian" not in given:
        raise Refused(
            "guardian_consent_missing",
            "不满十四周岁的,须取得监护人同意",
            basis="个人信息保护法 第三十一条",
            field="consents",
        )
