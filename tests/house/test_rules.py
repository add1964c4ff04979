"""The house rules no other tool checks. Each takes the tree as text, so that each can be shown a violation."""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from shared import regions
from shared.errors import Refused
from tests.house.sources import OURS, ROOT, Tree, functions, python, whole_tree

ROOMS = {"rules", "usecases", "store", "service", "ports", "standards", "policies", "migrations", "README.md"}
FACES = {"api", "desk", "portal", "ops", "live", "auth", "templates", "static"}  # of services/web
SHARED_AT_MOST = 19
NOT_SHARED_CODE = {"__init__.py", "data", "migrations"}
README_LINES = 45
NAMES_FOR_ANYTHING = {"util", "utils", "helper", "helpers", "common", "core", "base", "manager", "managers"}
TRANSACTIONS = {  # who besides shared/outbox.py begins or commits, and why
    "shared/relay.py": "empties the outboxes of all services; it has no domain rows",
    "deploy/migrate.py": "a migration is a transaction of its own",
}
BUILT_SQL = {  # who builds statements as text, and why
    "shared/embedded.py": "PRAGMA takes no parameters; the settings stand beside it",
    "services/exchange/service/sqlite_hub.py": "PRAGMA takes no parameters; the settings stand beside it",
}
OUR_WORKS = re.compile(r"(^|[._])works(\(.*\)|\[.*\])?$", re.DOTALL)
MONEY = re.compile(r"(^|_)(amount|amounts|fee|fen|money|sum_of|total_paid|price)(_|$)")
WHOLE_NUMBERS = {"Integer", "BigInteger", "BigId", "SmallInteger"}
INEXACT = {"Float", "Decimal", "Number", "Numeric", "REAL", "Double", "DOUBLE", "DOUBLE_PRECISION"}

Check = Callable[[Tree], Iterator[str]]


def init_files(tree: Tree) -> Iterator[str]:
    """An __init__.py is empty: put it into a module with a name."""
    yield from (path for path, text in tree.items() if path.endswith("__init__.py") and text)


def rooms(tree: Tree) -> Iterator[str]:
    """A service has the known rooms only, each a file or a folder, and a README.md: move it into one of them."""
    services: dict[str, set[str]] = {}
    for path in tree:
        if re.match(r"services/\w+/", path) and not path.startswith("services/main/"):
            services.setdefault(path.split("/")[1], set()).add(path.split("/")[2])
    for service, entries in services.items():
        known = ROOMS | (FACES if service == "web" else set())
        names = {entry.removesuffix(".py") for entry in entries} - {"__init__"}
        yield from (f"services/{service}/{name} is no room" for name in sorted(names - known))
        yield from (
            f"services/{service}/{name} is a file and a folder"
            for name in names & {e for e in entries if f"{e}.py" in entries}
        )
        if "README.md" not in entries:
            yield f"services/{service}/README.md is missing: matters, states, messages in and out, legal basis"


def readmes(tree: Tree) -> Iterator[str]:
    """A service's README is half a page: shorten it."""
    for path, text in tree.items():
        if re.fullmatch(r"services/\w+/README\.md", path) and len(text.splitlines()) > README_LINES:
            yield f"{path} has more than {README_LINES} lines"


def file_lengths(tree: Tree) -> Iterator[str]:
    """A file has at most 400 lines: a full room becomes a folder of the same name."""
    for path, text in tree.items():
        if path.endswith(".py") and "/migrations/" not in path and len(text.splitlines()) > 400:
            yield f"{path} has {len(text.splitlines())}"


def function_lengths(tree: Tree) -> Iterator[str]:
    """A function has at most 40 lines and a use-case 25, without docstring: give a part of it a name."""
    for function in functions(tree):
        limit = 25 if "/usecases" in function.path else 40
        if function.lines > limit:
            yield f"{function} has {function.lines} lines, more than {limit}"


def arguments(tree: Tree) -> Iterator[str]:
    """A function takes at most 6 arguments: those that go together are a dataclass."""
    yield from (f"{function} takes {function.arguments}" for function in functions(tree) if function.arguments > 6)


