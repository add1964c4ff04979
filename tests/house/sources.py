"""The tree as text, and the functions in it with their lengths: what the house rules look at."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("services/", "shared/", "contracts/", "deploy/")

Tree = Mapping[str, str]  # path from the root -> text


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its own lines: neither its docstring nor the functions inside it."""

    path: str
    name: str
    line: int
    lines: int
    arguments: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name}"


@cache
def whole_tree() -> Tree:
    """Every text file that belongs to the project."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line]
    return dict(_texts(ROOT, [".git", *ignored]))


def _texts(folder: Path, ignored: list[str]) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _texts(path, ignored)
        elif (text := _text(path)) is not None:
            yield path.relative_to(ROOT).as_posix(), text


def _text(path: Path) -> str | None:
    """None: pictures, fonts, and what was removed meanwhile."""
    try:
        return path.read_text("utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return None


def python(tree: Tree, *tops: str) -> dict[str, ast.Module]:
    """The parsed modules under `tops` (default: everything that runs in production), migrations left out."""
    return {
        path: _parsed(text)
        for path, text in tree.items()
        if path.endswith(".py") and path.startswith(tops or OURS) and "/migrations/" not in path
    }


def functions(tree: Tree, *tops: str) -> list[Function]:
    """All functions and methods under `tops`."""
    return [_measured(path, item) for path, module in python(tree, *tops).items() for item in _defined(module)]


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


Definition = ast.FunctionDef | ast.AsyncFunctionDef


def _defined(tree: ast.AST) -> Iterator[Definition]:
    return (item for item in ast.walk(tree) if isinstance(item, Definition))


def _measured(path: str, item: Definition) -> Function:
    body = item.body[1:] if ast.get_docstring(item) else item.body
    own = set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1)) if body else set()
    for inner in _defined(ast.Module(item.body, [])):
        first = min([inner.lineno, *(mark.lineno for mark in inner.decorator_list)])
        own -= set(range(first, (inner.end_lineno or 0) + 1))
    given = [*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs]
    return Function(path, item.name, item.lineno, len(own), sum(arg.arg not in ("self", "cls") for arg in given))
