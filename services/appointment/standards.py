"""The house's dated policy of bookings, read from policies/*.yaml: a misspelt, missing or undated entry is a fault."""

import datetime
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from services.appointment.rules.booking import Advice, Limit, Policy

POLICIES = Path(__file__).with_name("policies")
LIMITS = (
    "book_ahead_days",
    "open_bookings",
    "cancel_minutes",
    "grace_minutes",
    "no_shows",
    "no_show_days",
    "suspended_days",
)
SEXES = {"male", "female"}


class BadPolicy(ValueError):
    """A policy file that cannot be meant as it stands; names file and entry."""


def read(path: Path) -> tuple[Policy, ...]:
    """The policies of one file in the order of their days. BadPolicy for gaps, overlaps, and what no policy has."""
    entries = yaml.safe_load(path.read_text("utf-8"))["policies"]
    made = sorted((_policy(path.name, entry) for entry in entries), key=lambda policy: policy.valid_from)
    for earlier, later in pairwise(made):
        if earlier.valid_until != later.valid_from:
            raise BadPolicy(f"{path.name}: the policy from {later.valid_from} does not follow the one before it")
    return tuple(made)


@cache
def load() -> tuple[Policy, ...]:
    """The policies this release carries."""
    return read(POLICIES / "house.yaml")


def policy_on(day: datetime.date) -> Policy:
    """The policy in force on a day; before the first one, the first."""
    return next((policy for policy in reversed(load()) if policy.valid_from <= day), load()[0])


def _policy(file: str, entry: Mapping[str, Any]) -> Policy:
    _expect_keys(file, entry, {"valid_from", "valid_until", "advice", *LIMITS})
    limits = {name: _limit(file, name, entry[name]) for name in LIMITS}
    advice = tuple(_advice(file, item) for item in entry["advice"])
    until = entry["valid_until"] or datetime.date.max
    if not entry["valid_from"] < until:
        raise BadPolicy(f"{file}: {entry['valid_from']}: must begin before it ends")
    return Policy(valid_from=entry["valid_from"], valid_until=until, advice=advice, **limits)


def _limit(file: str, name: str, entry: Mapping[str, Any]) -> Limit:
    _expect_keys(file, entry, {"value", "basis"})
    if type(entry["value"]) is not int or entry["value"] < 1 or not entry["basis"]:
        raise BadPolicy(f"{file}: {name}: must be a whole number above 0 with its basis 依据")
    return Limit(entry["value"], entry["basis"])


def _advice(file: str, entry: Mapping[str, Any]) -> Advice:
    _expect_keys(file, {"ages": {}, **entry}, {"matter", "code", "text", "basis", "ages"})
    ages = entry.get("ages", {})
    if not all(entry.values()) or not set(ages) <= SEXES:
        raise BadPolicy(f"{file}: advice {entry['code']}: must have a text and a basis, ages only by male and female")
    return Advice(entry["matter"], entry["code"], entry["text"], entry["basis"], ages)


def _expect_keys(file: str, entry: Mapping[str, Any], keys: set[str]) -> None:
    if wrong := set(entry) ^ keys:
        raise BadPolicy(f"{file}: missing or unknown: {', '.join(sorted(wrong))}")
