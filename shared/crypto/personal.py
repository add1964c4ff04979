"""The sealed part of a message inside its city, bound to that message."""

import json

from contracts.envelope import Contract, Json, Message, Unreadable, read_personal
from shared.crypto.sealing import SealError, seal, unseal
from shared.directory import Node


def seal_personal(node: Node, kind: str, message_id: str, private: Json) -> str:
    """The sealed field of that message."""
    return seal(node.keys, json.dumps(private, ensure_ascii=False).encode(), f"message/{kind}/{message_id}")


def open_personal(node: Node, contract: type[Contract], message: Message) -> Json:
    """The personal part of a message. Raises Unreadable, also when its seal is not ours or broken."""
    try:
        opened = unseal(node.keys, message.sealed or "", f"message/{message.type}/{message.id}")
    except SealError as error:
        raise Unreadable(str(error)) from error
    return read_personal(contract, json.loads(opened), message.checked)
