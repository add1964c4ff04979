"""A person's own claims from the counter of one city to the authority in another and back, over the JSON API."""

from pathlib import Path
from typing import Any

import pytest

from contracts import claims as said
from contracts.envelope import Json
from services.web.api.app import create_app
from services.web.service import doors as web_doors
from services.web.store.tables import found_claims, metadata
from services.web.usecases.tokens import NewToken, create_token
from shared.audit import audit_metadata, audit_rows
from shared.directory import Node
from shared.embedded import Station
from tests.builders import City, make_works
from tests.claims.town import HE, LANZHOU, SANYA, SUQIAN, XIANAN, Town, reserve

BODY = {name: HE[name] for name in ("id_type", "id_number")}
LOOK, DROP = ("/claims/search", BODY), ("/claims/drops", BODY | {"kind": "marriage"})


class Counters(Town):
    """A country in which every city's web listens, too."""

    def _city(self, node: Node) -> City:
        city = super()._city(node)
        city.works["web"] = works = make_works(node, "web", metadata, audit_metadata)
        stations: Any = city.bus.stations
        stations["web"] = Station(works, web_doors())
        return city

    def ask(self, what: tuple[str, Json], key: str) -> Any:
        """What a registrar of 兰州 asks for a person present; the answer to the same request, when all is settled."""
        works = self[LANZHOU].works["web"]
        app = create_app(works, works.node)
        app.config["PATIENCE"] = 0.0
        with works.begin() as work:
            token = create_token(work, NewToken("clerk", "clerk-1", "test", office="620102-mr"))
        headers = {"Authorization": f"Bearer {token}", "X-Purpose": "own_at_counter", "Idempotency-Key": key}
        path, body = what
        app.test_client().post(f"/api/v1{path}", json=body, headers=headers)
        self.settle()
        return app.test_client().post(f"/api/v1{path}", json=body, headers=headers)


@pytest.fixture
def town(tmp_path: Path) -> Any:
    country = Counters(tmp_path, SANYA, LANZHOU, SUQIAN, XIANAN)
    yield country
    country.close()


def test_a_person_learns_at_a_counter_which_office_holds_them_and_gives_it_up(town: Counters) -> None:
    asked = reserve(town, SANYA)
    looked = town.ask(LOOK, "counter-look-1")
    (claim,) = looked.json["found"]["claims"]
    assert (looked.status_code, claim["state"], claim["office"]["node"]) == (200, "held", SANYA)
    dropped = town.ask(DROP, "counter-drop-1")
    assert (dropped.status_code, dropped.json["dropped"]) == (200, True)
    assert asked.heard() == ["held", "lost"]
    assert town.ask(LOOK, "counter-look-2").json["found"]["claims"] == []
    assert town.ask(DROP, "counter-drop-2").json["code"] == "claim_unknown"


def test_what_is_locked_stays_and_its_office_is_named(town: Counters) -> None:
    reserve(town, SANYA).confirm()
    refused = town.ask(DROP, "counter-drop-1")
    assert (refused.status_code, refused.json["code"]) == (422, "claim_locked")
    assert "460200婚姻登记处" in refused.json["detail"]


def test_the_authority_s_own_web_keeps_nothing_of_what_it_was_asked(town: Counters) -> None:
    reserve(town, SANYA)
    town.ask(LOOK, "counter-look-1")
    assert town[SUQIAN].rows("web", found_claims) == []
    assert len(town[LANZHOU].rows("web", found_claims)) == 1


def test_both_cities_have_it_on_record_who_asked_and_why(town: Counters) -> None:
    town.ask(LOOK, "counter-look-1")
    town.ask(DROP, "counter-drop-1")
    rows = town[LANZHOU].rows("claims", audit_rows)
    assert [(row.actor, row.office, row.purpose) for row in rows] == [
        ("clerk-1", "620102-mr", "own_at_counter"),
        ("clerk-1", "620102-mr", "drop_claims"),
    ]
    assert [row.office for row in town[SUQIAN].rows("claims", audit_rows)] == ["620102-mr", "620102-mr"]


def test_while_the_authority_is_away_the_question_waits_and_is_answered_later(town: Counters) -> None:
    reserve(town, SANYA)
    settle, town.settle = town.settle, town.work  # type: ignore[method-assign]  # nobody carries letters
    waiting = town.ask(LOOK, "counter-look-1")
    assert (waiting.status_code, waiting.json["found"]) == (202, None)
    (letter,) = town.mail
    assert said.LookUpClaimV1.type in letter
    town.settle = settle  # type: ignore[method-assign]
    town.settle()
    assert len(town.ask(LOOK, "counter-look-1").json["found"]["claims"]) == 1
