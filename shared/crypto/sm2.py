"""SM2 signatures with SM3 (GB/T 32918.2, curve of GB/T 32918.5) by the system's OpenSSL 3; raw bytes in and out."""

import ctypes
import ctypes.util
import secrets
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

DEFAULT_ID = b"1234567812345678"  # GM/T 0009: the signer's identity where the parties agreed on no other
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123

# The DER around the bare numbers never changes: algorithm ecPublicKey (1.2.840.10045.2.1), curve 1.2.156.10197.1.301.
_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_PUBLIC_DER = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("03420004")
_PRIVATE_DER = bytes.fromhex("3041020100") + _ALGORITHM + bytes.fromhex("04273025020101" + "0420")

_POINTER = ctypes.c_void_p
_DER = [_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long]
_INIT = [_POINTER, ctypes.POINTER(_POINTER), ctypes.c_char_p, _POINTER, ctypes.c_char_p, _POINTER, _POINTER]
_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "d2i_PUBKEY": (_POINTER, [*_DER]),
    "d2i_AutoPrivateKey": (_POINTER, [*_DER]),
    "EVP_PKEY_is_a": (ctypes.c_int, [_POINTER, ctypes.c_char_p]),
    "EVP_PKEY_get_octet_string_param": (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)],
    ),
    "EVP_PKEY_free": (None, [_POINTER]),
    "EVP_MD_CTX_new": (_POINTER, []),
    "EVP_MD_CTX_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_set1_id": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "EVP_DigestSignInit_ex": (ctypes.c_int, [*_INIT]),
    "EVP_DigestVerifyInit_ex": (ctypes.c_int, [*_INIT]),
    "EVP_DigestSign": (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_char_p, ctypes.c_size_t],
    ),
    "EVP_DigestVerify": (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "ERR_clear_error": (None, []),
}


class Key:
    """An SM2 key held by OpenSSL: freed with this object, shared freely between threads."""

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer
        weakref.finalize(self, _libcrypto().EVP_PKEY_free, pointer)


def new_private() -> bytes:
    """A new private number d in [1, n-2], 32 bytes."""
    return (secrets.randbelow(ORDER - 2) + 1).to_bytes(32, "big")


def load_private(number: bytes) -> Key:
    """The key of a private number of 32 bytes; ValueError unless it lies in [1, n-2]."""
    if len(number) != 32 or not 1 <= int.from_bytes(number, "big") <= ORDER - 2:
        raise ValueError("an SM2 private number has 32 bytes and lies in [1, n-2]")
    return _load("d2i_AutoPrivateKey", _PRIVATE_DER + number)


def load_public(point: bytes) -> Key:
    """The key of a public point x‖y of 64 bytes; ValueError when it does not lie on the curve."""
    if len(point) != 64:
        raise ValueError("an SM2 public point has 64 bytes")
    return _load("d2i_PUBKEY", _PUBLIC_DER + point)


def public_point(key: Key) -> bytes:
    """x‖y of a key, 64 bytes."""
    buffer, length = ctypes.create_string_buffer(65), ctypes.c_size_t()
    done = _libcrypto().EVP_PKEY_get_octet_string_param(key.pointer, b"pub", buffer, 65, ctypes.byref(length))
    _expect(done == 1 and length.value == 65, "EVP_PKEY_get_octet_string_param")
    return buffer.raw[1:]


def sign(key: Key, message: bytes, user_id: bytes = DEFAULT_ID) -> bytes:
    """r‖s of 64 bytes over SM3(Z(user_id, public point) ‖ message)."""
    der, length = ctypes.create_string_buffer(80), ctypes.c_size_t(80)
    with _digest("EVP_DigestSignInit_ex", key, user_id) as context:
        done = _libcrypto().EVP_DigestSign(context, der, ctypes.byref(length), message, len(message))
    _expect(done == 1, "EVP_DigestSign")
    r, s = decode_dss_signature(der.raw[: length.value])
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(key: Key, message: bytes, signature: bytes, user_id: bytes = DEFAULT_ID) -> bool:
    """Whether `signature` (r‖s) is the key's over exactly these bytes under this identity."""
    if len(signature) != 64:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    with _digest("EVP_DigestVerifyInit_ex", key, user_id) as context:
        answer: int = _libcrypto().EVP_DigestVerify(context, der, len(der), message, len(message))
    if answer != 1:
        _libcrypto().ERR_clear_error()
    return answer == 1


@contextmanager
def _digest(initialise: str, key: Key, user_id: bytes) -> Iterator[int]:
    library, inner = _libcrypto(), _POINTER()
    context: int = library.EVP_MD_CTX_new()
    try:
        ready = getattr(library, initialise)(context, ctypes.byref(inner), b"SM3", None, None, key.pointer, None)
        _expect(ready == 1, initialise)
        _expect(library.EVP_PKEY_CTX_set1_id(inner, user_id, len(user_id)) == 1, "EVP_PKEY_CTX_set1_id")
        yield context
    finally:
        library.EVP_MD_CTX_free(context)  # frees the inner context too


def _load(decode: str, der: bytes) -> Key:
    library = _libcrypto()
    pointer: int | None = getattr(library, decode)(None, ctypes.byref(ctypes.c_char_p(der)), len(der))
    if pointer is None:
        library.ERR_clear_error()
        raise ValueError("not an SM2 key: the point does not lie on the curve")
    key = Key(pointer)
    # An OpenSSL without SM2 could take the curve for a plain one and sign ECDSA with it.
    _expect(library.EVP_PKEY_is_a(pointer, b"SM2") == 1, "EVP_PKEY_is_a")
    return key


def _expect(success: bool, function: str) -> None:
    if not success:
        # Python's own ssl module reads the same per-thread error queue.
        _libcrypto().ERR_clear_error()
        raise RuntimeError(f"OpenSSL cannot do SM2 with SM3: {function} failed")


@lru_cache(maxsize=1)
def _libcrypto() -> ctypes.CDLL:
    library = _open_library()
    try:
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise RuntimeError(f"SM2 needs libcrypto of OpenSSL 3.0 or later: {error}") from error
    return library


def _open_library() -> ctypes.CDLL:
    for name in ("libcrypto.so.3", "libcrypto.3.dylib"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    found = ctypes.util.find_library("crypto")
    if found is None:
        raise RuntimeError("SM2 needs the system library libcrypto of OpenSSL 3; none was found")
    return ctypes.CDLL(found)
