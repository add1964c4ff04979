"""A restored authority: it grants nothing before it has heard every holder, and doubles nothing afterwards."""

import dataclasses
import json

import pytest
from sqlalchemy import delete, insert

from contracts import claims as said
from contracts.envelope import Message, decode
from services.claims.store.tables import claims, conflicts, restatements
from shared import clock
from tests.builders import HandClock
from tests.claims.town import (
    HE,
    LANZHOU,
    SANYA,
    SUQIAN,
    XIANAN,
    Town,
    copy_of,
    dead,
    duties,
    later,
    letters_to,
    live,
    name_authority,
    reserve,
    restore,
    ring,
    run,
)

PREFIX = "990102"  # 宿迁 guards it, and loses its disk


def recover(town: Town, code: str = SUQIAN) -> None:
    """The command; its letters have left the city and not arrived."""
    done = run(town, code, "recover")
    assert done.exit_code == 0, done.output
    town.work()


def missing(town: Town) -> set[str]:
    """Who has not answered, as the command says."""
    rows = [json.loads(line) for line in run(town, SUQIAN, "recover", "--status").output.splitlines()]
    return {row["node"] for row in rows if not row["answered_at"]}


def in_conflict(town: Town) -> list[tuple[str, str]]:
    """The two-person list of 宿迁: holder and reason."""
    lines = run(town, SUQIAN, "conflicts").output.splitlines()
    return [(row["holder"], row["why"]) for row in map(json.loads, lines)]


def at_suqian(town: Town) -> list[tuple[str, str, str]]:
    return [row for row in live(town) if row[0] == SUQIAN]


def test_what_was_locked_after_the_copy_is_locked_again_before_anybody_is_answered(town: Town, hand: HandClock) -> None:
    copy = copy_of(town, SUQIAN)
    first = reserve(town, SANYA)
    first.confirm()
    first.note()
    restore(town, SUQIAN, copy)
    recover(town)
    away = letters_to(town, LANZHOU)
    town.settle()
    assert missing(town) == {LANZHOU}
    late = reserve(town, XIANAN, HE)
    assert (late.heard(), late.last()["why"]) == (["deferred"], "recovering")
    town.mail = away
    town.settle()
    assert duties(town, SUQIAN)[PREFIX] == (1, "active")
    later(hand, seconds=61)
    ring(town, "say_again")
    assert (late.heard(), late.last()["denials"][0]["issued"]) == (["deferred", "denied"], True)
    assert at_suqian(town) == [(SUQIAN, SANYA, "locked")]
    assert (missing(town), in_conflict(town), dead(town)) == (set(), [], [])


