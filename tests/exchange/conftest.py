"""Three cities that know each other, and the private servers."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.exchange.cities")

from tests.exchange.cities import City, make_cities  # noqa: E402
from tests.servers import postgres, rabbitmq  # noqa: E402

__all__ = ["postgres", "rabbitmq"]


@pytest.fixture
def cities(tmp_path: Path) -> list[City]:
    """Sanya, Lanzhou, Weihai."""
    return make_cities(tmp_path)


@pytest.fixture
def sanya(cities: list[City]) -> City:
    return cities[0]


@pytest.fixture
def lanzhou(cities: list[City]) -> City:
    return cities[1]


@pytest.fixture
def weihai(cities: list[City]) -> City:
    return cities[2]
