"""A division's dated standard for the two disability subsidies (残疾人两项补贴): terms, rates and local switches."""

import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Benefit = Literal["living", "care"]
LowIncome = Literal["dibao", "dibao_edge", "none"]
Area = Literal["urban", "rural"]
Mixing = Literal["choose_higher", "together"]
RoundingMode = Literal["up", "down", "half_up"]
LinePeriod = Literal["month", "year"]

BENEFITS: tuple[Benefit, ...] = ("living", "care")
AREAS: tuple[Area, ...] = ("urban", "rural")
GRADES = frozenset({1, 2, 3, 4})
SEVERE = frozenset({1, 2})
CATEGORIES = frozenset(range(1, 8))  # 视力 听力 言语 肢体 智力 精神 多重
MULTIPLE = 7


@dataclass(frozen=True, slots=True)
class Rounding:
    """To whole multiples of `unit_fen`."""

    unit_fen: int = 1
    mode: RoundingMode = "half_up"

    def __post_init__(self) -> None:
        if self.unit_fen < 1:
            raise ValueError("the rounding unit must be at least 1 fen")


@dataclass(frozen=True, slots=True)
class Rate:
    """What the grades get: either `fen` a month or `percent` of the 低保 line."""

    fen: int = 0
    percent: int = 0
    grades: frozenset[int] = GRADES

    def __post_init__(self) -> None:
        if min(self.fen, self.percent) < 0 or (self.fen > 0) == (self.percent > 0):
            raise ValueError("a rate is either a positive fen or a positive percent")
        if not self.grades or not self.grades <= GRADES:
            raise ValueError("grades are 1 to 4")


@dataclass(frozen=True, slots=True)
class Terms:
    """The rates of one benefit; `ages` are the first and last full year of age it is paid at, where limited."""

    rates: tuple[Rate, ...]
    rounding: Rounding = field(default_factory=Rounding)
    ages: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not self.rates or sum(len(rate.grades) for rate in self.rates) != len(self.grades):
            raise ValueError("each grade has one rate, and some grade has one")
        if self.ages and not 0 <= self.ages[0] <= self.ages[1]:
            raise ValueError("ages are [first, last]")

    @property
    def grades(self) -> frozenset[int]:
        """The grades that have a rate."""
        return frozenset(grade for rate in self.rates for grade in rate.grades)


@dataclass(frozen=True, slots=True)
class Extension:
    """A region's care subsidy below grade 2; `contains`: a component of a multiple disability suffices."""

    grades: frozenset[int] = frozenset()
    categories: frozenset[int] = frozenset()
    contains: bool = False

    def __post_init__(self) -> None:
        if not self.grades <= GRADES - SEVERE or not self.categories <= CATEGORIES - {MULTIPLE}:
            raise ValueError("an extension has grades 3 to 4 and categories 1 to 6")
        if bool(self.grades) != bool(self.categories):
            raise ValueError("an extension has both grades and categories, or neither")


@dataclass(frozen=True, slots=True)
class AllowanceRule:
    """How another welfare allowance goes with each of the two subsidies."""

    kind: str
    name: str
    living: Mixing
    care: Mixing
    basis: str


@dataclass(frozen=True, slots=True)
class Line:
    """A 低保 line as its notice states it."""

    area: Area
    fen: int
    per: LinePeriod

    def __post_init__(self) -> None:
        if self.fen < 1:
            raise ValueError("a 低保 line is a positive number of fen")


@dataclass(frozen=True, slots=True)
class Standard:
    """One division's rules for a span of dates, both ends included. ValueError when they contradict themselves."""

    division: str
    document_no: str
    source: str
    valid_from: datetime.date
    valid_until: datetime.date | None
    living: Terms
    living_statuses: frozenset[LowIncome]
    care: Terms
    care_need_presumed: bool = True  # grades 1 and 2 need no separate finding of long-term care
    care_extension: Extension = field(default_factory=Extension)
    allowance_rules: tuple[AllowanceRule, ...] = ()
    lines: tuple[Line, ...] = ()
    public_pay_needs_proof: bool = False
    serving_sentence_excludes: bool = False
    unverified: tuple[str, ...] = ()  # parts not yet compared with the official text, or made up for demonstration

    def __post_init__(self) -> None:
        contradiction = next((why for why, wrong in _contradictions(self) if wrong), "")
        if contradiction:
            raise ValueError(contradiction)


def terms_of(benefit: Benefit, standard: Standard) -> Terms:
    """The terms of one benefit."""
    return standard.living if benefit == "living" else standard.care


def monthly_amount(benefit: Benefit, standard: Standard, grade: int, area: Area | None = None) -> int:
    """Fen a month before other allowances; 0 without a rate for the grade or while the 低保 line is undecided."""
    terms = terms_of(benefit, standard)
    rate = next((rate for rate in terms.rates if grade in rate.grades), None)
    if rate is None or rate.fen:
        return rate.fen if rate else 0
    lines = {_monthly(line) for line in standard.lines if area in (None, line.area)}
    return _rounded(lines.pop() * rate.percent / 100, terms.rounding) if len(lines) == 1 else 0


def covers(division: str, hukou: str) -> bool:
    """Whether `division`, of any level, is or contains the division `hukou`; both of 6, 9 or 12 digits."""
    county, below = division[:6], division[6:]
    while county.endswith("00"):
        county = county[:-2]
    return hukou.startswith(county + below)


def _monthly(line: Line) -> Fraction:
    return Fraction(line.fen, 12 if line.per == "year" else 1)


def _rounded(fen: Fraction, rounding: Rounding) -> int:
    units = fen / rounding.unit_fen
    whole = {"up": math.ceil(units), "down": math.floor(units), "half_up": math.floor(units + Fraction(1, 2))}
    return whole[rounding.mode] * rounding.unit_fen


def _contradictions(it: Standard) -> Iterator[tuple[str, bool]]:
    yield "document_no and source must be given", not (it.document_no.strip() and it.source.strip())
    yield "valid_until is before valid_from", it.valid_until is not None and it.valid_until < it.valid_from
    yield "living_statuses must contain dibao", "dibao" not in it.living_statuses
    yield "none is no low-income status", "none" in it.living_statuses
    care_grades = SEVERE | it.care_extension.grades
    yield "care has rates for grades 1, 2 and its extension, no others", it.care.grades != care_grades
    kinds = [rule.kind for rule in it.allowance_rules]
    yield "two rules for one allowance", len(kinds) != len(set(kinds))
    areas = [line.area for line in it.lines]
    yield "two 低保 lines for one area", len(areas) != len(set(areas))
    percents = any(rate.percent for terms in (it.living, it.care) for rate in terms.rates)
    yield "a percentage needs the 低保 lines of both areas", percents and set(areas) != set(AREAS)
    yield (
        "a rate rounds to nothing",
        any(
            monthly_amount(benefit, it, grade, area) < 1
            for benefit in BENEFITS
            for grade in terms_of(benefit, it).grades
            for area in AREAS
        ),
    )
