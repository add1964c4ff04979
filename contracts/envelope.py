"""What every message wears: CloudEvents 1.0 in structured JSON, and the classes that say what a message holds."""

import builtins
import datetime
import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, validate

Json = dict[str, Any]


class Unreadable(Exception):
    """The bytes are no message of ours, or hold what their version does not allow: never worth a retry."""


SchemaClass = type[Schema]


class Contract(Schema):
    """One version of one message. Subclasses add marshmallow fields for what may be read by anyone.

    `Personal` holds what only the sealed field may carry. `crosses` names the role in the case that its sender must
    have for the message to leave its city (None: it stays inside); `answers` the refusal event of a command.
    """

    class Meta:
        """Readers skip what a later minor version added; writers may not invent fields (see `checked`)."""

        unknown = EXCLUDE

    type: ClassVar[str]
    Personal: ClassVar[SchemaClass | None] = None
    consumers: ClassVar[tuple[str, ...]] = ()
    crosses: ClassVar[str | None] = None
    lane: ClassVar[str] = "std"
    answers: ClassVar["builtins.type[Contract] | None"] = None


class Part(Schema):
    """A nested piece of a contract, as lenient to later fields as its whole."""

    class Meta:
        """Readers skip what a later minor version added."""

        unknown = EXCLUDE


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it travels; `data` is person-free, `sealed` is an opaque token or None."""

    id: str
    type: str
    source: str  # the node's six digits
    subject: str  # the case, or whatever the message is about
    time: str
    data: Json
    sealed: str | None = None
    correlation: str = ""
    causation: str = ""
    trace: str = ""
    destination: str = ""  # another node's six digits
    division: str = ""
    directory_version: int = 0
    seq: int = 0
    checked: str = (
        ""  # by which contracts its writer has checked it: RELEASE, or another one's; "": nobody of this city
    )

    @property
    def routing_key(self) -> str:
        """The type, and the destination behind it when the message is for another city."""
        return f"{self.type}.{self.destination}" if self.destination else self.type


NAMES = {  # attribute here -> CloudEvents attribute (extensions are lower-case letters only)
    "correlation": "correlationid",
    "causation": "causationid",
    "trace": "traceparent",
    "destination": "destnode",
    "division": "division",
    "directory_version": "dirver",
    "seq": "seq",
    "sealed": "sealed",
    "checked": "checkedby",
}
NUMBERS = ("directory_version", "seq")
SOURCE = "urn:tongban:node:"


def encode(message: Message) -> str:
    """The exact text that is stored, signed and sent."""
    wire: Json = {
        "specversion": "1.0",
        "id": message.id,
        "source": SOURCE + message.source,
        "type": message.type,
        "subject": message.subject,
        "time": message.time,
        "datacontenttype": "application/json",
        "dataschema": f"urn:tongban:schema:{message.type}",
        "data": message.data,
    }
    wire.update({wire_name: value for name, wire_name in NAMES.items() if (value := getattr(message, name))})
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def _once_only(pairs: list[tuple[str, Any]]) -> Json:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise Unreadable("a key stands twice")
    return keys


def decode(body: bytes | str) -> Message:
    """The message in `body`. Raises Unreadable for anything that is not one envelope of version 1.0."""
    try:
        wire = json.loads(body, object_pairs_hook=_once_only)
        if wire["specversion"] != "1.0" or not wire["source"].startswith(SOURCE) or not isinstance(wire["data"], dict):
            raise Unreadable("not an envelope of version 1.0")
        extra = {name: wire[wire_name] for name, wire_name in NAMES.items() if wire_name in wire}
        message = Message(
            id=str(uuid.UUID(wire["id"])),
            type=wire["type"],
            source=wire["source"].removeprefix(SOURCE),
            subject=wire["subject"],
            time=wire["time"],
            data=wire["data"],
            **extra,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"broken envelope: {type(error).__name__}") from error
    _expect_kinds(message)
    return message


def _expect_kinds(message: Message) -> None:
    """Every attribute is of the kind it says: what comes from elsewhere may be anything."""
    kinds = {name: type(getattr(message, name)) for name in Message.__slots__ if name != "data"}
    wrong = [name for name, kind in kinds.items() if kind is not (int if name in NUMBERS else str)]
    if [name for name in wrong if name != "sealed" or message.sealed is not None]:
        raise Unreadable(f"of the wrong kind: {', '.join(wrong)}")


_schemas: dict[type[Schema], Schema] = {}


def _schema(kind: type[Schema]) -> Schema:
    if kind not in _schemas:
        _schemas[kind] = kind()
    return _schemas[kind]


def _load(kind: type[Schema], values: Json, unknown: Literal["exclude", "raise"]) -> Json:
    try:
        return dict(_schema(kind).load(values, unknown=unknown))
    except ValidationError as error:
        raise Unreadable(f"{getattr(kind, 'type', kind.__name__)}: {_named(error.messages)}") from error


def _release() -> str:
    """The same digits mean the same fields under the same rules, for they are made of the same files."""
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".yaml"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


RELEASE = _release()


def _named(messages: Any) -> str:
    """Field names only: a value could be personal."""
    return ", ".join(sorted(str(name) for name in messages)) if isinstance(messages, dict) else "invalid"


def written(contract: type[Contract], data: Json, personal: Json | None) -> tuple[Json, Json | None]:
    """What a writer may send: every field known, present and valid, defaults filled in. Raises Unreadable."""
    if (personal is None) != (contract.Personal is None):
        raise Unreadable(f"{contract.type}: personal part {'missing' if personal is None else 'not allowed'}")
    plain = _load(contract, data, RAISE)
    return plain, None if contract.Personal is None or personal is None else _load(contract.Personal, personal, RAISE)


def read_data(contract: type[Contract], data: Json, checked: str = "") -> Json:
    """The readable part, validated and with defaults. Raises Unreadable naming the fields at fault.

    What was `checked` by the very contracts of this process is not checked again: that is half of what reading costs.
    """
    return dict(_copied(data)) if checked == RELEASE else _load(contract, data, EXCLUDE)


def _copied(value: Any) -> Any:
    """A handler may change what it reads; the message may be needed again as it came."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def read_personal(contract: type[Contract], personal: Json, checked: str = "") -> Json:
    """The opened sealed part, validated as of `read_data`. Raises Unreadable naming the fields at fault."""
    if contract.Personal is None:
        raise Unreadable(f"{contract.type} has no personal part")
    return personal if checked == RELEASE else _load(contract.Personal, personal, EXCLUDE)


def every_contract(*modules: Any) -> dict[str, type[Contract]]:
    """All message versions declared in the given modules, by type."""
    found = (item for module in modules for item in vars(module).values() if isinstance(item, type))
    return {item.type: item for item in found if issubclass(item, Contract) and hasattr(item, "type")}


CODE6 = validate.Regexp(r"^\d{6}$")  # a node


def expect_day(text: str) -> None:
    """ValidationError unless it is a day of the calendar as YYYY-MM-DD, or empty."""
    try:
        good = not text or datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise ValidationError("no day")
