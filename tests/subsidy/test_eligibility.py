"""The law of the two disability subsidies: decision vectors, exclusions, unknown facts, months."""

import dataclasses
import datetime
from typing import Any

import pytest

from services.subsidy.rules.eligibility import (
    Allowance,
    Card,
    Due,
    Facts,
    backpay,
    first_month,
    last_month,
    merged,
    months_due,
)
from services.subsidy.rules.standard import BENEFITS, AllowanceRule, Rate, Terms
from tests.subsidy.persons import DAY, NEEDED, PLAIN, POSITIVE, amounts, asked, codes, fact, someone, without_extension


@pytest.mark.parametrize(
    ("card", "low_income", "expected"),
    [
        (Card(4, 1), "dibao", (10000, 12000)),
        (Card(4, 3), "dibao", (10000, 0)),
        (Card(6, 3), "none", (0, 12000)),
        (Card(4, 2), "none", (0, 12000)),
        (Card(4, 4), "dibao_edge", (10000, 0)),
        (Card(5, 4), "dibao", (10000, 12000)),
        (Card(1, 3), "none", (0, 0)),
    ],
)
def test_category_grade_and_low_income_decide_which_of_the_two_is_due(
    card: Card, low_income: str, expected: tuple[int, int]
) -> None:
    assert amounts(someone(card, low_income)) == expected


def test_a_region_that_does_not_extend_care_pays_none_for_grade_three() -> None:
    _, care = asked(someone(Card(6, 3)), without_extension())
    assert care.verdict == "refused"
    assert codes(care) == {"grade_not_covered"}


@pytest.mark.parametrize(("components", "code"), [({4, 5}, "care_extended_multiple"), ({1, 2}, "category_not_covered")])
def test_a_multiple_disability_counts_by_what_it_contains(components: set[int], code: str) -> None:
    _, care = asked(someone(Card(7, 3, frozenset(components))))
    assert codes(care) == {code}


def test_a_multiple_disability_of_unrecorded_components_is_undetermined() -> None:
    living, care = asked(someone(Card(7, 4)))
    assert care.verdict == "undetermined"
    assert care.missing == ("card_components",)
    assert living.eligible


def test_a_severe_multiple_disability_needs_no_components() -> None:
    assert amounts(someone(Card(7, 2))) == (10000, 12000)


def test_where_components_do_not_count_a_multiple_disability_of_grade_three_gets_no_care() -> None:
    closed = dataclasses.replace(PLAIN, care_extension=dataclasses.replace(PLAIN.care_extension, contains=False))
    _, care = asked(someone(Card(7, 3, frozenset({5}))), closed)
    assert codes(care) == {"category_not_covered"}


@pytest.mark.parametrize(
    ("changes", "living_code", "care_code"),
    [
        ({"special_support": True}, "special_support", "special_support"),
        ({"injury_care": True}, "injury_care", "injury_care"),
        ({"orphan_support": True}, "orphan_support", "care_severe"),
        ({"serving_sentence": True}, "serving_sentence", "serving_sentence"),
        ({"public_pay": "without_proof"}, "employer_proof_missing", "employer_proof_missing"),
        ({"public_pay": "with_proof"}, "living_dibao", "care_severe"),
        ({"died_on": datetime.date(2025, 8, 30)}, "deceased", "deceased"),
        ({"card": None}, "no_card", "no_card"),
        ({"low_income": "none"}, "not_low_income", "care_severe"),
        ({"long_term_care": False}, "living_dibao", "no_long_term_care"),
    ],
)
def test_each_exclusion_strikes_the_benefits_the_law_names(
    changes: dict[str, Any], living_code: str, care_code: str
) -> None:
    living, care = asked(someone(**changes))
    assert (codes(living), codes(care)) == ({living_code}, {care_code})
    assert living.eligible == (living_code in POSITIVE)
    assert care.eligible == (care_code in POSITIVE)


