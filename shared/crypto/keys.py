"""The keys of one node: made, kept in a file, published for the node directory, and in use in this context."""

import datetime
import itertools
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from joserfc.jwk import OKPKey

from shared.crypto.signing import (
    Algorithm,
    Signer,
    algorithm_of,
    from_base64url,
    new_signing_jwk,
    signer_of,
    to_base64url,
)

SEAL_ALGORITHM = "ECDH-ES+A256KW"
VALIDITY = datetime.timedelta(days=730)  # renew yearly: a year to publish, overlap and retire

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class NodeKeys:
    """Everything secret of one node. The newest key of each kind is used, older ones still open what they sealed."""

    node: str  # six digits
    signer: Signer
    sealing: Mapping[str, OKPKey] = field(repr=False)  # X25519 private keys by kid: what other nodes sealed for us
    cabinet: Mapping[int, bytes] = field(repr=False)  # SM4 keys by key id 1..255: what we sealed for ourselves
    cabinet_id: int
    index: bytes = field(repr=False)  # for blind indexes; never renewed, or nothing would be found again
    public: tuple[dict[str, Any], ...] = field(repr=False)  # the rows of public_keys


def new_keys(node: str, *, algorithm: Algorithm = "ed25519", issued_on: datetime.date) -> dict[str, Any]:
    """A key document, JSON-able and secret, with one key of each kind. `node` has six digits."""
    if not re.fullmatch(r"[0-9]{6}", node):
        raise ValueError(f"a node has six digits, not {node!r}")
    empty = {"node": node, "sign": [], "seal": [], "cabinet": [], "index": to_base64url(secrets.token_bytes(32))}
    return renewed_keys(empty, algorithm=algorithm, issued_on=issued_on)


def renewed_keys(
    document: Mapping[str, Any], *, algorithm: Algorithm = "ed25519", issued_on: datetime.date
) -> dict[str, Any]:
    """The document with a new current key of each kind; older signing keys keep only their public half.

    Publish the new rows and let every node fetch them before the first process starts with this document.
    """
    cabinet_id = max((row["id"] for row in document["cabinet"]), default=0) + 1
    if cabinet_id > 255:
        raise ValueError("a cabinet key id is one byte: no number is left")
    signing, sealing = new_signing_jwk(algorithm), OKPKey.generate_key("X25519").as_dict(private=True)
    return {
        **document,
        "sign": [*map(_public, document["sign"]), _dated(document, "sign", signing, issued_on)],
        "seal": [*document["seal"], _dated(document, "seal", sealing, issued_on)],
        "cabinet": [*document["cabinet"], {"id": cabinet_id, "key": to_base64url(secrets.token_bytes(16))}],
    }


def load_keys(path: Path) -> NodeKeys:
    """The keys in a file; logs a warning when others than its owner may read it."""
    if path.stat().st_mode & 0o077:
        _log.warning("key_file_readable_by_others", path=str(path))
    return node_keys(json.loads(path.read_text("utf-8")))


def node_keys(document: Mapping[str, Any]) -> NodeKeys:
    """The keys of a document of `new_keys` or `renewed_keys`; the last of each kind is the current one."""
    current = document["sign"][-1]
    return NodeKeys(
        node=document["node"],
        signer=signer_of(current["kid"], current["jwk"]),
        sealing={row["kid"]: OKPKey.import_key(row["jwk"]) for row in document["seal"]},
        cabinet={row["id"]: from_base64url(row["key"]) for row in document["cabinet"]},
        cabinet_id=document["cabinet"][-1]["id"],
        index=from_base64url(document["index"]),
        public=tuple(_public(row) for kind in ("sign", "seal") for row in document[kind]),
    )


def public_keys(keys: NodeKeys) -> list[dict[str, Any]]:
    """Rows for the node directory: kid, purpose (sign, seal), alg, jwk, not_before, not_after (ISO dates, `[ , )`)."""
    return [{**row, "jwk": dict(row["jwk"])} for row in keys.public]


keys_in_use: ContextVar[NodeKeys] = ContextVar("keys_in_use")


@contextmanager
def using(keys: NodeKeys) -> Iterator[None]:
    """Sealed columns are read and written with these keys inside; a new thread or greenlet starts with none."""
    token = keys_in_use.set(keys)
    try:
        yield
    finally:
        keys_in_use.reset(token)


def _dated(document: Mapping[str, Any], purpose: str, jwk: Mapping[str, Any], on: datetime.date) -> dict[str, Any]:
    """A row of the key document: like its published one, but with the private half."""
    taken = {row["kid"] for row in document[purpose]}
    stem = f"{document['node']}#{on:%Y-%m}" + ("" if purpose == "sign" else f"-{purpose}")
    kid = _first_free(stem, taken)
    return {
        "kid": kid,
        "purpose": purpose,
        "alg": algorithm_of(jwk) if purpose == "sign" else SEAL_ALGORITHM,
        "jwk": {**jwk, "kid": kid},
        "not_before": on.isoformat(),
        "not_after": (on + VALIDITY).isoformat(),
    }


def _first_free(stem: str, taken: Iterable[str]) -> str:
    """The stem itself, or stem.2, stem.3: a key that leaked may be renewed within its month."""
    names = itertools.chain([stem], (f"{stem}.{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "jwk": {name: value for name, value in row["jwk"].items() if name != "d"}}
