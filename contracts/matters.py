"""事项 as data: who may accept, who decides, with which materials and clocks, and what the law says."""

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from contracts.case import CHANNELS, ROLES
from contracts.deciding import VERBS

FOLDER = Path(__file__).with_name("matters")
COMPETENCE = ("accepting", "hukou", "hukou-or-residence", "place-of-event")
REACH = ("city", "province", "nation")
LEAST_COLLECTED = "个人信息保护法 第六条"
PARTY_NAMES: Mapping[str, str] = {"applicant": "申请人", "beneficiary": "受益人", "spouse": "另一方当事人"}
NO_ANSWERS: tuple[Any, ...] = (None, "", [], {})


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
    documents = fields.List(fields.String(), load_default=list)  # asked for where a party's begins so: `passport:`


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
    basis = fields.String(required=True)


class _Output(_Strict):
    certificate_type = fields.String(required=True)
    name = fields.String(required=True)
    type_code = fields.String(required=True, validate=validate.Regexp(r"^[0-9A-Z]{21}$"))
    refusals = fields.Boolean(load_default=True)  # whether it also states a refusal, which then waits for it


class _Forbidden(_Strict):
    name = fields.String(required=True)
    basis = fields.String(required=True)


class _Column(_Strict):
    code = fields.String(required=True)
    label = fields.String(required=True)
    values = fields.List(fields.String(), load_default=list)  # none: an amount in fen


class _Question(_Strict):
    """Answered by one of `values`, by `rows` of these columns (none is an answer), else in the person's own words."""

    code = fields.String(required=True)
    label = fields.String(required=True)
    required = fields.Boolean(load_default=False)
    values = fields.List(fields.String(), load_default=list)
    rows = fields.List(fields.Nested(_Column), load_default=list)
    promise_of = fields.List(fields.String(), load_default=list)  # to be answered where one of these is promised


class _RegistryChecks(_Strict):
    """By which law registries are asked about the person without consent (告知 stays due)."""

    basis = fields.String(required=True)


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
    parties = fields.List(fields.String(validate=validate.OneOf(ROLES)), load_default=list)  # one person of each
    channels = fields.List(
        fields.String(validate=validate.OneOf(CHANNELS)),
        load_default=lambda: list(CHANNELS),
        validate=validate.Length(min=1),
    )
    registry_checks = fields.Nested(_RegistryChecks, load_default=None)
    materials = fields.List(fields.Nested(_Material), required=True)
    forbidden_proofs = fields.List(fields.Nested(_Forbidden), load_default=list)
    questions = fields.List(fields.Nested(_Question), load_default=list)
    steps = fields.List(fields.Nested(_Step), required=True, validate=validate.Length(min=1))
    clocks = fields.List(fields.Nested(_Clock), required=True)
    supplement_days = fields.Integer(required=True, validate=validate.Range(min=1))  # working days
    supplement_basis = fields.String(required=True)
    output = fields.Nested(_Output, required=True)
    remedies = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    legal_basis = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    fee = fields.Integer(load_default=0)

    @validates_schema
    def _ask_by_law(self, data: dict[str, Any], **_: Any) -> None:
        if data["registry_checks"] is None and any(item["registry"] for item in data["materials"]):
            raise ValidationError("needed where a material has a registry", "registry_checks")


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
    parties: tuple[str, ...]  # the roles of those who apply together: exactly one person each; empty: no such matter
    channels: tuple[str, ...]
    registry_checks: Mapping[str, str] | None
    supplement_days: int
    supplement_basis: str
    materials: tuple[Mapping[str, Any], ...]
    forbidden_proofs: tuple[Mapping[str, Any], ...]
    questions: tuple[Mapping[str, Any], ...]
    steps: tuple[Mapping[str, Any], ...]
    clocks: tuple[Mapping[str, Any], ...]
    output: Mapping[str, Any]
    remedies: tuple[str, ...]
    legal_basis: tuple[str, ...]
    fee: int

    def step(self, verb: str) -> Mapping[str, Any] | None:
        """The step with that verb, if the matter has one."""
        return next((step for step in self.steps if step["verb"] == verb), None)

    @property
    def accepting_verbs(self) -> tuple[str, ...]:
        """The powers without which an office may not take it in: where it decides itself, those of every step, too."""
        own = [step["verb"] for step in self.steps] if self.competence == "accepting" else []
        return ("take_in", *own)


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


@dataclass(frozen=True, slots=True)
class FormFault:
    """Why a form cannot stand: a code of refusal, words that never repeat what it says, the clause, the field."""

    code: str
    words: str
    field: str
    basis: str = ""


