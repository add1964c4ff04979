"""One person, several documents: claims are made on one of them; who decides that are two, and it is on record."""

import json

import pytest

from contracts import claims as said
from services.claims.store.tables import aliases, claims, wishes
from shared import clock
from shared.audit import audit_rows, broken_rows
from tests.builders import HandClock
from tests.claims.town import (
    HE,
    LANZHOU,
    LIN,
    SANYA,
    SUQIAN,
    XIANAN,
    Town,
    by_clerk,
    dead,
    later,
    live,
    reserve,
    ring,
    run,
)

PAIR = ("--by", "甲", "--confirmed-by", "乙", "--reason", "出生医学证明核对一致")
WRONG = HE | {"id_number": "990102197503120194"}  # a number that was corrected; 宿迁 guards it
THIRD = HE | {"id_number": "990102197503120216"}  # 宿迁 guards it, too
RIGHT = HE | {"id_number": "990103197503120151"}  # 咸安 guards the right one
BARE = {"name": "", "born_on": "", "sex": ""}


def line(subject: dict[str, str]) -> str:
    return " ".join(subject[name] for name in ("id_type", "id_number", "name", "born_on", "sex")).strip() + "\n"


def link(town: Town, second: dict[str, str], canonical: dict[str, str], code: str = SUQIAN) -> tuple[int, str]:
    done = run(town, code, "alias", *PAIR, given=line(second) + line(canonical))
    return done.exit_code, done.output


def same(town: Town, subject: dict[str, str], same_as: dict[str, str]) -> bool:
    """Whether the authority of the subject says that both documents are one person's."""
    data = {"purpose": "correct_data", "actor": by_clerk(LANZHOU)}
    town.say(LANZHOU, said.LookUpClaimsV1, clock.new_id(), data, {"subject": subject, "same_as": same_as})
    town.settle()
    return bool(town.desks[LANZHOU][-1].personal["linked"])


def test_whoever_asks_for_a_linked_document_gets_the_claim_on_the_canonical_one(town: Town) -> None:
    assert link(town, WRONG, RIGHT)[0] == 0
    asked = reserve(town, SANYA, WRONG)
    assert asked.heard() == ["held"]
    assert live(town) == [(XIANAN, SANYA, "held")]
    (wish,) = town[SANYA].rows("claims", wishes)
    (claim,) = town[XIANAN].rows("claims", claims)
    assert (wish.claim_id, wish.authority, wish.aliased) == (claim.claim_id, XIANAN, True)
    assert (wish.subject, claim.subject) == (RIGHT, RIGHT)
    asked.confirm()
    asked.release()
    assert (asked.heard(), asked.step(), live(town)) == (["held", "locked"], "over", [])


@pytest.mark.parametrize(("linked", "asked"), [("H1234567801", "H12345678"), ("h12345678", "H1234567802")])
def test_a_permit_is_one_document_however_its_number_is_written(town: Town, linked: str, asked: str) -> None:
    permit = {"id_type": "hk-macau-permit", "id_number": linked} | BARE
    assert link(town, permit, RIGHT, SANYA)[0] == 0  # 三亚 guards what begins with no division
    assert reserve(town, LANZHOU, permit | {"id_number": asked}).heard() == ["held"]
    assert live(town) == [(XIANAN, LANZHOU, "held")]


@pytest.mark.parametrize("first", ["H1234567801", "H12345678"])
def test_a_permit_is_claimed_once_however_whoever_asks_writes_its_number(town: Town, first: str) -> None:
    permit = LIN | {"id_type": "hk-macau-permit", "id_number": first}
    reserve(town, SANYA, permit).confirm()
    late = reserve(town, LANZHOU, permit | {"id_number": "h12345678 02"})
    assert (late.heard(), live(town)) == (["denied"], [(SANYA, SANYA, "locked")])


def test_a_person_is_not_registered_a_second_time_under_a_linked_document(town: Town) -> None:
    reserve(town, SANYA, RIGHT).confirm()
    link(town, WRONG | BARE, RIGHT | BARE)
    late = reserve(town, LANZHOU, WRONG)
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    assert (live(town), dead(town)) == ([(XIANAN, SANYA, "locked")], [])


def test_an_answer_that_leads_on_is_stale_the_second_time(town: Town, hand: HandClock) -> None:
    link(town, WRONG, RIGHT)
    asked = reserve(town, SANYA, WRONG, settled=False)
    town.work()
    wishes_told = list(town.mail)
    later(hand, seconds=61)
    ring(town, "say_again")
    town.mail += wishes_told
    town.settle()
    assert (asked.heard(), dead(town)) == (["held"], [])


def test_two_documents_that_lead_to_each_other_do_not_keep_a_letter_running(town: Town) -> None:
    link(town, WRONG, RIGHT)
    link(town, RIGHT, WRONG, XIANAN)
    asked = reserve(town, SANYA, WRONG)
    assert (asked.step(), live(town), dead(town)) == ("reserving", [], [])


