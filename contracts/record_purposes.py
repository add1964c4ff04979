"""Why anybody may look up a person's marriage records (record_purposes.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from marshmallow import RAISE, Schema, fields, validate

PURPOSES_FILE = Path(__file__).with_name("record_purposes.yaml")
OWN = "own"  # of a citizen


class _Purpose(Schema):
    class Meta:
        """A misspelt key is a fault."""

        unknown = RAISE

    code = fields.String(required=True, validate=validate.Regexp(r"^[a-z][a-z_]{1,29}$"))
    name = fields.String(required=True)
    asked_by = fields.List(fields.String(validate=validate.OneOf(("clerk", "citizen", "channel"))), required=True)
    organisations = fields.List(fields.String(), load_default=list)
    department = fields.Boolean(load_default=False)
    certificate = fields.Boolean(load_default=False)
    claims = fields.Boolean(load_default=False)
    basis = fields.String(required=True)


@dataclass(frozen=True, slots=True)
class RecordPurpose:
    """Who may look for this purpose, what must be said, whether "no record" may be certified, or own claims looked up."""

    code: str
    name: str
    asked_by: tuple[str, ...]  # kinds of actors
    organisations: tuple[str, ...]  # of the clerk's office
    department: bool
    certificate: bool
    claims: bool
    basis: str


@cache
def record_purposes() -> Mapping[str, RecordPurpose]:
    """Every purpose, by its code. ValidationError where the file is faulty."""
    loaded = _Purpose(many=True).load(yaml.safe_load(PURPOSES_FILE.read_text("utf-8")))
    lists = ("asked_by", "organisations")
    return {row["code"]: RecordPurpose(**row | {name: tuple(row[name]) for name in lists}) for row in loaded}
