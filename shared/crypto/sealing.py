"""Personal data under seal: SM4-GCM inside a node, JWE between nodes, HMAC-SM3 to find without opening."""

import json
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from shared.crypto.keys import SEAL_ALGORITHM, NodeKeys, keys_in_use
from shared.crypto.signing import from_base64url, to_base64url
from shared.errors import Denied

CONTENT_ALGORITHM = "A256GCM"
SEALED_AT_MOST = 1 << 20  # bytes of one JWE's content: a 256 KiB chunk of a file, base64 in JSON, fits twice

_NONCE, _TAG = 12, 16

_registry = jwe.JWERegistry(algorithms=[SEAL_ALGORITHM, CONTENT_ALGORITHM])  # so no other way, and no compression
_registry.max_ciphertext_length = 2 * SEALED_AT_MOST  # also bounds the base64url text


class SealError(DontWrapMixin, RuntimeError):
    """Our own cabinet does not open, or no keys are in use: a fault of ours or a forged row, never an answer.

    SQLAlchemy must not wrap it, since its wrapper prints the parameters, which are still unsealed then.
    """


def seal_for(jwk: Mapping[str, Any], plaintext: bytes) -> str:
    """Compact JWE that only the holder of this X25519 key (public JWK with kid) can open.

    ValueError for another kind of key, or for more than SEALED_AT_MOST bytes.
    """
    if len(plaintext) > SEALED_AT_MOST:
        raise ValueError(f"{len(plaintext)} bytes are too many for one JWE")
    header = {"alg": SEAL_ALGORITHM, "enc": CONTENT_ALGORITHM, "kid": jwk["kid"]}
    return jwe.encrypt_compact(header, plaintext, _x25519_key(jwk["crv"], jwk["x"]), registry=_registry)


def open_sealed(keys: NodeKeys, token: str) -> bytes:
    """What another node sealed for this one. Denied `seal_unknown_key` or `seal_broken`."""

    def find_key(recipient: Any) -> OKPKey:
        key = keys.sealing.get(str(recipient.headers().get("kid")))
        if key is None:
            raise Denied("seal_unknown_key", "密文不是用本节点的公钥加密的")
        return key

    try:
        return cast(bytes, jwe.decrypt_compact(token, find_key, registry=_registry).plaintext)
    except (JoseError, InvalidTag, ValueError, KeyError, TypeError) as error:
        raise Denied("seal_broken", "密文无法打开,可能被改动") from error


def seal(keys: NodeKeys, plaintext: bytes, context: str) -> str:
    """Base64url text of `seal_bytes`."""
    return to_base64url(seal_bytes(keys, plaintext, context))


def unseal(keys: NodeKeys, token: str, context: str) -> bytes:
    """What `seal` sealed in the same context. Raises SealError."""
    try:
        sealed = from_base64url(token)
    except ValueError as error:
        raise SealError(f"no sealed text in {context}") from error
    return unseal_bytes(keys, sealed, context)


def seal_bytes(keys: NodeKeys, plaintext: bytes, context: str) -> bytes:
    """SM4-GCM under the current cabinet key: key id (1 byte), nonce (12), ciphertext, tag (16).

    `context` says where it lies (`intake.cases.personal`, `message/<type>/<id>`): it opens nowhere else. Random
    nonces allow 2^32 seals under one key (NIST SP 800-38D §8.3); renew the keys long before.
    """
    nonce = secrets.token_bytes(_NONCE)
    ciphertext = sm4_gcm_encrypt(keys.cabinet[keys.cabinet_id], nonce, plaintext, context.encode())
    return bytes([keys.cabinet_id]) + nonce + ciphertext


def unseal_bytes(keys: NodeKeys, sealed: bytes, context: str) -> bytes:
    """What `seal_bytes` sealed in the same context. Raises SealError."""
    key = keys.cabinet.get(sealed[0]) if len(sealed) > _NONCE + _TAG else None
    if key is None:
        raise SealError(f"what lies in {context} was not sealed with a key of {keys.node}")
    try:
        return sm4_gcm_decrypt(key, sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context.encode())
    except InvalidTag as error:
        raise SealError(f"what lies in {context} was altered or moved there") from error


def sm4_gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag (RFC 8998)."""
    encryptor = Cipher(SM4(key), GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def sm4_gcm_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext of a ciphertext with its tag (RFC 8998); InvalidTag when anything was altered."""
    decryptor = Cipher(SM4(key), GCM(nonce, ciphertext[-_TAG:])).decryptor()
    decryptor.authenticate_additional_data(associated)
    return decryptor.update(ciphertext[:-_TAG]) + decryptor.finalize()


def blind_index(keys: NodeKeys, kind: str, value: str) -> str:
    """32 hex digits by which this node, and no other, finds the same value of the same kind again (HMAC-SM3).

    The caller normalises the value first: equal means equal to the character.
    """
    code = HMAC(keys.index, hashes.SM3())
    code.update(f"{len(kind)}:{kind}{value}".encode())
    return code.finalize()[:16].hex()


class Sealed(TypeDecorator[Any]):
    """A column of any JSON-able value, sealed with the keys in use (`shared.crypto.keys.using`); None stays NULL.

    `context` is `<schema>.<table>.<column>`. It cannot be searched: keep a `blind_index` beside it.
    """

    impl = Text
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The sealed text of a value on its way to the database."""
        if value is None:
            return None
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise SealError(f"{self.context} takes only what JSON can say: {error}") from None
        return seal(_keys_for(self.context), text.encode(), self.context)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value of a sealed text that comes from the database."""
        return None if value is None else json.loads(unseal(_keys_for(self.context), value, self.context))


def _keys_for(context: str) -> NodeKeys:
    keys = keys_in_use.get(None)
    if keys is None:
        raise SealError(f"{context} is sealed and no keys are in use: wrap the work in `using(keys)`")
    return keys


@lru_cache(maxsize=1024)
def _x25519_key(curve: str, x: str) -> OKPKey:
    if curve != "X25519":
        raise ValueError(f"sealing needs an X25519 key, not {curve}")
    return OKPKey.import_key({"kty": "OKP", "crv": curve, "x": x})
