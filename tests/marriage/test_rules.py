"""结婚登记的审查: who may marry, what refuses, what only waits, at which office, by which edition of the rules."""

import ast
import dataclasses
import datetime
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marriage.rules import eligibility
from services.marriage.rules.editions import EDITIONS, edition_on
from services.marriage.rules.eligibility import (
    GROUNDS,
    SOURCES,
    Answer,
    Category,
    Couple,
    Kinship,
    Office,
    Standing,
    assess,
    category_of,
    power_needed,
)
from shared.calendar import full_years
from shared.errors import Denied, Refused
from tests.marriage.couples import DAY, FREE, HE, SHE, TODAY, YES, asked, codes, couple, grounds, verdict

RULES = Path(eligibility.__file__).parent
DAYS = st.dates(DAY("1900-01-01"), DAY("2040-12-31"))
ANSWERS = st.none() | st.builds(Answer, st.booleans(), st.booleans(), st.booleans())
STANDINGS = st.dictionaries(st.sampled_from(sorted(SOURCES)), st.sampled_from(Standing))
KINSHIPS = st.none() | st.sampled_from(Kinship)
BIRTHS = st.dates(DAY("1990-01-01"), DAY("2012-12-31"))
ANYBODY = {"born_on": BIRTHS, "answer": ANSWERS, "kinship": KINSHIPS, "standings": STANDINGS}
PARTY: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=ANYBODY)  # left out: all is well


# --- the four grounds --------------------------------------------------------------------------------------------------


def test_a_man_and_a_woman_of_age_willing_free_and_not_kin_may_marry() -> None:
    opinion = asked(couple())
    assert verdict(opinion) == "eligible"
    assert (opinion.grounds, opinion.waits) == ((), ())
    assert codes(opinion) == {"of_age", "willing", "no_spouse", "no_kinship"}


def test_the_order_in_which_the_two_are_named_does_not_matter() -> None:
    assert verdict(asked(Couple(SHE, HE))) == "eligible"


@pytest.mark.parametrize(("born_on", "found"), [("2003-05-20", "eligible"), ("2003-05-21", "refused")])
def test_a_man_may_marry_on_his_twenty_second_birthday_and_not_the_day_before(born_on: str, found: str) -> None:
    assert verdict(asked(couple({"born_on": DAY(born_on)}))) == found


@pytest.mark.parametrize(("born_on", "found"), [("2005-05-20", "eligible"), ("2005-05-21", "refused")])
def test_a_woman_may_marry_on_her_twentieth_birthday_and_not_the_day_before(born_on: str, found: str) -> None:
    opinion = asked(couple(she={"born_on": DAY(born_on)}))
    assert verdict(opinion) == found
    assert grounds(opinion) == ([] if found == "eligible" else ["under_age"])


@pytest.mark.parametrize(("on", "years"), [("2026-02-28", 21), ("2026-03-01", 22), ("2028-02-29", 24)])
def test_who_was_born_on_29_february_is_a_year_older_on_1_march_of_a_common_year(on: str, years: int) -> None:
    assert full_years(DAY("2004-02-29"), DAY(on)) == years


@pytest.mark.parametrize("who", ["he", "she"])
def test_one_unwilling_person_is_a_ground_however_they_were_asked(who: str) -> None:
    for apart in (True, False):
        opinion = asked(couple(**{who: {"answer": Answer(willing=False, apart=apart, recorded=False)}}))
        assert grounds(opinion) == ["unwilling"]


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (None, "will_not_asked"),
        (Answer(willing=True, apart=False, recorded=True), "will_not_asked_apart"),
        (Answer(willing=True, apart=True, recorded=False), "will_not_recorded"),
    ],
)
def test_a_yes_counts_only_when_it_was_asked_apart_and_recorded(answer: Answer | None, wait: str) -> None:
    opinion = asked(couple(she={"answer": answer}))
    assert verdict(opinion) == "not_yet"
    assert [item.code for item in opinion.waits] == [wait]


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_spouse_known_to_any_one_source_is_a_ground(source: str) -> None:
    opinion = asked(couple({"standings": {**FREE, source: Standing.MARRIED}}))
    assert grounds(opinion) == ["has_spouse"]


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_source_that_has_not_answered_is_waited_for(source: Any) -> None:
    silent = {name: standing for name, standing in FREE.items() if name != source}
    opinion = asked(couple({"standings": silent}))
    assert verdict(opinion) == "not_yet"
    assert [item.code for item in opinion.waits] == [f"{source}_unanswered"]
    earlier = assess(couple({"standings": silent}), edition_on(TODAY), TODAY, set(SOURCES) - {source})
    assert verdict(earlier) == "eligible"


