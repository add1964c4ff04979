"""收件: what is wrong is named, in the words of the clerk, and nothing is kept of it."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from contracts import intake
from contracts.envelope import Json
from services.intake.store import cases as store
from services.intake.store import tables
from tests.builders import ANSWERS, HE_SHOUTIAN, LANZHOU, SANYA, Country, clerk
from tests.intake.cases import ORPHAN, SECRETS, calm, material, refusal, states

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """One country for all these tests; everybody in it has a document of their own."""
    made = Country(tmp_path_factory.mktemp("country"))
    yield made
    made.close()


def foreigner(**changes: Any) -> Json:
    """An applicant whom nobody else is."""
    return HE_SHOUTIAN | {"id_type": "passport", "id_number": f"E{next(_numbers):08d}"} | changes


def applicant(**changes: Any) -> Json:
    return HE_SHOUTIAN | changes


def refused(country: Country, *parties: Json, **changes: Any) -> Json:
    """The answer to a take-in that is refused; nothing of it may be left."""
    case_id = country.take_in(SANYA, *(parties or (HE_SHOUTIAN,)), **changes)
    country.settle()
    answer = refusal(country, SANYA, case_id)
    for table in (tables.cases, tables.legs, tables.materials, tables.steps, tables.notices, tables.work_items):
        assert case_id not in {row.case_id for row in country[SANYA].rows("intake", table)}
    assert [told.type for told in country[SANYA].heard if told.case_id == case_id] == [intake.ActRefusedV1.type]
    assert calm(country)
    assert answer["message"]
    assert not [secret for secret in SECRETS if secret in str(answer)]
    return answer


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("990102197503120179", "number_wrong_check"),
        ("990102197503121078", "number_wrong_check"),  # two digits changed places
        ("990102197502300171", "number_impossible_date"),
        ("990102197513120178", "number_impossible_date"),
        ("990102299903120172", "number_future_birth"),
        ("99010219750312017", "number_malformed"),
        ("990102750312017", "number_malformed"),
        ("", "number_malformed"),
        ("何守田", "number_malformed"),
    ],
)
def test_a_wrong_citizen_number_is_refused_by_name(country: Country, number: str, code: str) -> None:
    answer = refused(country, applicant(id_number=number))
    assert (answer["kind"], answer["code"]) == ("Refused", code)


@pytest.mark.parametrize("number", ["", "   ", "E1", "E0000\x000001", "E00000001'; --", "护照E00000001", "E" * 31])
def test_another_document_needs_a_number_that_could_be_one(country: Country, number: str) -> None:
    assert refused(country, foreigner(id_number=number))["code"] == "number_malformed"


def test_another_document_is_known_again_however_it_is_spelt(country: Country) -> None:
    somebody = foreigner()
    first = country.take_in(SANYA, somebody)
    country.settle()
    second = country.take_in(SANYA, somebody | {"id_number": " " + somebody["id_number"].lower().replace("00", "0 0")})
    country.settle()
    assert refusal(country, SANYA, second)["code"] == "duplicate_case"
    assert states(country, SANYA, first)[0] == (1, "in_progress")


@pytest.mark.parametrize(
    ("hukou", "code"),
    [
        ("", "division_missing"),
        ("999999", "division_unknown"),
        ("990102", "division_unknown"),  # a block for tests of numbers, no place
        ("62010", "division_unknown"),
        ("620102ABC", "division_unknown"),
        ("六二〇一〇二", "division_unknown"),
        ("620102' OR '1'='1", "division_unknown"),
        ("620100", "division_too_wide"),
        ("620000", "division_too_wide"),
        ("110101", "division_not_joined"),
    ],
)
def test_a_hukou_that_leads_nowhere_is_refused_by_name(country: Country, hukou: str, code: str) -> None:
    answer = refused(country, applicant(hukou_division=hukou))
    assert (answer["kind"], answer["code"]) == ("Refused", code)


def test_a_retired_division_is_refused_with_its_successor(country: Country) -> None:
    answer = refused(country, applicant(hukou_division="469003"))
    assert answer["code"] == "division_retired"
    assert "460400" in answer["details"]["successors"]


@pytest.mark.parametrize(
    ("office", "kind", "code"),
    [
        ("460204", "", ""),  # a county may take in
        ("460204001001", "", ""),  # and so may a village
        ("460204-dpf", "Denied", "office_without_power"),
        ("460204001-old", "Denied", "office_without_power"),  # closed since 2021
        ("460299999", "NotFound", "office_unknown"),
        ("620102001", "NotFound", "office_unknown"),  # another city's
        ("", "NotFound", "office_unknown"),
    ],
)
def test_an_office_takes_in_only_what_it_has_the_power_for(country: Country, office: str, kind: str, code: str) -> None:
    if code:
        answer = refused(country, office=office)
        assert (answer["kind"], answer["code"]) == (kind, code)
    else:
        case_id = country.take_in(SANYA, foreigner(), office=office)
        country.settle()
        assert states(country, SANYA, case_id)[0] == (1, "in_progress")


@pytest.mark.parametrize(
    ("parties", "changes", "kind", "code"),
    [
        ([applicant(role="agent", basis="委托书")], {}, "Refused", "party_missing"),
        ([applicant(), applicant(id_number="99010419880704022X")], {}, "Refused", "party_twice"),
        ([applicant(), applicant(role="agent", id_number="99010419880704022X")], {}, "Denied", "agency_invalid"),
        (
            [applicant(), applicant(role="agent", basis="委托书", expires_on="2020-01-01")],
            {},
            "Denied",
            "agency_invalid",
        ),
        ([applicant()], {"consents": []}, "Refused", "notice_not_shown"),
        ([applicant()], {"matter": "moon-subsidy"}, "Refused", "matter_unknown"),
        ([applicant()], {"applied_on": "2020-01-01"}, "Refused", "matter_unknown"),
        ([applicant()], {"matter_version": 99}, "Refused", "matter_unknown"),
        ([applicant()], {"materials": [material("household-certificate")]}, "Refused", "material_not_asked"),
        ([applicant()], {"materials": [material("identity", seen="")]}, "Refused", "material_not_shown"),
        (ORPHAN, {"matter": "orphan-recognition"}, "Refused", "guardian_consent_missing"),
        (ORPHAN[1:], {"matter": "orphan-recognition"}, "Refused", "party_missing"),
    ],
)
def test_whatever_the_law_demands_of_an_application_is_named_when_it_is_missing(
    country: Country, parties: list[Json], changes: Json, kind: str, code: str
) -> None:
    answer = refused(country, *parties, **changes)
    assert (answer["kind"], answer["code"]) == (kind, code)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("王𬍛", "王𬍛"),
        ("𠮷", "𠮷"),
        ("田", "田"),
        ("阿依古丽•买买提江・热合曼", "阿依古丽·买买提江·热合曼"),
        (" 何 守 田 ", "何守田"),
        ("何\ue863田", "何\ue863田"),  # a character that has no code of its own yet
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        ("买" * 50, "买" * 50),
    ],
)
def test_an_odd_name_is_nobody_s_fault(country: Country, name: str, kept: str) -> None:
    case_id = country.take_in(SANYA, foreigner(name=name))
    country.settle()
    assert country[SANYA].told(intake.ActRefusedV1, case_id) == []
    with country[LANZHOU].works["intake"].begin() as work:
        assert store.get_case(work, case_id).personal["parties"][0]["name"] == kept


@pytest.mark.parametrize(
    "name",
    ["", " ", "买" * 51, "何·", "·何", "何··田", "何守田2", "何\x00守田", "何\n守田", "何\u202e守田", "何\u200b守田",
     "<script>alert(1)</script>", "'; DROP TABLE legs; --", "何😀田", "={cmd|' /C calc'!A0}"],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(country: Country, name: str) -> None:
    assert refused(country, applicant(name=name))["code"] == "name_malformed"


@pytest.mark.parametrize("phone", ["1390000000", "23900000000", "13900000000; rm -rf", "一三九"])
def test_a_telephone_number_that_is_none_is_refused(country: Country, phone: str) -> None:
    assert refused(country, applicant(phone=phone))["code"] == "phone_malformed"


def test_free_text_with_hostile_characters_is_kept_as_it_is_and_only_under_seal(country: Country) -> None:
    hostile = "'\"><img src=x onerror=alert(1)>\u202e; DROP TABLE cases;--"
    case_id = country.take_in(SANYA, foreigner(address=hostile))
    country.settle()
    with country[LANZHOU].works["intake"].begin() as work:
        assert store.get_case(work, case_id).personal["parties"][0]["address"] == hostile
    assert hostile not in (country[SANYA].node.home / "intake.db").read_bytes().decode("utf-8", "replace")
    assert calm(country)


@pytest.mark.parametrize(
    ("answers", "code", "field"),
    [
        ({"special_support": "maybe"}, "answer_not_allowed", "answers.special_support"),
        ({"public_pay": 7}, "answer_not_allowed", "answers.public_pay"),
        ({"allowances": [{"kind": "senior", "monthly_fen": -5}]}, "answer_not_allowed", "answers.allowances"),
        ({"allowances": None}, "answer_missing", "answers.allowances"),
        ({"card_grade": ""}, "answer_missing", "answers.card_grade"),
        ({"card_category": "9"}, "answer_not_allowed", "answers.card_category"),
        ({"shoe_size": "43"}, "answer_not_asked", "answers"),
    ],
)
def test_answers_that_decide_nothing_are_refused_by_their_field(
    country: Country, answers: Json, code: str, field: str
) -> None:
    promise = {"card_category": "4", "card_grade": "1", "area": "urban"}
    case_id = country.take_in(
        SANYA, answers=ANSWERS | promise | answers, materials=[material("disability-card", "promise")]
    )
    country.settle()
    (told,) = country[SANYA].told(intake.ActRefusedV1, case_id)
    assert (told.data["code"], told.data["field"]) == (code, field)


def test_a_person_of_no_age_is_not_asked_for_a_guardian(country: Country) -> None:
    case_id = country.take_in(SANYA, foreigner())
    country.settle()
    assert states(country, SANYA, case_id)[0] == (1, "in_progress")


def test_whoever_takes_a_case_in_stands_in_its_record(country: Country) -> None:
    case_id = country.take_in(SANYA, foreigner())
    country.settle()
    rows = {row.verb: row.actor for row in country[SANYA].rows("intake", tables.steps) if row.case_id == case_id}
    assert rows["take_in"] == clerk("window", "460204001")["id"]
    assert rows["forward"] == "system"
