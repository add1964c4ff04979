"""取消关联: the owner of a number that was linked wrongly is a person of his own again, and nobody gets a second claim by it."""

import json
from typing import Any

import pytest

from services.claims.store.tables import aliases, claims
from shared.audit import audit_rows, broken_rows
from tests.builders import HandClock
from tests.claims.test_aliases import BARE, PAIR, RIGHT, WRONG, doubted, line, link
from tests.claims.town import (
    HE,
    LANZHOU,
    LIN,
    SANYA,
    SUQIAN,
    XIANAN,
    Asked,
    Town,
    copy_of,
    dead,
    duties,
    live,
    name_authority,
    reserve,
    restore,
    run,
    set_guard,
)

OWNER = WRONG | {"name": "何田生"}  # whose number it is in truth
UNLINKED = ("--by", "甲", "--confirmed-by", "乙", "--reason", "号码录错,实属他人")


def unlink(
    town: Town, second: dict[str, str], canonical: dict[str, str], *words: str, code: str = SUQIAN
) -> tuple[int, str]:
    """By two who have looked; `words`: in the place of their saying so."""
    given = line(second) + line(canonical)
    done = run(town, code, "unlink", *(words or (*UNLINKED, "--checked")), given=given)
    return done.exit_code, done.output


def links(town: Town, code: str = SUQIAN) -> int:
    return len(town[code].rows("claims", aliases))


def acts(town: Town) -> list[tuple[str, str, str]]:
    rows = town[SUQIAN].rows("claims", audit_rows)
    return sorted((row.actor, row.act, row.purpose) for row in rows if row.act == "unlink_documents")


def a_married_couple(town: Town, canonical: dict[str, str] = HE) -> Asked:
    """They are locked under their own numbers, and somebody else's was linked to one of them by mistake."""
    couple = reserve(town, SANYA, canonical, LIN)
    couple.confirm()
    assert link(town, WRONG, canonical)[0] == 0
    return couple


