"""材料: files follow their case in sealed pieces, whole or not at all."""

import base64
import hashlib
import os
from dataclasses import replace
from typing import Any

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json, decode, encode
from services.intake.store import cases as store
from services.intake.store import tables
from services.intake.usecases.materials import CHUNK_BYTES
from shared import clock, files
from shared.crypto.personal import open_personal, seal_personal
from shared.errors import NotFound
from tests.builders import LANZHOU, SANYA, WEIHAI, Country
from tests.intake.cases import MISSING, MOVED, UNREGISTERED, ask_supplement, calm, material, refusal, supplement
from tests.replay import record

PDF = b"%PDF-1.7\n"
CHUNK = intake.FileChunkSentV1


def a_file(country: Country, size: int, city: str = SANYA) -> tuple[Json, bytes]:
    """A material with a file of that size in a city's file store, and its bytes."""
    content = PDF + os.urandom(size - len(PDF))
    ref = files.put(country[city].node, content, "application/pdf")
    about: Json = {"file_id": ref.file_id, "sha256": ref.sha256, "size": ref.size, "media_type": ref.media_type}
    return material("low-income", **about), content


def chunks(country: Country) -> list[str]:
    return [body for body in country.mail if decode(body).type == CHUNK.type]


def altered(country: Country, body: str, change: Any) -> str:
    """A chunk's letter, its bytes changed by the sender."""
    message, node = decode(body), country[SANYA].node
    private = change(open_personal(node, CHUNK, message)["chunk"])
    return encode(replace(message, sealed=seal_personal(node, message.type, message.id, {"chunk": private})))


