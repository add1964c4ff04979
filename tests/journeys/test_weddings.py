"""A couple marries in one city while another guards its numbers; meanwhile nobody marries one of the two elsewhere."""

import datetime
from typing import Any

from sqlalchemy import select

from services.claims.store.tables import claims
from services.main.journey import come, couple, until_blocked, until_task, wed
from tests.journeys.places import Embedded, Real
from tests.waiting import eventually

SANYA, LANZHOU = "460200", "620100"
BORN = datetime.date(1991, 3, 7)
ANOTHER_DAY = datetime.date(1992, 4, 8)


def silent(_line: str) -> None:
    """Nobody watches."""


def locks(place: Embedded | Real, case_id: str) -> list[tuple[Any, ...]]:
    """The live claims of a case in the ledger of 兰州."""
    shown = select(claims.c.state, claims.c.holder, claims.c.issued)
    with place.works(LANZHOU, "claims").begin() as work:
        return [tuple(row) for row in work.execute(shown.where(claims.c.case_id == case_id, claims.c.state != "ended"))]


def test_whoever_marries_in_one_city_is_held_for_it_and_cannot_marry_in_another(place: Embedded | Real) -> None:
    here, there = place.counters["registrar"], place.counters["other_registrar"]
    he, she = couple(BORN)
    _, another = couple(ANOTHER_DAY)
    case_id = come(here, [he, she], silent)
    until_task(here, case_id, "examine")
    late = until_blocked(there, come(there, [he, another], silent))["task"]
    married = wed(here, case_id)

    assert [fact["code"] for fact in late["missing_facts"]] == ["held_elsewhere"]
    assert late["ask_office"]["code"] == "460204-mr"
    assert (married["state"], married["result"]["result"]) == ("closed", "granted")
    eventually(lambda: locks(place, case_id) == [("locked", SANYA, True)] * 2)
