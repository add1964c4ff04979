"""The dated standards of `policies/`: read once, checked as a whole, asked by division and date."""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml

from services.subsidy.rules.standard import (
    AREAS,
    CATEGORIES,
    GRADES,
    AllowanceRule,
    Extension,
    Line,
    LinePeriod,
    LowIncome,
    Mixing,
    Rate,
    Rounding,
    RoundingMode,
    Standard,
    Terms,
)
from shared.errors import Refused

POLICIES = Path(__file__).with_name("policies")
T = TypeVar("T")


class BadPolicy(ValueError):
    """A policy file cannot be used; the text begins with file, line and key."""


def standard_for(division: str, on: datetime.date, folder: Path = POLICIES) -> Standard:
    """The standard in force for a division (6 to 12 digits): its county's, else its city's, else its province's.

    Refused `no_standard` when none of the three has one on that day; BadPolicy when any file is faulty.
    """
    standards = load(folder)
    for code in dict.fromkeys((division[:6], f"{division[:4]}00", f"{division[:2]}0000")):
        for standard in standards.get(code, ()):
            if standard.valid_from <= on <= _end(standard):
                return standard
    raise Refused(
        "no_standard", f"{division} 在 {on:%Y-%m-%d} 没有可适用的补贴标准，请联系县级民政部门。", field="division"
    )


@cache
def load(folder: Path = POLICIES) -> Mapping[str, tuple[Standard, ...]]:
    """Every division's standards, oldest first; read once in the life of a process."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}


@dataclass(frozen=True, slots=True)
class _Section:
    """One mapping of a policy file, with what is needed to say where a fault is."""

    file: str
    path: str
    data: Mapping[str, Any]
    lines: Mapping[str, int]
    line: int

    def fault(self, key: str, why: object) -> BadPolicy:
        where = f"{self.path}.{key}".strip(".")
        return BadPolicy(f"{self.file}:{self.lines.get(key, self.line)}: {where}: {why}")

    def get(self, key: str, kind: type[T]) -> T:
        """The required value of `key`; a date or bool never passes for a number."""
        if key not in self.data:
            raise self.fault(key, "is missing")
        value = self.data[key]
        if type(value) is not kind or value == "":
            raise self.fault(key, f"must be a {kind.__name__}, is {value!r}")
        return value

    def either(self, key: str, kind: type[T], default: T) -> T:
        return self.get(key, kind) if key in self.data else default

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.get(key, str)
        if value not in allowed:
            raise self.fault(key, f"must be one of {', '.join(allowed)}, is {value!r}")
        return value

    def set_of(self, key: str, allowed: frozenset[T]) -> frozenset[T]:
        values = self.get(key, list)
        if any(type(value) not in (int, str) or value not in allowed for value in values):
            raise self.fault(key, f"may hold only {sorted(map(str, allowed))}, is {values!r}")
        return frozenset(values)

    def section(self, key: str) -> "_Section":
        data = self.get(key, _Mapped)
        return _Section(self.file, f"{self.path}.{key}".strip("."), data, data.lines, data.line)

    def sections(self, key: str) -> Iterator["_Section"]:
        for index, data in enumerate(self.either(key, list, [])):
            path = f"{self.path}.{key}[{index}]".strip(".")
            if type(data) is not _Mapped:
                raise self.fault(f"{key}[{index}]", "must be a mapping")
            yield _Section(self.file, path, data, data.lines, data.line)

    def only(self, *keys: str) -> None:
        """A misspelt key is a fault, not a comment."""
        for key in self.data:
            if key not in (*keys, "unverified"):
                raise self.fault(key, "is not a known key")
        if self.data.get("unverified", True) is not True:
            raise self.fault("unverified", "may only be true; leave it out once verified")

    def make(self, key: str, build: Callable[[], T]) -> T:
        """What `build` makes, its ValueError told as a fault of `key`."""
        try:
            return build()
        except BadPolicy:
            raise
        except ValueError as error:
            raise self.fault(key, error) from error


class _Mapped(dict[str, Any]):
    """A mapping that knows the line of each key."""

    line: int
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """Safe YAML that remembers lines and refuses a key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> _Mapped:
    mapped = _Mapped()
    mapped.line, mapped.lines = node.start_mark.line + 1, {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node))
        if key in mapped:
            raise yaml.MarkedYAMLError(problem=f"key {key!r} given twice", problem_mark=key_node.start_mark)
        mapped.lines[key] = key_node.start_mark.line + 1
        mapped[key] = loader.construct_object(value_node, deep=True)
    return mapped


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _read(path: Path) -> tuple[Standard, ...]:
    data = _parsed(path)
    if type(data) is not _Mapped:
        raise BadPolicy(f"{path.name}:1: must be a mapping")
    top = _Section(path.name, "", data, data.lines, data.line)
    top.only("division", "name", "standards")
    top.get("name", str)
    if top.get("division", str) != path.stem or not re.fullmatch(r"\d{6}", path.stem):
        raise top.fault("division", f"must be six digits and the file's own name, {path.stem}")
    sections = list(top.sections("standards"))
    if not sections:
        raise top.fault("standards", "must hold at least one standard")
    return _in_order(path.stem, sections)


