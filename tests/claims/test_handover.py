"""A ledger goes to another city: nothing is doubled, nothing lost, and whoever waits is served afterwards."""

import pytest
from sqlalchemy import insert

from contracts import claims as said
from contracts.envelope import Json
from services.claims.store.tables import claims, pieces, wishes
from shared import clock
from tests.builders import HandClock
from tests.claims.town import (
    HE,
    LANZHOU,
    LIN,
    SANYA,
    SUQIAN,
    XIANAN,
    Asked,
    Town,
    ask,
    by_clerk,
    copy_of,
    dead,
    duties,
    later,
    live,
    name_authority,
    reserve,
    restore,
    ring,
    run,
    set_guard,
)

PREFIX = "990102"  # 宿迁 guards it, until 兰州 does
COUPLE = (HE, LIN)


def freeze(town: Town, frm: str = SUQIAN, to: str = LANZHOU) -> None:
    """The command that begins it; its letters have not arrived."""
    done = run(town, frm, "handover", PREFIX, "--to", to)
    assert done.exit_code == 0, done.output


def hand_over(town: Town, frm: str = SUQIAN, to: str = LANZHOU) -> None:
    freeze(town, frm, to)
    town.settle()


def again(town: Town, hand: HandClock) -> None:
    """A minute later whatever was not answered is said again."""
    later(hand, seconds=61)
    ring(town, "say_again")


def tokens(town: Town, code: str) -> dict[str, str]:
    """The claims of a city's ledger, by token."""
    return {row.claim_id: row.state for row in town[code].rows("claims", claims)}


def test_a_ledger_arrives_whole_with_its_tombstones_and_is_gone_where_it_was(town: Town) -> None:
    reserve(town, LANZHOU).release()
    reserve(town, SANYA).confirm()
    before = tokens(town, SUQIAN)
    assert sorted(before.values()) == ["ended", "locked"]
    hand_over(town)
    assert tokens(town, LANZHOU) == before
    assert tokens(town, SUQIAN) == {}
    assert (duties(town, SUQIAN)[PREFIX], duties(town, LANZHOU)[PREFIX]) == ((1, "handed_over"), (2, "active"))
    (row,) = [row for row in town[LANZHOU].rows("claims", claims) if row.state == "locked"]
    assert (row.holder, row.subject["id_number"], row.issued) == (SANYA, HE["id_number"], False)
    assert (town[LANZHOU].rows("claims", pieces), dead(town)) == ([], [])


def test_what_was_locked_before_is_still_found_by_whoever_comes_after(town: Town) -> None:
    reserve(town, SANYA).confirm()
    hand_over(town)
    late = reserve(town, XIANAN)
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    assert live(town) == [(XIANAN, SANYA, "locked"), (LANZHOU, SANYA, "locked")]


def test_a_couple_goes_on_from_held_to_issued_across_a_hand_over(town: Town) -> None:
    asked = reserve(town, SANYA)
    hand_over(town)
    asked.confirm()
    assert asked.heard() == ["held", "locked"]
    asked.note()
    assert asked.step() == "issued"
    assert {row.authority for row in town[SANYA].rows("claims", wishes) if row.prefix == PREFIX} == {LANZHOU}
    assert [row.issued for row in town[LANZHOU].rows("claims", claims)] == [True]


def test_whoever_is_sent_on_twice_by_the_authority_before_hears_it_once(town: Town) -> None:
    asked = reserve(town, SANYA)
    hand_over(town)
    (wish,) = [row for row in town[SANYA].rows("claims", wishes) if row.prefix == PREFIX]
    data = {"claim_id": wish.claim_id, "epoch": 2, "prefix": PREFIX, "authority": LANZHOU}
    with town[SUQIAN].works["claims"].begin() as work:  # as it answers what was asked before the first answer came
        work.tell(said.ClaimRedirectedV1, asked.case_id, data, to=SANYA)
    town.settle()
    asked.confirm()
    assert (asked.heard(), dead(town)) == (["held", "locked"], [])


