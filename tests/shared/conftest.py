"""The private servers, and a tiny town on them."""

from collections.abc import Iterator
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