def test_all_grounds_of_a_refusal_are_told_at_once() -> None:
    living, _ = asked(someone(low_income="none", special_support=True, orphan_support=True))
    assert codes(living) == {"not_low_income", "special_support", "orphan_support"}


@pytest.mark.parametrize(
    ("fact_name", "value"), [("serving_sentence", True), ("public_pay", "without_proof"), ("public_pay", "none")]
)
def test_a_region_without_the_local_rule_does_not_ask(fact_name: str, value: Any) -> None:
    open_handed = dataclasses.replace(PLAIN, serving_sentence_excludes=False, public_pay_needs_proof=False)
    assert amounts(someone(**{fact_name: value}), open_handed) == (10000, 12000)
    assert amounts(dataclasses.replace(someone(), **{fact_name: None}), open_handed) == (10000, 12000)


@pytest.mark.parametrize(
    ("other", "expected", "living_code"),
    [
        (9999, (10000, 12000), "higher_than_allowance"),
        (10000, (0, 12000), "other_allowance_higher"),
        (15000, (0, 12000), "other_allowance_higher"),
    ],
)
def test_of_two_living_allowances_only_the_higher_is_paid(
    other: int, expected: tuple[int, int], living_code: str
) -> None:
    facts = someone(allowances=(Allowance("senior", other),))
    assert amounts(facts) == expected
    living, care = asked(facts)
    assert living_code in codes(living)
    assert "allowance_together" in codes(care)


def test_of_two_care_allowances_only_the_higher_is_paid() -> None:
    assert amounts(someone(allowances=(Allowance("elder-care", 20000),))) == (10000, 0)


def test_one_higher_allowance_among_several_is_enough() -> None:
    rules = (*PLAIN.allowance_rules, AllowanceRule("cadre", "离休补贴", "choose_higher", "together", "示例"))
    facts = someone(allowances=(Allowance("senior", 500), Allowance("cadre", 50000)))
    living, _ = asked(facts, dataclasses.replace(PLAIN, allowance_rules=rules))
    assert codes(living) == {"other_allowance_higher"}


def test_the_text_of_choosing_the_higher_names_both_amounts() -> None:
    living, _ = asked(someone(allowances=(Allowance("senior", 15005),)))
    (reason,) = living.reasons
    assert "150.05元" in reason.text
    assert "100.00元" in reason.text


def test_an_allowance_without_a_local_rule_is_never_guessed() -> None:
    living, care = asked(someone(allowances=(Allowance("unheard-of", 100),)))
    assert living.missing == care.missing == ("allowance_rule",)


def test_two_allowances_without_a_rule_are_one_open_point_with_two_reasons() -> None:
    living, _ = asked(someone(allowances=(Allowance("unheard-of", 100), Allowance("never-seen", 100))))
    assert living.missing == ("allowance_rule",)
    assert len(living.reasons) == 2


def test_an_allowance_of_nothing_is_no_allowance() -> None:
    assert amounts(someone(allowances=(Allowance("unheard-of", 0),))) == (10000, 12000)


def test_hukou_elsewhere_is_not_ours_and_no_refusal_on_other_grounds() -> None:
    living, care = asked(someone(hukou="460204", special_support=True))
    assert living.verdict == care.verdict == "not_ours"
    assert codes(living) == codes(care) == {"hukou_elsewhere"}


def test_another_district_of_the_same_city_is_elsewhere_for_a_district() -> None:
    living, _ = asked(someone(hukou="620103"))
    assert living.verdict == "not_ours"


def test_without_any_facts_everything_that_counts_is_missing_and_nothing_is_refused() -> None:
    for outcome in asked(Facts()):
        assert outcome.verdict == "undetermined"
        assert set(outcome.missing) == NEEDED[outcome.benefit]


@pytest.mark.parametrize("name", sorted(NEEDED["living"]))
def test_one_unknown_fact_is_named_and_no_other(name: str) -> None:
    for outcome in asked(dataclasses.replace(someone(), **{name: None})):
        expected = (name,) if name in NEEDED[outcome.benefit] else ()
        assert outcome.missing == expected
        assert outcome.eligible is not bool(expected)


