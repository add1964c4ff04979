"""Signing, sealing and the keys of a node: what is accepted, and everything that is not."""

import base64
import datetime
import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as other_library
from joserfc.jwk import OKPKey

from shared.crypto import sm2
from shared.crypto.keys import load_keys, new_keys, node_keys, public_keys, renewed_keys
from shared.crypto.signing import from_base64url, sign_detached, signer_of, to_base64url, verify_detached
from shared.errors import Denied
from shared.files import write_new

DAY = datetime.date(2026, 11, 3)
BODY = '{"type":"intake.application_forwarded.v1","subject":"某件"}'.encode()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

LANZHOU_DOCUMENT = new_keys("620100", issued_on=DAY)
LANZHOU = node_keys(LANZHOU_DOCUMENT)
SANYA_DOCUMENT = new_keys("460200", algorithm="sm2", issued_on=DAY)
SANYA = node_keys(SANYA_DOCUMENT)
JWKS = {row["kid"]: row["jwk"] for keys in (LANZHOU, SANYA) for row in public_keys(keys)}

# GB/T 32918.5 appendix A: private number, public point, and r‖s over "message digest"
EXAMPLE_D = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
EXAMPLE_POINT = bytes.fromhex(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
EXAMPLE_SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)


def flipped(raw, bit):
    return raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]


def respelled(text, position):
    other = ALPHABET[(ALPHABET.find(text[position]) + 1) % 64]
    return text[:position] + other + text[position + 1 :]


def denial(act, *arguments):
    with pytest.raises(Denied) as caught:
        act(*arguments)
    return caught.value.code


def judged(jws, body=BODY, find_key=JWKS.get):
    return denial(verify_detached, jws, body, find_key)


# the keys of a node


@pytest.mark.parametrize("document", [LANZHOU_DOCUMENT, SANYA_DOCUMENT])
def test_keys_survive_their_file(document, tmp_path):
    path = tmp_path / "keys.json"
    write_new(path, document)
    with structlog.testing.capture_logs() as logs:
        keys = load_keys(path)
    assert public_keys(keys) == public_keys(node_keys(document))
    assert verify_detached(sign_detached(keys.signer, BODY), BODY, JWKS.get) == keys.signer.kid
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert logs == []


def test_a_key_file_that_others_may_read_is_reported(tmp_path):
    path = tmp_path / "keys.json"
    write_new(path, LANZHOU_DOCUMENT)
    path.chmod(0o640)
    with structlog.testing.capture_logs() as logs:
        load_keys(path)
    assert [entry["event"] for entry in logs] == ["key_file_readable_by_others"]


def test_a_key_file_is_never_overwritten(tmp_path):
    path = tmp_path / "keys.json"
    write_new(path, LANZHOU_DOCUMENT)
    with pytest.raises(FileExistsError):
        write_new(path, SANYA_DOCUMENT)
    assert load_keys(path).node == "620100"
    assert list(tmp_path.iterdir()) == [path]


def test_the_directory_gets_what_it_needs_and_no_secret():
    rows = public_keys(SANYA)
    assert [(row["kid"], row["purpose"], row["alg"]) for row in rows] == [
        ("460200#2026-11", "sign", "SM2SM3"),
        ("460200#2026-11-seal", "seal", "ECDH-ES+A256KW"),
    ]
    assert {(row["not_before"], row["not_after"]) for row in rows} == {("2026-11-03", "2028-11-02")}
    assert [sorted(row["jwk"]) for row in rows] == [["crv", "kid", "kty", "x", "y"], ["crv", "kid", "kty", "x"]]


def test_printing_keys_shows_no_secret():
    for keys, document in ((LANZHOU, LANZHOU_DOCUMENT), (SANYA, SANYA_DOCUMENT)):
        shown = repr(keys) + repr(keys.signer) + str(public_keys(keys))
        secrets = [row["jwk"]["d"] for row in document["sign"] + document["seal"]]
        secrets += [document["index"], *(row["key"] for row in document["cabinet"])]
        assert not any(secret in shown or repr(from_base64url(secret)) in shown for secret in secrets)


def test_a_node_has_six_digits():
    for node in ("62010", "6201000", "62010a", "６２０１００", ""):
        with pytest.raises(ValueError, match="six digits"):
            new_keys(node, issued_on=DAY)


def test_a_private_half_of_another_key_is_refused():
    for document in (LANZHOU_DOCUMENT, SANYA_DOCUMENT):
        jwk = document["sign"][0]["jwk"]
        other = new_keys(document["node"], algorithm="sm2", issued_on=DAY)["sign"][0]["jwk"]
        with pytest.raises(ValueError, match="do not belong together"):
            signer_of("620100#2026-11", {**jwk, "d": other["d"]})


