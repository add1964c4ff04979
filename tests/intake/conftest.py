"""Cities on files of their own, and the private servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import LANZHOU, SANYA, WEIHAI, Country
from tests.servers import postgres

__all__ = ["postgres"]


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    """三亚 and 兰州."""
    made = Country(tmp_path, SANYA, LANZHOU)
    yield made
    made.close()


@pytest.fixture
def wide_country(tmp_path: Path) -> Iterator[Country]:
    """三亚, 兰州 and 威海."""
    made = Country(tmp_path, SANYA, LANZHOU, WEIHAI)
    yield made
    made.close()