def _parsed(path: Path) -> object:
    loader = _Loader(path.read_text(encoding="utf-8"))
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadPolicy(f"{path.name}:{line}: {error.problem}") from error
    finally:
        loader.dispose()


def _in_order(division: str, sections: list[_Section]) -> tuple[Standard, ...]:
    made = sorted(((_standard(division, it), it) for it in sections), key=lambda pair: pair[0].valid_from)
    for (earlier, _), (later, section) in pairwise(made):
        if later.valid_from <= _end(earlier):
            raise section.fault("valid_from", f"overlaps {earlier.document_no}, valid until {earlier.valid_until}")
    return tuple(standard for standard, _ in made)


def _standard(division: str, it: _Section) -> Standard:
    it.only("document", "valid_from", "valid_until", "lines", "living", "care", "allowances", "local")
    document, living, care = it.section("document"), it.section("living"), it.section("care")
    document.only("number", "title", "source")
    document.get("title", str)
    local = it.section("local")
    local.only("public_pay_needs_proof", "serving_sentence_excludes")
    until = it.data.get("valid_until", "")
    return it.make(
        "",
        lambda: Standard(
            division=division,
            document_no=document.get("number", str),
            source=document.get("source", str),
            valid_from=it.get("valid_from", datetime.date),
            valid_until=None if until is None else it.get("valid_until", datetime.date),
            living=_terms(living, "statuses"),
            living_statuses=living.set_of("statuses", frozenset[LowIncome](get_args(LowIncome))),
            care=_terms(care, "need_presumed", "extension"),
            care_need_presumed=care.get("need_presumed", bool),
            care_extension=_extension(care),
            allowance_rules=tuple(_allowance(rule) for rule in it.sections("allowances")),
            lines=_lines(it),
            public_pay_needs_proof=local.get("public_pay_needs_proof", bool),
            serving_sentence_excludes=local.get("serving_sentence_excludes", bool),
            unverified=tuple(_unverified(it.data)),
        ),
    )


def _terms(it: _Section, *also: str) -> Terms:
    it.only("rates", "rounding", "ages", *also)
    rates = tuple(_rate(rate) for rate in it.sections("rates"))
    rounding = _rounding(it.section("rounding")) if "rounding" in it.data else Rounding()
    return it.make("rates", lambda: Terms(rates, rounding, _ages(it) if "ages" in it.data else None))


def _ages(it: _Section) -> tuple[int, int]:
    ages = it.get("ages", list)
    if [type(age) for age in ages] != [int, int]:
        raise it.fault("ages", f"must be [first, last], is {ages!r}")
    return ages[0], ages[1]


def _rate(it: _Section) -> Rate:
    it.only("fen", "percent", "grades")
    grades = it.set_of("grades", GRADES) if "grades" in it.data else GRADES
    return it.make("", lambda: Rate(it.either("fen", int, 0), it.either("percent", int, 0), grades))


def _rounding(it: _Section) -> Rounding:
    it.only("unit_fen", "mode")
    mode = cast(RoundingMode, it.one_of("mode", get_args(RoundingMode)))
    return it.make("unit_fen", lambda: Rounding(it.get("unit_fen", int), mode))


def _extension(care: _Section) -> Extension:
    if "extension" not in care.data:
        return Extension()
    it = care.section("extension")
    it.only("grades", "categories", "contains")
    grades, categories = it.set_of("grades", GRADES), it.set_of("categories", CATEGORIES)
    return it.make("", lambda: Extension(grades, categories, it.get("contains", bool)))


def _allowance(it: _Section) -> AllowanceRule:
    it.only("kind", "name", "living", "care", "basis")
    living, care = (cast(Mixing, it.one_of(key, get_args(Mixing))) for key in ("living", "care"))
    return AllowanceRule(it.get("kind", str), it.get("name", str), living, care, it.get("basis", str))


def _lines(it: _Section) -> tuple[Line, ...]:
    if "lines" not in it.data:
        return ()
    lines = it.section("lines")
    lines.only(*AREAS)
    return tuple(_line(lines.section(area), area) for area in AREAS if area in lines.data)


def _line(it: _Section, area: Any) -> Line:
    it.only("fen", "per")
    return it.make(
        "fen", lambda: Line(area, it.get("fen", int), cast(LinePeriod, it.one_of("per", get_args(LinePeriod))))
    )


def _unverified(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, _Mapped):
        if value.get("unverified") is True:
            yield path or "standard"
        for key, item in value.items():
            yield from _unverified(item, f"{path}.{key}".strip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unverified(item, f"{path}[{index}]")


def _end(standard: Standard) -> datetime.date:
    return standard.valid_until or datetime.date.max
