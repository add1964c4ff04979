"""`tongban setup` and `tongban migrate` on a real database server: a node is made ready once and brought up to date later."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from deploy.database import conninfo
from services.main.real import SCHEMAS, known_databases
from tests.servers import Database


@pytest.fixture
def country(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Database) -> Path:
    monkeypatch.setenv("TONGBAN_HOME", str(tmp_path))
    monkeypatch.setenv("TONGBAN_ADMIN_DATABASE_URL", postgres.url)
    assert tongban("setup", "460200").returncode == 0
    monkeypatch.setenv("TONGBAN_NODE", "460200")
    monkeypatch.setenv("TONGBAN_HOME", str(tmp_path / "460200"))
    return tmp_path / "460200"


def tongban(*words: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the command sets up logging for good."""
    command = [str(Path(sys.executable).parent / "tongban"), *words]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def tables(home: Path, service: str) -> list[str]:
    with psycopg.connect(conninfo(known_databases(home)[service])) as database:
        found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [service])
        return [row[0] for row in found]


def test_a_node_set_up_twice_keeps_its_keys_and_accounts_and_only_its_owner_may_read_them(
    country: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {name: (country / name).read_bytes() for name in ("keys.json", "databases.json")}
    monkeypatch.setenv("TONGBAN_HOME", str(country.parent))
    assert tongban("setup", "460200").returncode == 0
    assert {name: (country / name).read_bytes() for name in kept} == kept
    assert {*SCHEMAS, "relay", "all"} <= set(known_databases(country))
    assert not [name for name in (*kept, "pgpass") if (country / name).stat().st_mode & 0o077]


def test_migrating_makes_what_the_release_needs_and_touches_nothing_else(country: Path) -> None:
    before = {service: tables(country, service) for service in SCHEMAS}
    with psycopg.connect(conninfo(known_databases(country)["web"])) as database:
        database.execute("DROP TABLE " + ", ".join(before["web"]))
        database.execute("DROP FUNCTION outbox_told, audit_kept")
    assert tables(country, "web") == []
    for _ in range(2):
        done = tongban("migrate")
        assert done.returncode == 0, done.stdout
        assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(SCHEMAS)
        assert {service: tables(country, service) for service in SCHEMAS} == before


def test_a_home_without_databases_is_told_to_be_set_up_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_NODE", "460200")
    monkeypatch.setenv("TONGBAN_HOME", str(tmp_path))
    done = tongban("migrate")
    assert done.returncode == 1
    assert "tongban setup" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_code_that_setup_does_not_know_is_said_in_plain_words_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBAN_HOME", str(tmp_path / "homes"))
    monkeypatch.setenv("TONGBAN_ADMIN_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    done = tongban("setup", "460200", "220600")
    assert done.returncode == 1
    assert "220600" in done.stdout
    assert "tongban join" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "homes").exists()


def test_a_joined_node_gets_its_databases_from_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Database
) -> None:
    home, root, code = tmp_path / "city", tmp_path / "root", postgres.new_node()
    for name, value in {"NODE": code, "HOME": str(home), "ADMIN_DATABASE_URL": postgres.url}.items():
        monkeypatch.setenv(f"TONGBAN_{name}", value)
    assert tongban("keys", "new").returncode == 0
    offices = Path(__file__).parents[2] / "deploy" / "seed" / "offices" / "421202.csv"
    assert tongban("offices", "import", str(offices)).returncode == 0
    for words in (
        ("directory", "row", "白山", "220600", "--to", str(tmp_path / "row.json")),
        ("directory", "add", str(root), str(tmp_path / "row.json")),
        ("directory", "sign", str(root)),
        ("join", str(root / "roots.json"), str(root / "directory.json")),
        ("migrate",),
    ):
        done = tongban(*words)
        assert done.returncode == 0, done.stdout
    assert tables(home, "intake")
    assert not (home / "databases.json").stat().st_mode & 0o077
