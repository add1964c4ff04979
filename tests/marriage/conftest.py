"""Three cities on files of their own, a clock that a test moves, and the private servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, stop_clock
from tests.marriage.partings import day
from tests.marriage.weddings import wed
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """The clock; ask for it before the country, so that keys and directory are as old as the day it shows."""
    return stop_clock(monkeypatch, "2025-10-09T01:00:00Z")


@pytest.fixture
def country(hand: HandClock, tmp_path: Path) -> Iterator[Country]:
    """三亚, 兰州 and 威海; the last two guard the claims of the persons of `weddings`."""
    made = Country(tmp_path, SANYA, LANZHOU, WEIHAI)
    yield made
    made.close()


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 11th."""
    case_id = wed(country)
    day(country, hand, "2025-10-11")
    return case_id
