"""Signatures over exact bytes, Ed25519 or SM2 with SM3, that travel as detached JWS (RFC 7515, RFC 7797)."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.crypto import sm2
from shared.errors import Denied

Algorithm = Literal["ed25519", "sm2"]
Jwk = Mapping[str, Any]

EDDSA = "EdDSA"
SM2SM3 = "SM2SM3"  # a private name: JOSE has registered none for SM2

_DETACHED = re.compile(r"([A-Za-z0-9_-]{1,512})\.\.([A-Za-z0-9_-]{86})")  # both algorithms sign with 64 bytes


class Signer(Protocol):
    """Whoever can sign under a key id: a key in memory, or a cryptographic machine."""

    @property
    def kid(self) -> str:
        """The key id that the node directory lists."""

    @property
    def alg(self) -> str:
        """`EdDSA` or `SM2SM3`."""

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signs by RFC 8032."""

    kid: str
    key: Ed25519PrivateKey = field(repr=False)
    alg: str = EDDSA

    def sign(self, message: bytes) -> bytes:
        """R‖S, 64 bytes."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True)
class Sm2Signer:
    """Signs by GB/T 32918.2 with SM3 and the default identity."""

    kid: str
    key: sm2.Key = field(repr=False)
    alg: str = SM2SM3

    def sign(self, message: bytes) -> bytes:
        """r‖s, 64 bytes."""
        return sm2.sign(self.key, message)


def to_base64url(raw: bytes) -> str:
    """Base64url text without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes that `to_base64url` wrote; ValueError for any other spelling of them."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def new_signing_jwk(algorithm: Algorithm) -> dict[str, str]:
    """A new private JWK: OKP Ed25519, or EC with the private curve name SM2."""
    if algorithm == "sm2":
        number = sm2.new_private()
        point = sm2.public_point(sm2.load_private(number))
        halves = {"x": to_base64url(point[:32]), "y": to_base64url(point[32:])}
        return {"kty": "EC", "crv": "SM2", **halves, "d": to_base64url(number)}
    key = Ed25519PrivateKey.generate()
    x, d = key.public_key().public_bytes_raw(), key.private_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(x), "d": to_base64url(d)}


def signer_of(kid: str, jwk: Jwk) -> Signer:
    """The signer of a private JWK; ValueError when its private and public halves do not belong together."""
    number = from_base64url(jwk["d"])
    if algorithm_of(jwk) == SM2SM3:
        pair = sm2.load_private(number)
        signer, public = Sm2Signer(kid, pair), sm2.public_point(pair)
        return _paired(signer, public, jwk["x"], jwk["y"])
    key = Ed25519PrivateKey.from_private_bytes(number)
    return _paired(Ed25519Signer(kid, key), key.public_key().public_bytes_raw(), jwk["x"])


def algorithm_of(jwk: Jwk) -> str:
    """The one JWS algorithm a key may be used with; ValueError for a key that is none for signing."""
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return EDDSA
        case "EC", "SM2":
            return SM2SM3
        case other:
            raise ValueError(f"not a signing key: {other}")


def verify(jwk: Jwk, message: bytes, signature: bytes) -> bool:
    """Whether a public JWK's owner signed exactly these bytes; ValueError when the JWK is no signing key."""
    if algorithm_of(jwk) == SM2SM3:
        return sm2.verify(_sm2_key(jwk["x"], jwk["y"]), message, signature)
    try:
        _ed25519_key(jwk["x"]).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sign_detached(signer: Signer, body: bytes) -> str:
    """`header..signature` over exactly these bytes; the body travels beside it, unencoded."""
    members = {"alg": signer.alg, "b64": False, "crit": ["b64"], "kid": signer.kid}
    header = to_base64url(json.dumps(members, separators=(",", ":")).encode())
    return f"{header}..{to_base64url(signer.sign(_signed_bytes(header, body)))}"


def verify_detached(jws: str, body: bytes, find_key: Callable[[str], Jwk | None]) -> str:
    """The key id under which `body` is signed; `find_key` gives its public JWK, or None or KeyError if unknown.

    Denied `signature_missing`, `_malformed`, `_unknown_key`, `_wrong_algorithm` or `_wrong`. Whether that key's
    owner may say what the body says is the caller's question.
    """
    header, signature = _split(jws)
    alg, kid = _read_header(header)
    jwk = _known(find_key, kid)
    try:
        expected = algorithm_of(jwk)
    except ValueError as error:
        raise Denied("signature_wrong_algorithm", "该密钥不是签名密钥") from error
    if alg != expected:
        raise Denied("signature_wrong_algorithm", "签名算法与节点目录登记的密钥不符")
    try:
        genuine = verify(jwk, _signed_bytes(header, body), signature)
    except (ValueError, KeyError) as error:
        raise Denied("signature_unknown_key", "节点目录登记的公钥无效") from error
    if not genuine:
        raise Denied("signature_wrong", "签名与报文不符,报文可能被改动")
    return kid


def _known(find_key: Callable[[str], Jwk | None], kid: str) -> Jwk:
    try:
        jwk = find_key(kid)
    except KeyError:
        jwk = None
    if jwk is None:
        raise Denied("signature_unknown_key", "签名密钥不在节点目录中")
    return jwk


def _signed_bytes(header: str, body: bytes) -> bytes:
    return header.encode("ascii") + b"." + body


def _split(jws: str) -> tuple[str, bytes]:
    if not jws:
        raise Denied("signature_missing", "报文没有签名")
    parts = _DETACHED.fullmatch(jws)
    try:
        if parts is not None:
            return parts[1], from_base64url(parts[2])
    except ValueError:
        pass
    raise Denied("signature_malformed", "签名格式不对")


@lru_cache(maxsize=1024)
def _read_header(header: str) -> tuple[str, str]:
    """(alg, kid) of a protected header that has our four members and no others."""
    try:
        members = json.loads(from_base64url(header).decode("utf-8"), object_pairs_hook=_without_repeats)
        alg, kid = members["alg"], members["kid"]
        exact = members == {"alg": alg, "b64": False, "crit": ["b64"], "kid": kid} and members["b64"] is False
        if not (exact and isinstance(alg, str) and isinstance(kid, str)):
            raise ValueError("other members")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Denied("signature_malformed", "签名头格式不对") from error
    return alg, kid


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members := dict(pairs)) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _paired(signer: Signer, public: bytes, *halves: str) -> Signer:
    if b"".join(map(from_base64url, halves)) != public:
        raise ValueError(f"the public and private halves of {signer.kid} do not belong together")
    return signer


@lru_cache(maxsize=1024)
def _ed25519_key(x: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(from_base64url(x))


@lru_cache(maxsize=1024)
def _sm2_key(x: str, y: str) -> sm2.Key:
    return sm2.load_public(from_base64url(x) + from_base64url(y))
