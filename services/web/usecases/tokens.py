"""Tokens: made once, kept as a hash, looked up at every request, ended at any time."""

import datetime
import hashlib
import secrets
from dataclasses import dataclass, field

from contracts.envelope import Json
from services.web.rules import KINDS, Principal
from services.web.store import asking, writing
from shared import clock, identity
from shared.crypto.keys import NodeKeys
from shared.errors import Refused
from shared.outbox import Work

PREFIX = "tongban_"  # so that secret scanners can find one that leaked


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be good for. Citizens: their number; clerks: their office; channels: neither."""

    kind: str
    actor: str  # the account's name, never a person's
    label: str
    office: str = ""
    roles: tuple[str, ...] = ()
    days: int = 90
    id_type: str = "citizen"
    id_number: str = field(default="", repr=False)


def create_token(work: Work, wanted: NewToken) -> str:
    """A new token; this is the only time it can be read. Refused `token_invalid`, or NotFound for an unknown office."""
    named = 1 <= len(wanted.actor) <= 60 and len(wanted.label) <= 100
    if wanted.kind not in KINDS or not 1 <= wanted.days <= 3660 or not named:
        message = "令牌须有种类(clerk、citizen 或 channel)、使用者(60 字以内)和 1 至 3660 天的有效期"
        raise Refused("token_invalid", message)
    if (wanted.kind == "clerk") != bool(wanted.office) or (wanted.kind == "citizen") != bool(wanted.id_number):
        raise Refused("token_invalid", "工作人员令牌须指明机构,公民令牌须指明证件号码,其他令牌不得指明")
    if wanted.office:
        work.node.offices.get(wanted.office)
    token = PREFIX + secrets.token_urlsafe(32)
    row = {"token_id": clock.new_id(), "token_hash": hash_of(token), "label": wanted.label, "kind": wanted.kind}
    row |= {"actor": wanted.actor, "office": wanted.office, "roles": " ".join(wanted.roles), "revoked_at": ""}
    until = work.now + datetime.timedelta(days=wanted.days)
    row |= {"person_index": _bound_to(work, wanted), "created_at": clock.iso(work.now), "expires_at": clock.iso(until)}
    asking.add_token(work, row)
    return token


def _bound_to(work: Work, wanted: NewToken) -> str:
    if not wanted.id_number:
        return ""
    return index_of(work.node.keys, wanted.id_type, wanted.id_number, work.today)


def index_of(keys: NodeKeys, id_type: str, id_number: str, today: datetime.date) -> str:
    """The blind index of a person. Refused as shared.identity does, or `id_type_unknown`."""
    return writing.person_index(keys, id_type, known_number(id_type, id_number, today))


def known_number(id_type: str, id_number: str, today: datetime.date) -> str:
    """A document number as it is kept: citizen numbers checked, others without blanks and in capitals."""
    if id_type not in identity.DOCUMENTS:
        raise Refused("id_type_unknown", "证件类型只能是:" + "、".join(identity.DOCUMENTS), field="id_type")
    return identity.document_number(id_type, id_number, today)


def hash_of(token: str) -> str:
    """What is kept of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_principal(work: Work, token_hash: str) -> Principal | None:
    """Whoever holds the token with that hash, while it is good."""
    return asking.find_principal(work, token_hash)


def list_tokens(work: Work) -> list[Json]:
    """Every token without what would let anyone use it."""
    return asking.list_tokens(work)


def revoke_token(work: Work, token_id: str) -> None:
    """End a token; processes that have it in memory forget it within five seconds. NotFound `token_unknown`."""
    asking.revoke_token(work, token_id)