def test_renewed_keys_sign_anew_and_what_was_signed_stays_verifiable():
    old = sign_detached(LANZHOU.signer, BODY)
    document = renewed_keys(LANZHOU_DOCUMENT, algorithm="sm2", issued_on=datetime.date(2027, 10, 1))
    keys = node_keys(document)
    jwks = {row["kid"]: row["jwk"] for row in public_keys(keys)}
    assert verify_detached(sign_detached(keys.signer, BODY), BODY, jwks.get) == "620100#2027-10"
    assert verify_detached(old, BODY, jwks.get) == "620100#2026-11"
    assert ["d" in row["jwk"] for row in document["sign"]] == [False, True]


def test_keys_renewed_within_a_month_get_another_id():
    document = renewed_keys(renewed_keys(LANZHOU_DOCUMENT, issued_on=DAY), issued_on=DAY)
    kids = [row["kid"] for row in public_keys(node_keys(document))]
    seals = ["620100#2026-11-seal", "620100#2026-11-seal.2", "620100#2026-11-seal.3"]
    assert kids == ["620100#2026-11", "620100#2026-11.2", "620100#2026-11.3", *seals]


# SM2


def test_sm2_agrees_with_the_example_of_the_standard():
    private = sm2.load_private(EXAMPLE_D)
    assert sm2.public_point(private) == EXAMPLE_POINT
    assert sm2.verify(sm2.load_public(EXAMPLE_POINT), b"message digest", EXAMPLE_SIGNATURE)


def test_an_sm2_signature_with_any_bit_flipped_is_refused():
    public = sm2.load_public(EXAMPLE_POINT)
    assert not any(sm2.verify(public, b"message digest", flipped(EXAMPLE_SIGNATURE, bit)) for bit in range(512))


def test_an_sm2_signature_of_another_length_is_refused():
    public = sm2.load_public(EXAMPLE_POINT)
    padded = EXAMPLE_SIGNATURE[:32] + b"\0" + EXAMPLE_SIGNATURE[32:]
    for signature in (b"", EXAMPLE_SIGNATURE[:-1], EXAMPLE_SIGNATURE + b"\0", padded):
        assert not sm2.verify(public, b"message digest", signature)


def test_an_sm2_signature_outside_its_range_is_refused():
    public = sm2.load_public(EXAMPLE_POINT)
    r, s = (int.from_bytes(half, "big") for half in (EXAMPLE_SIGNATURE[:32], EXAMPLE_SIGNATURE[32:]))
    n = sm2.ORDER
    for pair in ((0, s), (r, 0), (n, s), (r, n), (0, 0), (n, n), (r, n - r), (r, n - s)):
        forged = b"".join(number.to_bytes(32, "big") for number in pair)
        assert not sm2.verify(public, b"message digest", forged)


def test_an_sm2_signature_holds_for_one_message_and_one_identity_only():
    private = sm2.load_private(sm2.new_private())
    public = sm2.load_public(sm2.public_point(private))
    ours, theirs = sm2.sign(private, BODY), sm2.sign(private, BODY, b"ALICE123@YAHOO.COM")
    assert sm2.verify(public, BODY, ours)
    assert sm2.verify(public, BODY, theirs, b"ALICE123@YAHOO.COM")
    assert not sm2.verify(public, BODY, theirs)
    assert not sm2.verify(public, BODY, ours, b"1234567812345679")
    assert not sm2.verify(public, BODY + b" ", ours)


def test_a_point_off_the_curve_is_no_sm2_key():
    for point in (bytes(64), flipped(EXAMPLE_POINT, 511), b"\xff" * 64, EXAMPLE_POINT[:-1], EXAMPLE_POINT + b"\0"):
        with pytest.raises(ValueError, match="SM2"):
            sm2.load_public(point)


def test_a_private_number_outside_its_range_is_no_sm2_key():
    for number in (0, sm2.ORDER - 1, sm2.ORDER, 2**256 - 1):
        with pytest.raises(ValueError, match="SM2"):
            sm2.load_private(number.to_bytes(32, "big"))
    with pytest.raises(ValueError, match="SM2"):
        sm2.load_private(EXAMPLE_D + b"\0")


def test_threads_share_one_sm2_key():
    private = sm2.load_private(EXAMPLE_D)
    public = sm2.load_public(EXAMPLE_POINT)

    def work(number):
        message = str(number).encode()
        return sm2.verify(public, message, sm2.sign(private, message)) and not sm2.verify(public, b"", bytes(64))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))


# detached signatures


@pytest.mark.parametrize(("keys", "alg"), [(LANZHOU, "EdDSA"), (SANYA, "SM2SM3")])
def test_a_signed_body_is_known_by_its_key(keys, alg):
    jws = sign_detached(keys.signer, BODY)
    header, payload, _signature = jws.split(".")
    assert payload == ""
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {
        "alg": alg,
        "b64": False,
        "crit": ["b64"],
        "kid": f"{keys.node}#2026-11",
    }
    assert verify_detached(jws, BODY, JWKS.get) == f"{keys.node}#2026-11"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