def test_a_reservation_elsewhere_is_not_yet_and_never_a_ground() -> None:
    opinion = asked(couple({"standings": {**FREE, "claims": Standing.HELD}}))
    assert verdict(opinion) == "not_yet"
    assert opinion.grounds == ()
    assert [item.code for item in opinion.waits] == ["held_elsewhere"]
    assert "暂不能办结" in opinion.waits[0].text


@pytest.mark.parametrize(
    ("why", "issued", "standing"),
    [
        ("held_elsewhere", False, Standing.HELD),
        ("locked_elsewhere", False, Standing.HELD),
        ("locked_elsewhere", True, Standing.MARRIED),
        ("ended", False, None),
    ],
)
def test_a_denied_claim_is_a_spouse_only_when_something_was_registered(
    why: str, issued: bool, standing: Standing | None
) -> None:
    assert eligibility.standing_of_claim(why, issued) is standing


@pytest.mark.parametrize("kinship", [Kinship.LINEAL, Kinship.COLLATERAL])
@pytest.mark.parametrize("who", ["he", "she"])
def test_kinship_is_a_ground_whoever_of_the_two_declares_it(kinship: Kinship, who: str) -> None:
    assert grounds(asked(couple(**{who: {"kinship": kinship}}))) == ["kinship"]


def test_both_must_declare_that_they_are_not_kin() -> None:
    assert codes(asked(couple({"kinship": None}))) >= {"kinship_not_declared"}


def test_all_grounds_are_told_at_once() -> None:
    young = {"born_on": DAY("2006-01-01"), "answer": Answer(willing=False, apart=True, recorded=True)}
    married = {"standings": {"records": Standing.MARRIED}, "kinship": Kinship.LINEAL}
    assert grounds(asked(couple(young, married))) == ["under_age", "unwilling", "has_spouse", "kinship"]


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        (Couple(HE, dataclasses.replace(HE, person="passport:E1")), "same_sex"),
        (Couple(SHE, dataclasses.replace(SHE, person="passport:E1")), "same_sex"),
        (Couple(HE, HE), "same_person"),
        (Couple(HE, dataclasses.replace(SHE, person=HE.person)), "same_person"),
    ],
)
def test_a_couple_is_a_man_and_a_woman_and_not_one_person(pair: Couple, code: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(pair)
    assert refused.value.code == code
    assert refused.value.basis


# --- offices and editions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_type", "number", "category"),
    [
        ("citizen", "990101200305200116", Category.MAINLAND),
        ("citizen", "421202189905200133", Category.MAINLAND),
        ("citizen", "810000189905200130", Category.HK_MACAU),
        ("citizen", "820000189905200130", Category.HK_MACAU),
        ("citizen", "830000189905200130", Category.TAIWAN),
        ("hk-macau-permit", "H01234567", Category.HK_MACAU),
        ("taiwan-permit", "81234567", Category.TAIWAN),
        ("passport", "E01234567", Category.ABROAD),
        ("foreign-permit", "K1234567", Category.ABROAD),
    ],
)
def test_the_document_shows_what_kind_of_resident_somebody_is(id_type: str, number: str, category: Category) -> None:
    assert category_of(id_type, number) is category


@pytest.mark.parametrize("other", list(Category))
def test_only_two_mainland_residents_do_without_the_power_named_by_the_province(other: Category) -> None:
    needed = "register" if other is Category.MAINLAND else "register_foreign"
    assert power_needed(Category.MAINLAND, other) == power_needed(other, Category.MAINLAND) == needed


def office(*, may: bool = True, foreign: bool = False, hukou: bool = False) -> Office:
    return Office(may, foreign, hukou)


def test_from_10_may_2025_any_registration_office_registers_two_mainland_residents() -> None:
    eligibility.expect_office("register", edition_on(DAY("2025-05-10")), office())


def test_until_9_may_2025_the_hukou_of_one_of_them_had_to_lie_there() -> None:
    eligibility.expect_office("register", edition_on(DAY("2025-05-09")), office(hukou=True))
    with pytest.raises(Denied) as denied:
        eligibility.expect_office("register", edition_on(DAY("2025-05-09")), office())
    assert denied.value.code == "office_of_neither"
    assert denied.value.basis


