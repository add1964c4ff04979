"""What is kept out of a city, and how it gets in after all."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import update

from contracts.envelope import Message, decode, encode
from contracts.exchange import MessageMisdirectedV1, MessageQuarantinedV1
from contracts.intake import ApplicationForwardedV1, ApplicationWithdrawnV1
from services.exchange import rules
from services.exchange.store import questions, tables
from services.exchange.usecases import quarantine, receiving
from services.exchange.usecases.batches import all_or_each
from shared.crypto.keys import new_keys, node_keys
from shared.crypto.signing import sign_detached
from shared.errors import Denied, NotFound
from tests.builders import stop_clock
from tests.exchange.cities import (
    LANZHOU,
    SANYA,
    WEIHAI,
    City,
    at,
    chunk,
    delivery,
    forwarded,
    handed_over,
    new_case,
    types,
    withdrawn,
)


@dataclasses.dataclass
class Scene:
    """A case between Sanya and Lanzhou, and a genuine message of Sanya's about it that has not been delivered."""

    sanya: City
    lanzhou: City
    weihai: City
    case: str
    parcel: rules.Parcel
    message: Message

    def by_sanya(self, **changes: object) -> rules.Delivery:
        return self.sanya.signed(replace(self.message, **changes))

    def sealed(self) -> Message:
        """A genuine message with a sealed part, not delivered either."""
        [parcel] = self.sanya.sends(forwarded(self.sanya, new_case()))
        return decode(parcel.body)


@pytest.fixture
def scene(sanya: City, lanzhou: City, weihai: City) -> Scene:
    case = handed_over(sanya, lanzhou)
    [parcel] = sanya.sends(withdrawn(sanya, case))
    return Scene(sanya, lanzhou, weihai, case, parcel, decode(parcel.body))


def unknown_key(scene: Scene) -> str:
    keys = node_keys(new_keys(SANYA, issued_on=datetime.date(2001, 2, 3)))
    return sign_detached(keys.signer, scene.parcel.body.encode())


def twice(scene: Scene) -> str:
    return encode(scene.message)[:-1] + f',"subject":"{scene.case}"}}'


def by_weihai(scene: Scene, **changes: object) -> rules.Delivery:
    message = replace(scene.message, source=WEIHAI, seq=1, id=new_case())
    return scene.weihai.signed(replace(message, **changes))


def misdirected_never_sent(scene: Scene) -> rules.Delivery:
    data = {"message_id": new_case(), "message_type": "t", "division": LANZHOU, "directory_version": 1}
    return scene.by_sanya(type=MessageMisdirectedV1.type, data=data)