def test_a_supplement_of_3_megabytes_crosses_in_sealed_pieces(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    item, content = a_file(country, 3 << 20)
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=[item])
    country.work()
    sent = chunks(country)
    assert len(sent) == -(-len(content) // CHUNK_BYTES) == 16
    assert max(len(body) for body in sent) < 400_000
    assert {decode(body).data["leg_no"] for body in sent} == {2}
    country.settle()
    assert files.read(country[LANZHOU].node, item["file_id"]) == content
    assert files.get_ref(country[LANZHOU].node, item["file_id"]).sha256 == item["sha256"]
    assert country[LANZHOU].rows("intake", tables.chunks) == []
    assert country[LANZHOU].leg(case_id, "competent").state == "accepted"
    assert calm(country)


def test_pieces_may_come_in_any_order_twice_and_before_their_case(country: Country) -> None:
    item, content = a_file(country, 3 * CHUNK_BYTES - 7)
    country.take_in(SANYA, materials=[item])
    country.work()
    letters, country.mail = country.mail, []
    assert decode(letters[0]).type == intake.ApplicationForwardedV1.type
    for body in (*reversed(letters), *letters):
        country.deliver(body)
        country.work()
    country.settle()
    assert files.read(country[LANZHOU].node, item["file_id"]) == content
    assert country[LANZHOU].rows("intake", tables.chunks) == []
    assert calm(country)


@pytest.mark.parametrize(
    "change",
    [
        lambda chunk: base64.b64encode(b"%PDF-1.7 another file").decode(),
        lambda chunk: chunk[:-3],
        lambda chunk: "这不是base64",
    ],
)
def test_a_damaged_file_is_not_kept_and_becomes_a_work_item_while_the_case_goes_on(
    country: Country, change: Any
) -> None:
    item, content = a_file(country, 100)
    case_id = country.take_in(SANYA, materials=[item])
    country.work()
    (chunk,) = chunks(country)
    country.mail = [altered(country, body, change) if body == chunk else body for body in country.mail]
    letters, country.mail = country.mail, []
    for body in letters:
        country.deliver(body)
    country.work()
    with pytest.raises(NotFound):
        files.read(country[LANZHOU].node, item["file_id"])
    assert country[LANZHOU].rows("intake", tables.chunks) == []
    country.settle()  # the other city is asked to send it again
    (told,) = country[LANZHOU].told(intake.WorkItemOpenedV1, case_id)
    assert told.data["kind"] == "file_damaged"
    assert item["file_id"] in told.data["text"]
    assert files.read(country[LANZHOU].node, item["file_id"]) == content
    assert country[LANZHOU].leg(case_id, "competent").state == "accepted"
    assert calm(country)


@pytest.mark.parametrize(
    "about",
    [{"media_type": "text/html"}, {"media_type": "image/png"}, {"file_id": "../../../etc/passwd"}],
)
def test_a_file_of_another_kind_or_with_a_path_for_a_name_is_not_kept(country: Country, about: dict[str, str]) -> None:
    case_id, content = clock.new_id(), PDF + b"x"
    data = {"file_id": clock.new_id(), "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    data |= {"media_type": "application/pdf", "number": 0, "count": 1} | about
    country.say(LANZHOU, CHUNK, case_id, data, {"chunk": base64.b64encode(content).decode()})
    country.settle()
    assert [told.data["kind"] for told in country[LANZHOU].told(intake.WorkItemOpenedV1)] == ["file_damaged"]
    assert not list((country[LANZHOU].node.home / "files").rglob("*"))
    assert calm(country)


def test_files_go_along_to_the_city_to_which_a_case_is_redirected(wide_country: Country) -> None:
    country = wide_country
    first, content = a_file(country, 1000)
    case_id = country.take_in(SANYA, UNREGISTERED, materials=[first])
    country.settle()
    country.act(LANZHOU, subsidy.RequestSupplementV1, case_id, "620102001", personal=MISSING)
    country.settle()
    second, more = a_file(country, 2000)
    supplement(country, SANYA, case_id, second)
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", to_division="371082")
    country.settle()
    node = country[WEIHAI].node
    assert [files.read(node, item["file_id"]) for item in (first, second)] == [content, more]
    with country[WEIHAI].works["intake"].begin() as work:
        assert [item["file_id"] for item in store.list_materials(work, case_id)] == [
            first["file_id"],
            second["file_id"],
        ]


def test_a_case_that_comes_back_brings_what_was_added_meanwhile(wide_country: Country) -> None:
    country = wide_country
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", to_division="371082")
    country.settle()
    country.act(WEIHAI, subsidy.RequestSupplementV1, case_id, "371082001", personal=MISSING)
    country.settle()
    item, content = a_file(country, 500)
    supplement(country, SANYA, case_id, item)
    country.act(WEIHAI, subsidy.RedirectApplicationV1, case_id, "371082001", to_division="620103")
    country.settle()
    with country[LANZHOU].works["intake"].begin() as work:
        assert [one["file_id"] for one in store.list_materials(work, case_id)] == [item["file_id"]]
    assert files.read(country[LANZHOU].node, item["file_id"]) == content


def test_each_city_that_misses_something_has_the_applicant_told(wide_country: Country) -> None:
    country = wide_country
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    ask_supplement(country, case_id)
    supplement(country, SANYA, case_id, material("low-income"))
    country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", to_division="371082")
    country.settle()
    country.act(WEIHAI, subsidy.RequestSupplementV1, case_id, "371082001", personal=MISSING)
    country.settle()
    assert ["补正" in notice["text"] for notice in country[SANYA].notices()] == [True, True]


def test_files_stay_where_they_are_when_the_city_decides_itself(country: Country) -> None:
    item, _ = a_file(country, 100)
    heard = record(country[SANYA], "intake")
    case_id = country.take_in(SANYA, MOVED | {"hukou_division": "460204"}, materials=[item])
    country.work()
    assert not country.mail
    assert CHUNK.type not in [decode(body).type for body in heard.bodies]
    assert country[SANYA].leg(case_id, "competent").state == "accepted"


def test_a_file_nobody_uploaded_cannot_be_sent(country: Country) -> None:
    missing = material("low-income", file_id=clock.new_id(), sha256="0" * 64, size=1, media_type="image/png")
    case_id = country.take_in(SANYA, materials=[missing])
    country.settle()
    assert refusal(country, SANYA, case_id)["code"] == "file_unknown"
    assert country[SANYA].rows("intake", tables.legs) == []


def test_a_supplement_with_a_file_nobody_uploaded_is_refused(country: Country) -> None:
    missing = material("low-income", file_id=clock.new_id(), sha256="0" * 64, size=1, media_type="image/png")
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    supplement(country, SANYA, case_id, missing)
    assert refusal(country, SANYA, case_id)["code"] == "file_unknown"
    assert country[SANYA].leg(case_id).state == "supplement_required"
