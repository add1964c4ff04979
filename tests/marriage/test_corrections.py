"""更正: two clerks put a record right; what stood there before stays, and the certificate gets its next version."""

from typing import Any

import pytest

from contracts import certificate, claims, marriage
from contracts.envelope import Json
from services.certificate import store as certificates
from services.claims.usecases.deciding import Pair, link
from services.marriage.store import tables
from shared import clock
from shared.audit import audit_rows
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, clerk
from tests.marriage.books import OLD, enter, line
from tests.marriage.partings import FIRST, ending, named, record
from tests.marriage.partings import confirm as confirm_ending
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    calm,
    findings,
    locked,
    married,
    numbered,
    person,
    refusals,
    wed,
)

NEW = person(HE["name"], numbered("990105", "19960412", 31))  # 威海 guards it
PAPER = {"kind": "公安机关姓名变更证明", "issuer": "某派出所", "number": "某字第3号", "on": "2025-10-08"}
RIGHT = HE | {"name": "温远帆"}


def correct(country: Country, city: str = SANYA, he: Json = RIGHT, **changes: Any) -> str:
    """A clerk records a correction; its id. All settled."""
    request, office = clock.new_id(), changes.pop("office", OFFICES[city])
    wish = {"certificate_no": FIRST, "persons": [named(SHE), named(HE)], "document": PAPER}
    wish |= {"corrected": [named(SHE), named(he)]} | changes
    country.say(city, marriage.CorrectRecordV1, request, {"actor": clerk("first", office)}, wish)
    country.settle()
    return request


def confirm(country: Country, request: str, by: str = "second", city: str = SANYA, *, approve: bool = True) -> None:
    """Another clerk confirms it; all settled."""
    data = {"actor": clerk(by, OFFICES[city]), "approve": approve}
    country.say(city, marriage.ConfirmCorrectionV1, request, data)
    country.settle()


def names(country: Country, city: str = SANYA) -> list[str]:
    (row,) = married(country, city)
    return [person["name"] for person in row.parties]


def test_a_name_is_put_right_by_two_clerks_and_both_versions_stay(country: Country) -> None:
    case_id = wed(country)
    request = correct(country)
    assert names(country) == [HE["name"], SHE["name"]]
    confirm(country, request)
    (row,) = married(country)
    assert (names(country), row.certificate_no, len(locked(country))) == ([RIGHT["name"], SHE["name"]], FIRST, 2)
    entry = row.archive["history"][-1]
    assert (entry["what"], entry["before"]["name_1"]) == ("corrected", HE["name"])
    assert row.archive["facts"]["name_1"] == RIGHT["name"]
    versions = country[SANYA].rows("certificate", certificates.certificates)
    by_version = {it.version: (it.status, it.face["persons"][0]["name"]) for it in versions}
    assert by_version == {1: ("replaced", HE["name"]), 2: ("valid", RIGHT["name"])}
    assert [it.data["state"] for it in country[SANYA].told(marriage.RecordCorrectedV1)] == ["recorded", "corrected"]
    assert len(country[SANYA].told(certificate.CertificateReplacedV1, case_id)) == 1
    assert calm(country)


def test_a_corrected_marriage_ends_and_takes_its_newest_certificate_with_it(country: Country) -> None:
    wed(country)
    confirm(country, correct(country))
    record(country, LANZHOU, ending(on="2025-10-09"))
    versions = country[SANYA].rows("certificate", certificates.certificates)
    assert sorted(it.status for it in versions) == ["replaced", "revoked"]
    assert married(country)[0].state == "ended_by_death"


def test_one_clerk_alone_or_a_rejection_changes_nothing(country: Country) -> None:
    wed(country)
    request = correct(country)
    confirm(country, request, "first")
    confirm(country, request, approve=False)
    confirm(country, request)
    assert refusals(country[SANYA], request) == ["same_clerk", "correction_confirmed"]
    assert names(country) == [HE["name"], SHE["name"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"he": HE}, "nothing_to_correct"),
        ({"he": HE | {"id_type": "passport"}}, "number_not_correctable"),
        ({"certificate_no": "J460204-2025-000002"}, "marriage_unknown"),
        ({"office": "460204001"}, "office_without_power"),
        ({"persons": [named(SHE), named(OTHER_HE)]}, "marriage_unknown"),
    ],
)
def test_what_cannot_be_corrected_is_refused_at_the_counter(country: Country, changes: Json, code: str) -> None:
    wed(country)
    request = correct(country, **changes)
    assert refusals(country[SANYA], request) == [code]
    assert country[SANYA].rows("marriage", tables.corrections) == []


def test_a_record_of_an_old_book_is_put_right_too_and_every_clerk_is_on_record(country: Country) -> None:
    enter(country, line())
    request = correct(country, LANZHOU, certificate_no=OLD)
    confirm(country, request, city=LANZHOU)
    assert names(country, LANZHOU) == [RIGHT["name"], SHE["name"]]
    looks = [(row.actor, row.act) for row in country[LANZHOU].rows("marriage", audit_rows) if row.subject == request]
    assert sorted(looks) == sorted([("first", "correct_record"), ("second", "confirm_correction")] * 2)
    assert calm(country)


