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
from shared.errors import Refused
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
NEWER = person(HE["name"], numbered("990105", "19960412", 33))  # and this one
PAPER = {"kind": "公安机关姓名变更证明", "issuer": "某派出所", "number": "某字第3号", "on": "2025-10-08"}
RIGHT = HE | {"name": "温远帆"}
RIGHT_SHE = SHE | {"name": "宋晚清"}


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


def confirm_only(country: Country, request: str) -> None:
    """Another clerk confirms it; the letters to other cities lie in the mail."""
    data = {"actor": clerk("second", OFFICES[SANYA]), "approve": True}
    country.say(SANYA, marriage.ConfirmCorrectionV1, request, data)
    country.work()


def link_at(country: Country, city: str, second: Json, canonical: Json) -> None:
    """Two operators of a city say that both numbers are one person's."""
    empty, pair = {"born_on": "", "sex": ""}, Pair("甲", "乙", "公安机关更正证件号码")
    with country[city].works["claims"].begin() as work:
        assert link(work, named(second) | empty, named(canonical) | empty, pair) == []


def numbers(country: Country) -> list[str]:
    (row,) = married(country, SANYA)
    return [it["id_number"] for it in row.parties]


def last_word(country: Country, request: str) -> tuple[str, str]:
    """How far the desk saw a correction come, and what it was told to do."""
    told = country[SANYA].told(marriage.RecordCorrectedV1, request)[-1].data
    return told["state"], told["text"]


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
    link_at(country, WEIHAI, NEW, HE)
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


def test_a_number_that_was_corrected_wrongly_is_corrected_again(country: Country) -> None:
    wed(country)
    link_at(country, WEIHAI, NEW, HE)
    confirm(country, correct(country, he=NEW))
    with pytest.raises(Refused, match="canonical_linked"):
        link_at(country, WEIHAI, NEWER, NEW)
    link_at(country, WEIHAI, NEWER, HE)
    confirm(country, correct(country, he=NEWER, persons=[named(SHE), named(NEW)]))
    assert numbers(country) == [NEWER["id_number"], SHE["id_number"]]
    for he in (NEWER, NEW, HE):
        wed(country, LANZHOU, he, OTHER_SHE)
    assert (married(country, LANZHOU), len(locked(country))) == ([], 2)
    record(country, LANZHOU, ending(he=NEWER, on="2025-10-09"))
    assert locked(country) == []
    assert calm(country)


def test_a_number_that_was_right_before_its_correction_comes_back(country: Country) -> None:
    mistyped = person(HE["name"], numbered("990104", "19960412", 35))  # 兰州 guards it, as the right one
    wed(country)
    link_at(country, LANZHOU, mistyped, HE)
    confirm(country, correct(country, he=mistyped))
    confirm(country, correct(country, he=HE, persons=[named(SHE), named(mistyped)]))
    assert numbers(country) == [HE["id_number"], SHE["id_number"]]
    for he in (mistyped, HE):
        wed(country, LANZHOU, he, OTHER_SHE)
    assert (married(country, LANZHOU), len(locked(country))) == ([], 2)


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
    for _ in range(2):
        confirm_only(country, request)
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


def test_numbers_of_an_ended_marriage_that_stand_crossed_in_the_book_are_put_right(country: Country) -> None:
    wed(country)
    record(country, LANZHOU, ending(on="2025-10-09"))
    crossed_he, crossed_she = HE | {"id_number": SHE["id_number"]}, SHE | {"id_number": HE["id_number"]}
    confirm(country, correct(country, corrected=[named(crossed_she), named(crossed_he)]))
    assert numbers(country) == [SHE["id_number"], HE["id_number"]]
    persons, right = [named(crossed_she), named(crossed_he)], [named(SHE), named(HE)]
    confirm(country, correct(country, persons=persons, corrected=right))
    assert (numbers(country), names(country)) == ([HE["id_number"], SHE["id_number"]], [HE["name"], SHE["name"]])
    rows = country[SANYA].rows("marriage", tables.spouses)
    assert [row.live for row in rows] == [False, False]
    assert calm(country)


@pytest.mark.parametrize("ended", [False, True])
def test_who_confirms_a_correction_after_a_number_has_changed_hears_that_it_is_to_be_recorded_anew(
    country: Country, ended: bool
) -> None:
    wed(country)
    link_at(country, WEIHAI, NEW, HE)
    if ended:
        record(country, LANZHOU, ending(on="2025-10-09"))
    first, second = correct(country, he=NEW), correct(country)
    confirm(country, first)
    confirm(country, second)
    assert refusals(country[SANYA], second) == ["record_changed"]
    assert (numbers(country)[0], names(country)[0]) == (NEW["id_number"], HE["name"])
    confirm(country, second, approve=False)
    assert last_word(country, second) == ("rejected", "")
    anew = correct(country, he=NEW | {"name": RIGHT["name"]}, persons=[named(SHE), named(NEW)])
    confirm(country, anew)
    assert (numbers(country)[0], names(country)[0]) == (NEW["id_number"], RIGHT["name"])
    assert calm(country)


def test_a_correction_does_not_undo_another_one_that_came_between(country: Country) -> None:
    wed(country)
    first, second = correct(country), correct(country, corrected=[named(RIGHT_SHE), named(HE)])
    confirm(country, first)
    confirm(country, second)
    assert refusals(country[SANYA], second) == ["record_changed"]
    assert names(country) == [RIGHT["name"], SHE["name"]]
    assert calm(country)


def test_a_correction_whose_link_is_asked_about_while_another_one_is_done_is_to_be_recorded_anew(
    country: Country,
) -> None:
    wed(country)
    link_at(country, WEIHAI, NEW, HE)
    asking, other = correct(country, he=NEW), correct(country)
    confirm_only(country, asking)
    confirm_only(country, other)
    country.settle()
    state, text = last_word(country, asking)
    assert (state, "重新提出" in text) == ("rejected", True)
    assert (numbers(country)[0], names(country)[0]) == (HE["id_number"], RIGHT["name"])
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
    confirm_only(country, request)
    country.say(SANYA, claims.ClaimsFoundV1, request, {"authority": WEIHAI}, {"claims": [], "linked": True})
    country.work()
    assert [it["id_number"] for it in married(country)[0].parties] == [HE["id_number"], SHE["id_number"]]
    assert len(country[SANYA].dead()) == 1