@pytest.mark.parametrize("canonical", [HE, RIGHT])  # 宿迁 guards the one itself, 咸安 the other
def test_the_owner_of_a_wrongly_linked_number_is_registered_and_the_couple_stays_locked(
    town: Town, canonical: dict[str, str]
) -> None:
    a_married_couple(town, canonical)
    blocked = reserve(town, LANZHOU, OWNER)
    assert (blocked.heard(), blocked.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    couple = live(town)
    assert unlink(town, WRONG, canonical)[0] == 0
    assert (links(town), live(town)) == (0, couple), "no claim changes by it"
    owner = reserve(town, LANZHOU, OWNER)
    owner.confirm()
    assert owner.heard() == ["held", "locked"]
    assert (live(town), dead(town)) == (sorted([*couple, (SUQIAN, LANZHOU, "locked")]), [])
    late = reserve(town, XIANAN, canonical)
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    assert reserve(town, XIANAN, OWNER).heard() == ["denied"], "once, like everybody"


def test_who_looks_like_the_other_one_is_doubted_again_after_the_link_is_gone(town: Town) -> None:
    a_married_couple(town)
    unlink(town, WRONG, HE)
    alike = reserve(town, LANZHOU, WRONG)
    alike.confirm()
    assert alike.heard() == ["held", "deferred"]
    assert run(town, SUQIAN, "clear", doubted(town), *PAIR).exit_code == 0


def test_what_was_wrongly_said_to_be_the_same_person_is_taken_back_likewise(town: Town) -> None:
    reserve(town, SANYA, HE).confirm()
    reserve(town, LANZHOU, WRONG)
    assert run(town, SUQIAN, "same", doubted(town), *PAIR).exit_code == 0
    town.settle()
    assert reserve(town, LANZHOU, OWNER).heard() == ["denied"]
    assert unlink(town, WRONG, HE)[0] == 0
    assert reserve(town, LANZHOU, OWNER).heard() == ["held"]


def test_without_their_word_that_they_have_looked_they_are_told_what_to_look_into(town: Town) -> None:
    a_married_couple(town)
    (claim,) = [row for row in town[SUQIAN].rows("claims", claims) if row.state == "locked"]
    code, words = unlink(town, WRONG, HE, *UNLINKED)
    assert (code, links(town), acts(town)) == (1, 1, [])
    said = ("--checked", "登记档案", "更正为第一行的号码", "再次登记", claim.claim_id, SANYA)
    assert [word for word in said if word not in words] == []


def test_of_claims_that_another_node_guards_they_are_told_that_nobody_sees_them_here(town: Town) -> None:
    a_married_couple(town, RIGHT)
    code, words = unlink(town, WRONG, RIGHT, *UNLINKED)
    assert (code, links(town)) == (1, 1)
    assert [word for word in ("本节点账上没有占用", "本节点看不到") if word not in words] == []


def test_while_a_claim_that_may_be_his_is_only_reserved_nothing_is_unlinked(town: Town, hand: HandClock) -> None:
    link(town, WRONG, HE)
    asked = reserve(town, SANYA, OWNER)  # his own, made through the link
    assert live(town) == [(SUQIAN, SANYA, "held")]
    code, words = unlink(town, WRONG, HE)
    assert (code, "预留" in words, links(town)) == (1, True, 1)
    asked.confirm()
    assert unlink(town, WRONG, HE, *UNLINKED)[0] == 1, (
        "it is his, as the record of 三亚 says: they must not say --checked"
    )
    assert reserve(town, LANZHOU, OWNER).heard() == ["denied"]
    asked.release()
    assert unlink(town, WRONG, HE)[0] == 0


def test_a_reservation_whose_lease_has_run_out_holds_nothing_up(town: Town, hand: HandClock) -> None:
    link(town, WRONG, HE)
    reserve(town, SANYA, HE)
    hand.at = hand.at.replace(hour=hand.at.hour + 5)
    assert unlink(town, WRONG, HE)[0] == 0


@pytest.mark.parametrize("pair", [("甲", "甲", "核对"), ("甲", " ", "核对"), ("甲", "乙", " ")])
def test_one_person_alone_unlinks_nothing(town: Town, pair: tuple[str, str, str]) -> None:
    link(town, WRONG, HE)
    words = [word for both in zip(("--by", "--confirmed-by", "--reason"), pair, strict=True) for word in both]
    assert unlink(town, WRONG, HE, *words, "--checked")[0] == 1
    assert (links(town), acts(town)) == (1, [])


def test_who_unlinked_what_and_why_is_on_record(town: Town) -> None:
    link(town, WRONG, HE)
    unlink(town, WRONG | BARE, HE | BARE)
    assert acts(town) == sorted((actor, "unlink_documents", UNLINKED[-1]) for actor in ("乙", "乙", "甲", "甲"))
    with town[SUQIAN].works["claims"].begin() as work:
        assert broken_rows(work) == []


@pytest.mark.parametrize(("second", "canonical"), [(HE, WRONG), (WRONG, RIGHT), (WRONG, LIN)])
def test_only_the_link_that_stands_is_removed(town: Town, second: dict[str, str], canonical: dict[str, str]) -> None:
    link(town, WRONG, HE)
    code, words = unlink(town, second, canonical)
    assert (code, "没有从第一行到第二行" in words, links(town), acts(town)) == (1, True, 1, [])


def test_a_second_time_changes_nothing_and_a_link_may_be_made_anew(town: Town) -> None:
    link(town, WRONG, HE)
    assert [unlink(town, WRONG, HE)[0] for _ in range(2)] == [0, 1]
    assert len(acts(town)) == 4
    assert (link(town, WRONG, RIGHT)[0], links(town)) == (0, 1)


def test_of_a_chain_one_link_is_removed_and_what_stands_at_its_end_is_looked_at(town: Town) -> None:
    end = HE | {"id_number": "990102197503120216"}
    link(town, WRONG, HE)
    link(town, HE, end)
    held = reserve(town, SANYA, end)
    assert "预留" in unlink(town, WRONG, HE)[1]
    held.confirm()
    (claim,) = town[SUQIAN].rows("claims", claims)
    assert claim.claim_id in unlink(town, WRONG, HE, *UNLINKED)[1]
    assert unlink(town, WRONG, end)[0] == 1, "that is not its link"
    assert (unlink(town, WRONG, HE)[0], links(town)) == (0, 1)
    assert reserve(town, LANZHOU, OWNER).heard() == ["held"]


def test_one_of_two_links_that_lead_to_each_other_is_removed(town: Town) -> None:
    link(town, WRONG, RIGHT)
    link(town, RIGHT, WRONG, XIANAN)
    run(town, XIANAN, "handover", "990103", "--to", SUQIAN)
    town.settle()
    assert links(town) == 2, "both at one node now"
    assert (unlink(town, WRONG, RIGHT)[0], links(town)) == (0, 1)
    assert reserve(town, SANYA, RIGHT).heard() == ["held"]
    assert live(town) == [(SUQIAN, SANYA, "held")]


def test_after_a_hand_over_the_successor_unlinks_and_what_was_unlinked_stays_so(town: Town) -> None:
    third = HE | {"id_number": "990102197503120216"}
    for second in (WRONG, third):
        link(town, second, RIGHT)
    unlink(town, third, RIGHT)
    run(town, SUQIAN, "handover", "990102", "--to", LANZHOU)
    assert "移交" in unlink(town, WRONG, RIGHT)[1], "while it is on its way nobody does"
    town.settle()
    assert (links(town), links(town, LANZHOU)) == (0, 1)
    assert unlink(town, WRONG, RIGHT)[0] == 1
    assert unlink(town, WRONG, RIGHT, code=LANZHOU)[0] == 0
    name_authority(town, "990102", LANZHOU, before=SUQIAN)
    reserve(town, SANYA, OWNER).confirm()
    assert live(town) == [(LANZHOU, SANYA, "locked")]


# --- a ledger that comes back --------------------------------------------------------------------------------------------


def listed(town: Town) -> list[tuple[Any, Any]]:
    rows = map(json.loads, run(town, SUQIAN, "conflicts").output.splitlines())
    return [(row["holder"], row["why"]) for row in rows]


def test_a_link_that_comes_back_with_an_old_copy_leads_nobody_past_the_lock_of_its_owner(town: Town) -> None:
    link(town, WRONG, RIGHT)
    copy = copy_of(town, SUQIAN)
    unlink(town, WRONG, RIGHT)
    reserve(town, SANYA, OWNER).confirm()
    restore(town, SUQIAN, copy)
    run(town, SUQIAN, "recover")
    town.settle()
    assert (links(town), listed(town)) == (1, [(SANYA, "linked_live")])
    late = reserve(town, LANZHOU, OWNER)
    assert (late.heard(), late.last()["denials"][0]["why"]) == (["denied"], "locked_elsewhere")
    assert live(town) == [(SUQIAN, SANYA, "locked")]
    assert unlink(town, WRONG, RIGHT)[0] == 0


def test_a_link_that_was_lost_is_made_again_before_anybody_is_answered(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    reserve(town, SANYA, RIGHT).confirm()
    link(town, WRONG, RIGHT)
    restore(town, SUQIAN, copy)
    done = run(town, SUQIAN, "recover")
    assert (done.exit_code, "证件关联" in done.output, "tongban claims alias" in done.output) == (0, True, True)
    assert link(town, WRONG, RIGHT)[0] == 0
    assert unlink(town, WRONG, RIGHT)[0] == 1, "but none is removed from half a ledger"
    town.settle()
    assert duties(town, SUQIAN)["990102"] == (1, "active")
    assert reserve(town, LANZHOU, WRONG).heard() == ["denied"]
    assert (live(town), dead(town)) == ([(XIANAN, SANYA, "locked")], [])


def test_a_link_that_is_made_in_a_recovery_past_a_lock_nobody_has_told_of_yet_leads_nobody_past_it(town: Town) -> None:
    copy = copy_of(town, SUQIAN)
    reserve(town, SANYA, WRONG).confirm()
    restore(town, SUQIAN, copy)
    run(town, SUQIAN, "recover")
    assert link(town, WRONG, RIGHT)[0] == 0
    town.settle()
    assert listed(town) == [(SANYA, "linked_live")]
    assert reserve(town, LANZHOU, WRONG).heard() == ["denied"]
    assert live(town) == [(SUQIAN, SANYA, "locked")]


@pytest.mark.parametrize("duty", ["frozen", "handed_over"])
def test_who_does_not_rule_on_the_first_number_unlinks_nothing(town: Town, duty: str) -> None:
    link(town, WRONG, HE)
    set_guard(town, SUQIAN, "990102", duty=duty, successor=LANZHOU)
    assert (unlink(town, WRONG, HE)[0], links(town)) == (1, 1)
