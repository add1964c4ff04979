"""A case that comes back to the same city as another application: whoever it is for finds it, by what the API shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.main.city import Country
from services.main.journey import application
from services.web.api.app import create_app
from services.web.usecases.tokens import NewToken, create_token
from shared import clock
from tests.builders import HE_SHOUTIAN, LANZHOU

IN_620103 = HE_SHOUTIAN | {"name": "王𬍛", "id_number": "990102199508160442"}  # who says 620102
OFFICES = ("620103001", "620103-dpf", "620103")


class Desk:
    """One city over its API, every message carried before and after each request."""

    def __init__(self, country: Country) -> None:
        self.country, city = country, country.cities[LANZHOU]
        self.works = city.works["web"]
        app = create_app(self.works, city.node, frozenset())
        app.config["PATIENCE"] = 0.0
        self.http = app.test_client()

    def ask(self, office: str, method: str, path: str, body: Any = None) -> Any:
        with self.works.begin() as work:
            token = create_token(work, NewToken("clerk", f"clerk of {office}", "test", office=office))
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": clock.new_id()}
        answer = self.http.open(f"/api/v1{path}", method=method, headers=headers, json=body)
        assert answer.status_code < 300, answer.text
        self.country.settle()
        return answer.json


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    country = Country(tmp_path, (LANZHOU,))
    yield Desk(country)
    country.stop()


def test_a_case_whose_hukou_is_in_another_county_of_the_city_is_found_there_and_decided(desk: Desk) -> None:
    taken = desk.ask("620102002", "POST", "/cases", application([IN_620103]))
    case_id = taken["receipt"]["case_id"]
    for office, act in zip(OFFICES, ("check", "review", "decide"), strict=True):
        (task,) = desk.ask(office, "GET", "/tasks")["tasks"]
        assert (task["case_id"], task["verb"]) == (case_id, act)
        case = desk.ask(office, "GET", f"/cases/{case_id}")
        asked = {"act": act, "approve": True, "expected_version": case["versions"]["task"]}
        desk.ask(office, "POST", f"/cases/{case_id}/acts", asked)
    assert desk.ask(OFFICES[0], "GET", f"/cases/{case_id}")["result"]["result"] == "granted"
    assert desk.ask(OFFICES[0], "GET", "/tasks")["tasks"] == []