def test_what_the_copy_has_as_reserved_is_locked_when_its_holder_says_so(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    copy = copy_of(town, SUQIAN)
    asked.confirm()
    restore(town, SUQIAN, copy)
    recover(town)
    later(hand, minutes=121)
    ring(town, "sweep")
    assert at_suqian(town) == [(SUQIAN, SANYA, "locked")]
    assert reserve(town, LANZHOU, HE).last()["denials"][0]["why"] == "locked_elsewhere"


def test_no_lease_ends_before_every_holder_was_heard(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, HE)
    copy = copy_of(town, SUQIAN)
    restore(town, SUQIAN, copy)
    recover(town)
    town.mail = []
    later(hand, minutes=121)
    ring(town, "sweep")
    assert at_suqian(town) == [(SUQIAN, SANYA, "held")]


def test_what_is_half_done_is_given_up_and_a_late_word_of_its_lock_changes_nothing(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    asked = reserve(town, SANYA)
    asked.say(said.ConfirmClaimsV1)
    town.work()
    for letter in letters_to(town, SUQIAN):
        town.deliver(letter)
    town.mail = []
    town.work()
    locked = letters_to(town, SANYA)
    assert [decode(letter).type for letter in locked] == [said.ClaimLockedV1.type]
    restore(town, SUQIAN, copy)
    recover(town)
    town.settle()
    assert asked.heard() == ["held", "lost"]
    town.mail = locked
    town.settle()
    assert (asked.heard(), asked.step(), live(town)) == (["held", "lost"], "over", [])
    assert reserve(town, LANZHOU).heard() == ["held"]


def test_what_was_released_after_the_copy_is_free_again(town: Town) -> None:
    asked = reserve(town, SANYA)
    asked.confirm()
    copy = copy_of(town, SUQIAN)
    asked.release()
    restore(town, SUQIAN, copy)
    assert at_suqian(town) == [(SUQIAN, SANYA, "locked")]
    recover(town)
    town.settle()
    assert live(town) == []
    assert reserve(town, LANZHOU).heard() == ["held"]


def test_a_token_that_had_ended_stays_dead_although_its_tombstone_was_lost(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    asked = reserve(town, SANYA, HE, settled=False)
    town.work()
    early = list(town.mail)
    town.settle()
    asked.release()
    restore(town, SUQIAN, copy)
    recover(town)
    town.settle()
    assert [(row.state, row.why) for row in town[SUQIAN].rows("claims", claims)] == [("ended", "given_up")]
    assert early, "its reservation, which the hub may bring once more"


def test_a_release_is_done_while_the_ledger_recovers(town: Town) -> None:
    asked = reserve(town, SANYA)
    asked.confirm()
    restore(town, SUQIAN, copy_of(town, SUQIAN))
    recover(town)
    town.mail = []
    asked.release()
    assert (asked.step(), live(town)) == ("over", [])
    assert duties(town, SUQIAN)[PREFIX] == (1, "recovering")


def a_lock_of_nobody(town: Town) -> str:
    """A claim of 三亚 that 三亚 does not know."""
    token = clock.new_id()
    row = {column.name: "" for column in claims.c} | {"office": None, "subject": HE, "prefix": PREFIX}
    row |= {"claim_id": token, "kind": "marriage", "holder": SANYA, "state": "locked", "key_index": "somebody"}
    row |= {"renewals": 0, "issued": True, "doubted": False, "until": clock.iso(clock.now())}
    with town[SUQIAN].works["claims"].begin() as work:
        work.execute(insert(claims), row)
    return token


def test_a_lock_that_its_holder_does_not_restate_stays_and_two_people_look(town: Town) -> None:
    token = a_lock_of_nobody(town)
    recover(town)
    town.settle()
    assert at_suqian(town) == [(SUQIAN, SANYA, "locked")]
    assert in_conflict(town) == [(SANYA, "not_restated")]
    pair = ("--by", "甲", "--confirmed-by", "乙", "--reason", "登记处已撤销")
    done = run(town, SUQIAN, "release", token, *pair, "--holder-gone")
    assert (done.exit_code, in_conflict(town), live(town)) == (0, [], [])


def test_of_two_locks_on_one_person_the_first_stays_and_two_people_look(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    reserve(town, SANYA, HE).confirm()
    restore(town, SUQIAN, copy)  # and nobody says `recover`
    reserve(town, LANZHOU, HE).confirm()
    recover(town)
    town.settle()
    (row,) = at_suqian(town)
    (listed,) = in_conflict(town)
    assert {row[1], listed[0]} == {SANYA, LANZHOU}
    assert listed[1] == "second_lock"
    recover(town)
    town.settle()
    assert len(at_suqian(town)) == len(town[SUQIAN].rows("claims", conflicts)) == 1


def test_a_lock_of_the_copy_gives_way_to_the_one_that_came_after_it(town: Town) -> None:
    old = reserve(town, SANYA, HE)
    old.confirm()
    copy = copy_of(town, SUQIAN)
    old.release()
    reserve(town, LANZHOU, HE).confirm()
    restore(town, SUQIAN, copy)
    recover(town)
    town.settle()
    assert (at_suqian(town), in_conflict(town)) == ([(SUQIAN, LANZHOU, "locked")], [])


def test_a_city_that_guards_and_holds_asks_itself_too(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    reserve(town, SANYA, HE).confirm()
    restore(town, SUQIAN, copy)
    own = reserve(town, SUQIAN, HE | {"id_number": "990102197603120194", "born_on": "1976-03-12"})
    own.confirm()
    recover(town)
    town.settle()
    assert at_suqian(town) == [(SUQIAN, SUQIAN, "locked"), (SUQIAN, SANYA, "locked")]


def test_a_second_recovery_asks_all_anew_and_answers_to_the_first_are_stale(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    recover(town)
    first, town.mail = town.mail, []
    recover(town)
    town.mail += first
    town.settle()
    assert (duties(town, SUQIAN)[PREFIX], dead(town)) == ((1, "active"), [])
    assert at_suqian(town) == [(SUQIAN, SANYA, "locked")]


def test_who_joined_meanwhile_is_asked_and_heard_too(town: Town) -> None:
    reserve(town, LANZHOU, HE).confirm()
    with town[SUQIAN].works["claims"].begin() as work:
        work.execute(delete(claims))
    recover(town)
    with town[SUQIAN].works["claims"].begin() as work:
        work.execute(delete(restatements).where(restatements.c.node == LANZHOU))
    letters_to(town, LANZHOU)
    town.settle()
    assert duties(town, SUQIAN)[PREFIX] == (1, "active")
    assert at_suqian(town) == [(SUQIAN, LANZHOU, "locked")]


def test_an_old_directory_may_not_know_every_holder(town: Town, hand: HandClock) -> None:
    later(hand, hours=25)
    done = run(town, SUQIAN, "recover")
    assert (done.exit_code, "目录" in done.output, duties(town, SUQIAN)) == (1, True, {})


def test_a_copy_from_before_a_hand_over_never_rules_again(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    copy = copy_of(town, SUQIAN)
    run(town, SUQIAN, "handover", PREFIX, "--to", LANZHOU)
    town.settle()
    restore(town, SUQIAN, copy)
    recover(town)
    town.settle()
    assert duties(town, SUQIAN)[PREFIX] == (1, "recovering")
    assert dead(town) == [(SUQIAN, said.LedgerTakenOverV1.type)], "nobody vouches for 兰州 yet"
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    recover(town)
    town.settle()
    assert (duties(town, SUQIAN)[PREFIX], duties(town, LANZHOU)[PREFIX]) == ((1, "handed_over"), (2, "active"))
    assert [row for row in live(town) if row[0] in (SUQIAN, LANZHOU)] == [(LANZHOU, SANYA, "locked")]


def test_a_restored_successor_does_not_begin_without_the_ledger_of_the_one_before(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    recover(town, LANZHOU)
    town.settle()
    assert duties(town, LANZHOU)[PREFIX] == (2, "recovering")
    assert dead(town) == [(SUQIAN, said.RestateClaimsV1.type)]
    assert duties(town, SUQIAN)[PREFIX] == (1, "active")


def test_a_copy_from_the_middle_of_a_hand_over_goes_on_with_it(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    run(town, SUQIAN, "handover", PREFIX, "--to", LANZHOU)
    town.work()
    copy = copy_of(town, SUQIAN)
    town.settle()
    restore(town, SUQIAN, copy)
    assert "正在移交" in run(town, SUQIAN, "recover").output
    run(town, SUQIAN, "handover", PREFIX, "--to", LANZHOU)
    town.settle()
    assert duties(town, SUQIAN)[PREFIX] == (1, "handed_over")
    assert [row for row in live(town) if row[0] in (SUQIAN, LANZHOU)] == [(LANZHOU, SANYA, "locked")]


@pytest.mark.parametrize("asker", [XIANAN, SANYA])
def test_nobody_but_the_authority_hears_what_a_city_holds(town: Town, asker: str) -> None:
    reserve(town, SANYA, HE).confirm()
    with town[asker].works["desk"].begin() as work:
        data = {"prefix": PREFIX, "round": clock.new_id(), "epoch": 1}
        work.tell(said.RestateClaimsV1, PREFIX, data, to=LANZHOU)
    town.settle()
    assert dead(town) == [(LANZHOU, said.RestateClaimsV1.type)]


def test_a_city_that_could_not_believe_it_is_asked_again_after_an_hour(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, HE).confirm()
    run(town, SUQIAN, "handover", PREFIX, "--to", LANZHOU)
    town.settle()
    name_authority(town, PREFIX, LANZHOU, LANZHOU, SUQIAN, XIANAN, before=SUQIAN)  # 三亚's directory is old
    recover(town, LANZHOU)
    town.settle()
    assert dead(town) == [(SANYA, said.RestateClaimsV1.type)]
    name_authority(town, PREFIX, LANZHOU, before=SUQIAN)
    later(hand, minutes=59)
    ring(town, "go_on_recovering")
    assert duties(town, LANZHOU)[PREFIX] == (2, "recovering")
    later(hand, minutes=1)
    ring(town, "go_on_recovering")
    assert duties(town, LANZHOU)[PREFIX] == (2, "active")
    assert [row for row in live(town) if row[0] == LANZHOU] == [(LANZHOU, SANYA, "locked")]


def test_halves_of_answers_to_two_questions_are_no_whole_answer(town: Town) -> None:
    recover(town)
    letters = letters_to(town, SANYA)
    (first,) = [it for it in map(decode, letters) if it.data["prefix"] == PREFIX]
    town.mail += [letter for letter in letters if decode(letter).id != first.id]  # 宿迁 guards another prefix, too
    second = dataclasses.replace(first, id=clock.new_id())
    town.settle()
    for cause, number in ((first, 1), (second, 2)):
        restate(town, cause, number)
    assert missing(town) == {SANYA}
    restate(town, second, 1)
    assert (missing(town), duties(town, SUQIAN)[PREFIX]) == (set(), (1, "active"))


def restate(town: Town, cause: Message, number: int) -> None:
    """One of two empty pieces of 三亚's answer to that question."""
    data = {"prefix": PREFIX, "round": cause.data["round"], "number": number, "count": 2}
    with town[SANYA].works["desk"].begin(cause) as work:
        work.tell(said.ClaimsRestatedV1, PREFIX, data, {"rows": []}, to=SUQIAN)
    town.settle()
