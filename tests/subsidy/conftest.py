"""兰州 on files of its own, and the private servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import LANZHOU, SANYA, Country, HandClock, stop_clock
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """A clock that a test moves; ask for it by `usefixtures`, so that the cities' keys are as old as the day it shows."""
    return stop_clock(monkeypatch, "2025-10-09T01:00:00Z")


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    """兰州, and 三亚 where nothing happens unless a test says so."""
    made = Country(tmp_path, LANZHOU, SANYA)
    yield made
    made.close()
