"""The private servers, and a tiny town on them."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.shared.bus_suite", "tests.shared.town")

from tests.servers import Broker, Database, postgres, rabbitmq  # noqa: E402
from tests.shared.town import Town, new_town  # noqa: E402

__all__ = ["postgres", "rabbitmq"]


@pytest.fixture
def town(tmp_path: Path, rabbitmq: Broker, postgres: Database) -> Iterator[Town]:
    """An empty town without processes."""
    made = new_town(tmp_path, rabbitmq, postgres)
    yield made
    made.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failed test goes what the town's processes said last: it may never fail again."""
    report = yield
    if report.failed:
        found = getattr(item, "funcargs", {}).values()
        for process in [process for town in found if isinstance(town, Town) for process in town.processes]:
            report.sections.append((f"the last words of {process.name}", process.says()[-4000:]))
    return report