def usual_lengths(tree: Tree) -> Iterator[str]:
    """Half of all functions have at most 6 lines, nine of ten at most 20: make the long ones short."""
    lengths = sorted(function.lines for function in functions(tree)) or [0]
    if statistics.median(lengths) > 6 or lengths[len(lengths) * 9 // 10] > 20:
        yield f"median {statistics.median(lengths)}, nine of ten {lengths[len(lengths) * 9 // 10]}"


def shared_size(tree: Tree) -> Iterator[str]:
    """shared/ has at most 19 entries: what only one service needs belongs there."""
    entries = {path.split("/")[1] for path in tree if path.startswith("shared/")} - NOT_SHARED_CODE
    if len(entries) > SHARED_AT_MOST:
        yield f"shared/ has {len(entries)}: {sorted(entries)}"


def names_for_anything(tree: Tree) -> Iterator[str]:
    """A name that fits everything is a room for nothing: say what it does."""
    for path in tree:
        words = {word for part in PurePosixPath(path).parts for word in re.split(r"[._-]", part.lower())}
        if path.endswith(".py") and words & NAMES_FOR_ANYTHING:
            yield path
    for path, module in python(tree, *OURS, "tests/").items():
        for item in ast.walk(module):
            if isinstance(item, ast.ClassDef) and _words(item.name) & NAMES_FOR_ANYTHING:
                yield f"{path}:{item.lineno} {item.name}"


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def transactions(tree: Tree) -> Iterator[str]:
    """Only shared.outbox begins and commits: use `with works.begin() as work` (works: a shared.outbox.Works)."""
    for path, call in _calls(tree, "begin", "commit"):
        assert isinstance(call.func, ast.Attribute)
        receiver = ast.unparse(call.func.value)
        ours = OUR_WORKS.search(receiver) or receiver in _works_names(python(tree)[path])
        if not (ours and call.func.attr == "begin") and path != "shared/outbox.py" and path not in TRANSACTIONS:
            yield f"{path}:{call.lineno} {ast.unparse(call)}"


def _works_names(module: ast.Module) -> set[str]:
    """What a module calls its Works besides `works`: arguments of that type, and what an opener of works gave."""
    nodes = list(ast.walk(module))
    typed = {item.arg for item in nodes if isinstance(item, ast.arg) and _said(item.annotation) == "Works"}
    made = [item for item in nodes if isinstance(item, ast.Assign) and OUR_WORKS.search(_said(item.value))]
    return typed | {_said(target) for item in made for target in item.targets}


def _said(item: ast.AST | None) -> str:
    return ast.unparse(item) if item else ""


def built_sql(tree: Tree) -> Iterator[str]:
    """No statement is built from text: use SQLAlchemy expressions, or psycopg's sql.SQL and Identifier."""
    for path, call in _calls(tree, "text", "execute", "executemany", "executescript", "exec_driver_sql"):
        if call.args and _built(call.args[0]) and path not in BUILT_SQL:
            yield f"{path}:{call.lineno} {ast.unparse(call)[:80]}"


def _built(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        receiver = value.func.value if isinstance(value.func, ast.Attribute) else None
        return isinstance(receiver, ast.Constant) and isinstance(receiver.value, str)
    return isinstance(value, ast.JoinedStr | ast.BinOp)


def _calls(tree: Tree, *names: str) -> Iterator[tuple[str, ast.Call]]:
    for path, module in python(tree).items():
        for item in ast.walk(module):
            if isinstance(item, ast.Call) and getattr(item.func, "attr", getattr(item.func, "id", "")) in names:
                yield path, item


def inexact_money(tree: Tree) -> Iterator[str]:
    """Money is a whole number of 分: fields.Integer in contracts, Integer in tables, int in rules, Fraction between."""
    for path, module in python(tree).items():
        counts = re.match(r"services/\w+/rules", path) and re.search(r"amount|_fen|\bfen", tree[path])
        for item in ast.walk(module):
            if _inexact(path, item) or (counts and isinstance(getattr(item, "value", None), float)):
                yield f"{path}:{getattr(item, 'lineno', 0)} {ast.unparse(item)[:80]}"


def _inexact(path: str, item: ast.AST) -> bool:
    if isinstance(item, ast.AnnAssign | ast.arg):
        name = ast.unparse(item.target) if isinstance(item, ast.AnnAssign) else item.arg
        return bool(MONEY.search(name)) and item.annotation is not None and "float" in ast.unparse(item.annotation)
    if isinstance(item, ast.Assign) and path.startswith("contracts/") and isinstance(item.value, ast.Call):
        return _is_money(ast.unparse(item.targets[0])) and _kind(item.value) not in {"Integer", "List", "Nested"}
    if isinstance(item, ast.Call) and _kind(item) == "Column" and len(item.args) > 1:
        kind = item.args[1]
        return _is_money(ast.literal_eval(item.args[0])) and ast.unparse(kind).partition("(")[0] not in WHOLE_NUMBERS
    return isinstance(item, ast.Attribute | ast.Name) and "/store" in path and _named(item) in INEXACT


def _is_money(name: str) -> bool:
    return bool(MONEY.search(name))


def _kind(call: ast.Call) -> str:
    return _named(call.func)


def _named(item: ast.AST) -> str:
    return str(getattr(item, "attr", getattr(item, "id", "")))


def reasons(tree: Tree) -> Iterator[str]:
    """A rule that is switched off has its reason on the line: `# noqa: X123 - why`."""
    for path, text in tree.items():
        if path.endswith(".py") and path.startswith(OURS):
            for number, line in enumerate(text.splitlines(), start=1):
                if re.search(r"# noqa(?!: [A-Z0-9, ]+ - \w)", line):
                    yield f"{path}:{number} {line.strip()[-60:]}"


def sentences(tree: Tree) -> Iterator[str]:
    """A test's name is a sentence that is true, of four words at least: say what holds."""
    for function in functions(tree, "tests/"):
        if function.name.startswith("test_") and function.name.count("_") < 4:
            yield str(function)


def proofs_of_law(tree: Tree) -> Iterator[str]:
    """Every line of the law table names a test that is in the file named last: write it, or correct its name."""
    there = {(function.path, function.name) for function in functions(tree, "tests/")}
    path = ""
    for line in tree.get("docs/law.md", "").splitlines():
        proof = line.rstrip(" |").rpartition(" | ")[2]
        if line.startswith("| ") and proof not in ("test", "the same"):
            named = re.findall(r"(?:([\w/]+\.py): )?(test_\w+)`", proof)
            for file, name in named:
                path = f"tests/{file}" if file else path
                if (path, name) not in there:
                    yield f"docs/law.md: {path}: {name}"
            if not named:
                yield f"docs/law.md: {line}"


REAL = re.compile(
    r"(?<![0-9A-Za-z])(\d{6})(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"
)


def living_persons(tree: Tree) -> Iterator[str]:
    """No number that could be a living person's: use the unreal block 99xxxx, or a birth before 1900."""
    for path, text in tree.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{path}:{number}" for match in REAL.finditer(line) if _is_division(match[1]))


def _is_division(code: str) -> bool:
    try:
        regions.standard().parent(code)
    except Refused:
        return False
    return True


OUTSIDE = {  # spelt so that this file does not find itself
    "a machine's path": r"(?<![\w.])/(?:[w]ork|[f]arm|[r]oot|[h]ome/\w|[U]sers/\w)(?:/|\b(?!-))|C:\\[U]sers",
    "a package index": r"[p]ypi\.org|[p]ythonhosted\.org|[r]egistry\.npmjs|[t]una\.tsinghua|--(?:extra-)?[i]ndex-url"
    r"|--[f]ind-links|https?://[^ \"]*/[s]imple/",
    "a word of the workplace": r"(?i)\b(?:[j]ira|[c]onfluence|[t]rello|[c]laude|[a]nthropic|[c]hatgpt|[c]opilot"
    r"|[s]ubagent)\b|\.[l]ibrary\b|/[s]teering/",
}


def outside_words(tree: Tree) -> Iterator[str]:
    """Nothing of the machine or the place where it was written stays in the tree: take it out."""
    for path, text in tree.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{path}:{number} {what}" for what, pattern in OUTSIDE.items() if re.search(pattern, line))


CHECKS: list[Check] = [
    init_files,
    rooms,
    readmes,
    file_lengths,
    function_lengths,
    arguments,
    usual_lengths,
    shared_size,
    names_for_anything,
    transactions,
    built_sql,
    inexact_money,
    reasons,
    sentences,
    proofs_of_law,
    living_persons,
    outside_words,
]
LONG = "def f(work):\n" + "    a = 1\n" * 26
ROOM = {f"services/x/{room}": "" for room in ("rules.py", "README.md")}
SEEDS: list[tuple[Check, dict[str, str]]] = [
    (init_files, {"services/__init__.py": "import os\n"}),
    (rooms, ROOM | {"services/x/tricks.py": ""}),
    (rooms, ROOM | {"services/x/rules/a.py": ""}),
    (rooms, {"services/x/rules.py": ""}),
    (readmes, {"services/x/README.md": "\n" * 46}),
    (file_lengths, {"tests/a.py": "a = 1\n" * 401}),
    (function_lengths, {"services/x/usecases.py": LONG}),
    (function_lengths, {"shared/a.py": LONG + "    a = 1\n" * 15}),
    (arguments, {"shared/a.py": "def f(a, b, c, d, e, f, g):\n    pass\n"}),
    (usual_lengths, {"shared/a.py": LONG}),
    (shared_size, {f"shared/a{n}.py": "" for n in range(20)}),
    (names_for_anything, {"shared/string_utils.py": ""}),
    (names_for_anything, {"services/x/rules.py": "class CaseManager:\n    pass\n"}),
    (transactions, {"services/x/usecases.py": "with engine.begin() as c:\n    pass\n"}),
    (transactions, {"services/x/store.py": "session.commit()\n"}),
    (transactions, {"services/x/store.py": "def f(works: Works):\n    works.commit()\n"}),
    (transactions, {"services/x/store.py": "def f(a: Engine, b: Works):\n    a.begin()\n    b.begin()\n"}),
    (built_sql, {"services/x/store.py": "work.execute(text(f'SELECT {a}'))\n"}),
    (built_sql, {"services/x/store.py": "c.execute('SELECT ' + a)\n"}),
    (built_sql, {"services/x/store.py": "c.execute('SELECT {}'.format(a))\n"}),
    (inexact_money, {"contracts/x.py": "monthly_amount = fields.Float()\n"}),
    (inexact_money, {"contracts/x.py": "fee = fields.String()\n"}),
    (inexact_money, {"services/x/store.py": "Column('amount', String(20))\n"}),
    (inexact_money, {"services/x/rules.py": "def pay(amount: float): pass\n"}),
    (inexact_money, {"services/x/rules.py": "amount = 100\nshare = 0.5\n"}),
    (reasons, {"shared/a.py": "import os  # noqa: F401\n"}),
    (sentences, {"tests/test_a.py": "def test_it_works():\n    assert 1\n"}),
    (proofs_of_law, {"docs/law.md": "| a clause | L | asks | rule | — |\n"}),
    (proofs_of_law, {"docs/law.md": "| a clause | L | asks | rule | `x/test_a.py: test_that_is_not_there` |\n"}),
    (
        proofs_of_law,
        {
            "docs/law.md": "| a | L | b | c | `test_a.py: test_b` |\n",
            "tests/test_c.py": "def test_b():\n    assert 1\n",
        },
    ),
    (living_persons, {"tests/test_a.py": "'11010119" + "900307001X'\n"}),
    (living_persons, {"docs/a.md": "证件号码620102" + "198001010018。\n"}),
    (outside_words, {"README.md": "see /" + "work/main\n"}),
    (outside_words, {"requirements.txt": "--" + "index-url https://example.org/" + "simple/\n"}),
    (outside_words, {"README.md": "see J" + "ira\n"}),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_tree_keeps_this_house_rule(check: Check) -> None:
    faults = list(check(whole_tree()))
    assert not faults, "\n".join([f"{check.__doc__}", *faults])


@pytest.mark.parametrize(("check", "tree"), SEEDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_seeded_violation_of_a_house_rule_is_caught(check: Check, tree: dict[str, str]) -> None:
    assert len(list(check(tree))) == 1


def test_every_house_rule_has_a_seeded_violation() -> None:
    assert {check for check, _ in SEEDS} == set(CHECKS), "give every check a line in SEEDS"


def test_what_keeps_the_rules_is_not_caught() -> None:
    good = {
        "services/x/usecases.py": "def f():\n    with works.begin() as work:\n        work.execute(select(a))\n",
        "services/main/a.py": "web = open_works(settings)\nwith web.begin() as work:\n    pass\n",
        "services/x/rules.py": "monthly_amount: int = 0\nshare: Fraction = Fraction(1, 2)\n",
        "docs/a.md": "990102198001010018, 11010118" + "900307001X, https://example.org/work/simple\n",
        "shared/a.py": "a = 1  # noqa: X123 - said why\n",
        "services/x/README.md": "# x\n",
    }
    assert [fault for check in CHECKS for fault in check(good)] == []


def ruff(*options: str, text: str | None = None) -> list[dict[str, str]]:
    command = [str(Path(sys.executable).with_name("ruff")), "check", "--output-format", "json", "--no-cache", *options]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("TID251", "import datetime\na = datetime.datetime.now(datetime.UTC)\n"),
        ("TID251", "import datetime\na = datetime.datetime.utcnow()\n"),
        ("TID251", "import datetime\na = datetime.date.today()\n"),
        ("TID251", "import time\na = time.time()\n"),
        ("TID251", "import os\na = os.environ['HOME']\n"),
        ("TID251", "from os import getenv\n"),
        ("T201", "print('done')\n"),
        ("TID252", "from . import store\n"),
    ],
)
def test_ruff_knows_every_banned_call(code: str, line: str) -> None:
    found = ruff("--stdin-filename", "services/intake/usecases/case.py", "-", text=f'"""A."""\n\n{line}')
    assert code in [fault["code"] for fault in found]


def test_nobody_makes_a_banned_call() -> None:
    found = ruff("--select", "TID251,TID252,T20", *OURS)
    assert found == [], "the clock is shared.clock, the environment shared.settings, output click.echo or a log"


def test_only_the_clock_and_the_settings_may_switch_the_ban_off() -> None:
    switched_off = {path for path, text in whole_tree().items() if path.startswith(OURS) and "noqa: TID251" in text}
    assert switched_off == {"shared/clock.py", "shared/settings.py"}, "ask shared.clock or shared.settings instead"
