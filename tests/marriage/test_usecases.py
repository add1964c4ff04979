"""结婚登记 from the counter to the certificate, across cities."""

from contracts import certificate, marriage
from services.claims.store import tables as claims_tables
from services.marriage.store import tables
from tests.builders import LANZHOU, SANYA, WEIHAI, Country
from tests.marriage.weddings import apply, examine, findings, kept, last_task, married, register, wed


def test_a_couple_whose_claims_two_other_cities_guard_is_married_here(country: Country) -> None:
    case_id = wed(country)
    (row,) = married(country)
    assert (row.certificate_no, row.office, row.state) == ("J460204-2025-000001", "460204-mr", "valid")
    (decided,) = country[SANYA].told(marriage.ApplicationDecidedV1, case_id)
    assert decided.data["result"] == "granted"
    assert decided.personal["certificate_no"] == row.certificate_no
    assert len(country[SANYA].told(certificate.CertificateIssuedV1, case_id)) == 1
    claims = [claim for code in (LANZHOU, WEIHAI) for claim in country[code].rows("claims", claims_tables.claims)]
    assert [(claim.state, claim.issued, claim.holder) for claim in claims] == [("locked", True, SANYA)] * 2
    assert [city.dead() for city in country.cities.values()] == [[]] * 3
