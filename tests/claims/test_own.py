"""A person's own claims: seen and given up at any counter, wherever they are held; every look is on record."""

import pytest

from contracts import claims as said
from contracts.envelope import Json
from shared import clock
from shared.audit import audit_rows, broken_rows
from tests.builders import HandClock, Heard
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
    set_guard,
)


def look(town: Town, city: str, subject: Json = HE) -> Heard:
    """What a counter of that city finds."""
    data = {"purpose": "own_claims", "actor": by_clerk(city)}
    town.say(city, said.LookUpClaimsV1, clock.new_id(), data, {"subject": subject})
    town.settle()
    return town.desks[city][-1]


def drop(town: Town, city: str, subject: Json = HE) -> bool:
    """Whether a counter of that city found something to give up."""
    town.say(
        city, said.DropClaimsV1, clock.new_id(), {"kind": "marriage", "actor": by_clerk(city)}, {"subject": subject}
    )
    town.settle()
    return bool(town.desks[city][-1].data["found"])


def test_a_person_sees_at_any_counter_what_any_office_has_reserved(town: Town, hand: HandClock) -> None:
    assert look(town, LANZHOU).personal == {"claims": [], "linked": False}
    reserve(town, SANYA).confirm()
    (found,) = look(town, LANZHOU).personal["claims"]
    names = (found["kind"], found["state"], found["office"]["name"], found["until"], found["issued"])
    assert names == ("marriage", "locked", "460200婚姻登记处", "", False)


def test_a_reservation_that_has_run_out_is_not_shown(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA)
    (found,) = look(town, LANZHOU, LIN).personal["claims"]
    assert clock.instant(found["until"]) > hand.at
    later(hand, minutes=121)
    assert look(town, LANZHOU, LIN).personal["claims"] == []


def test_the_answer_is_sealed_and_finds_back_to_the_question(town: Town) -> None:
    question = town.say(
        LANZHOU,
        said.LookUpClaimsV1,
        clock.new_id(),
        {"purpose": "own_claims", "actor": by_clerk(LANZHOU)},
        {"subject": HE},
    )
    town.settle()
    answer = town.desks[LANZHOU][-1]
    assert (answer.type, answer.cause, answer.data) == (
        said.ClaimsFoundV1.type,
        question,
        {"authority": SUQIAN, "complete": True},
    )


def test_a_look_is_on_record_where_it_was_asked_and_where_it_was_answered(town: Town) -> None:
    look(town, LANZHOU)
    (asked,), (answered,) = town[LANZHOU].rows("claims", audit_rows), town[SUQIAN].rows("claims", audit_rows)
    assert (asked.actor, asked.office, asked.purpose) == ("clerk-07", "620100-marry", "own_claims")
    assert (answered.actor, answered.office, answered.purpose) == (LANZHOU, "620100-marry", "own_claims")
    assert asked.person_index != answered.person_index
    with town[SUQIAN].works["claims"].begin() as work:
        assert broken_rows(work) == []


def test_what_is_held_is_given_up_at_any_counter_and_its_office_has_lost(town: Town) -> None:
    asked = reserve(town, SANYA)
    assert drop(town, LANZHOU)
    assert asked.heard() == ["held", "lost"]
    assert (asked.step(), live(town)) == ("over", [])
    assert not drop(town, LANZHOU)
    assert town.desks[LANZHOU][-1].data["locked_by"] is None
    assert reserve(town, LANZHOU).heard() == ["held"]


def test_what_is_locked_is_not_given_up(town: Town) -> None:
    reserve(town, SANYA).confirm()
    assert not drop(town, LANZHOU)
    assert town.desks[LANZHOU][-1].data["locked_by"]["name"] == "460200婚姻登记处"
    assert live(town) == [(SUQIAN, SANYA, "locked"), (XIANAN, SANYA, "locked")]
    (row,) = town[SUQIAN].rows("claims", audit_rows)
    assert row.purpose == "drop_claims"


def test_a_look_at_somebody_whom_nobody_guards_is_refused_and_on_no_record(town: Town) -> None:
    answer = look(town, SANYA, {"id_type": "citizen", "id_number": "990199197503120178"})
    assert answer.data["code"] == "authority_missing"
    assert town[SANYA].rows("claims", audit_rows) == []


def test_while_its_ledger_is_restored_an_authority_says_that_there_may_be_more(town: Town) -> None:
    reserve(town, SANYA).confirm()
    set_guard(town, SUQIAN, "990102", duty="recovering")
    answer = look(town, LANZHOU)
    assert (answer.data["complete"], len(answer.personal["claims"])) == (False, 1)


@pytest.mark.parametrize("contract", [said.LookUpClaimV1, said.DropClaimV1])
def test_a_question_to_a_city_without_the_ledger_is_answered_by_nobody(
    town: Town, contract: type[said.AskAuthority]
) -> None:
    more = {"kind": "marriage"} if contract is said.DropClaimV1 else {"purpose": "own_claims"}
    data = {"prefix": "990102", "epoch": 1, "office": "620100-marry"} | more
    with town[LANZHOU].works["desk"].begin() as work:
        work.tell(contract, clock.new_id(), data, {"subject": HE}, to=XIANAN)
    town.settle()
    assert dead(town) == [(XIANAN, contract.type)]
    assert town.desks[LANZHOU] == []