DAY = 24 * 3600.0
BAD: list[tuple[str, str, Callable[[Scene], rules.Delivery]]] = [
    ("unsigned", "signature_missing", lambda s: replace(delivery(s.parcel), jws="")),
    ("signature of no known form", "signature_malformed", lambda s: replace(delivery(s.parcel), jws="a.b.c")),
    (
        "altered on the way",
        "signature_wrong",
        lambda s: replace(delivery(s.parcel), body=s.parcel.body.encode() + b" "),
    ),
    (
        "signed with a key not listed",
        "signature_unknown_key",
        lambda s: replace(delivery(s.parcel), jws=unknown_key(s)),
    ),
    (
        "bigger than allowed",
        "oversized",
        lambda s: s.sanya.signed(s.message, body=s.parcel.body + " " * rules.BODY_AT_MOST),
    ),
    ("a key twice", "unreadable", lambda s: s.sanya.signed(s.message, body=twice(s))),
    ("no envelope", "unreadable", lambda s: s.sanya.signed(s.message, body="[]")),
    ("no number", "unreadable", lambda s: s.by_sanya(seq=0)),
    ("a number that is none", "unreadable", lambda s: s.by_sanya(seq="1")),
    ("a subject of its own kind", "unreadable", lambda s: s.by_sanya(subject="a\x00b")),
    (
        "half a character",
        "unreadable",
        lambda s: s.sanya.signed(s.message, body=s.parcel.body.replace('"吉', '"\\ud800')),
    ),
    ("a time without zone", "unreadable", lambda s: s.by_sanya(time="2025-09-24T01:02:03")),
    ("an unknown version", "type_unknown", lambda s: s.by_sanya(type="intake.application_withdrawn.v9")),
    ("a message for inside", "type_stays_inside", lambda s: s.by_sanya(type="intake.application_accepted.v1")),
    ("content of another version", "data_invalid", lambda s: s.by_sanya(data={"leg": 1})),
    ("a sealed part too many", "data_invalid", lambda s: s.by_sanya(sealed=s.sealed().sealed)),
    ("a sealed part too few", "data_invalid", lambda s: s.sanya.signed(replace(s.sealed(), sealed=None))),
    ("another city as source", "source_mismatch", lambda s: s.by_sanya(source=WEIHAI)),
    ("another city's connection", "source_mismatch", lambda s: replace(delivery(s.parcel), user=WEIHAI)),
    (
        "another city in the key",
        "source_mismatch",
        lambda s: replace(delivery(s.parcel), routing_key=s.parcel.routing_key.replace(SANYA, WEIHAI)),
    ),
    ("for another city", "not_for_us", lambda s: s.by_sanya(destination=WEIHAI)),
    (
        "for another city in the key",
        "not_for_us",
        lambda s: replace(delivery(s.parcel), routing_key=s.parcel.routing_key.replace("62.01.00", "37.10.00")),
    ),
    ("a key of no form", "key_malformed", lambda s: replace(delivery(s.parcel), routing_key="62.01.00")),
    (
        "in another lane",
        "key_mismatch",
        lambda s: replace(delivery(s.parcel), routing_key=s.parcel.routing_key.replace(".std.", ".urgent.")),
    ),
    ("from the future", "time_in_future", lambda s: s.by_sanya(time=at(400))),
    ("from long ago", "time_too_old", lambda s: s.by_sanya(time=at(-30.5 * DAY))),
    (
        "a broken seal",
        "seal_broken",
        lambda s: s.sanya.signed(replace(m := s.sealed(), sealed=m.sealed[:-8] + "A" * 8)),
    ),
    ("another message's seal", "seal_moved", lambda s: s.sanya.signed(replace(s.sealed(), sealed=s.sealed().sealed))),
    (
        "sealed for another city",
        "seal_unknown_key",
        lambda s: s.sanya.signed(
            replace(decode(s.sanya.sends(forwarded(s.sanya, new_case(), WEIHAI))[0].body), destination=LANZHOU)
        ),
    ),
    ("a role it has not", "wrong_role", lambda s: s.by_sanya(type="intake.application_progressed.v1")),
    ("no part in the case", "no_part", by_weihai),
    ("a case unknown here", "case_unknown", lambda s: by_weihai(s, subject=new_case())),
    (
        "another city's case",
        "wrong_role",
        lambda s: s.weihai.signed(
            replace(decode(s.weihai.sends(forwarded(s.weihai, new_case()))[0].body), subject=s.case)
        ),
    ),
    ("a number used before", "seq_taken", lambda s: s.by_sanya(id=new_case(), seq=1)),
    (
        "an id used by another city",
        "id_taken",
        lambda s: by_weihai(s, id=s.lanzhou.rows(tables.exchange_log)[0].message_id),
    ),
    ("a complaint about nothing", "not_our_message", misdirected_never_sent),
]


