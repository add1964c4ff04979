"""A dated standard: rates by grade and by share of the 低保 line, rounding, territory, contradictions."""

import dataclasses
import datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subsidy.rules.eligibility import Card
from services.subsidy.rules.standard import Extension, Line, Rate, Rounding, Terms, covers, monthly_amount
from tests.subsidy.persons import PLAIN, SENIOR, amounts, asked, codes, percent_of_lines, someone


@pytest.mark.parametrize(
    ("division", "hukou", "expected"),
    [
        ("620102", "620102", True),
        ("620102", "620102001003", True),
        ("620100", "620102", True),
        ("620000", "620302", True),
        ("460400", "460400101", True),
        ("621000", "620102", False),
        ("620102", "620100", False),
        ("620102001", "620102002", False),
        ("620102001", "620102001003", True),
    ],
)
def test_a_division_covers_itself_and_what_lies_below(division: str, hukou: str, expected: bool) -> None:
    assert covers(division, hukou) is expected


@pytest.mark.parametrize(
    ("area", "unit_fen", "mode", "expected"),
    [
        ("urban", 1, "half_up", 18690),
        ("urban", 100, "up", 18700),
        ("urban", 100, "down", 18600),
        ("urban", 1000, "half_up", 19000),
        ("rural", 100, "half_up", 12000),
        ("rural", 1000, "down", 11000),
    ],
)
def test_a_percentage_of_a_yearly_line_is_rounded_as_the_standard_says(
    area: str, unit_fen: int, mode: Any, expected: int
) -> None:
    standard = percent_of_lines(30, Rounding(unit_fen, mode))  # of 623 and 399 yuan a month
    assert amounts(someone(area=area), standard)[0] == expected


def test_exactly_half_a_unit_is_rounded_up() -> None:
    lines = (Line("urban", 50, "month"), Line("rural", 50, "month"))
    half = dataclasses.replace(PLAIN, living=Terms((Rate(percent=5),)), lines=lines)
    assert monthly_amount("living", half, 1) == 3


def test_where_town_and_country_have_two_lines_the_area_must_be_known() -> None:
    living, care = asked(dataclasses.replace(someone(), area=None), percent_of_lines(30, Rounding()))
    assert living.missing == ("area",)
    assert care.eligible


def test_where_town_and_country_have_one_line_the_area_is_not_asked() -> None:
    lines = (Line("urban", 52000, "month"), Line("rural", 52000, "month"))
    one_line = dataclasses.replace(PLAIN, living=Terms((Rate(percent=30),)), lines=lines)
    assert amounts(dataclasses.replace(someone(), area=None), one_line)[0] == 15600


def test_rates_may_differ_by_grade() -> None:
    rates = (Rate(fen=20000, grades=frozenset({1, 2})), Rate(fen=15000, grades=frozenset({3, 4})))
    by_grade = dataclasses.replace(PLAIN, living=Terms(rates))
    assert [amounts(someone(Card(4, grade)), by_grade)[0] for grade in (1, 2, 3, 4)] == [20000, 20000, 15000, 15000]


def test_a_grade_without_a_rate_gets_no_living_subsidy() -> None:
    severe_only = dataclasses.replace(PLAIN, living=Terms((Rate(fen=10000, grades=frozenset({1, 2})),)))
    living, _ = asked(someone(Card(4, 3)), severe_only)
    assert codes(living) == {"grade_not_covered"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"document_no": " "}, "document_no"),
        ({"valid_until": datetime.date(2024, 12, 31)}, "valid_until"),
        ({"living_statuses": frozenset({"dibao_edge"})}, "dibao"),
        ({"living_statuses": frozenset({"dibao", "none"})}, "none"),
        ({"care_extension": Extension()}, "grades 1, 2"),
        ({"care": Terms((Rate(fen=1, grades=frozenset({1})),))}, "grades 1, 2"),
        ({"living": Terms((Rate(percent=30),))}, "both areas"),
        ({"allowance_rules": (SENIOR, SENIOR)}, "two rules"),
        ({"lines": (Line("urban", 1, "month"),) * 2}, "two 低保 lines"),
        (
            {
                "living": Terms((Rate(percent=1),), Rounding(100, "down")),
                "lines": (Line("urban", 50000, "month"), Line("rural", 100, "month")),
            },
            "rounds to nothing",
        ),
    ],
)
def test_a_standard_that_contradicts_itself_cannot_be_made(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(PLAIN, **changes)


@pytest.mark.parametrize(
    "make",
    [
        Rate,
        lambda: Rate(fen=1, percent=1),
        lambda: Rate(fen=-1),
        lambda: Rate(fen=1, grades=frozenset({5})),
        lambda: Terms(()),
        lambda: Terms((Rate(fen=1), Rate(fen=2, grades=frozenset({1})))),
        lambda: Terms((Rate(fen=1),), ages=(60, 18)),
        lambda: Rounding(0),
        lambda: Extension(frozenset({2}), frozenset({5})),
        lambda: Extension(frozenset({3}), frozenset({7})),
        lambda: Extension(frozenset({3})),
        lambda: Line("urban", 0, "month"),
        lambda: Card(8, 1),
        lambda: Card(1, 5),
    ],
)
def test_an_impossible_part_cannot_be_made(make: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()


@given(st.integers(10, 200), st.integers(1000, 99_999_900), st.sampled_from([1, 10, 100]))
def test_rounding_moves_an_amount_by_less_than_its_unit(percent: int, line: int, unit: int) -> None:
    def amount(mode: Any) -> int:
        lines = (Line("urban", line, "year"), Line("rural", line, "year"))
        terms = Terms((Rate(percent=percent),), Rounding(unit, mode))
        return monthly_amount("living", dataclasses.replace(PLAIN, living=terms, lines=lines), 1)

    exact = Fraction(line * percent, 1200)
    if exact >= unit:
        assert exact - unit < amount("down") <= exact <= amount("up") < exact + unit
        assert abs(amount("half_up") - exact) * 2 <= unit
        assert all(amount(mode) % unit == 0 for mode in ("down", "half_up", "up"))
