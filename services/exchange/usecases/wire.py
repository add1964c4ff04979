"""How a message looks between cities: which may cross, what is checked before anything is believed, what is sealed."""

import datetime
import json
import re
from dataclasses import dataclass, replace

import contracts.appointment
import contracts.certificate
import contracts.claims
import contracts.exchange
import contracts.intake
import contracts.marriage
import contracts.subsidy
from contracts.envelope import (
    Contract,
    Json,
    Message,
    Unreadable,
    decode,
    encode,
    every_contract,
    read_data,
    read_personal,
)
from contracts.intake import ApplicationForwardedV1
from services.exchange import rules
from shared import clock
from shared.bus import Rejected
from shared.crypto.personal import seal_personal
from shared.crypto.sealing import open_sealed, seal_for, unseal
from shared.crypto.signing import verify_detached
from shared.directory import Directory, Node
from shared.errors import Denied
from shared.logs import trace_id

CONTRACTS = every_contract(
    contracts.intake,
    contracts.subsidy,
    contracts.marriage,
    contracts.certificate,
    contracts.claims,
    contracts.appointment,
    contracts.exchange,
)
HANDS_OVER = ApplicationForwardedV1.type
EARLY = "case_unknown"  # what is said of a case may overtake what opens it
_SUBJECT = re.compile(r"[\x21-\x7e]{1,80}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message from the hub whose sender, bytes and seal are genuine, as it would be told here."""

    message: Message
    contract: type[Contract]
    data: Json
    body: str
    jws: str

    @property
    def sender(self) -> str:
        """The node that signed it."""
        return self.message.source


def checked(
    node: Node, directory: Directory, delivery: rules.Delivery, came_at: datetime.datetime, *, vouched: bool = False
) -> Arrival:
    """What a delivery brings, its personal part sealed anew for this city. Denied names what is wrong with it.

    The signature is checked over the exact bytes before any of them is parsed, by the keys of the day it came.
    `vouched`: a person lets it in although it was too old when it came.
    """
    if len(delivery.body) > rules.BODY_AT_MOST:
        raise Denied("oversized", "报文超过城际交换的大小上限")
    signer = _signer(directory, delivery, clock.legal_date(came_at))
    try:
        body = delivery.body.decode("utf-8")
        message = _well_formed(decode(body))
        if "\\u" in body:
            encode(message).encode()  # UnicodeEncodeError, a ValueError: half a surrogate pair
        at = clock.instant(message.time)
    except (Unreadable, ValueError, TypeError) as error:
        raise Denied("unreadable", "报文格式不对") from error
    address = rules.read_key(delivery.routing_key)
    _check_ends(node, message, address, {signer, delivery.user or signer})
    contract = _contract(message, address)
    rules.check_time(at, came_at, clock.now(), vouched=vouched)
    try:
        data = read_data(contract, message.data)
        trace = message.trace if trace_id(message.trace) else ""  # what else stands there may be anything
        sealed = _sealed_anew(node, contract, message)
        message = replace(
            message, destination="", sealed=sealed, trace=trace, checked=""
        )  # by us, and not by our readers
    except (Unreadable, ValueError) as error:
        raise Denied("data_invalid", "报文内容不符合其版本") from error
    return Arrival(message, contract, data, body, delivery.jws)


def _signer(directory: Directory, delivery: rules.Delivery, on: datetime.date) -> str:
    kid = verify_detached(delivery.jws, delivery.body, lambda kid: directory.key(kid, "sign", on)["jwk"])
    return str(directory.key(kid, "sign", on)["node"])


def _well_formed(message: Message) -> Message:
    """Only what our own columns and readers can bear. Raises Unreadable."""
    texts = [
        getattr(message, name) for name in ("time", "correlation", "causation", "trace", "destination", "division")
    ]
    numbers = [message.seq, message.directory_version]
    if not all(isinstance(text, str) for text in (*texts, message.sealed or "")):
        raise Unreadable("an attribute is no text")
    if not all(type(number) is int and 0 <= number < rules.SEQ_AT_MOST for number in numbers) or not message.seq:
        raise Unreadable("an attribute is no number")
    if not isinstance(message.type, str) or not _SUBJECT.fullmatch(message.subject):
        raise Unreadable("no type or no subject")
    return message


def _check_ends(node: Node, message: Message, address: rules.Address, senders: set[str]) -> None:
    if senders != {message.source} or address.source != message.source:
        raise Denied("source_mismatch", "报文来源、签名密钥、连接用户和路由键不一致")
    if not message.destination == address.destination == node.code:
        raise Denied("not_for_us", "报文不是发给本节点的")


def _contract(message: Message, address: rules.Address) -> type[Contract]:
    contract = CONTRACTS.get(message.type)
    if contract is None:
        raise Denied("type_unknown", "本节点不认识这种报文或这个版本")
    if contract.crosses is None:
        raise Denied("type_stays_inside", "这种报文不得跨城市")
    if (address.type, address.lane) != (contract.type, contract.lane):
        raise Denied("key_mismatch", "路由键与报文类型不一致")
    return contract


def _label(message: Message) -> bytes:
    """Ties a sealed part to its message: it opens nowhere else."""
    return f"{message.type} {message.id}\n".encode()


def _sealed_anew(node: Node, contract: type[Contract], message: Message) -> str | None:
    if (message.sealed is None) != (contract.Personal is None):
        raise Unreadable("sealed part missing or not allowed")
    if message.sealed is None:
        return None
    opened = open_sealed(node.opening_keys, message.sealed)
    label = _label(message)
    if not opened.startswith(label):
        raise Denied("seal_moved", "密文不属于这条报文")
    personal = json.loads(opened[len(label) :])
    if not isinstance(personal, dict):
        raise Unreadable("the sealed part is no object")
    read_personal(contract, personal)
    return seal_personal(node, message.type, message.id, personal)


@dataclass(frozen=True, slots=True)
class Draft:
    """A local message on its way out: addressed and sealed for its destination; only its number is missing."""

    message: Message
    contract: type[Contract]


def drafted(node: Node, directory: Directory, body: str, now: datetime.datetime) -> Draft:
    """The draft of a local message. Rejected when it may never leave; Denied when the directory lacks something."""
    try:
        message = decode(body)
    except Unreadable as error:
        raise Rejected(str(error)) from error
    contract = CONTRACTS.get(message.type)
    if contract is None or contract.crosses is None:
        raise Rejected(f"{message.type} may not leave the city")
    if message.source != node.code or message.destination in ("", node.code):
        raise Rejected(f"{message.type} is not ours to send, or not for another city")
    if message.destination not in directory.nodes:
        raise Denied("node_unknown", f"节点目录中没有 {message.destination}")
    addressed = replace(
        message,
        division=str(message.data.get("division") or message.destination),
        directory_version=directory.version,
        sealed=_sealed_for(node, directory, message, now),
    )
    return Draft(addressed, contract)


def _sealed_for(node: Node, directory: Directory, message: Message, now: datetime.datetime) -> str | None:
    if message.sealed is None:
        return None
    personal = unseal(node.keys, message.sealed, f"message/{message.type}/{message.id}")
    key = directory.sealing_key(message.destination, clock.legal_date(now))
    return seal_for(key["jwk"], _label(message) + personal)