def test_a_document_with_a_live_claim_is_not_linked_and_two_people_look(town: Town) -> None:
    reserve(town, LANZHOU, WRONG)
    code, words = link(town, WRONG, RIGHT)
    assert (code, "conflicts" in words) == (1, True)
    assert town[SUQIAN].rows("claims", aliases) == []
    (row,) = map(json.loads, run(town, SUQIAN, "conflicts").output.splitlines())
    assert (row["holder"], row["why"]) == (LANZHOU, "linked_live")
    assert run(town, SUQIAN, "settle", row["claim_id"], *PAIR).exit_code == 0
    assert run(town, SUQIAN, "conflicts").output == ""


@pytest.mark.parametrize(
    ("second", "canonical", "code", "words"),
    [
        (WRONG, WRONG, SUQIAN, "同一个"),
        (RIGHT, HE, SUQIAN, "不由本节点主管"),
        ({"id_type": "citizen", "id_number": "110101189001010010"} | BARE, HE, SUQIAN, "主管登记处"),
        ({"id_type": "citizen", "id_number": ""} | BARE, HE, SUQIAN, "每行"),
    ],
)
def test_what_cannot_be_linked_is_said_in_plain_words(
    town: Town, second: dict[str, str], canonical: dict[str, str], code: str, words: str
) -> None:
    done = link(town, second, canonical, code)
    assert (done[0], words in done[1]) == (1, True)
    assert town[SUQIAN].rows("claims", aliases) == []


def test_a_document_is_linked_once_and_not_to_one_that_is_linked_itself(town: Town) -> None:
    link(town, WRONG, RIGHT)
    assert "已经关联" in link(town, WRONG, HE)[1]
    assert "自己已关联" in link(town, HE, WRONG)[1]


def test_two_documents_on_which_claims_are_made_on_the_same_third_one_are_linked_to_each_other(town: Town) -> None:
    for second in (WRONG, THIRD):
        link(town, second, RIGHT)
    assert same(town, THIRD, RIGHT)
    assert (same(town, THIRD, WRONG), same(town, WRONG, THIRD)) == (True, True)
    assert (same(town, HE, WRONG), same(town, THIRD, HE)) == (False, False), "of these nobody has said so"


def test_the_document_on_which_claims_are_made_is_linked_to_the_one_that_leads_there(town: Town) -> None:
    link(town, WRONG, HE)
    assert (same(town, HE, WRONG), same(town, HE, THIRD)) == (True, False)


def test_documents_that_lead_to_different_persons_are_not_linked(town: Town) -> None:
    link(town, WRONG, RIGHT)
    link(town, THIRD, LIN)
    assert (same(town, THIRD, WRONG), same(town, THIRD, RIGHT), same(town, WRONG, LIN)) == (False, False, False)


def test_what_only_another_node_has_linked_does_not_count(town: Town) -> None:
    link(town, WRONG, HE)
    link(town, RIGHT, HE, XIANAN)
    assert (same(town, RIGHT, HE), same(town, RIGHT, WRONG), same(town, WRONG, RIGHT)) == (True, False, False)


@pytest.mark.parametrize("pair", [("甲", "甲", "核对"), ("甲", " ", "核对"), ("甲", "乙", " ")])
def test_one_person_alone_decides_nothing(town: Town, pair: tuple[str, str, str]) -> None:
    asked = reserve(town, SANYA, HE)
    (claim,) = town[SUQIAN].rows("claims", claims)
    words = [word for both in zip(("--by", "--confirmed-by", "--reason"), pair, strict=True) for word in both]
    for command in (["clear"], ["same"], ["release", "--holder-gone"], ["settle"]):
        assert run(town, SUQIAN, command[0], claim.claim_id, *command[1:], *words).exit_code == 1
    assert run(town, SUQIAN, "alias", *words, given=line(WRONG) + line(RIGHT)).exit_code == 1
    assert (asked.step(), town[SUQIAN].rows("claims", aliases)) == ("held", [])
    assert town[SUQIAN].rows("claims", audit_rows) == []


def test_both_persons_and_both_documents_are_on_record(town: Town) -> None:
    link(town, WRONG, RIGHT)
    rows = town[SUQIAN].rows("claims", audit_rows)
    assert sorted((row.actor, row.act, row.purpose) for row in rows) == sorted(
        (actor, "link_documents", "出生医学证明核对一致") for actor in ("乙", "乙", "甲", "甲")
    )
    assert len({row.person_index for row in rows}) == 2
    with town[SUQIAN].works["claims"].begin() as work:
        assert broken_rows(work) == []


def test_links_go_with_the_ledger(town: Town) -> None:
    link(town, WRONG, RIGHT)
    run(town, SUQIAN, "handover", "990102", "--to", LANZHOU)
    town.settle()
    assert town[SUQIAN].rows("claims", aliases) == []
    assert reserve(town, SANYA, WRONG).heard() == ["held"]
    assert live(town) == [(XIANAN, SANYA, "held")]


# --- doubts ---------------------------------------------------------------------------------------------------------------