@pytest.mark.parametrize("contract", [said.ReserveClaimsV1, said.ConfirmClaimsV1, said.ReleaseClaimsV1])
def test_what_is_said_during_a_hand_over_is_put_off_and_done_by_the_new_authority(
    town: Town, hand: HandClock, contract: type[said.OfAttempt]
) -> None:
    asked = Asked(town, SANYA, clock.new_id(), clock.new_id())
    if contract is not said.ReserveClaimsV1:
        asked = reserve(town, SANYA)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    if contract is said.ReserveClaimsV1:
        ask(asked, *COUPLE)
    elif contract is said.ReleaseClaimsV1:
        asked.say(contract, why="given_up")
    else:
        asked.say(contract)
    town.settle()
    assert (SUQIAN, SANYA, "locked") not in live(town)
    town.mail = letters
    town.settle()
    again(town, hand)
    after = {said.ReserveClaimsV1: ["held"], said.ConfirmClaimsV1: ["locked"], said.ReleaseClaimsV1: []}[contract]
    assert [state for code, _, state in live(town) if code == LANZHOU] == after
    assert dead(town) == []
    if contract is said.ReleaseClaimsV1:
        assert asked.step() == "over"
        assert reserve(town, LANZHOU).heard() == ["held"]


def test_the_directory_signed_first_stops_claims_until_the_ledger_has_come(town: Town, hand: HandClock) -> None:
    held = reserve(town, SANYA)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    late = reserve(town, XIANAN, HE)
    assert (late.heard(), late.last()["why"]) == (["deferred"], "ledger_missing")
    hand_over(town)
    again(town, hand)
    assert late.heard() == ["deferred", "denied"]
    held.confirm()
    assert held.heard() == ["held", "locked"]
    assert live(town) == [(XIANAN, SANYA, "locked"), (LANZHOU, SANYA, "locked")]


def test_the_directory_signed_last_finds_all_as_it_is(town: Town) -> None:
    reserve(town, SANYA).confirm()
    hand_over(town)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    late = reserve(town, XIANAN)
    assert late.last()["denials"][0]["why"] == "locked_elsewhere"
    other = reserve(town, XIANAN, HE | {"id_number": "990102197603120194", "born_on": "1976-03-12"})
    assert other.heard() == ["held"]
    assert (LANZHOU, XIANAN, "held") in live(town)


def bury_many(town: Town, number: int) -> None:
    """So many tokens have ended in 宿迁's ledger."""
    row: Json = {column.name: "" for column in claims.c} | {"office": None, "subject": None, "prefix": PREFIX}
    row |= {"kind": "marriage", "holder": SANYA, "state": "ended", "renewals": 0, "issued": False, "doubted": False}
    with town[SUQIAN].works["claims"].begin() as work:
        work.execute(insert(claims), [row | {"claim_id": clock.new_id()} for _ in range(number)])


def test_the_pieces_may_come_in_any_order_and_twice(town: Town) -> None:
    asked = reserve(town, SANYA)
    bury_many(town, 450)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    assert len(letters) == 3
    for letter in (letters[2], letters[0], letters[2], letters[0]):
        town.deliver(letter)
        town.work()
    assert PREFIX not in duties(town, LANZHOU)
    assert len(tokens(town, LANZHOU)) == 251, "each piece is in its place at once"
    town.deliver(letters[1])
    town.settle()
    assert len(tokens(town, LANZHOU)) == 451
    asked.confirm()
    assert (asked.heard(), dead(town)) == (["held", "locked"], [])