def test_whose_new_number_is_linked_to_the_old_one_cannot_marry_under_it(country: Country) -> None:
    wed(country)
    empty = {"born_on": "", "sex": ""}
    with country[WEIHAI].works["claims"].begin() as work:
        pair = Pair("甲", "乙", "公安机关更正证件号码")
        assert link(work, named(NEW) | empty, named(HE) | empty, pair) == []
    confirm(country, correct(country, he=NEW))
    (row,) = married(country, SANYA)
    assert [it["id_number"] for it in row.parties] == [NEW["id_number"], SHE["id_number"]]
    assert row.archive["history"][-1]["before"]["id_number_1"] == HE["id_number"]
    for he in (NEW, HE):
        case_id = wed(country, LANZHOU, he, OTHER_SHE)
        assert findings(country[LANZHOU], case_id)["has_spouse"] is False
    assert married(country, LANZHOU) == []
    assert len(locked(country)) == 2
    record(country, LANZHOU, ending(he=NEW, on="2025-10-09"))
    assert locked(country) == []
    wed(country, WEIHAI, NEW, OTHER_SHE)
    assert [row.state for row in married(country, WEIHAI)] == ["valid"]


def test_a_number_that_is_not_linked_stays_and_people_are_told_what_to_do(country: Country) -> None:
    wed(country)
    request = correct(country, he=NEW)
    confirm(country, request)
    told = country[SANYA].told(marriage.RecordCorrectedV1, request)
    assert [it.data["state"] for it in told] == ["recorded", "asking", "rejected"]
    assert "证件关联" in told[-1].data["text"]
    assert [it["id_number"] for it in married(country)[0].parties] == [HE["id_number"], SHE["id_number"]]
    assert len(locked(country)) == 2
    assert calm(country)


def test_while_the_authority_is_silent_the_record_stays_and_a_second_look_does_no_harm(country: Country) -> None:
    wed(country)
    request = correct(country, he=NEW)
    data = {"actor": clerk("second", OFFICES[SANYA]), "approve": True}
    for _ in range(2):
        country.say(SANYA, marriage.ConfirmCorrectionV1, request, data)
        country.work()  # the letter to 威海 lies in the mail
    assert [it["id_number"] for it in married(country)[0].parties] == [HE["id_number"], SHE["id_number"]]
    country.settle()
    assert country[SANYA].told(marriage.RecordCorrectedV1, request)[-1].data["state"] == "rejected"
    assert calm(country)


def test_two_numbers_of_a_marriage_that_stands_are_not_corrected_at_once(country: Country) -> None:
    wed(country)
    other = person(SHE["name"], numbered("990104", "19980923", 32))
    request = correct(country, corrected=[named(other), named(NEW)])
    assert refusals(country[SANYA], request) == ["number_not_correctable"]


def test_the_number_in_a_record_that_has_ended_is_put_right(country: Country) -> None:
    wed(country)
    record(country, LANZHOU, ending(on="2025-10-09"))
    request = correct(country, he=NEW)
    confirm(country, request)
    (row,) = married(country)
    assert [it["id_number"] for it in row.parties] == [NEW["id_number"], SHE["id_number"]]
    assert row.archive["history"][-1]["before"]["id_number_1"] == HE["id_number"]
    back = correct(country, he=RIGHT, persons=[named(SHE), named(NEW)])
    assert refusals(country[SANYA], back) == []
    assert calm(country)


def test_the_number_of_a_marriage_that_comes_back_meanwhile_stays(country: Country) -> None:
    wed(country)
    record(country, SANYA, ending(on="2025-10-09"))
    request = correct(country, he=NEW)
    restored = record(country, SANYA, ending(ground=""))
    confirm_ending(country, SANYA, restored)
    assert married(country)[0].state == "valid"
    confirm(country, request)
    assert country[SANYA].told(marriage.RecordCorrectedV1, request)[-1].data["state"] == "rejected"
    assert [it["id_number"] for it in married(country)[0].parties] == [HE["id_number"], SHE["id_number"]]


def test_no_number_that_is_none_or_the_other_person_s_is_written(country: Country) -> None:
    wed(country)
    record(country, LANZHOU, ending(on="2025-10-09"))
    for number in (SHE["id_number"], HE["id_number"][:-1] + "0"):
        assert len(refusals(country[SANYA], correct(country, he=HE | {"id_number": number}))) == 1


def test_only_the_node_that_guards_the_new_number_says_that_it_is_linked(country: Country) -> None:
    wed(country)
    request = correct(country, he=NEW)
    data = {"actor": clerk("second", OFFICES[SANYA]), "approve": True}
    country.say(SANYA, marriage.ConfirmCorrectionV1, request, data)
    country.work()  # the letter to 威海 lies in the mail
    country.say(SANYA, claims.ClaimsFoundV1, request, {"authority": WEIHAI}, {"claims": [], "linked": True})
    country.work()
    assert [it["id_number"] for it in married(country)[0].parties] == [HE["id_number"], SHE["id_number"]]
    assert len(country[SANYA].dead()) == 1
