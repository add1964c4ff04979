"""The dated clauses of policies/copies.yaml: a misspelt, missing or undated entry is a fault."""

import datetime
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from services.marriage.rules.copies import CHANGES, Copy

COPIES = Path(__file__).with_name("policies") / "copies.yaml"
KEYS = {"what", "valid_from", "valid_until", "basis"}


class BadPolicy(ValueError):
    """A policy file that cannot be meant as it stands; names file and entry."""


@cache
def load(path: Path) -> tuple[Copy, ...]:
    """The clauses of one file; read once in the life of a process. BadPolicy."""
    return tuple(_copy(path.name, entry) for entry in yaml.safe_load(path.read_text("utf-8"))["copies"])


def _copy(file: str, entry: Mapping[str, Any]) -> Copy:
    if set(entry) != KEYS:
        raise BadPolicy(f"{file}: an entry has {', '.join(sorted(KEYS))}, and nothing else")
    first, last = entry["valid_from"], entry["valid_until"]
    if type(first) is not datetime.date or not (last is None or type(last) is datetime.date):
        raise BadPolicy(f"{file}: valid_from and valid_until are days")
    if last is not None and last < first:
        raise BadPolicy(f"{file}: {first}: must begin before it ends")
    if not entry["what"] or not set(entry["what"]) <= set(CHANGES):
        raise BadPolicy(f"{file}: {first}: what is of {', '.join(CHANGES)}")
    if not str(entry["basis"] or "").strip():
        raise BadPolicy(f"{file}: {first}: no basis")
    return Copy(tuple(entry["what"]), first, last, entry["basis"])