def test_nobody_rules_on_what_has_arrived_of_a_ledger_before_the_last_piece(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, HE)
    bury_many(town, 450)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    for letter in letters[:2]:
        town.deliver(letter)
    late = reserve(town, XIANAN, HE)
    assert (late.heard(), late.last()["why"]) == (["deferred"], "ledger_missing")
    later(hand, minutes=121)
    ring(town, "sweep")
    assert "ended" not in {state for code, _, state in live(town) if code == LANZHOU}
    town.deliver(letters[2])
    town.settle()
    again(town, hand)
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["deferred", "denied"], "held_elsewhere")
    assert [row for row in live(town) if row[0] == LANZHOU] == [(LANZHOU, SANYA, "held")]
    assert (town[LANZHOU].rows("claims", pieces), dead(town)) == ([], [])


def test_a_restored_predecessor_hands_over_anew_and_nothing_of_its_first_ledger_stays(town: Town) -> None:
    asked = reserve(town, SANYA, HE)
    asked.confirm()
    copy = copy_of(town, SUQIAN)
    bury_many(town, 450)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    for letter in letters[1:]:
        town.deliver(letter)
    town.work()
    assert tokens(town, LANZHOU)
    restore(town, SUQIAN, copy)
    assert run(town, SUQIAN, "recover").exit_code == 0
    town.settle()
    assert (tokens(town, LANZHOU), town[LANZHOU].rows("claims", pieces)) == ({}, [])
    asked.release()
    before = tokens(town, SUQIAN)
    hand_over(town)
    assert (tokens(town, LANZHOU), list(before.values())) == (before, ["ended"])
    assert (duties(town, LANZHOU)[PREFIX], dead(town)) == ((2, "active"), [])


def test_whoever_recovers_does_not_build_on_a_ledger_that_has_not_arrived_whole(town: Town) -> None:
    bury_many(town, 450)
    set_guard(town, SUQIAN, PREFIX)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    town.deliver(letters[0])
    town.work()
    assert tokens(town, LANZHOU)
    assert run(town, LANZHOU, "recover").exit_code == 0
    assert (tokens(town, LANZHOU), duties(town, LANZHOU)[PREFIX]) == ({}, (2, "recovering"))


def test_a_hand_over_may_be_said_again_before_and_after_it_is_done(town: Town) -> None:
    reserve(town, SANYA).confirm()
    freeze(town)
    town.work()
    town.mail = []  # all lost, the answer too
    hand_over(town)
    assert duties(town, LANZHOU)[PREFIX] == (2, "active")
    done = run(town, SUQIAN, "handover", PREFIX, "--to", LANZHOU)
    assert done.exit_code == 1, "it is no longer ours"
    assert live(town) == [(XIANAN, SANYA, "locked"), (LANZHOU, SANYA, "locked")]


def test_the_word_that_the_ledger_has_arrived_may_be_lost_too(town: Town) -> None:
    reserve(town, SANYA)
    freeze(town)
    town.work()
    for letter in town.mail:
        town.deliver(letter)
    town.mail = []
    town.work()
    assert town.mail, "兰州 says that it has taken over"
    town.mail = []
    assert duties(town, SUQIAN)[PREFIX] == (1, "frozen")
    hand_over(town)
    assert duties(town, SUQIAN)[PREFIX] == (1, "handed_over")
    assert dead(town) == []


def test_a_ledger_comes_back_to_whom_it_once_left(town: Town) -> None:
    asked = reserve(town, SANYA)
    hand_over(town)
    asked.confirm()
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    hand_over(town, LANZHOU, SUQIAN)
    assert (duties(town, SUQIAN)[PREFIX], duties(town, LANZHOU)[PREFIX]) == ((3, "active"), (2, "handed_over"))
    asked.release()
    assert (asked.step(), live(town)) == ("over", [])


def test_a_lease_that_ran_out_meanwhile_runs_on_for_ten_minutes_and_its_end_is_believed(
    town: Town, hand: HandClock
) -> None:
    asked = reserve(town, SANYA, HE)
    freeze(town)
    later(hand, minutes=121)
    town.settle()
    later(hand, minutes=9)
    ring(town, "sweep")
    assert [row for row in live(town) if row[0] == LANZHOU] == [(LANZHOU, SANYA, "held")]
    later(hand, minutes=2)
    ring(town, "sweep")
    assert (asked.step(), dead(town)) == ("over", [])


