"""What there may be only one of (claim_kinds.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from marshmallow import RAISE, Schema, fields, validate

KINDS_FILE = Path(__file__).with_name("claim_kinds.yaml")
ABOUT = ("person", "marriage")


class _Kind(Schema):
    class Meta:
        """A misspelt key is a fault."""

        unknown = RAISE

    kind = fields.String(required=True, validate=validate.Regexp(r"^[a-z][a-z-]+$"))
    name = fields.String(required=True)
    about = fields.String(required=True, validate=validate.OneOf(ABOUT))
    asked_by = fields.String(required=True)
    lease_minutes = fields.Integer(required=True, validate=validate.Range(min=1))
    renewals = fields.Integer(required=True, validate=validate.Range(min=0))
    basis = fields.String(required=True)


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """What there may be one of: who asks for it, and how long a reservation lasts."""

    kind: str
    name: str
    about: str  # of ABOUT
    asked_by: str  # the service
    lease_minutes: int
    renewals: int
    basis: str


@cache
def claim_kinds() -> Mapping[str, ClaimKind]:
    """Every kind of claim, by its code. ValidationError where the file is faulty."""
    loaded = _Kind(many=True).load(yaml.safe_load(KINDS_FILE.read_text("utf-8")))
    return {row["kind"]: ClaimKind(**row) for row in loaded}
