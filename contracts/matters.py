"""事项 as data: who may accept, who decides, with which materials and clocks, and what the law says."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from marshmallow import RAISE, Schema, ValidationError, fields, validate

FOLDER = Path(__file__).with_name("matters")
COMPETENCE = ("accepting", "hukou", "hukou-or-residence", "place-of-event")
REACH = ("city", "province", "nation")
VERBS = ("check", "review", "decide")


class _Strict(Schema):
    class Meta:
        """A misspelt key in a matter is a fault, not a comment."""

        unknown = RAISE


class _Material(_Strict):
    code = fields.String(required=True)
    name = fields.String(required=True)
    sources = fields.List(
        fields.String(validate=validate.OneOf(("registry", "e-certificate", "applicant", "promise"))),
        required=True,
        validate=validate.Length(min=1),
    )
    registry = fields.String(load_default="")
    basis = fields.String(required=True)


class _Step(_Strict):
    verb = fields.String(required=True, validate=validate.OneOf(VERBS))
    name = fields.String(required=True)
    tier = fields.String(required=True, validate=validate.OneOf(("city", "county", "township", "village")))
    organisation = fields.String(required=True)
    basis = fields.String(required=True)


class _Clock(_Strict):
    name = fields.String(required=True)
    title = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(("accepting", "competent")))
    starts = fields.String(required=True)
    ends = fields.String(required=True)
    statutory = fields.Integer(required=True)
    promised = fields.Integer(load_default=None, allow_none=True)
    extended = fields.Integer(load_default=None, allow_none=True)
    basis = fields.String(required=True)


class _Output(_Strict):
    certificate_type = fields.String(required=True)
    name = fields.String(required=True)
    type_code = fields.String(required=True, validate=validate.Regexp(r"^[0-9A-Z]{21}$"))


class _Forbidden(_Strict):
    name = fields.String(required=True)
    basis = fields.String(required=True)


class _Question(_Strict):
    code = fields.String(required=True)
    label = fields.String(required=True)
    required = fields.Boolean(load_default=False)


class _Matter(_Strict):
    matter = fields.String(required=True, validate=validate.Regexp(r"^[a-z][a-z-]+$"))
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    valid_from = fields.Date(required=True)
    valid_until = fields.Date(load_default=datetime.date.max)
    reach = fields.String(required=True, validate=validate.OneOf(REACH))
    decides = fields.String(required=True)
    competence = fields.String(required=True, validate=validate.OneOf(COMPETENCE))
    eligibility = fields.String(load_default="")
    subject_role = fields.String(load_default="applicant")
    materials = fields.List(fields.Nested(_Material), required=True)
    forbidden_proofs = fields.List(fields.Nested(_Forbidden), load_default=list)
    questions = fields.List(fields.Nested(_Question), load_default=list)
    steps = fields.List(fields.Nested(_Step), required=True, validate=validate.Length(min=1))
    clocks = fields.List(fields.Nested(_Clock), required=True)
    supplement_days = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(min=1))  # working days
    supplement_basis = fields.String(load_default="")
    output = fields.Nested(_Output, required=True)
    remedies = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    legal_basis = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    fee = fields.Integer(load_default=0)


@dataclass(frozen=True, slots=True)
class Matter:
    """One version of one matter; the mappings have the shapes of the schemas above."""

    matter: str
    name: str
    version: int
    valid_from: datetime.date
    valid_until: datetime.date
    reach: str
    decides: str
    competence: str
    eligibility: str
    subject_role: str
    materials: tuple[Mapping[str, Any], ...]
    forbidden_proofs: tuple[Mapping[str, Any], ...]
    questions: tuple[Mapping[str, Any], ...]
    steps: tuple[Mapping[str, Any], ...]
    clocks: tuple[Mapping[str, Any], ...]
    supplement_days: int | None
    supplement_basis: str
    output: Mapping[str, Any]
    remedies: tuple[str, ...]
    legal_basis: tuple[str, ...]
    fee: int

    def step(self, verb: str) -> Mapping[str, Any] | None:
        """The step with that verb, if the matter has one."""
        return next((step for step in self.steps if step["verb"] == verb), None)


class FaultyMatter(Exception):
    """A matters file that cannot be used; the text names the file and every faulty key."""


def read_matter(text: str, source: str) -> Matter:
    """One matter from YAML. Raises FaultyMatter."""
    try:
        loaded: dict[str, Any] = _Matter().load(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise FaultyMatter(f"{source}: {error}") from error
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}
    return Matter(**frozen)


@cache
def every_matter(folder: Path = FOLDER) -> tuple[Matter, ...]:
    """All matters of a folder, every version, sorted by name and version."""
    found = [read_matter(path.read_text("utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))]
    return tuple(sorted(found, key=lambda matter: (matter.matter, matter.version)))


def find_matter(name: str, on: datetime.date) -> Matter | None:
    """The version of a matter in force on a day, or None."""
    in_force = (m for m in every_matter() if m.matter == name and m.valid_from <= on < m.valid_until)
    return next(in_force, None)


def matter_version(name: str, version: int) -> Matter:
    """Exactly that version; KeyError when there is none (cases keep the version they began with)."""
    return {(m.matter, m.version): m for m in every_matter()}[name, version]
