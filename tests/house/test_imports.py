"""Who may import whom: the tree keeps every rule of .importlinter, and each rule catches a seeded violation."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "shared", "contracts", "deploy")
SEEDS = [  # rule, file, the one line too many
    ("storeys", "deploy/homes.py", "import services.intake.store"),
    ("storeys", "services/intake/usecases/case.py", "import deploy.homes"),
    ("storeys", "shared/outbox.py", "from services.intake import rules"),
    ("storeys", "shared/clock.py", "import deploy.homes"),
    ("storeys", "contracts/matters.py", "from shared import clock"),
    ("neighbours", "services/intake/usecases/case.py", "from services.subsidy.rules import standard"),
    ("neighbours", "services/subsidy/rules/facts.py", "import services.main"),
    ("neighbours", "services/certificate/service.py", "import services.main"),
    ("rooms", "services/certificate/store.py", "from services.certificate import usecases"),
    ("rooms", "services/subsidy/rules/standard.py", "from services.subsidy import store"),
    ("rooms", "services/subsidy/usecases/case.py", "import services.subsidy.service"),
    ("rooms", "services/subsidy/ports.py", "from services.subsidy import store"),
    ("rooms", "services/subsidy/standards.py", "from services.subsidy import usecases"),
    ("rooms", "services/web/usecases/viewing.py", "import services.web.api"),
    ("law", "services/intake/rules/legs.py", "from shared import clock"),
    ("law", "services/certificate/rules.py", "from contracts import intake"),
    ("law", "services/subsidy/rules/facts.py", "import structlog"),
    ("nameko", "services/intake/usecases/case.py", "import nameko"),
    ("nameko", "shared/relay.py", "import nameko"),
    ("kombu", "services/intake/service.py", "import kombu"),
    ("kombu", "shared/relay.py", "import amqp"),
    ("pika", "shared/runner.py", "import pika"),
    ("pika", "services/web/service.py", "import pika"),
    ("marshmallow", "services/intake/usecases/case.py", "from marshmallow import fields"),
    ("marshmallow", "shared/bus.py", "import marshmallow"),
    ("sqlalchemy", "services/certificate/usecases.py", "from sqlalchemy import Row"),
    ("sqlalchemy", "shared/bus.py", "from sqlalchemy import select"),
    ("sqlalchemy", "contracts/envelope.py", "import sqlalchemy"),
    ("flask", "services/intake/service.py", "from flask import request"),
    ("eventlet", "services/intake/service.py", "import eventlet"),
    ("eventlet", "shared/embedded.py", "import eventlet"),
]


def lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    lint_imports = str(Path(sys.executable).with_name("lint-imports"))
    command = [lint_imports, "--no-logo", "--config", str(ROOT / ".importlinter"), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return folder


@pytest.fixture
def seeded(copied: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path, line = request.param
    before = (copied / path).read_text("utf-8")
    (copied / path).write_text(f"{before}\n{line}\n", "utf-8")
    yield copied
    (copied / path).write_text(before, "utf-8")


def stranger_imports(folder: Path) -> list[str]:
    """Imports of rules.py and rules/ that are neither the standard library's nor the few allowed ones."""
    found = []
    for path in [*folder.glob("services/*/rules.py"), *folder.glob("services/*/rules/**/*.py")]:
        service = ".".join(path.relative_to(folder).parts[:2])
        allowed = ("shared.errors", "shared.calendar", f"{service}.rules")
        for name in imported_by(ast.parse(path.read_text("utf-8"))):
            if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(allowed):
                found.append(f"{path.relative_to(folder)} imports {name}")
    return found


def imported_by(tree: ast.AST) -> Iterator[str]:
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        if isinstance(item, ast.ImportFrom):
            yield from (f"{item.module}.{alias.name}" for alias in item.names)


def test_the_tree_keeps_every_import_rule() -> None:
    linted = lint(ROOT, "--no-cache")
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("rule", "path", "line", "seeded"),
    [(rule, path, line, (path, line)) for rule, path, line in SEEDS],
    indirect=["seeded"],
    ids=[f"{rule}-{path}-{line.split()[1]}" for rule, path, line in SEEDS],
)
def test_a_seeded_violation_of_an_import_rule_is_caught(rule: str, path: str, line: str, seeded: Path) -> None:
    linted = lint(seeded, "--contract", rule, "--cache-dir", str(seeded / ".cache"))
    assert linted.returncode == 1, linted.stdout
    assert "0 kept, 1 broken" in linted.stdout
    importer = path.removesuffix(".py").replace("/", ".")
    assert re.search(rf"{importer} -> {line.split()[1]}\b", linted.stdout.partition("Broken contracts")[2])


def test_every_import_rule_has_a_seeded_violation() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", "utf-8")
    rules = {section.rpartition(":")[2] for section in config.sections() if ":contract:" in section}
    assert rules == {rule for rule, _, _ in SEEDS}, "give every rule of .importlinter a line in SEEDS"


def test_the_law_imports_the_standard_library_only() -> None:
    assert stranger_imports(ROOT) == [], "rules may import the standard library, shared.errors and shared.calendar"


@pytest.mark.parametrize(
    "seeded",
    [
        ("services/intake/rules/form.py", "import yaml"),
        ("services/subsidy/rules/facts.py", "from shared.crypto import sm2"),
    ],
    indirect=True,
)
def test_a_stranger_in_the_law_is_caught(seeded: Path) -> None:
    assert len(stranger_imports(seeded)) == 1
