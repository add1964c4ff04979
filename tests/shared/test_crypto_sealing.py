"""Personal data under seal: between cities, inside a node, in a column, and found by a blind index."""

import base64
import datetime
import json
from concurrent.futures import ThreadPoolExecutor

import greenlet
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OKPKey
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select, text

from shared.crypto.keys import new_keys, node_keys, public_keys, renewed_keys, using
from shared.crypto.sealing import (
    Sealed,
    SealError,
    blind_index,
    open_sealed,
    seal,
    seal_bytes,
    seal_for,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
    unseal,
    unseal_bytes,
)
from shared.errors import Denied

DAY = datetime.date(2026, 11, 3)
BODY = '{"party":"某人"}'.encode()
PERSON = {"name": "欧阳测试", "citizen_no": "990102199001011234", "births": [1990, None], "ok": True}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

LANZHOU_DOCUMENT = new_keys("620100", issued_on=DAY)
LANZHOU = node_keys(LANZHOU_DOCUMENT)
SANYA_DOCUMENT = new_keys("460200", issued_on=DAY)
SANYA = node_keys(SANYA_DOCUMENT)
JWKS = {row["kid"]: row["jwk"] for keys in (LANZHOU, SANYA) for row in public_keys(keys)}
TO_SANYA = JWKS["460200#2026-11-seal"]

PEOPLE = Table("people", MetaData(), Column("id", Integer, primary_key=True), Column("x", Sealed("demo.people.x")))


def respelled(token, position):
    other = ALPHABET[(ALPHABET.find(token[position]) + 1) % 64]
    return token[:position] + other + token[position + 1 :]


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def denial(token, keys=SANYA):
    with pytest.raises(Denied) as caught:
        open_sealed(keys, token)
    return caught.value.code


# sealing between cities


def test_only_the_receiving_city_opens_what_was_sealed_for_it():
    token = seal_for(TO_SANYA, BODY)
    assert open_sealed(SANYA, token) == BODY
    assert denial(token, LANZHOU) == "seal_unknown_key"
    assert seal_for(TO_SANYA, BODY) != token


def test_a_sealed_text_with_any_character_changed_does_not_open():
    token = seal_for(TO_SANYA, b"short")
    for position in range(len(token)):
        assert denial(respelled(token, position)).startswith("seal_")


