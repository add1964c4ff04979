"""Each journey is made twice: in the embedded default and on real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.places import Embedded, Real


@pytest.fixture(scope="package", params=[Embedded, Real], ids=["embedded", "real"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded | Real]:
    """Two cities that know each other."""
    folder: Path = tmp_path_factory.mktemp("place")
    here = request.param(folder)
    yield here
    here.end()


@pytest.fixture(scope="package")
def real_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Two cities on servers of their own, whose servers may be killed."""
    here = Real(tmp_path_factory.mktemp("killed"))
    yield here
    here.end()
