"""What applicants declare and promise, what registries make of it, and how facts are kept."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subsidy.rules import facts as rules
from services.subsidy.rules.eligibility import Allowance, Card, Fact, Facts
from tests.subsidy.persons import DAY, fact, someone

BOTH = frozenset({"disability-card", "low-income"})
ANSWERS = {"special_support": "no", "public_pay": "with_proof", "allowances": [{"kind": "senior", "monthly_fen": 5000}]}
PROMISED = ANSWERS | {"card_category": "7", "card_grade": 3, "low_income": "dibao_edge", "area": "rural"}


def declared(answers: Any, promised: frozenset[str] = frozenset()) -> Facts:
    return rules.declared(answers, promised, "620102", DAY)


def test_what_an_applicant_says_is_known_as_said_and_the_rest_is_unknown() -> None:
    said = declared(ANSWERS)
    assert said.special_support == Fact(False, "applicant", DAY)
    assert said.public_pay == Fact("with_proof", "applicant", DAY)
    assert said.allowances == Fact((Allowance("senior", 5000),), "applicant", DAY)
    assert said.died_on == Fact(None, "applicant", DAY)
    assert (said.injury_care, said.long_term_care, said.card, said.low_income, said.hukou, said.area) == (None,) * 6
    assert rules.unchecked(said) == frozenset()


def test_a_promise_stands_for_what_its_registry_would_say() -> None:
    said = declared(PROMISED, BOTH)
    assert said.card == Fact(Card(7, 3), "promise", DAY)
    assert said.low_income == Fact("dibao_edge", "promise", DAY)
    assert said.hukou == Fact("620102", "promise", DAY)
    assert rules.unchecked(said) == {"card", "low_income", "special_support", "hukou", "area"}
    assert rules.unchecked(declared(PROMISED, frozenset({"disability-card"}))) == {"card", "hukou", "area"}


@pytest.mark.parametrize(
    "answers",
    [
        {"card_category": "8", "card_grade": "1"},
        {"card_category": "4"},
        {"card_category": None, "card_grade": None},
        {"card_category": [], "card_grade": {}},
        {"low_income": "rich", "area": 1, "special_support": True},
        {"allowances": None},
        {"allowances": 5},
        {"allowances": ["senior"]},
        {"allowances": [{"kind": "senior", "monthly_fen": "many"}]},
        {"allowances": [{"kind": "senior", "monthly_fen": -1}]},
    ],
)
def test_an_answer_nobody_can_read_leaves_its_fact_unknown(answers: Any) -> None:
    said = declared(answers, BOTH)
    assert (said.card, said.low_income, said.area, said.special_support, said.allowances) == (None,) * 5


def test_a_registry_s_answer_takes_the_place_of_what_was_said_or_promised() -> None:
    found = Facts(card=fact(Card(4, 1)), special_support=fact(True))
    known = rules.answered(declared(PROMISED, BOTH), found, frozenset())
    assert (known.card, known.special_support) == (found.card, found.special_support)
    assert rules.unchecked(known) == {"low_income", "hukou", "area"}


def test_of_a_person_without_a_record_nothing_is_left_of_a_promised_hukou() -> None:
    known = rules.answered(declared(PROMISED, BOTH), Facts(), frozenset({"hukou"}))
    assert (known.hukou, known.area) == (None, None)
    assert rules.unchecked(known) == {"card", "low_income", "special_support"}


def test_a_hukou_on_record_is_not_lost_when_the_registry_no_longer_answers_with_it() -> None:
    assert rules.answered(someone(), Facts(), frozenset({"hukou"})).hukou == fact("620102")


@pytest.mark.parametrize(
    ("name", "promised", "answer", "kept"),
    [
        ("card", Card(7, 3), Card(7, 3, frozenset({4, 5})), True),
        ("card", Card(7, 3), Card(7, 2), False),
        ("card", Card(7, 3), Card(4, 3), False),
        ("card", Card(7, 3), None, False),
        ("hukou", "620102", "620102001", True),
        ("hukou", "620102", "620103", False),
        ("low_income", "dibao", "dibao", True),
        ("low_income", "dibao", "dibao_edge", False),
        ("special_support", False, False, True),
        ("special_support", False, True, False),
    ],
)
def test_a_promise_is_held_to_what_it_said(name: str, promised: Any, answer: Any, kept: bool) -> None:
    before, known = Facts(**{name: fact(promised, "promise")}), Facts(**{name: fact(answer)})
    assert rules.kept_word(name, before, known) is kept
    assert rules.kept_word(name, before, Facts()) is False


def test_an_answer_given_again_replaces_the_first_but_no_registry_and_no_paper() -> None:
    known = Facts(injury_care=fact(True, "applicant"), special_support=fact(True), card=fact(Card(4, 1), "document"))
    again = rules.restated(known, declared(PROMISED | {"injury_care": "no"}, BOTH), frozenset({"population"}))
    assert (again.injury_care, again.special_support, again.card) == (
        Fact(False, "applicant", DAY),
        known.special_support,
        known.card,
    )
    assert again.low_income == Fact("dibao_edge", "promise", DAY)


def test_a_promise_that_the_register_denied_is_not_believed_again() -> None:
    denied = rules.answered(declared(PROMISED, BOTH), Facts(), frozenset({"hukou"}))
    again = rules.restated(denied, declared(PROMISED, BOTH), frozenset({"low-income"}))
    assert (again.hukou, again.area, again.low_income) == (None, None, Fact("dibao_edge", "promise", DAY))


@pytest.mark.parametrize(
    ("told", "shown", "record", "known"),
    [
        (Card(7, 3), Card(7, 3, frozenset({4})), "", Card(7, 3, frozenset({4}))),
        (Card(7, 3), Card(7, 3), "card", None),
        (Card(7, 3), Card(7, 2, frozenset({4})), "card", None),
        (Card(7, 3), Card(4, 3), "card", None),
        (Card(7, 3, frozenset({1})), Card(7, 3, frozenset({4})), "card", None),
        (None, Card(7, 3, frozenset({4})), "card", None),
    ],
)
def test_a_card_shown_adds_to_its_record_nothing_but_the_components_that_are_not_there(
    told: Any, shown: Card, record: str, known: Card | None
) -> None:
    held, seen = Facts(card=fact(told)), Facts(card=fact(shown, "document"))
    assert rules.on_record(held, seen) == record
    if known:
        assert rules.noted(held, seen).card == fact(known)


def test_components_that_a_card_showed_stay_when_its_registry_does_not_tell_them() -> None:
    shown = Facts(card=fact(Card(7, 3, frozenset({4})), "document"))
    known = rules.answered(shown, Facts(card=fact(Card(7, 3))), frozenset())
    assert known.card == fact(Card(7, 3, frozenset({4})))
    other = rules.answered(shown, Facts(card=fact(Card(7, 2))), frozenset())
    assert other.card == fact(Card(7, 2))


def test_a_paper_says_of_low_income_and_special_support_what_it_excludes() -> None:
    shown = {"hukou_division": "", "area": "", "low_income": "dibao"}
    assert rules.documented(shown, None, None, DAY) == Facts(
        low_income=Fact("dibao", "document", DAY), special_support=Fact(False, "document", DAY)
    )
    special = rules.documented(shown | {"low_income": "special_support"}, None, None, DAY)
    assert special.special_support == Fact(True, "document", DAY)
    assert rules.unchecked(special) == {"low_income", "special_support"}


def test_an_identity_card_shows_the_hukou_and_its_number_the_birth() -> None:
    shown = {"hukou_division": "620102", "area": "urban", "low_income": ""}
    seen = rules.documented(shown, None, datetime.date(1975, 3, 12), DAY)
    assert (seen.hukou, seen.area) == (Fact("620102", "document", DAY), Fact("urban", "document", DAY))
    assert seen.born_on == Fact(datetime.date(1975, 3, 12), "document", DAY)
    denied = rules.answered(seen, Facts(), frozenset({"hukou"}))  # the register knows nobody of that number
    assert (denied.hukou, denied.area, denied.born_on) == (None, None, None)
    assert rules.unchecked(denied) == frozenset()


CARDS = st.builds(Card, st.integers(1, 7), st.integers(1, 4), st.none() | st.frozensets(st.integers(1, 6), min_size=1))
ALLOWANCES = st.lists(st.builds(Allowance, st.text(max_size=8), st.integers(0, 10**6))).map(tuple)


def known_or_not(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    sources = st.sampled_from(["registry", "applicant", "promise", "document"])
    return st.none() | st.builds(Fact, values, sources, st.dates())


FACTS = st.builds(
    Facts,
    hukou=known_or_not(st.sampled_from(["620102", "460204001"])),
    died_on=known_or_not(st.none() | st.dates()),
    born_on=known_or_not(st.dates()),
    card=known_or_not(st.none() | CARDS),
    low_income=known_or_not(st.sampled_from(["dibao", "dibao_edge", "none"])),
    area=known_or_not(st.sampled_from(["urban", "rural"])),
    special_support=known_or_not(st.booleans()),
    public_pay=known_or_not(st.sampled_from(["none", "with_proof"])),
    allowances=known_or_not(ALLOWANCES),
)


@given(FACTS)
def test_facts_are_kept_as_they_were_known(known: Facts) -> None:
    kept = rules.to_json(known)
    assert rules.from_json(kept) == known
    assert all(datetime.date.fromisoformat(row["as_of"]) for row in kept.values())
