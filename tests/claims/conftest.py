"""Four cities whose desks ask for claims, and the private servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import HandClock, stop_clock
from tests.claims.town import LANZHOU, SANYA, SUQIAN, XIANAN, Town
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """A clock that a test moves."""
    return stop_clock(monkeypatch, "2025-10-09T01:00:00Z")


@pytest.fixture
def town(hand: HandClock, tmp_path: Path) -> Iterator[Town]:
    """三亚 and 兰州 marry; 宿迁 and 咸安 guard, and 三亚 guards, too."""
    made = Town(tmp_path, SANYA, LANZHOU, SUQIAN, XIANAN)
    yield made
    made.close()
