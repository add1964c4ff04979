"""A case that is taken in and decided in one city: what its two legs say to each other happens in one transaction."""

import pytest
from sqlalchemy import update

from contracts import intake
from services.intake.rules.legs import State
from services.intake.store import tables
from services.intake.usecases import peer
from shared.bus import Doors
from shared.errors import Refused
from tests.builders import LANZHOU, SANYA, Country
from tests.intake.cases import ask_supplement, calm, material, orphan, states, supplement

TO_ITSELF = {
    "intake.take_in_application.v1",
    "intake.send_notice.v1",
}  # what it is asked, and so that telling is retried
OFFICES = "620102"


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of all messages that intake handles from now on."""
    kinds: list[str] = []
    doing = Doors._pass

    def noting(doors, works, message):  # type: ignore[no-untyped-def]
        if doors.service == "intake":
            kinds.append(message.type)
        return doing(doors, works, message)

    monkeypatch.setattr(Doors, "_pass", noting)
    return kinds


def test_neither_leg_waits_for_a_message_of_the_other(country: Country, handled: list[str]) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    country.decide(LANZHOU, case_id, OFFICES)
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert {kind for kind in handled if kind.startswith("intake.")} == TO_ITSELF
    assert calm(country)


def test_the_screens_hear_what_the_legs_said_to_each_other(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    ask_supplement(country, case_id)
    assert len(country[LANZHOU].told(intake.ApplicationForwardedV1, case_id)) == 1
    assert len(country[LANZHOU].told(intake.SupplementRequestedV1, case_id)) == 1


def test_if_one_leg_cannot_move_the_other_has_not_moved_and_no_clerk_is_refused(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(_work: object) -> None:
        raise Refused("broken", "坏了")

    monkeypatch.setitem(peer._at_once, intake.ApplicationTakenOverV1, cannot)  # the last word of all
    country.take_in(LANZHOU)
    country.settle()
    assert country[LANZHOU].rows("intake", tables.legs) == []
    assert country[LANZHOU].heard == []
    assert [letter["reason"] for letter in country[LANZHOU].dead()] == ["the other leg: Refused broken"]


def test_who_is_refused_at_once_after_a_supplement_is_told_so(country: Country) -> None:
    paper = material("parents-circumstances", "promise")
    late = orphan(country, SANYA)
    orphan(country, LANZHOU, materials=[paper])
    country.settle()
    supplement(country, SANYA, late, paper)
    assert states(country, SANYA, late) == [(1, "not_accepted")]
    assert ["未予受理" in notice["text"] for notice in country[SANYA].notices()] == [False, True]
    assert calm(country)


def test_a_word_that_comes_too_late_for_one_leg_does_not_hold_up_the_other(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    with country[LANZHOU].works["intake"].begin() as work:
        work.write(update(tables.legs).where(tables.legs.c.role == "accepting").values(state=State.WITHDRAWN))
    country.decide(LANZHOU, case_id, OFFICES)
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "closed")]
    assert calm(country)