@pytest.mark.parametrize("name", ["hukou", "card", "low_income", "special_support"])
def test_a_bare_statement_does_not_stand_for_a_registry_but_a_promise_does(name: str) -> None:
    value = getattr(someone(), name).value
    stated, _ = asked(dataclasses.replace(someone(), **{name: fact(value, "applicant")}))
    promised, _ = asked(dataclasses.replace(someone(), **{name: fact(value, "promise")}))
    assert stated.missing == (name,)
    assert promised.eligible


def test_a_known_exclusion_refuses_even_while_other_facts_are_unknown() -> None:
    living, _ = asked(dataclasses.replace(someone(injury_care=True), low_income=None))
    assert living.verdict == "refused"


def test_while_the_hukou_is_unknown_nobody_is_refused() -> None:
    living, _ = asked(dataclasses.replace(someone(injury_care=True), hukou=None))
    assert living.verdict == "undetermined"


def test_a_registry_outranks_what_was_declared_and_leaves_the_rest() -> None:
    declared = someone(low_income=fact("dibao", "promise"), injury_care=fact(False, "applicant"))
    settled = merged(declared, Facts(low_income=fact("none")))
    assert settled.low_income == fact("none")
    assert settled.injury_care == fact(False, "applicant")


def test_long_term_care_must_be_found_where_it_is_not_presumed() -> None:
    strict = dataclasses.replace(PLAIN, care_need_presumed=False)
    assert asked(someone(), strict)[1].missing == ("long_term_care",)
    assert asked(someone(long_term_care=True), strict)[1].eligible


@pytest.mark.parametrize(("born_on", "eligible"), [((2007, 9, 24), True), ((2007, 9, 25), False)])
def test_an_age_limit_is_reached_on_the_birthday(born_on: tuple[int, int, int], eligible: bool) -> None:
    adults = dataclasses.replace(PLAIN, living=Terms((Rate(fen=10000),), ages=(18, 59)))
    living, care = asked(someone(born_on=datetime.date(*born_on)), adults)
    assert living.eligible is eligible
    assert care.eligible


def test_an_age_limit_needs_the_date_of_birth() -> None:
    adults = dataclasses.replace(PLAIN, living=Terms((Rate(fen=10000),), ages=(18, 59)))
    assert asked(dataclasses.replace(someone(), born_on=None), adults)[0].missing == ("born_on",)


def test_payment_reaches_back_to_the_month_of_application() -> None:
    months = months_due(first_month(DAY), datetime.date(2025, 11, 1))
    dues = backpay(months, lambda _: 10000)
    assert [due.month for due in dues] == [datetime.date(2025, month, 1) for month in (9, 10, 11)]
    assert sum(due.amount_fen for due in dues) == 30000


def test_each_month_is_paid_by_the_standard_of_that_month() -> None:
    months = months_due(datetime.date(2024, 12, 1), datetime.date(2025, 1, 31))
    assert backpay(months, lambda month: 8000 if month.year == 2024 else 10000) == (
        Due(datetime.date(2024, 12, 1), 8000),
        Due(datetime.date(2025, 1, 1), 10000),
    )


def test_after_a_death_the_month_of_death_is_the_last_one_paid() -> None:
    died = datetime.date(2025, 10, 1)
    months = months_due(first_month(DAY), datetime.date(2025, 12, 1), last_month(died))
    assert months == (datetime.date(2025, 9, 1), datetime.date(2025, 10, 1))


def test_nothing_is_due_when_the_entitlement_ended_before_it_began() -> None:
    assert months_due(datetime.date(2025, 9, 1), datetime.date(2025, 12, 1), datetime.date(2025, 8, 1)) == ()


def test_the_two_benefits_are_answered_in_their_order() -> None:
    assert tuple(outcome.benefit for outcome in asked(someone())) == BENEFITS
