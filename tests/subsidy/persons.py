"""Somebody who is due both subsidies under a plain standard, to be changed in one point at a time."""

import dataclasses
import datetime
from typing import Any

from services.subsidy.rules.eligibility import Card, Fact, Facts, Outcome, assess
from services.subsidy.rules.standard import AllowanceRule, Extension, Line, Rate, Rounding, Standard, Terms

DAY = datetime.date(2025, 9, 24)
COUNTY = "620102"
POSITIVE = {"living_dibao", "living_dibao_edge", "care_severe", "care_extended", "care_extended_multiple"}
NOTES = {"allowance_together", "higher_than_allowance"}
SENIOR = AllowanceRule("senior", "高龄津贴", "choose_higher", "together", "示例衔接规则")
ELDER_CARE = AllowanceRule("elder-care", "养老护理补贴", "together", "choose_higher", "国发〔2015〕52号")
PLAIN = Standard(
    division="620100",
    document_no="示例〔2025〕1号",
    source="测试",
    valid_from=datetime.date(2025, 1, 1),
    valid_until=None,
    living=Terms((Rate(fen=10000),)),
    living_statuses=frozenset({"dibao", "dibao_edge"}),
    care=Terms((Rate(fen=12000),)),
    care_extension=Extension(frozenset({3, 4}), frozenset({5, 6}), contains=True),
    allowance_rules=(SENIOR, ELDER_CARE),
    public_pay_needs_proof=True,
    serving_sentence_excludes=True,
)


def fact(value: Any, source: Any = "registry") -> Fact[Any]:
    return Fact(value, source, DAY)


def someone(card: Card | None = Card(4, 1), low_income: str | Fact[Any] = "dibao", **others: Any) -> Facts:  # noqa: B008 - frozen
    known: dict[str, Any] = {
        "hukou": COUNTY,
        "died_on": None,
        "born_on": datetime.date(1975, 3, 12),
        "area": "urban",
        "special_support": False,
        "injury_care": False,
        "orphan_support": False,
        "serving_sentence": False,
        "public_pay": "none",
        "allowances": (),
    }
    values = known | {"card": card, "low_income": low_income} | others
    return Facts(**{name: value if isinstance(value, Fact) else fact(value) for name, value in values.items()})


def asked(facts: Facts, standard: Standard = PLAIN, division: str = COUNTY) -> tuple[Outcome, Outcome]:
    return assess(facts, standard, division, DAY)


def amounts(facts: Facts, standard: Standard = PLAIN) -> tuple[int, int]:
    living, care = asked(facts, standard)
    return living.monthly_amount_fen, care.monthly_amount_fen


def codes(outcome: Outcome) -> set[str]:
    return {reason.code for reason in outcome.reasons}


def without_extension() -> Standard:
    care = Terms((Rate(fen=12000, grades=frozenset({1, 2})),))
    return dataclasses.replace(PLAIN, care=care, care_extension=Extension())


NEEDED = {
    "living": {
        "hukou", "died_on", "card", "low_income", "special_support", "injury_care", "orphan_support",
        "serving_sentence", "public_pay", "allowances",
    },
    "care": {
        "hukou", "died_on", "card", "special_support", "injury_care", "serving_sentence", "public_pay", "allowances",
    },
}  # fmt: skip


def percent_of_lines(percent: int, rounding: Rounding) -> Standard:
    lines = (Line("urban", 747600, "year"), Line("rural", 478800, "year"))
    return dataclasses.replace(PLAIN, living=Terms((Rate(percent=percent),), rounding), lines=lines)
