"""Each journey is made twice: in the embedded default and on real servers."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog

from deploy.processes import SMALL
from services.main import real
from tests.journeys.places import Embedded, Real
from tests.waiting import eventually


@pytest.fixture(scope="package", autouse=True)
def _log_apart() -> Iterator[None]:
    """What embedded cities log goes past `sys.stdout`: that may be a command's, whose answer a test reads."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="package", params=[Embedded, Real], ids=["embedded", "real"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded | Real]:
    """Two cities that know each other."""
    folder: Path = tmp_path_factory.mktemp("place")
    here = request.param(folder)
    yield here
    here.end()


@pytest.fixture(scope="package")
def killed_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Two cities on servers of their own, whose servers and processes are killed by one test or another."""
    here = Real(tmp_path_factory.mktemp("killed"))
    yield here
    here.end()


@pytest.fixture
def real_place(killed_place: Real) -> Real:
    """The same, with everything up again after the test before."""
    eventually(lambda: not real.ailing(killed_place.country, SMALL), 180)
    return killed_place


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failed test on real servers goes what the processes said last: it may never fail again."""
    report = yield
    if report.failed:
        found = getattr(item, "funcargs", {}).values()
        for path in [path for here in found if isinstance(here, Real) for path in here.folder.glob("logs/*.log")]:
            report.sections.append((f"the last words of {path.name}", path.read_text("utf-8", "replace")[-4000:]))
    return report