def test_a_person_is_told_that_nothing_can_be_given_up_during_a_hand_over(town: Town) -> None:
    reserve(town, SANYA)
    freeze(town)
    town.work()
    letters, town.mail = town.mail, []
    actor = {"kind": "marriage", "actor": by_clerk(XIANAN)}
    town.say(XIANAN, said.DropClaimsV1, clock.new_id(), actor, {"subject": HE})
    town.settle()
    assert town.desks[XIANAN][-1].data == {"kind": "marriage", "found": False, "deferred": "frozen", "locked_by": None}
    town.mail = letters
    town.settle()
    assert (LANZHOU, SANYA, "held") in live(town)


@pytest.mark.parametrize(
    ("prefix", "to", "words"),
    [
        ("990199", LANZHOU, "不主管"),
        (PREFIX, "999999", "没有"),
        (PREFIX, SUQIAN, "本节点"),
        ("990103", LANZHOU, "不主管"),
    ],
)
def test_what_cannot_be_handed_over_is_said_in_plain_words(town: Town, prefix: str, to: str, words: str) -> None:
    done = run(town, SUQIAN, "handover", prefix, "--to", to)
    assert (done.exit_code, words in done.output) == (1, True)
    assert duties(town, SUQIAN) == {}


def test_a_ledger_goes_only_to_whom_the_newer_directory_names(town: Town) -> None:
    reserve(town, SANYA)
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    assert run(town, SUQIAN, "handover", PREFIX, "--to", XIANAN).exit_code == 1
    assert duties(town, SUQIAN)[PREFIX] == (1, "active")


def forge(town: Town, contract: type[said.HandOverLedgerV1], data: Json) -> None:
    with town[XIANAN].works["desk"].begin() as work:
        work.tell(contract, PREFIX, {"prefix": PREFIX, "epoch": 2} | data, {"rows": []}, to=LANZHOU)
    town.settle()


def test_a_ledger_is_believed_from_its_last_authority_only(town: Town) -> None:
    forge(town, said.HandOverLedgerV1, {"number": 1, "count": 1})
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    forge(town, said.HandOverLedgerV1, {"number": 1, "count": 1})
    assert dead(town) == [(LANZHOU, said.HandOverLedgerV1.type)] * 2
    assert duties(town, LANZHOU) == {}


def test_that_a_ledger_was_taken_over_is_believed_from_its_successor_only(town: Town) -> None:
    reserve(town, SANYA)
    freeze(town)
    with town[XIANAN].works["desk"].begin() as work:
        work.tell(said.LedgerTakenOverV1, PREFIX, {"prefix": PREFIX, "epoch": 2}, to=SUQIAN)
    town.work()
    for letter in [letter for letter in town.mail if said.LedgerTakenOverV1.type in letter]:
        town.deliver(letter)
    town.work()
    assert duties(town, SUQIAN)[PREFIX] == (1, "frozen")
    assert dead(town) == [(SUQIAN, said.LedgerTakenOverV1.type)]


def test_the_list_of_duties_says_prefix_epoch_duty_and_how_many_are_live(town: Town) -> None:
    reserve(town, SANYA)
    hand_over(town)
    (row,) = [line for line in run(town, SUQIAN, "guards").output.splitlines() if PREFIX in line]
    assert '"handed_over"' in row
    (row,) = [line for line in run(town, LANZHOU, "guards").output.splitlines() if PREFIX in line]
    assert '"live": 1' in row


def test_nothing_of_a_person_can_be_read_in_a_piece_that_waits(town: Town) -> None:
    reserve(town, SANYA)
    freeze(town)
    town.settle()
    text = b"".join(path.read_bytes() for path in town[LANZHOU].node.home.glob("claims.db*"))
    assert HE["id_number"].encode() not in text
