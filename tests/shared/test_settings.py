"""One reader of the environment: what is missing is named, what may be left out has a default."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from shared import settings

LEAST = {"TONGBAN_NODE": "620100", "TONGBAN_HOME": "homes/620100"}


def test_two_variables_are_enough_for_the_embedded_default() -> None:
    read = settings.read(LEAST)
    assert (read.node, read.home) == ("620100", Path("homes/620100"))
    assert (read.database_url, read.amqp_url, read.hub_url) == ("", "", "")
    assert read.http_port == 8000
    assert (read.metrics_host, read.metrics_port) == ("127.0.0.1", 0)
    assert read.log_level == "INFO"


def test_every_variable_has_its_place() -> None:
    given = {
        "TONGBAN_DATABASE_URL": "postgresql+psycopg://a",
        "TONGBAN_AMQP_URL": "amqp://b",
        "TONGBAN_HUB_URL": "amqp://c",
        "TONGBAN_HTTP_PORT": "8620",
        "TONGBAN_METRICS_PORT": "9620",
        "TONGBAN_LOG_LEVEL": "DEBUG",
    }
    read = settings.read(LEAST | given)
    assert (read.database_url, read.amqp_url, read.hub_url) == ("postgresql+psycopg://a", "amqp://b", "amqp://c")
    assert (read.http_port, read.metrics_port, read.log_level) == (8620, 9620, "DEBUG")


def test_the_figures_are_served_where_the_api_is_unless_they_have_a_place_of_their_own() -> None:
    given = LEAST | {"TONGBAN_HTTP_HOST": "0.0.0.0"}
    assert settings.read(given).metrics_host == "0.0.0.0"
    assert settings.read(given | {"TONGBAN_METRICS_HOST": "10.1.2.3"}).metrics_host == "10.1.2.3"


def test_no_host_inside_is_a_webhooks_unless_the_operator_names_it() -> None:
    assert settings.webhook_hosts({}) == frozenset()
    given = {"TONGBAN_WEBHOOK_HOSTS": " Portal.intra.example.cn, 10.1.2.3,,"}
    assert settings.webhook_hosts(given) == {"portal.intra.example.cn", "10.1.2.3"}


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        settings.read({key: value for key, value in LEAST.items() if key != name})


@pytest.mark.parametrize("name", ["TONGBAN_HTTP_PORT", "TONGBAN_METRICS_PORT"])
def test_a_port_is_a_number(name: str) -> None:
    with pytest.raises(ValueError, match="many"):
        settings.read(LEAST | {name: "many"})


def test_nothing_else_of_the_environment_is_read() -> None:
    assert settings.read(LEAST | {"HOME": "x", "DATABASE_URL": "y", "AMQP_URL": "z"}) == settings.read(LEAST)


def test_settings_do_not_change_while_a_process_runs() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.read(LEAST).node = "460200"  # type: ignore[misc]


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)
    assert settings.read().node == "620100"


def test_waiting_is_cooperative_once_it_was_asked_for() -> None:
    script = (
        "from shared.settings import before_imports; before_imports()\n"
        "from eventlet.patcher import is_monkey_patched\n"
        "assert is_monkey_patched('socket') and is_monkey_patched('time') and is_monkey_patched('thread')\n"
        "from psycopg import waiting\n"
        "assert waiting.wait.__module__ == 'shared.settings'\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