def test_an_ed25519_signature_is_read_by_another_jose_library():
    key = OKPKey.import_key(dict(JWKS["620100#2026-11"]))
    jws = sign_detached(LANZHOU.signer, BODY)
    assert other_library.deserialize_compact(jws, key, payload=BODY, algorithms=["EdDSA"]).payload == BODY


@pytest.mark.parametrize("keys", [LANZHOU, SANYA])
@given(bit=st.integers(0, len(BODY) * 8 - 1))
def test_a_body_with_any_bit_flipped_is_refused(keys, bit):
    assert judged(sign_detached(keys.signer, BODY), flipped(BODY, bit)) == "signature_wrong"


@pytest.mark.parametrize("keys", [LANZHOU, SANYA])
def test_a_signature_with_any_character_changed_is_refused(keys):
    jws = sign_detached(keys.signer, BODY)
    for position in range(len(jws)):
        assert judged(respelled(jws, position)).startswith("signature_")
    for extra in (jws + "A", jws + "=", jws + "\n", " " + jws, jws + ".", jws[:-1]):
        assert judged(extra) == "signature_malformed"


def test_a_second_spelling_of_the_same_signature_is_refused():
    jws = sign_detached(LANZHOU.signer, BODY)
    same_bytes = jws[:-1] + ALPHABET[ALPHABET.index(jws[-1]) | 1]
    assert base64.urlsafe_b64decode(same_bytes[-86:] + "==") == base64.urlsafe_b64decode(jws[-86:] + "==")
    assert judged(same_bytes) == "signature_malformed"


def test_a_body_without_signature_is_refused():
    assert judged("") == "signature_missing"


def test_an_unknown_key_is_refused():
    jws = sign_detached(LANZHOU.signer, BODY)
    assert judged(jws, find_key=lambda kid: None) == "signature_unknown_key"
    assert judged(jws, find_key={}.__getitem__) == "signature_unknown_key"


def test_the_key_of_another_node_does_not_verify():
    other = public_keys(node_keys(new_keys("620100", issued_on=DAY)))[0]["jwk"]
    assert judged(sign_detached(LANZHOU.signer, BODY), find_key=lambda kid: other) == "signature_wrong"


def test_the_header_cannot_choose_an_algorithm_that_is_not_the_keys():
    jws = sign_detached(LANZHOU.signer, BODY)
    assert judged(jws, find_key=lambda kid: JWKS["460200#2026-11"]) == "signature_wrong_algorithm"
    assert judged(jws, find_key=lambda kid: JWKS["620100#2026-11-seal"]) == "signature_wrong_algorithm"
    for alg in ("none", "HS256", "Ed25519", ""):
        assert judged(signed_with(f'{{"alg":"{alg}","b64":false,"crit":["b64"],"kid":"620100#2026-11"}}')) == (
            "signature_wrong_algorithm"
        )


def test_a_directory_key_that_is_off_the_curve_verifies_nothing():
    broken = {**JWKS["460200#2026-11"], "x": to_base64url(bytes(32))}
    jws = sign_detached(SANYA.signer, BODY)
    assert judged(jws, find_key=lambda kid: broken) == "signature_unknown_key"
    assert judged(jws, find_key=lambda kid: {"kty": "EC", "crv": "SM2"}) == "signature_unknown_key"


def signed_with(header):
    """A genuine signature of Lanzhou under a header of any text."""
    segment = to_base64url(header.encode())
    return f"{segment}..{to_base64url(LANZHOU.signer.sign(f'{segment}.'.encode() + BODY))}"


def test_the_order_of_header_members_is_free():
    header = '{"kid": "620100#2026-11", "crit": ["b64"], "b64": false, "alg": "EdDSA"}'
    assert verify_detached(signed_with(header), BODY, JWKS.get) == "620100#2026-11"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"620100#2026-11","jku":"https://example.invalid"}',
        '{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"460200#2026-11","kid":"620100#2026-11"}',
        '{"alg":"EdDSA","b64":0,"crit":["b64"],"kid":"620100#2026-11"}',
        '{"alg":"EdDSA","b64":true,"crit":["b64"],"kid":"620100#2026-11"}',
        '{"alg":"EdDSA","b64":false,"crit":["b64","exp"],"kid":"620100#2026-11"}',
        '{"alg":"EdDSA","kid":"620100#2026-11"}',
        '{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":["620100#2026-11"]}',
        '{"alg":null,"b64":false,"crit":["b64"],"kid":"620100#2026-11"}',
        '[["alg","EdDSA"],["b64",false],["crit",["b64"]],["kid","620100#2026-11"]]',
        '"alg kid b64 crit"',
        "not json",
    ],
)
def test_a_header_with_other_members_is_refused_though_its_owner_signed_it(header):
    assert judged(signed_with(header)) == "signature_malformed"
