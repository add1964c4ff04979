"""兰州 on files of its own, and the private servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import LANZHOU, SANYA, Country
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    """兰州, and 三亚 where nothing happens unless a test says so."""
    made = Country(tmp_path, LANZHOU, SANYA)
    yield made
    made.close()
