"""The committed AsyncAPI document is the one these contracts make, and says of every message what is true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import asyncapi
from contracts.envelope import Contract, Json
from shared import topology
from tests.contracts.examples import VERSIONS, example

COMMITTED = Path(asyncapi.__file__).with_name("asyncapi.yaml")
DOCUMENT = asyncapi.document()
KINDS = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
each_version = pytest.mark.parametrize("contract", VERSIONS.values(), ids=VERSIONS)


def resolved(reference: str) -> Json:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found


def references(value: Any) -> list[str]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    here = [value["$ref"]] if isinstance(value, dict) and "$ref" in value else []
    return here + [reference for item in inner for reference in references(item)]


def faults(schema: Json, value: Any, where: str = "") -> list[str]:
    """Where `value` breaks `schema`, for as much of JSON Schema as the document uses."""
    if "$ref" in schema:
        return faults(resolved(schema["$ref"]), value, where)
    found = [fault for part in schema.get("allOf", ()) for fault in faults(part, value, where)]
    if "oneOf" in schema and sum(not faults(part, value) for part in schema["oneOf"]) != 1:
        found.append(f"{where}: none of oneOf, or several")
    kinds = schema.get("type", [])
    allowed = [KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    if allowed and type(value) not in allowed:
        return [*found, f"{where}: {value!r} is no {kinds}"]
    return found + plain_faults(schema, value, where) + inner_faults(schema, value, where)


def plain_faults(schema: Json, value: Any, where: str) -> list[str]:
    right = [
        value == schema.get("const", value),
        value in schema.get("enum", [value]),
        not isinstance(value, str) or re.search(schema.get("pattern", ""), value),
        not isinstance(value, list) or schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)),
    ]
    return [] if all(right) else [f"{where}: {value!r}"]


def inner_faults(schema: Json, value: Any, where: str) -> list[str]:
    if isinstance(value, list):
        return [f for number, item in enumerate(value) for f in faults(schema["items"], item, f"{where}[{number}]")]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    missing = [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    return missing + [f for name in value if name in known for f in faults(known[name], value[name], f"{where}.{name}")]


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_text("utf-8") == asyncapi.as_yaml(), (
        "run: python -m contracts.asyncapi > contracts/asyncapi.yaml"
    )


def test_the_document_is_plain_json_whatever_reads_it() -> None:
    loaded = yaml.safe_load(COMMITTED.read_text("utf-8"))
    assert loaded == DOCUMENT == json.loads(json.dumps(DOCUMENT))
    assert loaded["asyncapi"] == "3.0.0"


def test_every_message_version_has_a_channel_and_a_message() -> None:
    assert set(DOCUMENT["channels"]) == set(DOCUMENT["components"]["messages"]) == set(VERSIONS)
    for kind, channel in DOCUMENT["channels"].items():
        assert channel["address"] == kind
        assert list(channel["messages"]) == [kind]
        assert channel["bindings"]["amqp"]["exchange"]["name"] == topology.EXCHANGE


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    wanted = set(references(DOCUMENT))
    assert all(resolved(reference) for reference in wanted)
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert schemas == {reference for reference in wanted if "/schemas/" in reference}


@each_version
def test_a_golden_example_obeys_the_published_schema(contract: type[Contract]) -> None:
    wire = example(contract)
    personal = wire.pop("personal", None)
    if personal is not None:
        wire["sealed"] = "eyJhbGciOi.token"
    payload = DOCUMENT["components"]["messages"][contract.type]["payload"]
    assert faults(payload, wire) == []
    sealed = payload["allOf"][1]["properties"].get("sealed")
    assert (sealed is None) == (contract.Personal is None)
    if sealed is not None:
        assert faults(sealed["x-sealed"], personal) == []


@each_version
def test_the_published_schema_refuses_what_readers_refuse(contract: type[Contract]) -> None:
    wire = example(contract) | {"sealed": "eyJhbGciOi.token"}
    payload = DOCUMENT["components"]["messages"][contract.type]["payload"]
    for name, field in contract().fields.items():
        if field.required:
            lacking = {key: value for key, value in wire["data"].items() if key != name}
            assert faults(payload, wire | {"data": lacking}) == [f".data.{name} is missing"]
        assert faults(payload, wire | {"data": wire["data"] | {name: 1.5}})


@each_version
def test_the_document_says_who_listens_and_what_may_leave_the_city(contract: type[Contract]) -> None:
    message = DOCUMENT["components"]["messages"][contract.type]
    assert message["x-consumers"] == list(contract.consumers)
    assert message.get("x-crosses") == contract.crosses
    assert message.get("x-answered-by") == (contract.answers.type if contract.answers else None)
    assert ("x-address-to-another-city" in DOCUMENT["channels"][contract.type]) == (contract.crosses is not None)


def test_personal_parts_are_published_only_as_sealed() -> None:
    for name, message in DOCUMENT["components"]["messages"].items():
        personal = VERSIONS[name].Personal
        if personal is not None:
            mark = f"#/components/schemas/{personal.__module__.removeprefix('contracts.')}.{personal.__qualname__}"
            plain = {k: v for k, v in message["payload"]["allOf"][1]["properties"].items() if k != "sealed"}
            assert mark in references(message)
            assert mark not in references(plain)