@given(st.text() | st.text(alphabet=ALPHABET + ".").map(lambda rest: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyJ9." + rest))
def test_garbage_is_a_broken_seal(token):
    assert denial(token) in {"seal_broken", "seal_unknown_key"}


@pytest.mark.parametrize(
    "changes",
    [
        {"epk": None},
        {"epk": "x"},
        {"epk": {"kty": "OKP", "crv": "X25519", "x": base64url(bytes(32))}},
        {"epk": {"kty": "OKP", "crv": "X25519", "x": 1}},
        {"epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"kid": ["460200#2026-11-seal"]},
        {"kid": None},
        {"enc": None},
        {"alg": ["ECDH-ES+A256KW"]},
        {"zip": "DEF"},
        {"apu": 1},
    ],
)
def test_a_sealed_text_with_another_header_does_not_open(changes):
    header, rest = seal_for(TO_SANYA, BODY).split(".", 1)
    members = json.loads(base64.urlsafe_b64decode(header + "==")) | changes
    token = f"{base64url(json.dumps(members).encode())}.{rest}"
    assert denial(token) in {"seal_broken", "seal_unknown_key"}


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ECDH-ES", "enc": "A256GCM"},
        {"alg": "ECDH-ES+A256KW", "enc": "A128CBC-HS256"},
        {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "zip": "DEF"},
    ],
)
def test_a_well_made_jwe_in_another_way_is_refused(header):
    key = OKPKey.import_key(dict(TO_SANYA))
    token = jwe.encrypt_compact({**header, "kid": "460200#2026-11-seal"}, BODY, key, algorithms=list(header.values()))
    assert denial(token) == "seal_broken"


def test_a_chunk_of_a_file_fits_and_more_is_refused_before_it_is_sent():
    chunk = bytes(1 << 20)
    assert open_sealed(SANYA, seal_for(TO_SANYA, chunk)) == chunk
    with pytest.raises(ValueError, match="too many"):
        seal_for(TO_SANYA, chunk + b"\0")


def test_a_signing_key_does_not_seal():
    with pytest.raises(ValueError, match="X25519"):
        seal_for(JWKS["620100#2026-11"], BODY)


def test_what_was_sealed_for_an_older_key_still_opens():
    renewed = node_keys(renewed_keys(SANYA_DOCUMENT, issued_on=datetime.date(2027, 10, 1)))
    newest = public_keys(renewed)[-1]["jwk"]
    assert newest["kid"] == "460200#2027-10-seal"
    assert open_sealed(renewed, seal_for(TO_SANYA, BODY)) == BODY
    assert open_sealed(renewed, seal_for(newest, BODY)) == BODY
    assert denial(seal_for(newest, BODY)) == "seal_unknown_key"


# the cabinet of a node


def test_sm4_gcm_agrees_with_the_example_of_rfc_8998():
    key, nonce = bytes.fromhex("0123456789abcdeffedcba9876543210"), bytes.fromhex("00001234567800000000abcd")
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plaintext = b"".join(bytes([byte]) * 8 for byte in b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa")
    sealed = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert sm4_gcm_encrypt(key, nonce, plaintext, associated) == sealed
    assert sm4_gcm_decrypt(key, nonce, sealed, associated) == plaintext
    with pytest.raises(InvalidTag):
        sm4_gcm_decrypt(key, nonce, sealed, associated + b"\0")


@given(st.binary(), st.text())
def test_what_was_sealed_opens_in_its_context(plaintext, context):
    assert unseal(LANZHOU, seal(LANZHOU, plaintext, context), context) == plaintext
    assert unseal_bytes(LANZHOU, seal_bytes(LANZHOU, plaintext, context), context) == plaintext


def test_a_seal_is_key_id_nonce_ciphertext_and_tag():
    sealed = seal_bytes(LANZHOU, BODY, "intake.cases.personal")
    key = base64.urlsafe_b64decode(LANZHOU_DOCUMENT["cabinet"][0]["key"] + "==")
    decryptor = Cipher(SM4(key), GCM(sealed[1:13], sealed[-16:])).decryptor()
    decryptor.authenticate_additional_data(b"intake.cases.personal")
    assert decryptor.update(sealed[13:-16]) + decryptor.finalize() == BODY
    assert sealed[0] == 1
    assert unseal(LANZHOU, base64url(sealed), "intake.cases.personal") == BODY


def test_the_same_text_is_never_sealed_alike():
    assert len({seal(LANZHOU, BODY, "a.b.c") for _ in range(100)}) == 100


def test_a_seal_does_not_open_elsewhere():
    sealed = seal(LANZHOU, BODY, "message/intake.case_accepted.v1/1")
    for context in ("message/intake.case_accepted.v1/2", "message/intake.case_accepted.v1/1 ", ""):
        with pytest.raises(SealError, match="altered or moved"):
            unseal(LANZHOU, sealed, context)


def test_a_seal_does_not_open_at_another_node():
    with pytest.raises(SealError):
        unseal(SANYA, seal(LANZHOU, BODY, "a.b.c"), "a.b.c")


def test_a_seal_with_any_bit_flipped_or_byte_cut_does_not_open():
    sealed = seal_bytes(LANZHOU, BODY, "a.b.c")
    altered = [
        sealed[:i] + bytes([sealed[i] ^ 1 << bit]) + sealed[i + 1 :] for i in range(len(sealed)) for bit in (0, 7)
    ]
    for broken in (*altered, *(sealed[:end] for end in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(SealError):
            unseal_bytes(LANZHOU, broken, "a.b.c")


def test_a_seal_with_another_spelling_does_not_open():
    token = seal(LANZHOU, BODY, "a.b.c")
    for other in (token + "=", token + "\n", " " + token, token[:-1], "某", ""):
        with pytest.raises(SealError):
            unseal(LANZHOU, other, "a.b.c")


def test_renewed_keys_seal_anew_and_open_what_older_ones_sealed():
    renewed = node_keys(renewed_keys(LANZHOU_DOCUMENT, issued_on=DAY))
    assert unseal(renewed, seal(LANZHOU, BODY, "a.b.c"), "a.b.c") == BODY
    sealed = seal_bytes(renewed, BODY, "a.b.c")
    assert sealed[0] == 2
    with pytest.raises(SealError, match="not sealed with a key of 620100"):
        unseal_bytes(LANZHOU, sealed, "a.b.c")
    assert blind_index(renewed, "citizen_no", "1") == blind_index(LANZHOU, "citizen_no", "1")


def test_a_cabinet_holds_no_more_keys_than_a_byte_can_name():
    full = {**LANZHOU_DOCUMENT, "cabinet": [{"id": 255, "key": LANZHOU_DOCUMENT["cabinet"][0]["key"]}]}
    with pytest.raises(ValueError, match="one byte"):
        renewed_keys(full, issued_on=DAY)


# the blind index


def sm3(message):
    digest = hashes.Hash(hashes.SM3())
    digest.update(message)
    return digest.finalize()


def test_the_blind_index_is_hmac_sm3():
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    key = base64.urlsafe_b64decode(LANZHOU_DOCUMENT["index"] + "==").ljust(64, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in key) for pad in (0x36, 0x5C))
    expected = sm3(outer + sm3(inner + b"10:citizen_no990102199001011234")).hex()[:32]
    assert blind_index(LANZHOU, "citizen_no", "990102199001011234") == expected


def test_the_blind_index_differs_by_node_kind_and_value():
    cases = [(LANZHOU, "a", "1"), (SANYA, "a", "1"), (LANZHOU, "b", "1"), (LANZHOU, "a", "2"), (LANZHOU, "a1", "")]
    assert len({blind_index(*case) for case in cases}) == len(cases)
    assert len(blind_index(*cases[0])) == 32


@given(st.lists(st.tuples(st.text("a:1\0", max_size=3), st.text("a:1\0", max_size=3)), unique=True, max_size=20))
def test_no_two_kinds_and_values_share_a_blind_index(pairs):
    assert len({blind_index(LANZHOU, kind, value) for kind, value in pairs}) == len(pairs)


# the sealed column


@pytest.fixture
def database():
    engine = create_engine("sqlite://")
    PEOPLE.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_sealed_column_gives_back_any_json(value):
    column = Sealed("demo.people.x")
    with using(LANZHOU):
        assert column.process_result_value(column.process_bind_param(value, None), None) == value


def test_the_database_sees_no_person_in_a_sealed_column(database):
    with using(LANZHOU):
        database.execute(insert(PEOPLE), [{"id": 1, "x": PERSON}, {"id": 2, "x": None}])
        assert database.execute(select(PEOPLE.c.x).order_by(PEOPLE.c.id)).scalars().all() == [PERSON, None]
    stored, nothing = database.execute(text("SELECT x FROM people ORDER BY id")).scalars()
    raw = base64.urlsafe_b64decode(stored + "=" * (-len(stored) % 4))
    assert not any(part.encode() in raw or part in stored for part in ("欧阳", "990102", "citizen"))
    assert nothing is None


def test_a_sealed_value_moved_to_another_column_does_not_open(database):
    with using(LANZHOU):
        moved = seal(LANZHOU, b"1", "demo.people.y")
        database.execute(text("INSERT INTO people VALUES (1, :x)"), {"x": moved})
        with pytest.raises(SealError, match=r"demo\.people\.x was altered or moved"):
            database.execute(select(PEOPLE.c.x)).scalar()


def test_a_sealed_column_without_keys_says_so_and_prints_nobody(database):
    with pytest.raises(RuntimeError, match="no keys are in use") as writing:
        database.execute(insert(PEOPLE), {"id": 1, "x": PERSON})
    assert "欧阳" not in str(writing.value)
    with using(LANZHOU):
        database.execute(insert(PEOPLE), {"id": 1, "x": PERSON})
    with pytest.raises(RuntimeError, match="no keys are in use"):
        database.execute(select(PEOPLE.c.x)).scalar()


def test_a_value_that_json_cannot_say_is_refused_and_not_printed(database):
    for value in ({"name": "欧阳测试", "born": DAY}, float("nan")):
        with using(LANZHOU), pytest.raises(SealError, match="JSON") as caught:
            database.execute(insert(PEOPLE), {"id": 1, "x": value})
        assert "欧阳" not in str(caught.value)


def test_nodes_in_one_process_do_not_open_each_others_columns(database):
    with using(SANYA):
        with using(LANZHOU):
            database.execute(insert(PEOPLE), {"id": 1, "x": PERSON})
        with pytest.raises(SealError):
            database.execute(select(PEOPLE.c.x)).scalar()


def test_threads_and_greenlets_use_the_keys_of_their_own_node():
    column = Sealed("demo.people.x")

    def write(keys):
        with using(keys):
            sealed = column.process_bind_param(keys.node, None)
        return unseal(keys, sealed, "demo.people.x").decode()

    def keys_are_missing():
        with pytest.raises(SealError):
            column.process_bind_param(1, None)
        return True

    nodes = [LANZHOU, SANYA] * 50
    with ThreadPoolExecutor(4) as pool, using(LANZHOU):
        assert list(pool.map(write, nodes)) == [f'"{keys.node}"' for keys in nodes]
        assert pool.submit(keys_are_missing).result()
        assert greenlet.greenlet(keys_are_missing).switch()
        assert greenlet.greenlet(lambda: write(SANYA)).switch() == '"460200"'
        assert column.process_result_value(seal(LANZHOU, b"1", "demo.people.x"), None) == 1
