"""All messages as one AsyncAPI 3.0 document: `python -m contracts.asyncapi > contracts/asyncapi.yaml`."""

import importlib
import inspect
import pkgutil
import sys
from typing import Any

import yaml
from marshmallow import Schema, fields, missing, validate

import contracts
from contracts.envelope import SOURCE, Contract, Json, every_contract

EXCHANGE = "tongban.events"
TYPES = {
    fields.Boolean: "boolean",
    fields.Integer: "integer",
    fields.Float: "number",
    fields.Dict: "object",
    fields.List: "array",
    fields.String: "string",
}
CLOUDEVENT = {
    "specversion": {"type": "string", "const": "1.0"},
    "id": {"type": "string", "format": "uuid"},
    "source": {"type": "string", "pattern": f"^{SOURCE}\\d{{6}}$"},
    "type": {"type": "string"},
    "subject": {"type": "string", "description": "办件标识, or whatever the message is about; never a person"},
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": {"type": "string", "const": "application/json"},
    "dataschema": {"type": "string"},
    "data": {"type": "object"},
}
EXTENSIONS = {
    "sealed": {"type": "string", "description": "The personal part, encrypted: for this node, or JWE for destnode"},
    "correlationid": {"type": "string"},
    "causationid": {"type": "string"},
    "traceparent": {"type": "string"},
    "destnode": {"type": "string", "pattern": "^\\d{6}$"},
    "division": {"type": "string"},
    "dirver": {"type": "integer"},
    "seq": {"type": "integer"},
    "checkedby": {
        "type": "string",
        "description": "The contracts by which its writer checked it; whoever has others checks",
    },
}


def every_version() -> dict[str, type[Contract]]:
    """All message versions of this release, by type."""
    found = pkgutil.iter_modules(contracts.__path__)
    names = [item.name for item in found if not item.ispkg and item.name != "asyncapi"]
    return dict(sorted(every_contract(*(importlib.import_module(f"contracts.{name}") for name in names)).items()))


def document() -> Json:
    """The document as plain JSON values, the same for the same contracts."""
    versions = every_version()
    schemas: Json = {"Envelope": _envelope()}
    messages = {kind: _message(contract, schemas) for kind, contract in versions.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "通办 tongban",
            "version": "1",
            "description": "What the services of a node tell each other, and which of it leaves the city (x-crosses).",
        },
        "defaultContentType": "application/json",
        "channels": {kind: _channel(contract) for kind, contract in versions.items()},
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _channel(contract: type[Contract]) -> Json:
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    made: Json = {
        "address": contract.type,
        "messages": {contract.type: {"$ref": f"#/components/messages/{contract.type}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange}},
    }
    if contract.crosses:
        made |= {"x-address-to-another-city": f"{contract.type}.<destnode>", "x-lane": contract.lane}
    return made


def _message(contract: type[Contract], schemas: Json) -> Json:
    properties: Json = {"type": {"const": contract.type}, "data": _reference(contract, schemas)}
    required = ["data"]
    if contract.Personal is not None:
        properties["sealed"] = {"type": "string", "x-sealed": _reference(contract.Personal, schemas)}
        required.append("sealed")
    body = {"type": "object", "required": required, "properties": properties}
    made: Json = {
        "name": contract.type,
        "title": contract.__name__,
        "summary": inspect.getdoc(contract) or "",
        "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, body]},
        "x-consumers": list(contract.consumers),
    }
    if contract.crosses:
        made["x-crosses"] = contract.crosses
    if contract.answers:
        made["x-answered-by"] = contract.answers.type
    return made


def _envelope() -> Json:
    return {
        "description": "CloudEvents 1.0, structured JSON. Readers skip what they do not know.",
        "type": "object",
        "required": list(CLOUDEVENT),
        "properties": CLOUDEVENT | EXTENSIONS,
    }


def _reference(kind: type[Schema], schemas: Json) -> Json:
    name = f"{kind.__module__.removeprefix('contracts.')}.{kind.__qualname__}"
    if name not in schemas:
        schemas[name] = {}
        schemas[name] = _object(kind, schemas)
    return {"$ref": f"#/components/schemas/{name}"}


def _object(kind: type[Schema], schemas: Json) -> Json:
    known = kind().fields
    return {
        "description": inspect.getdoc(kind) or "",
        "type": "object",
        "required": [name for name, field in known.items() if field.required],
        "properties": {name: _value(field, schemas) for name, field in known.items()},
    }


def _value(field: fields.Field[Any], schemas: Json) -> Json:
    if isinstance(field, fields.Nested):
        nested = _reference(type(field.schema), schemas)
        return {"oneOf": [nested, {"type": "null"}]} if field.allow_none else nested
    kind = next(name for known, name in TYPES.items() if isinstance(field, known))
    made: Json = {"type": [kind, "null"] if field.allow_none else kind} | _limits(field)
    if isinstance(field, fields.List):
        made["items"] = _value(field.inner, schemas)
    if isinstance(field, fields.Dict) and field.value_field:
        made["additionalProperties"] = _value(field.value_field, schemas)
    if field.load_default is not missing:
        made["default"] = field.load_default() if callable(field.load_default) else field.load_default
    return made


def _limits(field: fields.Field[Any]) -> Json:
    found: Json = {}
    for limit in field.validators:
        if isinstance(limit, validate.OneOf):
            found["enum"] = list(limit.choices)
        if isinstance(limit, validate.Regexp):
            found["pattern"] = limit.regex.pattern
        if isinstance(limit, validate.Length):
            unit = "Items" if isinstance(field, fields.List) else "Length"
            bounds = {f"min{unit}": limit.min, f"max{unit}": limit.max}
            found |= {name: bound for name, bound in bounds.items() if bound is not None}
    return found


class _Plain(yaml.SafeDumper):
    """Writes everything out where it stands: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def as_yaml() -> str:
    """The text of contracts/asyncapi.yaml."""
    note = "# Generated: python -m contracts.asyncapi > contracts/asyncapi.yaml\n"
    return note + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    sys.stdout.write(as_yaml())