def test_with_a_party_from_elsewhere_only_an_office_named_by_the_province_registers() -> None:
    eligibility.expect_office("register_foreign", edition_on(TODAY), office(may=False, foreign=True))
    with pytest.raises(Denied, match="office_without_power"):
        eligibility.expect_office("register_foreign", edition_on(TODAY), office(may=True))
    with pytest.raises(Denied, match="office_without_power"):
        eligibility.expect_office("register", edition_on(TODAY), office(may=False, foreign=True))


def test_an_opinion_names_its_edition_and_can_be_repeated_by_it() -> None:
    opinion = asked(couple())
    edition = next(edition for edition in EDITIONS if edition.code == opinion.edition)
    assert assess(couple(), edition, TODAY) == opinion


def test_a_day_no_edition_covers_is_decided_by_none() -> None:
    with pytest.raises(Refused, match="rules_unknown") as refused:
        edition_on(DAY("2020-12-31"))
    assert refused.value.basis


def test_editions_touch_and_never_overlap_and_say_where_they_come_from() -> None:
    for earlier, later in itertools.pairwise(EDITIONS):
        assert earlier.valid_until == later.valid_from
    assert EDITIONS[-1].valid_until is None
    assert len({edition.code for edition in EDITIONS}) == len(EDITIONS)
    for edition in EDITIONS:
        assert all((edition.basis, edition.source, edition.offices_basis, edition.unverified))


# --- of everybody ------------------------------------------------------------------------------------------------------


@given(PARTY, PARTY)
def test_whatever_is_known_nothing_but_the_four_grounds_refuses(he: dict[str, Any], she: dict[str, Any]) -> None:
    opinion = asked(couple(he, she))
    assert set(grounds(opinion)) <= GROUNDS
    assert all(finding.code and finding.text and finding.basis for finding in opinion.findings)
    assert all(wait.code and wait.text and wait.basis for wait in opinion.waits)


@given(PARTY, PARTY)
def test_who_is_eligible_was_asked_everything(he: dict[str, Any], she: dict[str, Any]) -> None:
    pair = couple(he, she)
    sure = all(p.answer == YES and p.kinship is Kinship.NONE and dict(p.standings) == FREE for p in pair.parties)
    opinion = asked(pair)
    assert (verdict(opinion) == "eligible") is (sure and not opinion.grounds)


@given(PARTY, PARTY, st.sampled_from(sorted(SOURCES)))
def test_a_reservation_more_never_refuses_anybody(he: dict[str, Any], she: dict[str, Any], source: Any) -> None:
    known = he.get("standings", FREE)
    free = couple({**he, "standings": {**known, source: Standing.FREE}}, she)
    held = couple({**he, "standings": {**known, source: Standing.HELD}}, she)
    assert asked(held).grounds == asked(free).grounds
    assert verdict(asked(held)) != "eligible"


@given(BIRTHS, DAYS, st.integers(0, 4000))
def test_nobody_grows_younger_with_time(born_on: datetime.date, on: datetime.date, later: int) -> None:
    assert full_years(born_on, on) <= full_years(born_on, on + datetime.timedelta(days=later))


@given(BIRTHS, st.integers(1, 60))
def test_a_year_of_age_is_never_counted_before_the_birthday(born_on: datetime.date, years: int) -> None:
    try:
        birthday = born_on.replace(year=born_on.year + years)
    except ValueError:
        birthday = datetime.date(born_on.year + years, 3, 1)
    assert full_years(born_on, birthday) == years
    assert full_years(born_on, birthday - datetime.timedelta(days=1)) == years - 1


# --- every rule names its clause ---------------------------------------------------------------------------------------


def said_without_basis(text: str) -> list[str]:
    """Refusals, findings and waits in a module that are made without a clause."""
    found = []
    for call in (item for item in ast.walk(ast.parse(text)) if isinstance(item, ast.Call)):
        name = getattr(call.func, "id", "")
        given_basis = any(word.arg == "basis" and ast.unparse(word.value) != "''" for word in call.keywords)
        if (name in ("Refused", "Denied") and not given_basis) or (
            name in ("Finding", "Wait") and len(call.args) < 3 and not given_basis
        ):
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize("module", sorted(RULES.glob("*.py")), ids=lambda path: path.stem)
def test_every_refusal_and_finding_in_the_rules_names_its_clause(module: Path) -> None:
    assert said_without_basis(module.read_text("utf-8")) == []


def test_a_refusal_without_a_clause_is_caught() -> None:
    assert len(said_without_basis("Refused('a', 'b')\nFinding('a', 'b')\nDenied('a', 'b', basis='')\n")) == 3
