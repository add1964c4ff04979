"""家庭状况变化: whoever was granted something by household and marries, or is married no more, is looked at again."""

from typing import Any

import pytest

from contracts import marriage, subsidy
from contracts.envelope import Contract, Json
from services.subsidy import store
from shared import clock
from tests.builders import HE_SHOUTIAN, LANZHOU, Country
from tests.subsidy.cases import NO_CARD, begun

WIFE: Json = {"role": "spouse", "name": "林秋禾", "id_type": "citizen", "id_number": "990103197708150246"}
OFFICE = {"code": "620102-mr", "name": "某登记处", "node": LANZHOU, "phone": ""}
NUMBER = "J620102-2025-000001"


def change(country: Country, contract: type[Contract], he: Json = HE_SHOUTIAN, **sealed: Any) -> None:
    """Marriage says that something has become of 何守田 and his wife, twice; all settled."""
    subject, parties = clock.new_id(), [he, WIFE]
    data: Json = {"office": OFFICE, "registered_on": "2025-10-20"}
    personal: Json = {"parties": parties, "answers": {}, "certificate_no": NUMBER}
    if "restored" in sealed or contract is marriage.MarriageEndedV1:
        data = {"marriage": clock.new_id(), "request": clock.new_id()}
        names = ("name", "id_type", "id_number")
        personal = {"persons": [{name: one[name] for name in names} for one in parties], "certificate_no": NUMBER}
        personal |= sealed or {"ground": "death", "on": "2025-10-20"}
    if contract is marriage.StatusCopiedV1:
        data = {"change": clock.new_id(), "basis": "某条"}
        names = ("name", "id_type", "id_number")
        personal = {"on": "2025-10-20", "persons": [{name: he[name] for name in names}]} | sealed
    for _ in range(2):
        with country[LANZHOU].works["marriage"].begin() as work:
            work.tell(contract, subject, data, personal)
    country.settle()


def told(country: Country) -> list[str]:
    """Of which cases the desk was told."""
    return [it.case_id for it in country[LANZHOU].told(subsidy.HouseholdChangedV1)]


@pytest.fixture
def granted(country: Country) -> str:
    """A case of 何守田 in which 兰州 has granted something."""
    case_id = begun(country)
    country.decide(LANZHOU, case_id, "620102")
    return case_id


@pytest.mark.parametrize(
    ("contract", "sealed"),
    [
        (marriage.MarriageRegisteredV1, {}),
        (marriage.DivorceRegisteredV1, {}),
        (marriage.MarriageEndedV1, {}),
        (marriage.EndingWithdrawnV1, {"restored": True}),
        (marriage.StatusCopiedV1, {"what": "marriage_registered"}),
    ],
)
def test_a_change_of_the_household_is_told_once_of_what_was_granted(
    country: Country, granted: str, contract: type[Contract], sealed: Json
) -> None:
    change(country, contract, **sealed)
    assert told(country) == [granted]
    (notice,) = country[LANZHOU].told(subsidy.HouseholdChangedV1)
    assert (notice.data["office"]["code"], notice.personal) == ("620102", {})
    assert "复核" in notice.data["text"]


def test_what_stays_as_it_was_is_told_of_nobody(country: Country, granted: str) -> None:
    change(country, marriage.EndingWithdrawnV1, restored=False)
    change(country, marriage.MarriageEndedV1, NO_CARD)
    assert told(country) == []


def test_what_is_still_open_or_was_refused_is_not_looked_at_again(country: Country) -> None:
    begun(country)
    change(country, marriage.MarriageEndedV1)
    refused = begun(country, NO_CARD)
    country.decide(LANZHOU, refused, "620102")
    change(country, marriage.MarriageEndedV1, NO_CARD)
    assert told(country) == []
    states = [row.state for row in country[LANZHOU].rows("subsidy", store.applications)]
    assert "open" in states
