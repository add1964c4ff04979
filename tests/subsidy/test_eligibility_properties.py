"""What holds of every person under every standard."""

import dataclasses
import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.subsidy.rules.eligibility import Allowance, Card, Fact, Facts, first_month, months_due
from services.subsidy.rules.standard import Rate, Rounding, Standard, Terms
from tests.subsidy.persons import (
    COUNTY,
    NEEDED,
    NOTES,
    PLAIN,
    POSITIVE,
    amounts,
    asked,
    codes,
    fact,
    percent_of_lines,
    someone,
    without_extension,
)

days = st.dates(datetime.date(1940, 1, 1), datetime.date(2040, 12, 31))
sources = st.sampled_from(["registry", "promise", "applicant"])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    known = st.builds(Fact, value=values, source=sources, as_of=days)
    return st.one_of(known, known, known, st.none())  # mostly known, or nobody is ever eligible


cards = st.builds(Card, st.integers(1, 7), st.integers(1, 4), st.none() | st.frozensets(st.integers(1, 6), min_size=1))
kinds: st.SearchStrategy[str] = st.sampled_from(["senior", "elder-care", "unheard-of"])
mostly_not = st.sampled_from([False, False, False, True])
persons = st.builds(
    Facts,
    hukou=maybe(st.sampled_from([COUNTY, COUNTY, COUNTY, "460204"])),
    died_on=maybe(st.none() | st.none() | days),
    born_on=maybe(days),
    card=maybe(cards | cards | st.none()),
    low_income=maybe(st.sampled_from(["dibao", "dibao_edge", "none"])),
    area=maybe(st.sampled_from(["urban", "rural"])),
    special_support=maybe(mostly_not),
    injury_care=maybe(mostly_not),
    orphan_support=maybe(mostly_not),
    serving_sentence=maybe(mostly_not),
    public_pay=maybe(st.sampled_from(["none", "with_proof", "without_proof"])),
    allowances=maybe(st.lists(st.builds(Allowance, kinds, st.integers(0, 30000)), max_size=2).map(tuple)),
    long_term_care=maybe(st.booleans()),
)
lucky = st.builds(
    someone,
    card=cards,
    low_income=st.sampled_from(["dibao", "dibao_edge", "none"]),
    allowances=st.lists(st.builds(Allowance, st.sampled_from(["senior", "elder-care"]), st.integers(0, 30000))).map(
        tuple
    ),
)
standards = st.sampled_from(
    [
        PLAIN,
        without_extension(),
        percent_of_lines(30, Rounding(100, "up")),
        dataclasses.replace(PLAIN, care_need_presumed=False, public_pay_needs_proof=False),
        dataclasses.replace(PLAIN, living=Terms((Rate(fen=10000),), ages=(18, 59))),
    ]
)
anyone = persons | lucky


@given(anyone, standards)
def test_who_is_excluded_is_never_eligible(facts: Facts, standard: Standard) -> None:
    living, care = asked(facts, standard)
    both: tuple[Fact[Any] | None, ...] = (
        facts.special_support,
        facts.injury_care,
        facts.serving_sentence,
        facts.died_on,
    )
    if any(item and item.value for item in both):
        assert not living.eligible
        assert not care.eligible
    if facts.orphan_support and facts.orphan_support.value:
        assert not living.eligible


@given(anyone, standards)
def test_an_outcome_is_one_thing_only_and_its_amount_agrees(facts: Facts, standard: Standard) -> None:
    for outcome in asked(facts, standard):
        assert outcome.eligible is (outcome.monthly_amount_fen > 0)
        assert outcome.monthly_amount_fen >= 0
        assert not (outcome.eligible and outcome.missing)
        assert outcome.eligible is (codes(outcome) <= POSITIVE | NOTES)
        assert all(reason.text and reason.basis for reason in outcome.reasons)


@given(anyone, standards)
def test_who_is_eligible_has_one_positive_ground(facts: Facts, standard: Standard) -> None:
    for outcome in asked(facts, standard):
        if outcome.eligible:
            assert len(codes(outcome) & POSITIVE) == 1


@given(anyone, standards, st.sampled_from(sorted(NEEDED["living"] | {"area", "born_on"})))
def test_forgetting_a_fact_makes_nobody_eligible_and_nobody_richer(facts: Facts, standard: Standard, name: str) -> None:
    forgetful = asked(dataclasses.replace(facts, **{name: None}), standard)
    for knowing, forgetting in zip(asked(facts, standard), forgetful, strict=True):
        assert forgetting.monthly_amount_fen in (0, knowing.monthly_amount_fen)


@given(anyone, standards)
def test_a_poorer_household_never_loses(facts: Facts, standard: Standard) -> None:
    paid = [
        amounts(dataclasses.replace(facts, low_income=fact(status)), standard)
        for status in ("none", "dibao_edge", "dibao")
    ]
    assert paid == sorted(paid)
    assert len({care for _, care in paid}) == 1


@given(anyone, standards, st.integers(2, 4), st.integers(1, 7), st.none() | st.just(frozenset({5})))
def test_a_heavier_disability_never_loses(
    facts: Facts, standard: Standard, grade: int, category: int, components: frozenset[int] | None
) -> None:
    needy = dataclasses.replace(facts, long_term_care=fact(True))
    lighter = asked(dataclasses.replace(needy, card=fact(Card(category, grade, components))), standard)
    heavier = asked(dataclasses.replace(needy, card=fact(Card(category, grade - 1, components))), standard)
    for light, heavy in zip(lighter, heavier, strict=True):
        assert heavy.monthly_amount_fen >= light.monthly_amount_fen


@given(lucky, standards, kinds, st.integers(0, 30000))
def test_another_allowance_never_adds(facts: Facts, standard: Standard, kind: str, fen: int) -> None:
    assert facts.allowances
    more = dataclasses.replace(facts, allowances=fact((*facts.allowances.value, Allowance(kind, fen))))
    for with_one, without in zip(amounts(more, standard), amounts(facts, standard), strict=True):
        assert with_one in (0, without)


@given(days, days, st.none() | days)
def test_months_due_are_each_named_once_and_in_order(
    first: datetime.date, run: datetime.date, last: datetime.date | None
) -> None:
    months = months_due(first, run, last)
    assert list(months) == sorted(set(months))
    assert all(month.day == 1 for month in months)
    end = min(run, last or run)
    assert len(months) == max(0, (end.year - first.year) * 12 + end.month - first.month + 1)
    if months:
        assert months[0] == first_month(first)
        assert months[-1] == end.replace(day=1)
