"""What leaves a city, what comes into one, who has a say, and the directory they all go by."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from contracts.envelope import decode, encode
from contracts.exchange import DirectoryUpdatedV1, MessageMisdirectedV1, MessageQuarantinedV1
from contracts.intake import ApplicationForwardedV1, WorkItemOpenedV1
from deploy.homes import directory_document, make_root
from services.exchange import rules
from services.exchange.store import tables
from services.exchange.usecases import proofs
from services.exchange.usecases.directories import take_directory
from services.exchange.usecases.sending import accept_batch, list_due
from shared.bus import Rejected
from shared.crypto.personal import open_personal
from shared.directory import sign_directory
from shared.errors import Denied
from tests.exchange.cities import (
    LANZHOU,
    PARTIES,
    SANYA,
    WEIHAI,
    City,
    forwarded,
    handed_over,
    new_case,
    progressed,
    redirected,
    types,
    withdrawn,
)

# ---- the way out and in ---------------------------------------------------------------------------------------------


def test_a_message_arrives_as_it_was_told_and_only_its_city_opens_it(sanya: City, lanzhou: City) -> None:
    body = forwarded(sanya, new_case())
    [parcel] = sanya.sends(body)
    [came] = lanzhou.gets(parcel)
    told, on_the_way = decode(body), decode(parcel.body)
    same = {"id", "type", "source", "subject", "time", "data", "correlation", "causation", "trace"}
    for message in (came, on_the_way):
        assert {name: getattr(message, name) for name in same} == {name: getattr(told, name) for name in same}
    assert came.destination == ""
    assert (on_the_way.destination, on_the_way.division, on_the_way.seq) == (LANZHOU, LANZHOU, 1)
    assert on_the_way.directory_version == sanya.works.node.directory.version
    opened = open_personal(lanzhou.works.node, ApplicationForwardedV1, came)
    assert opened["parties"][0]["name"] == PARTIES["parties"][0]["name"]
    assert PARTIES["parties"][0]["name"] not in parcel.body
    assert parcel.routing_key == f"62.01.00.{SANYA}.std.{ApplicationForwardedV1.type}"


def test_a_city_that_decides_answers_the_city_that_took_in(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    assert types(sanya.gets(*lanzhou.sends(progressed(lanzhou, case)))) == ["intake.application_progressed.v1"]
    assert sanya.codes() == lanzhou.codes() == []


def test_numbers_count_up_for_each_destination_apart(sanya: City, lanzhou: City) -> None:
    cases = [new_case() for _ in range(3)]
    bodies = [forwarded(sanya, cases[0]), forwarded(sanya, cases[1], WEIHAI), forwarded(sanya, cases[2])]
    seqs = [(decode(parcel.body).destination, decode(parcel.body).seq) for parcel in sanya.sends(*bodies)]
    assert sorted(seqs) == [(WEIHAI, 1), (LANZHOU, 1), (LANZHOU, 2)]


def test_a_local_message_that_comes_twice_is_sent_once(sanya: City) -> None:
    body = forwarded(sanya, new_case())
    assert accept_batch(sanya.works, [body, body]) == [None, None]
    assert accept_batch(sanya.works, [body]) == [None]
    assert len(sanya.rows(tables.sendings)) == len(sanya.rows(tables.exchange_log)) == 1


def test_a_message_from_the_hub_that_comes_twice_is_told_once(sanya: City, lanzhou: City) -> None:
    [parcel] = sanya.sends(forwarded(sanya, new_case()))
    assert len(lanzhou.gets(parcel, parcel)) == 1
    assert lanzhou.gets(parcel) == []
    assert lanzhou.codes() == []
    assert len(lanzhou.rows(tables.exchange_log)) == 1


def test_a_trace_crosses_unchanged_and_what_is_none_stays_at_the_border(sanya: City, lanzhou: City) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for given, heard in ((trace, trace), ("", ""), ("何守田", ""), (trace + "-13900000000", "")):
        body = encode(replace(decode(forwarded(sanya, new_case())), trace=given))
        [message] = lanzhou.gets(*sanya.sends(body))
        assert message.trace == heard


def test_a_sent_message_is_remembered_by_its_hashes(sanya: City) -> None:
    [parcel] = sanya.sends(forwarded(sanya, new_case()))
    [sending], [line] = sanya.rows(tables.sendings), sanya.rows(tables.exchange_log)
    assert (sending.state, sending.body) == ("sent", "")
    assert line.body_sha256 == rules.sha256(parcel.body.encode())
    assert line.jws == parcel.jws
    assert list_due(sanya.works, "test", ()) == []


def test_what_the_hub_has_not_confirmed_is_due_again_in_the_same_order(sanya: City) -> None:
    bodies = [forwarded(sanya, new_case()) for _ in range(3)]
    accept_batch(sanya.works, bodies)
    first = list_due(sanya.works, "test", ())
    assert list_due(sanya.works, "test", ()) == first
    assert [decode(parcel.body).seq for parcel in first] == [1, 2, 3]


def test_two_replicas_do_not_publish_to_one_destination(sanya: City) -> None:
    accept_batch(sanya.works, [forwarded(sanya, new_case()), forwarded(sanya, new_case(), WEIHAI)])
    assert len(list_due(sanya.works, "one", [WEIHAI])) == 1
    assert [decode(parcel.body).destination for parcel in list_due(sanya.works, "two", ())] == [WEIHAI]


def test_what_may_not_leave_is_a_dead_letter(sanya: City) -> None:
    case = new_case()
    inside = sanya.says(WorkItemOpenedV1, case, {"kind": "k", "text": "t"}, to=LANZHOU)
    foreign = encode(replace(decode(forwarded(sanya, case)), source=WEIHAI))
    ours = encode(replace(decode(forwarded(sanya, case)), destination=SANYA))
    outcomes = accept_batch(sanya.works, [inside, foreign, ours, "no message"])
    assert [type(outcome) for outcome in outcomes] == [Rejected] * 4
    assert sanya.rows(tables.sendings) == sanya.rows(tables.exchange_log) == []


def test_a_case_is_told_to_nobody_who_has_no_part_in_it(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    [to_a_stranger, not_ours_to_say] = accept_batch(
        sanya.works, [withdrawn(sanya, case, WEIHAI), progressed(sanya, case, LANZHOU)]
    )
    assert isinstance(to_a_stranger, Rejected)
    assert "no_part" in str(to_a_stranger)
    assert "wrong_role" in str(not_ours_to_say)


def test_what_is_said_of_a_case_not_opened_yet_is_tried_again(sanya: City) -> None:
    case = new_case()
    says, opens = withdrawn(sanya, case), forwarded(sanya, case)
    [early, opened] = accept_batch(sanya.works, [says, opens])
    assert (type(early), opened) == (Denied, None)
    assert accept_batch(sanya.works, [says]) == [None]


def test_a_bad_local_message_stops_no_other(sanya: City) -> None:
    good, bad = forwarded(sanya, new_case()), decode(forwarded(sanya, new_case()))
    stranger = encode(replace(bad, destination="110100"))
    broken = encode(replace(bad, sealed="AAAA"))
    outcomes = accept_batch(sanya.works, [stranger, broken, good, forwarded(sanya, new_case())])
    assert [outcome is None for outcome in outcomes] == [False, False, True, True]
    assert not any(isinstance(outcome, Rejected) for outcome in outcomes), "the directory and the keys may be mended"
    assert [row.seq for row in sanya.rows(tables.sendings)] == [1, 2]


def test_a_message_too_big_for_the_hub_is_a_dead_letter_and_takes_no_number(sanya: City) -> None:
    big = decode(forwarded(sanya, new_case()))
    big = encode(replace(big, data=big.data | {"steps": big.data["steps"] * 9000}))
    first, second = accept_batch(sanya.works, [big, forwarded(sanya, new_case())])
    assert "oversized" in str(first)
    assert second is None
    assert [row.seq for row in sanya.rows(tables.sendings)] == [1]


def test_a_batch_that_fails_leaves_nothing_behind(sanya: City, lanzhou: City) -> None:
    bodies = [forwarded(sanya, new_case()) for _ in range(2)]
    with sanya.works.begin() as work:
        work.execute(delete(tables.peers))
    tables.sendings.drop(sanya.works.engine)
    outcomes = accept_batch(sanya.works, bodies)
    assert all(isinstance(outcome, Exception) and not isinstance(outcome, Rejected) for outcome in outcomes)
    assert sanya.rows(tables.exchange_log) == sanya.rows(tables.peers) == []


# ---- who has a say --------------------------------------------------------------------------------------------------


def test_a_city_that_handed_a_case_back_has_no_say_until_it_gets_it_again(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    assert len(sanya.gets(*lanzhou.sends(redirected(lanzhou, case)))) == 1
    [refused] = accept_batch(lanzhou.works, [progressed(lanzhou, case, version=4)])
    assert "wrong_role" in str(refused)
    lanzhou.gets(*sanya.sends(forwarded(sanya, case)))
    assert len(sanya.gets(*lanzhou.sends(progressed(lanzhou, case)))) == 1


def test_a_case_handed_on_is_decided_by_the_second_city_only(sanya: City, lanzhou: City, weihai: City) -> None:
    case = handed_over(sanya, lanzhou)
    late = lanzhou.sends(progressed(lanzhou, case))
    weihai.gets(*sanya.sends(forwarded(sanya, case, WEIHAI)))
    assert types(sanya.gets(*late)) == [MessageQuarantinedV1.type]
    assert sanya.codes() == ["wrong_role"]
    assert len(sanya.gets(*weihai.sends(progressed(weihai, case)))) == 1


def test_the_deciding_city_hands_a_case_to_nobody(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    [refused] = accept_batch(lanzhou.works, [forwarded(lanzhou, case, WEIHAI)])
    assert "wrong_role" in str(refused)
    assert lanzhou.rows(tables.sendings) == []


def test_a_case_sent_to_the_wrong_city_comes_back_as_misdirected(sanya: City, lanzhou: City) -> None:
    case = new_case()
    [parcel] = sanya.sends(forwarded(sanya, case, LANZHOU, division="371002"))
    [answer] = lanzhou.gets(parcel)
    assert (answer.type, answer.subject, answer.destination) == (MessageMisdirectedV1.type, case, SANYA)
    assert answer.causation == parcel.message_id
    assert answer.data == {
        "message_id": parcel.message_id,
        "message_type": ApplicationForwardedV1.type,
        "division": "371002",
        "directory_version": lanzhou.works.node.directory.version,
    }
    assert types(sanya.gets(*lanzhou.sends(encode(answer)))) == [MessageMisdirectedV1.type]
    assert lanzhou.rows(tables.case_roles) == []


def test_a_division_that_nobody_answers_for_is_misdirected_too(sanya: City, lanzhou: City) -> None:
    parcels = sanya.sends(forwarded(sanya, new_case(), LANZHOU, division="110101"))
    assert types(lanzhou.gets(*parcels)) == [MessageMisdirectedV1.type]


# ---- the directory --------------------------------------------------------------------------------------------------


def directory(folder: Path, nodes: list[City], version: int, by: str = "") -> str:
    """A signed directory of these cities, by the root they trust unless another one signs."""
    document = directory_document({city.code: city.node.keys for city in nodes}, version)
    return sign_directory(document, make_root(folder / by))


def test_a_newer_directory_is_put_into_force_and_told(tmp_path: Path, cities: list[City]) -> None:
    sanya, lanzhou, _ = cities
    newer = sanya.works.node.directory.version + 1
    assert take_directory(sanya.works, directory(tmp_path, [sanya, lanzhou], newer))
    assert sanya.works.node.directory.version == newer
    assert set(sanya.works.node.directory.nodes) == {SANYA, LANZHOU}
    [told] = [decode(body) for body in sanya.told()]
    assert (told.type, told.data) == (DirectoryUpdatedV1.type, {"version": newer})
    assert not take_directory(sanya.works, directory(tmp_path, [sanya, lanzhou], newer))
    assert sanya.told() == []


@pytest.mark.parametrize("by", ["", "elsewhere"])
def test_an_older_directory_or_one_of_another_root_changes_nothing(tmp_path: Path, cities: list[City], by: str) -> None:
    sanya = cities[0]
    before = (sanya.works.node.home / "directory.json").read_bytes()
    version = sanya.works.node.directory.version + (1 if by else -1)
    assert not take_directory(sanya.works, directory(tmp_path, cities, version, by))
    assert (sanya.works.node.home / "directory.json").read_bytes() == before
    assert sanya.told() == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"jws": 1, "document": 2}', "\udcff"])
def test_a_directory_that_is_none_changes_nothing(sanya: City, text: str) -> None:
    assert not take_directory(sanya.works, text)
    assert sanya.told() == []


def test_a_city_that_left_the_directory_is_neither_heard_nor_written_to(tmp_path: Path, cities: list[City]) -> None:
    sanya, lanzhou, weihai = cities
    take_directory(lanzhou.works, directory(tmp_path, [lanzhou, weihai], lanzhou.works.node.directory.version + 1))
    lanzhou.told()
    lanzhou.gets(*sanya.sends(forwarded(sanya, new_case())))
    assert lanzhou.codes() == ["signature_unknown_key"]
    [refused] = accept_batch(lanzhou.works, [forwarded(lanzhou, new_case(), SANYA)])
    assert isinstance(refused, Denied)


def test_old_signatures_stay_checkable_when_the_city_has_left(tmp_path: Path, cities: list[City]) -> None:
    sanya, lanzhou, weihai = cities
    case = handed_over(sanya, lanzhou)
    take_directory(lanzhou.works, directory(tmp_path, [lanzhou, weihai], lanzhou.works.node.directory.version + 1))
    with lanzhou.works.begin() as work:
        assert [exhibit.signature for exhibit in proofs.evidence(work, case)] == ["valid"]
