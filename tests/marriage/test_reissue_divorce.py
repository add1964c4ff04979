"""补领离婚证: given out anew anywhere, on the word of the city that registered the divorce; one certificate is valid."""

import pytest

from contracts import certificate, marriage
from contracts.envelope import Json
from services.certificate import store as certificates
from services.marriage.rules.reissue import SERIES, Answer, ground
from services.marriage.store import tables
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, clerk
from tests.marriage import books
from tests.marriage.partings import FIRST, at_the_window, named, sign
from tests.marriage.weddings import HE, OFFICES, OTHER_SHE, PAPERS, SHE, calm, couple, findings, refusals, wed

DIVORCED = "L620102-2025-000001"
NEW = "BL460204-2025-000001"


@pytest.fixture
def divorced(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 and was divorced in 兰州; the divorce's case."""
    wed(country)
    case_id = at_the_window(country, hand)
    sign(country, LANZHOU, case_id)
    return case_id


def ask(country: Country, city: str = SANYA, he: Json = HE, she: Json = SHE, **answers: str) -> str:
    """One of the two wants the certificate anew; the case id. All settled."""
    said = {"certificate_no": DIVORCED} | answers
    facts: Json = {"matter": "divorce-certificate-reissue", "office": OFFICES[city], "answers": said}
    case_id = country.take_in(city, *couple(he, she), **facts | {"materials": PAPERS})
    country.settle()
    return case_id


def act(country: Country, case_id: str, city: str = SANYA, *, approve: bool = True) -> None:
    """A clerk gives it out, or refuses; all settled."""
    data = {"expected_version": 1, "actor": clerk("registrar", OFFICES[city]), "approve": approve}
    country.say(city, marriage.RegisterMarriageV1, case_id, data, {"reasons": []})
    country.settle()


def papers(country: Country) -> dict[str, str]:
    """Every divorce certificate of the country and its status, by its number."""
    rows = [row for city in country.cities.values() for row in city.rows("certificate", certificates.certificates)]
    return {row.face["certificate_no"]: row.status for row in rows if row.certificate_type == "divorce-certificate"}


def test_a_divorce_certificate_is_given_out_anew_anywhere_and_the_old_one_is_replaced(
    country: Country, divorced: str
) -> None:
    case_id = ask(country)
    act(country, case_id)
    (issued,) = [row for row in country[SANYA].rows("certificate", certificates.certificates) if row.case_id == case_id]
    assert (issued.face["certificate_no"], issued.face["first_certificate_no"]) == (NEW, DIVORCED)
    assert (issued.face["registered_on"], issued.name) == ("2025-11-11", "离婚证")
    assert papers(country) == {DIVORCED: "replaced", NEW: "valid"}
    (later,) = country[LANZHOU].rows("marriage", tables.divorce_certificates)
    assert (later.divorce_id, later.number, later.node) == (divorced, NEW, SANYA)
    assert len(country[LANZHOU].told(certificate.CertificateSupersededV1, divorced)) == 1
    assert country[SANYA].story(case_id)["outcome"]["result"] == "granted"
    assert calm(country)


def test_of_many_reissues_the_newest_alone_is_valid_and_their_numbers_have_no_gaps(
    country: Country, divorced: str
) -> None:
    act(country, ask(country))
    act(country, ask(country, certificate_no=NEW, registering_division="620102"))
    act(country, ask(country, WEIHAI), WEIHAI)
    second, last = "BL460204-2025-000002", "BL371002-2025-000001"
    assert papers(country) == {DIVORCED: "replaced", NEW: "replaced", second: "replaced", last: "valid"}
    rows = country[LANZHOU].rows("marriage", tables.divorce_certificates)
    assert sorted((row.place, row.number) for row in rows) == [(1, NEW), (2, second), (3, last)]
    assert calm(country)


def test_a_reissue_that_is_heard_of_twice_is_noted_once(country: Country, divorced: str) -> None:
    case_id = ask(country)
    act(country, case_id)
    office = {"code": OFFICES[SANYA], "name": "天涯区民政局婚姻登记处", "node": SANYA}
    told = {"certificate_no": DIVORCED, "persons": [named(HE), named(SHE)], "reissued_as": NEW, "on": "2025-11-11"}
    country.say(LANZHOU, marriage.NoteReissueV1, case_id, {"office": office}, told)
    country.settle()
    assert len(country[LANZHOU].rows("marriage", tables.divorce_certificates)) == 1
    assert papers(country) == {DIVORCED: "replaced", NEW: "valid"}


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"certificate_no": "L620102-2025-000009"}, "divorce_unknown"),
        ({"certificate_no": FIRST}, "no_divorce_certificate"),
        ({"certificate_no": "旧字第1号"}, "certificate_number_malformed"),
    ],
)
def test_by_a_marriage_number_no_divorce_certificate_is_given_out(
    country: Country, divorced: str, answers: dict[str, str], code: str
) -> None:
    case_id = ask(country, **answers)
    assert findings(country[SANYA], case_id) == {code: False}
    act(country, case_id)
    assert refusals(country[SANYA], case_id) == ["holder_silent" if code.startswith("certificate") else code]
    assert papers(country) == {DIVORCED: "valid"}


def test_somebody_else_gets_no_certificate_of_these_two(country: Country, divorced: str) -> None:
    case_id = ask(country, she=OTHER_SHE)
    assert findings(country[SANYA], case_id) == {"divorce_unknown": False}
    act(country, case_id, approve=False)
    assert country[SANYA].story(case_id)["outcome"]["result"] == "refused"


def test_a_divorce_of_an_old_book_has_no_certificate_that_could_be_replaced(country: Country) -> None:
    books.enter(country, books.line(kind="divorce", certificate_no="兰离字第3号"))
    case_id = ask(country, certificate_no="兰离字第3号", registering_division="620102")
    act(country, case_id)
    assert papers(country) == {NEW: "valid"}
    assert calm(country)


def test_only_the_holder_says_that_a_certificate_was_superseded(country: Country, divorced: str) -> None:
    case_id = ask(country)
    act(country, case_id)
    country.say(SANYA, marriage.NoteSupersededV1, case_id, {})
    country.settle()
    assert papers(country)[NEW] == "valid"
    assert len(country[SANYA].dead()) == 1


def test_by_a_divorce_number_no_marriage_certificate_is_given_out() -> None:
    found = ground(Answer(found=True, standing="divorced"), SERIES["marriage-certificate-reissue"])
    assert found
    assert (found.code, found.eligible) == ("reissue_of_ended_marriage", False)
