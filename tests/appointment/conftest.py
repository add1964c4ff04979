"""威海 on files of its own, and the private database server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appointment.scene import Scene
from tests.builders import HandClock, stop_clock
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """A clock that a test moves: Thursday 9 October 2025, 9:00 in Shanghai. Ask for it before the scene."""
    return stop_clock(monkeypatch, "2025-10-09T01:00:00Z")


@pytest.fixture
def scene(tmp_path: Path, hand: HandClock) -> Iterator[Scene]:
    """Appointment of 威海 on that day."""
    made = Scene(tmp_path)
    yield made
    made.works.engine.dispose()
