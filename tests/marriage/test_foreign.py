"""涉外、港澳台、华侨: who has no citizen's number marries at an office that may, with a proof of being single."""

import datetime

import pytest

from contracts import intake, marriage
from contracts.envelope import Json
from services.claims.store import tables as claims_tables
from services.marriage.store import tables
from tests.builders import LANZHOU, SANYA, City, Country, HandClock
from tests.marriage.partings import PAPER, day, living, states
from tests.marriage.weddings import (
    HE,
    OTHER_HE,
    PAPERS,
    SHE,
    apply,
    calm,
    enter_deaths,
    examine,
    findings,
    locked,
    married,
    register,
    run_timer,
)

ANA: Json = {"name": "ANA LIMA", "id_type": "passport", "id_number": "BRA-FZ123456", "phone": "13900000000"}
ANA |= {"hukou_division": "", "sex": "female", "born_on": "1997-03-02"}
PERMIT = ANA | {"name": "陈晓岚", "id_type": "hk-macau-permit", "id_number": "H1234567801"}
PROOF = [*PAPERS, PAPERS[0] | {"code": "single-proof"}]
DECLARED = [*PAPERS, PAPERS[0] | {"code": "single-declaration"}]


def wed_abroad(country: Country, city: str = SANYA, he: Json = HE, she: Json = ANA, papers: Json = PROOF) -> str:
    """As `wed`, with the papers of somebody from outside the mainland."""
    case_id = apply(country, city, he, she, materials=papers)
    country.settle()
    examine(country, city, case_id)
    register(country, city, case_id)
    return case_id


def begun(country: Country, she: Json, papers: Json = PROOF, city: str = SANYA) -> str:
    case_id = apply(country, city, HE, she, materials=papers)
    country.settle()
    return case_id


def close_to_foreigners(city: City) -> None:
    """The province has not named this city's office."""
    path = city.node.home / "offices.csv"
    path.write_text(path.read_text("utf-8").replace(" register_foreign:marriage-registration", ""), "utf-8")


def why(city: City, case_id: str) -> list[tuple[str, str]]:
    """What stands in the way, as the desk sees it."""
    (finding,) = city.told(marriage.TaskOpenedV1, case_id)[-1].personal["findings"]
    return [(reason["code"], reason["text"]) for reason in finding["reasons"]]


@pytest.mark.parametrize(("she", "papers"), [(ANA, PROOF), (PERMIT, DECLARED)])
def test_a_citizen_marries_somebody_with_another_document_where_the_province_allows_it(
    country: Country, she: Json, papers: Json
) -> None:
    case_id = wed_abroad(country, she=she, papers=papers)
    assert (states(country), living(country[SANYA])) == (["valid"], 2)
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert len(country[SANYA].rows("claims", claims_tables.claims)) == 1  # 三亚 guards what begins with no division
    assert case_id == married(country, SANYA)[0].marriage_id
    assert calm(country)


def test_one_passport_is_married_once_however_it_is_written_and_wherever(country: Country) -> None:
    wed_abroad(country)
    again = wed_abroad(country, LANZHOU, OTHER_HE, ANA | {"id_number": "bra-fz 123456"})
    assert findings(country[LANZHOU], again)["has_spouse"] is False
    assert len(married(country)) == 1


def test_the_same_number_of_another_country_is_another_person(country: Country) -> None:
    wed_abroad(country)
    wed_abroad(
        country, LANZHOU, OTHER_HE, ANA | {"id_number": "PRT-FZ123456", "name": "RITA SA", "born_on": "1996-01-05"}
    )
    assert states(country) == ["valid", "valid"]


def test_an_office_that_may_not_says_where_to_go(country: Country) -> None:
    close_to_foreigners(country[LANZHOU])
    case_id = begun(country, ANA, city=LANZHOU)
    ((code, text),) = why(country[LANZHOU], case_id)
    assert code == "office_without_power"
    assert "省级民政部门或者其确定的机关" in text
    examine(country, LANZHOU, case_id)
    register(country, LANZHOU, case_id)
    assert married(country) == []
    assert locked(country) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id_number": "FZ123456"}, "passport_without_country"),
        ({"sex": ""}, "document_says_too_little"),
        ({"born_on": ""}, "document_says_too_little"),
        ({"sex": "male"}, "same_sex"),
    ],
)
def test_what_the_rules_must_know_of_a_document_is_asked_for(country: Country, changes: Json, code: str) -> None:
    case_id = begun(country, ANA | changes)
    assert [found for found, _ in why(country[SANYA], case_id)] == [code]
    assert locked(country) == []


def test_who_is_too_young_by_the_passport_is_refused(country: Country) -> None:
    case_id = begun(country, ANA | {"born_on": "2005-10-10"})
    assert findings(country[SANYA], case_id)["under_age"] is False


@pytest.mark.parametrize(("she", "wanted"), [(ANA, "single-proof"), (PERMIT, "single-declaration")])
def test_without_the_proof_of_being_single_the_couple_is_told_to_bring_it(
    country: Country, she: Json, wanted: str
) -> None:
    case_id = begun(country, she, PAPERS)
    assert country[SANYA].leg(case_id).state == "supplement_required"
    (told,) = country[SANYA].told(intake.ApplicationTakenInV1, case_id)
    assert told.data["missing"] == [wanted]


def test_two_residents_of_the_mainland_need_no_such_proof_and_may_not_bring_it(country: Country) -> None:
    case_id = begun(country, SHE, PROOF)
    (refused,) = country[SANYA].told(intake.ActRefusedV1, case_id)
    assert refused.data["code"] == "material_not_asked"


def test_a_marriage_with_somebody_from_abroad_comes_back_after_a_wrong_report_of_death(
    country: Country, hand: HandClock
) -> None:
    wed_abroad(country)
    day(country, hand, "2025-10-12")
    paper = PAPER | {"on": datetime.date(2025, 10, 10)}
    line = {"id": "d1", "number": HE["id_number"], "name": HE["name"], "on": paper["on"], "document": paper}
    enter_deaths(country[SANYA], line)
    run_timer(country, SANYA, "ask_deaths")
    assert states(country) == ["ended_by_death"]
    enter_deaths(country[SANYA], {"id": "d2", "withdraws": "d1", "on": datetime.date(2025, 10, 12), "document": paper})
    run_timer(country, SANYA, "ask_deaths")
    assert states(country) == ["valid"]
    (kept,) = country[SANYA].rows("marriage", tables.restorations)
    assert kept.state == "restored"
    assert calm(country)
