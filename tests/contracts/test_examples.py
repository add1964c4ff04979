"""Contracts only grow: whatever was released is read for ever, and says the same when it is written again."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema, fields

from contracts.envelope import (
    Contract,
    Json,
    Message,
    Unreadable,
    decode,
    encode,
    read_data,
    read_personal,
    written,
)
from tests.contracts.examples import VERSIONS, example

each_version = pytest.mark.parametrize("contract", VERSIONS.values(), ids=VERSIONS)
Path = tuple[str | int, ...]


def message_of(contract: type[Contract]) -> tuple[Message, Json | None]:
    wire = example(contract)
    personal = wire.pop("personal", None)
    return decode(json.dumps(wire)), personal


def parts_of(contract: type[Contract]) -> list[tuple[type[Schema], Json]]:
    """The readable part, and the opened one where there is one, with their schemas."""
    message, personal = message_of(contract)
    parts: list[tuple[type[Schema], Json]] = [(contract, message.data)]
    if contract.Personal is not None and personal is not None:
        parts.append((contract.Personal, personal))
    return parts


def read(contract: type[Contract], kind: type[Schema], values: Json) -> Json:
    return read_data(contract, values) if kind is contract else read_personal(contract, values)


def kept(old: Any, new: Any) -> bool:
    """Whether `new` holds all that `old` says; it may say more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and kept(value, new[name]) for name, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(kept, old, new))
    return type(old) is type(new) and bool(old == new)


def objects(values: Any, path: Path = ()) -> Iterator[Path]:
    """Where an object of a schema of ours stands in `values`."""
    if isinstance(values, dict):
        yield path
        for name, value in values.items():
            yield from objects(value, (*path, name))
    if isinstance(values, list):
        for number, value in enumerate(values):
            yield from objects(value, (*path, number))


def at(values: Any, path: Path) -> Any:
    for step in path:
        values = values[step]
    return values


def words(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from words(value)
    elif len(str(values)) > 2:
        yield str(values)


@each_version
def test_a_released_message_reads_and_writes_to_itself(contract: type[Contract]) -> None:
    message, personal = message_of(contract)
    data = read_data(contract, message.data)
    opened = None if personal is None else read_personal(contract, personal)
    assert kept(message.data, data)
    plain, private = written(contract, data, opened)
    assert kept([message.data, personal], [plain, private])
    assert json.loads(json.dumps([plain, private])) == [plain, private]


@each_version
def test_a_released_envelope_reads_and_writes_to_itself(contract: type[Contract]) -> None:
    wire = example(contract)
    message, personal = message_of(contract)
    assert message.type == contract.type
    assert (personal is None) == (contract.Personal is None)
    assert json.loads(encode(message)) == {name: value for name, value in wire.items() if name != "personal"}
    assert ("destnode" in wire) == (contract.crosses is not None)


@each_version
def test_a_golden_example_shows_every_field(contract: type[Contract]) -> None:
    for kind, values in parts_of(contract):
        assert set(values) == set(kind().fields)


@each_version
def test_readers_skip_what_a_later_release_added_anywhere(contract: type[Contract]) -> None:
    for kind, values in parts_of(contract):
        expected = read(contract, kind, values)
        for path in objects(values):
            if is_free(kind, path):
                continue
            later = copy.deepcopy(values)
            at(later, path)["added_later"] = {"by": ["a", "newer", "release"]}
            assert read(contract, kind, later) == expected, f"{kind.__name__} {path}: make the nested schema a Part"


def is_free(kind: type[Schema], path: Path) -> bool:
    """Whether the object there is a mapping whose keys the contract leaves open."""
    found: Any = kind()
    for step in path:
        if isinstance(step, str):
            found = found.fields[step] if isinstance(found, Schema) else found
        if isinstance(found, fields.List):
            found = found.inner
        if isinstance(found, fields.Nested):
            found = found.schema
        if isinstance(found, fields.Dict):
            return True
    return False


def fault(contract: type[Contract], kind: type[Schema], values: Json) -> str:
    """What a reader says of these values; empty when it takes them."""
    try:
        read(contract, kind, values)
    except Unreadable as error:
        return str(error).removeprefix(f"{getattr(kind, 'type', kind.__name__)}: ")
    return ""


@each_version
def test_a_missing_field_is_named_and_nothing_else_is_told(contract: type[Contract]) -> None:
    for kind, values in parts_of(contract):
        for name, field in kind().fields.items():
            lacking = {key: value for key, value in values.items() if key != name}
            assert fault(contract, kind, lacking) == (name if field.required else "")


@each_version
def test_a_wrong_value_is_named_by_its_field_and_never_shown(contract: type[Contract]) -> None:
    for kind, values in parts_of(contract):
        for name in kind().fields:
            wrong = [[{"王秀英": "990102197503120178"}]]
            assert fault(contract, kind, values | {name: wrong}) == name


@each_version
def test_nobody_can_write_a_field_the_contract_does_not_know(contract: type[Contract]) -> None:
    message, personal = message_of(contract)
    with pytest.raises(Unreadable, match="invented"):
        written(contract, message.data | {"invented": 1}, personal)
    if personal is not None:
        with pytest.raises(Unreadable, match="invented"):
            written(contract, message.data, personal | {"invented": 1})


@each_version
def test_a_personal_part_is_neither_forgotten_nor_invented(contract: type[Contract]) -> None:
    message, personal = message_of(contract)
    with pytest.raises(Unreadable, match="personal part"):
        written(contract, message.data, {"name": "王秀英"} if personal is None else None)
    if contract.Personal is None:
        with pytest.raises(Unreadable, match="no personal part"):
            read_personal(contract, {})


def test_what_anyone_may_read_names_no_person() -> None:
    everywhere = [json.dumps(message_of(contract)[0].data, ensure_ascii=False) for contract in VERSIONS.values()]
    persons = {word for contract in VERSIONS.values() for word in words(message_of(contract)[1] or {})}
    assert "何守田" in persons
    assert not [text for text in everywhere if "何守田" in text or "990102" in text or "13800000000" in text]