def find_channel_fault(matter: Matter, channel: str) -> FormFault | None:
    """Why a matter cannot be applied for through that channel, if it cannot."""
    if channel in matter.channels:
        return None
    return FormFault("channel_not_allowed", "此事项须本人到场办理:可以网上预约,到场办理", "channel")


def find_party_fault(matter: Matter, parties: Iterable[Mapping[str, Any]]) -> FormFault | None:
    """Who is missing, or named twice, among those whom a matter needs; their numbers as registers write them."""
    named = [(party["role"], party["id_type"], party["id_number"]) for party in parties]
    roles = [role for role, _, _ in named]
    for role in dict.fromkeys(("applicant", matter.subject_role, *matter.parties)):
        if role not in roles:
            return FormFault("party_missing", f"请填写{PARTY_NAMES.get(role, role)}的信息", "parties")
    together = [(id_type, number) for role, id_type, number in named if role in matter.parties]
    if len(together) > len(matter.parties) or len(set(named)) < len(named):
        return FormFault("party_twice", "同一身份填写了不止一人,或同一人填写了两次,请删去多余的", "parties")
    if len(set(together)) < len(together):
        return FormFault("same_person", "双方的证件号码相同,请核对后分别填写双方的证件号码", "parties")
    return None


def asked_materials(matter: Matter, parties: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The materials that a matter asks these parties for, by the documents they have."""
    shown = [f"{party['id_type']}:{party['id_number']}" for party in parties if party["role"] in matter.parties]
    return tuple(
        spec
        for spec in matter.materials
        if not spec["documents"] or any(one.startswith(tuple(spec["documents"])) for one in shown)
    )


def promised(materials: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Codes of the materials that a promise stands for (告知承诺)."""
    return frozenset(item["code"] for item in materials if item["source"] == "promise")


def find_answer_fault(matter: Matter, answers: Mapping[str, Any], promises: frozenset[str]) -> FormFault | None:
    """What is wrong with all the answers to a matter's questions, of a person who promised these materials."""
    fault = find_value_fault(matter, answers)
    if fault:
        return fault
    for question in matter.questions:
        due = not promises.isdisjoint(question["promise_of"]) if question["promise_of"] else question["required"]
        if due and _is_blank(question, answers.get(question["code"])):
            words = f"请填写“{question['label']}”"
            return FormFault("answer_missing", words, f"answers.{question['code']}")
    return None


def find_value_fault(matter: Matter, answers: Mapping[str, Any]) -> FormFault | None:
    """As `find_answer_fault`, of some answers only: none is missed."""
    questions = {question["code"]: question for question in matter.questions}
    if not questions.keys() >= answers.keys():
        return FormFault("answer_not_asked", "填写了此事项不需要的内容,请删除后重新提交", "answers", LEAST_COLLECTED)
    for code, answer in answers.items():
        if not _is_blank(questions[code], answer) and not _is_allowed(questions[code], answer):
            words = f"“{questions[code]['label']}”的回答不在可选范围内,请按事项说明中的选项填写"
            return FormFault("answer_not_allowed", words, f"answers.{code}")
    return None


def _is_blank(question: Mapping[str, Any], answer: Any) -> bool:
    return answer is None if question["rows"] else answer in NO_ANSWERS


def _is_allowed(question: Mapping[str, Any], answer: Any) -> bool:
    if question["rows"]:
        return isinstance(answer, list) and all(_is_row(question["rows"], row) for row in answer)
    return not question["values"] or _is_one_of(question["values"], answer)


def _is_row(columns: Iterable[Mapping[str, Any]], row: Any) -> bool:
    if not isinstance(row, dict) or row.keys() != {column["code"] for column in columns}:
        return False
    return all(
        _is_one_of(column["values"], row[column["code"]]) if column["values"] else _is_amount(row[column["code"]])
        for column in columns
    )


def _is_one_of(values: Collection[str], answer: Any) -> bool:
    return isinstance(answer, str) and answer in values


def _is_amount(answer: Any) -> bool:
    return isinstance(answer, int) and not isinstance(answer, bool) and answer >= 0


def matter_version(name: str, version: int) -> Matter:
    """Exactly that version; KeyError when there is none (cases keep the version they began with)."""
    return {(m.matter, m.version): m for m in every_matter()}[name, version]


def parties_of(name: str, version: int) -> tuple[str, ...]:
    """The roles of those who apply together in that version of a matter; none where it is not known here."""
    return next((m.parties for m in every_matter() if (m.matter, m.version) == (name, version)), ())
