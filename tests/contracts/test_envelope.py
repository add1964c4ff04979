"""The envelope: what goes in comes out, and whatever else comes in is Unreadable and nothing worse."""

import dataclasses
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import RELEASE, Json, Message, Unreadable, decode, encode, every_contract, read_data
from contracts.intake import ApplicationTakenInV1, SendNoticeV1
from tests.contracts import examples

MESSAGE = Message(
    id="0199c6f2-4c00-7a31-8f1e-2b6d90c4e571",
    type="intake.application_forwarded.v1",
    source="460200",
    subject="0199c6f2-4c00-7a31-8f1e-2b6d90c4e572",
    time="2025-10-09T01:30:00.000000Z",
    data={"case": {"case_no": "460204001-20251009-0001-X"}, "名": ["三亚", 1, None, True]},
    sealed="eyJhbGciOi.token",
    correlation="a",
    causation="b",
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    destination="620100",
    division="620102001001",
    directory_version=41,
    seq=7,
    checked="0123456789abcdef",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
words = st.text(st.characters(codec="utf-8"), min_size=1)
messages = st.builds(
    Message,
    id=st.uuids().map(str),
    type=words,
    source=words,
    subject=st.text(st.characters(codec="utf-8")),
    time=words,
    data=st.dictionaries(words, st.lists(words) | st.integers() | words | st.none()),
    sealed=st.none() | words,
    correlation=st.just("") | words,
    destination=st.sampled_from(("", "620100")),
    directory_version=st.integers(0, 10**9),
    seq=st.integers(0, 2**63),
)


def wire(**changed: Any) -> Json:
    return {**json.loads(encode(MESSAGE)), **changed}


def fails(body: bytes | str | Json) -> str:
    with pytest.raises(Unreadable) as refused:
        decode(json.dumps(body) if isinstance(body, dict) else body)
    return str(refused.value)


def test_a_message_comes_out_as_it_went_in() -> None:
    assert decode(encode(MESSAGE)) == MESSAGE
    assert decode(encode(MESSAGE).encode()) == MESSAGE


@given(messages)
def test_any_message_comes_out_as_it_went_in(message: Message) -> None:
    assert decode(encode(message)) == message


def test_the_envelope_wears_the_names_of_cloudevents() -> None:
    assert set(wire()) == {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"),
        *(
            "sealed",
            "correlationid",
            "causationid",
            "traceparent",
            "destnode",
            "division",
            "dirver",
            "seq",
            "checkedby",
        ),
    }
    assert wire()["source"] == "urn:tongban:node:460200"
    assert wire()["dataschema"] == "urn:tongban:schema:intake.application_forwarded.v1"


def test_only_what_the_same_contracts_have_checked_is_believed_and_the_message_stays_as_it_came() -> None:
    told = {"leg": {"leg_no": 1}, "steps": [{"verb": "take_in"}]}
    read = read_data(ApplicationTakenInV1, told, RELEASE)
    read["steps"][0]["verb"] = "other"
    assert told["steps"] == [{"verb": "take_in"}]
    for checked in ("", "0123456789abcdef"):
        with pytest.raises(Unreadable):
            read_data(ApplicationTakenInV1, told, checked)


def test_what_is_empty_does_not_travel() -> None:
    plain = Message(MESSAGE.id, MESSAGE.type, "460200", "", MESSAGE.time, {})
    assert set(json.loads(encode(plain))).isdisjoint(
        {"checkedby", "sealed", "destnode", "dirver", "seq", "correlationid"}
    )
    assert decode(encode(plain)) == plain


def test_the_text_is_exact_and_short() -> None:
    text = encode(MESSAGE)
    assert "三亚" in text
    assert ", " not in text
    assert ": " not in text
    assert encode(decode(text)) == text


def test_a_message_inside_the_city_is_keyed_by_its_type() -> None:
    assert dataclasses.replace(MESSAGE, destination="").routing_key == "intake.application_forwarded.v1"


def test_a_message_for_another_city_bears_its_destination_behind_the_type() -> None:
    assert MESSAGE.routing_key == "intake.application_forwarded.v1.620100"
    assert MESSAGE.routing_key.count(".") == 3


def test_what_a_later_release_adds_to_the_envelope_is_skipped() -> None:
    assert decode(json.dumps(wire(later="x", datacontenttype="application/json"))) == MESSAGE


def test_a_key_that_stands_twice_is_refused() -> None:
    text = encode(MESSAGE)
    assert "twice" in fails(text.replace('"type":', '"type":"intake.applicant_told.v1","type":', 1))
    assert "twice" in fails(text.replace('{"case_no":', '{"case_no":"1","case_no":', 1))


@pytest.mark.parametrize("version", ["0.3", "1.1", "", None, 1.0])
def test_another_version_of_the_envelope_is_refused(version: object) -> None:
    assert "version 1.0" in fails(wire(specversion=version))


@pytest.mark.parametrize("source", ["460200", "urn:other:node:460200", ""])
def test_a_stranger_as_the_source_is_refused(source: str) -> None:
    fails(wire(source=source))


@pytest.mark.parametrize("bad", ["", "1", "0199c6f2-4c00-7a31-8f1e-2b6d90c4e57", "'; drop table inbox", None, 7, []])
def test_an_id_that_is_no_uuid_is_refused(bad: object) -> None:
    fails(wire(id=bad))


def test_one_uuid_has_one_spelling() -> None:
    for spelling in (MESSAGE.id.upper(), f"urn:uuid:{MESSAGE.id}", MESSAGE.id.replace("-", "")):
        assert decode(json.dumps(wire(id=spelling))).id == MESSAGE.id


@pytest.mark.parametrize("data", [None, [], "text", 1, True])
def test_data_that_is_no_object_is_refused(data: object) -> None:
    fails(wire(data=data))


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time", "data"])
def test_a_missing_attribute_is_refused(name: str) -> None:
    fails({key: value for key, value in wire().items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *itertools.product(("type", "subject", "time", "source"), (None, 7, [], {})),
        *itertools.product(("sealed", "correlationid", "causationid", "traceparent", "destnode", "division"), ([], 7)),
        *itertools.product(("dirver", "seq"), ("7", [], 1.5, True)),
    ],
)
def test_an_attribute_of_another_kind_is_refused(name: str, value: object) -> None:
    fails(wire(**{name: value}))


@pytest.mark.parametrize("depth", [2_000, 200_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_unreadable_and_never_fatal(depth: int, opened: str, closed: str) -> None:
    deep = opened * depth + "1" + closed * depth
    fails(deep)
    fails(encode(MESSAGE).replace('"data":{', f'"data":{{"deep":{deep},', 1))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b"\x00" * 64, b"{}"])
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    fails(body)


def test_a_fault_shows_nothing_of_what_was_in_the_body() -> None:
    assert "王秀英" not in fails(wire(id="王秀英"))
    assert "王秀英" not in fails(encode(MESSAGE).replace('{"case_no"', '{"王秀英":1,"王秀英":2,"case_no"', 1))


def read_or_refused(body: bytes | str) -> Message | None:
    try:
        return decode(body)
    except Unreadable:
        return None


@given(st.binary() | st.text())
def test_no_bytes_do_more_than_being_unreadable(body: bytes | str) -> None:
    assert read_or_refused(body) is None


@given(json_values)
def test_no_json_does_more_than_being_unreadable(value: Any) -> None:
    assert read_or_refused(json.dumps(value)) is None


@given(st.sampled_from(sorted(wire())), json_values)
def test_an_envelope_with_one_odd_attribute_is_read_or_refused(name: str, value: Any) -> None:
    message = read_or_refused(json.dumps(wire(**{name: value})))
    if message is not None:
        assert {type(getattr(message, text)) for text in ("id", "type", "source", "subject", "time")} == {str}
        assert isinstance(message.routing_key, str)


@given(st.data())
def test_a_body_that_was_cut_off_or_garbled_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(encode(MESSAGE).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(body[: data.draw(st.integers(1, len(body)))]))


def test_every_version_of_a_module_is_found_by_its_type() -> None:
    import contracts.intake

    found = every_contract(contracts.intake)
    assert found["intake.send_notice.v1"] is SendNoticeV1
    assert set(found) == {kind for kind in examples.VERSIONS if kind.startswith("intake.")}