def doubted(town: Town) -> str:
    """何守田 is registered by one number, and reserved by another: the second claim."""
    (row,) = map(json.loads, run(town, SUQIAN, "doubts").output.splitlines())
    return str(row["claim_id"])


def test_a_doubt_that_was_cleared_holds_nothing_up(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, HE).confirm()
    asked = reserve(town, LANZHOU, WRONG)
    asked.confirm()
    assert asked.heard() == ["held", "deferred"]
    assert run(town, SUQIAN, "clear", doubted(town), *PAIR).exit_code == 0
    later(hand, seconds=61)
    ring(town, "say_again")
    assert asked.heard() == ["held", "deferred", "locked"]
    assert run(town, SUQIAN, "doubts").output == ""
    assert {row.act for row in town[SUQIAN].rows("claims", audit_rows)} == {"clear_doubt"}


def test_two_persons_who_were_told_apart_are_not_doubted_again_and_a_third_document_is(town: Town) -> None:
    first = reserve(town, SANYA, HE)
    reserve(town, LANZHOU, WRONG).release()
    cleared = reserve(town, LANZHOU, WRONG)
    assert run(town, SUQIAN, "clear", doubted(town), *PAIR).exit_code == 0
    cleared.release()
    again = reserve(town, LANZHOU, WRONG)
    again.confirm()
    assert again.heard() == ["held", "locked"]
    first.release()
    swapped = reserve(town, SANYA, HE)
    swapped.confirm()
    assert swapped.heard() == ["held", "locked"], "whoever of the two comes second"
    third = reserve(town, XIANAN, THIRD)
    third.confirm()
    assert third.heard() == ["held", "deferred"]


def test_whoever_is_told_apart_is_on_record_with_both_who_said_so(town: Town) -> None:
    reserve(town, SANYA, HE)
    reserve(town, LANZHOU, WRONG)
    run(town, SUQIAN, "clear", doubted(town), *PAIR)
    rows = town[SUQIAN].rows("claims", audit_rows)
    assert sorted(row.actor for row in rows) == ["乙", "乙", "甲", "甲"]
    assert len({row.person_index for row in rows}) == 2


def test_who_came_after_the_doubt_was_not_looked_at_with_it(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, HE)
    asked = reserve(town, LANZHOU, WRONG)
    token = doubted(town)
    later(hand, seconds=1)
    reserve(town, XIANAN, THIRD)
    assert run(town, SUQIAN, "clear", token, *PAIR).exit_code == 0
    asked.release()
    again = reserve(town, LANZHOU, WRONG)
    again.confirm()
    assert again.heard() == ["held", "deferred"]


def test_a_doubt_that_was_right_ends_the_claim_and_leads_the_next_one_to_the_first_document(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    asked = reserve(town, LANZHOU, WRONG)
    assert run(town, SUQIAN, "same", doubted(town), *PAIR).exit_code == 0
    town.settle()
    assert (asked.heard(), asked.last()["denials"][0]["why"]) == (["held", "lost"], "ended")
    again = reserve(town, LANZHOU, WRONG)
    assert (again.heard(), again.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    assert (live(town), dead(town)) == ([(SUQIAN, SANYA, "locked")], [])


def test_only_a_doubted_claim_can_be_cleared_or_be_the_same(town: Town) -> None:
    reserve(town, SANYA, HE)
    (claim,) = town[SUQIAN].rows("claims", claims)
    for command in ("clear", "same"):
        assert "不需核对" in run(town, SUQIAN, command, claim.claim_id, *PAIR).output
        assert "没有这个占用" in run(town, SUQIAN, command, "no such claim", *PAIR).output


# --- locks of whoever is gone, old numbers ----------------------------------------------------------------------------------


def test_a_lock_is_released_for_a_holder_that_is_gone_only(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    (claim,) = town[SUQIAN].rows("claims", claims)
    assert "--holder-gone" in run(town, SUQIAN, "release", claim.claim_id, *PAIR).output
    assert live(town) == [(SUQIAN, SANYA, "locked")]
    assert run(town, SUQIAN, "release", claim.claim_id, *PAIR, "--holder-gone").exit_code == 0
    assert reserve(town, LANZHOU, HE).heard() == ["held"]
    assert run(town, SUQIAN, "release", claim.claim_id, *PAIR, "--holder-gone").exit_code == 1


def test_while_a_ledger_is_on_its_way_two_people_decide_nothing(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    (claim,) = town[SUQIAN].rows("claims", claims)
    run(town, SUQIAN, "handover", "990102", "--to", LANZHOU)
    assert run(town, SUQIAN, "release", claim.claim_id, *PAIR, "--holder-gone").exit_code == 1
    assert link(town, WRONG, RIGHT)[0] == 1
    town.settle()
    assert live(town) == [(LANZHOU, SANYA, "locked")]


def test_an_old_number_of_fifteen_digits_is_the_same_person(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    late = reserve(town, LANZHOU, HE | {"id_number": "990102750312017"})
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    spaced = reserve(town, XIANAN, HE | {"id_number": " 990102 750312 017 "})
    assert spaced.last()["denials"][0]["why"] == "locked_elsewhere"
