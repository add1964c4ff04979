"""A case that is taken in and decided in one city: what its two legs say to each other happens in one transaction."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from contracts import intake
from services.intake.rules.legs import State
from services.intake.store import tables
from services.intake.usecases import case
from shared.bus import Doors
from tests.builders import LANZHOU, Country
from tests.intake.cases import ask_supplement, calm, states

TO_ITSELF = {
    "intake.take_in_application.v1",
    "intake.send_notice.v1",
}  # what it is asked, and so that telling is retried
OFFICES = "620102"


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    made = Country(tmp_path, LANZHOU)
    yield made
    made.close()


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


def test_if_one_leg_cannot_move_the_other_has_not_moved(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_about: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(case, "change_aloud", break_down)  # the last thing of all: the accepting leg hears of the other
        country.take_in(LANZHOU)
        country.settle()
    assert country[LANZHOU].rows("intake", tables.legs) == []
    assert country[LANZHOU].heard == []


def test_a_word_that_comes_too_late_for_one_leg_does_not_hold_up_the_other(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    with country[LANZHOU].works["intake"].begin() as work:
        work.write(update(tables.legs).where(tables.legs.c.role == "accepting").values(state=State.WITHDRAWN))
    country.decide(LANZHOU, case_id, OFFICES)
    assert states(country, LANZHOU, case_id) == [(1, "withdrawn"), (2, "closed")]
    assert calm(country)