@pytest.mark.parametrize(("code", "make"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_message_is_kept_apart_and_nothing_else_happens(
    code: str, make: Callable[[Scene], rules.Delivery], scene: Scene
) -> None:
    bad = make(scene)
    scene.lanzhou.told()
    before = [
        scene.lanzhou.rows(table) for table in (tables.exchange_log, tables.case_roles, tables.gaps, tables.anchors)
    ]
    receiving.receive_batch(scene.lanzhou.works, [bad])
    receiving.receive_batch(scene.lanzhou.works, [bad])  # a redelivery says nothing new
    assert scene.lanzhou.codes() == [code]
    after = [
        scene.lanzhou.rows(table) for table in (tables.exchange_log, tables.case_roles, tables.gaps, tables.anchors)
    ]
    assert after == before
    [told] = [decode(body) for body in scene.lanzhou.told()]
    assert told.type == MessageQuarantinedV1.type
    assert told.data["code"] == code
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    assert told.subject == row.id
    _, headers, text = quarantine.show_quarantined(scene.lanzhou.works, row.id)
    assert headers == {"routing_key": bad.routing_key, "jws": bad.jws, "user": bad.user}
    assert text == bad.body.decode("utf-8", "replace")


def test_a_bad_message_does_not_keep_the_good_ones_of_its_batch_out(scene: Scene) -> None:
    good = delivery(scene.parcel)
    receiving.receive_batch(scene.lanzhou.works, [replace(good, jws=""), good, by_weihai(scene)])
    assert sorted(scene.lanzhou.codes()) == ["no_part", "signature_missing"]
    told = [decode(body).type for body in scene.lanzhou.told()]
    assert told.count("intake.application_withdrawn.v1") == 1


def test_bytes_that_are_no_text_are_kept_apart(scene: Scene) -> None:
    body = b"\xff\xfe{}"
    jws = sign_detached(scene.sanya.works.node.keys.signer, body)
    receiving.receive_batch(scene.lanzhou.works, [replace(delivery(scene.parcel), body=body, jws=jws)])
    assert scene.lanzhou.codes() == ["unreadable"]


def test_no_message_is_to_blame_for_a_connection_that_broke(scene: Scene) -> None:
    def break_off(_items: Sequence[str]) -> list[None]:
        raise psycopg.OperationalError("the connection is lost")  # and the database is back at once

    with pytest.raises(psycopg.OperationalError):
        all_or_each(scene.lanzhou.works, break_off, ["a message"], lambda *_: pytest.fail("it was blamed"))


def test_a_fault_of_ours_keeps_the_message_and_can_be_mended(scene: Scene) -> None:
    [parcel] = scene.sanya.sends(forwarded(scene.sanya, new_case()))
    tables.case_roles.drop(scene.lanzhou.works.engine)
    assert types(scene.lanzhou.gets(parcel)) == [MessageQuarantinedV1.type]
    assert scene.lanzhou.codes() == ["failed"]
    tables.case_roles.create(scene.lanzhou.works.engine)
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    assert receiving.release(scene.lanzhou.works, row.id)
    assert [decode(body).type for body in scene.lanzhou.told()] == [ApplicationForwardedV1.type]
    assert scene.lanzhou.codes() == []


def test_releasing_checks_everything_again(scene: Scene) -> None:
    receiving.receive_batch(scene.lanzhou.works, [by_weihai(scene)])
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    with pytest.raises(Denied, match="no_part"):
        receiving.release(scene.lanzhou.works, row.id)
    assert scene.lanzhou.codes() == ["no_part"]
    with pytest.raises(NotFound):
        receiving.release(scene.lanzhou.works, "0" * 64)


def test_what_came_from_the_future_is_let_in_by_its_release_once_that_time_has_come(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving.receive_batch(scene.lanzhou.works, [scene.by_sanya(time=at(3600))])
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    with pytest.raises(Denied, match="time_in_future"):
        receiving.release(scene.lanzhou.works, row.id, vouched=True)
    stop_clock(monkeypatch, at(3400))
    scene.lanzhou.told()
    assert receiving.release(scene.lanzhou.works, row.id)
    assert [decode(body).type for body in scene.lanzhou.told()] == [ApplicationWithdrawnV1.type]
    assert scene.lanzhou.codes() == []


def test_what_was_too_old_when_it_came_is_let_in_when_a_person_vouches_for_it_and_once_only(scene: Scene) -> None:
    old = scene.by_sanya(time=at(-40 * DAY))
    receiving.receive_batch(scene.lanzhou.works, [old])
    scene.lanzhou.told()
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    with pytest.raises(Denied, match="time_too_old"):
        receiving.release(scene.lanzhou.works, row.id)
    assert receiving.release(scene.lanzhou.works, row.id, vouched=True)
    assert not receiving.release(scene.lanzhou.works, row.id, vouched=True)
    assert [decode(body).type for body in scene.lanzhou.told()] == [ApplicationWithdrawnV1.type]
    assert scene.lanzhou.codes() == scene.lanzhou.rows(tables.gaps) == []


OLD: dict[str, Callable[[Scene], rules.Delivery]] = {
    "signature_missing": lambda s: replace(s.by_sanya(time=at(-40 * DAY)), jws=""),
    "no_part": lambda s: by_weihai(s, time=at(-40 * DAY)),
    "wrong_role": lambda s: s.by_sanya(time=at(-40 * DAY), type="intake.application_progressed.v1"),
    "seq_taken": lambda s: s.by_sanya(time=at(-40 * DAY), id=new_case(), seq=1),
}


@pytest.mark.parametrize(("code", "make"), OLD.items(), ids=OLD)
def test_whoever_vouches_for_the_age_of_a_message_vouches_for_nothing_else(
    code: str, make: Callable[[Scene], rules.Delivery], scene: Scene
) -> None:
    receiving.receive_batch(scene.lanzhou.works, [make(scene)])
    scene.lanzhou.told()
    [row] = quarantine.list_quarantined(scene.lanzhou.works)
    with pytest.raises(Denied, match=code):
        receiving.release(scene.lanzhou.works, row.id, vouched=True)
    assert scene.lanzhou.told() == []


def test_a_piece_of_a_file_that_overtakes_its_case_is_let_in_behind_it(sanya: City, lanzhou: City) -> None:
    case = new_case()
    opens, piece = sanya.sends(forwarded(sanya, case), chunk(sanya, case))
    assert lanzhou.gets(piece) == []
    assert lanzhou.codes() == ["case_unknown"]
    assert types(lanzhou.gets(opens)) == [ApplicationForwardedV1.type, "intake.file_chunk_sent.v1"]
    assert lanzhou.codes() == []
    assert lanzhou.rows(tables.gaps) == []


def test_a_piece_of_a_file_whose_case_does_not_come_is_told_of_after_an_hour(sanya: City, lanzhou: City) -> None:
    case = new_case()
    [_, piece] = sanya.sends(forwarded(sanya, case), chunk(sanya, case))
    lanzhou.gets(piece)
    receiving.look_again(lanzhou.works)
    assert lanzhou.told() == []
    with lanzhou.works.begin() as work:
        work.execute(update(tables.quarantine).values(at=at(-3601)))
    receiving.look_again(lanzhou.works)
    receiving.look_again(lanzhou.works)
    assert [decode(body).data["code"] for body in lanzhou.told()] == ["case_unknown"]


def test_a_gap_is_noticed_and_filled(sanya: City, lanzhou: City) -> None:
    first, second, third, fourth = sanya.sends(*[forwarded(sanya, new_case()) for _ in range(4)])
    assert len(lanzhou.gets(first, fourth)) == 2
    with lanzhou.works.begin() as work:
        assert questions.count_gaps(work) == {SANYA: 2}
    assert len(lanzhou.gets(third)) == 1
    assert [(row.first, row.last) for row in lanzhou.rows(tables.gaps)] == [(2, 2)]
    lanzhou.gets(second)
    assert lanzhou.rows(tables.gaps) == []
