"""Claims between cities: one of all who ask has the key; whatever is denied, lost or given up leaves nothing behind."""

import datetime
import random
from collections.abc import Sequence
from typing import Any

import pytest

from contracts import claims as said
from contracts.envelope import Json
from services.claims.store.tables import claims
from shared import clock
from tests.builders import HandClock
from tests.claims.town import (
    HE,
    LANZHOU,
    LIN,
    SANYA,
    SU,
    SUQIAN,
    XIANAN,
    Asked,
    Town,
    ask,
    dead,
    later,
    live,
    reserve,
    ring,
)
from tests.replay import hold_back


def test_both_are_held_then_locked_then_noted_then_released_at_their_two_authorities(town: Town) -> None:
    asked = reserve(town, SANYA)
    assert asked.heard() == ["held"]
    assert live(town) == [(SUQIAN, SANYA, "held"), (XIANAN, SANYA, "held")]
    asked.confirm()
    assert asked.heard() == ["held", "locked"]
    assert live(town) == [(SUQIAN, SANYA, "locked"), (XIANAN, SANYA, "locked")]
    asked.note()
    assert asked.step() == "issued"
    assert {row.reference for row in town[SUQIAN].rows("claims", claims)} == {"J460204-2025-000001"}
    asked.release()
    assert asked.step() == "over"
    assert live(town) == []
    assert asked.heard() == ["held", "locked"]
    assert dead(town) == []


def test_a_city_that_guards_its_own_key_asks_itself_in_the_same_words(town: Town) -> None:
    asked = reserve(town, SANYA, HE, SU)
    asked.confirm()
    assert live(town) == [(SUQIAN, SANYA, "locked"), (SANYA, SANYA, "locked")]
    assert asked.heard() == ["held", "locked"]


def test_the_second_city_is_denied_at_once_and_told_whom_to_ask_and_what_it_had_is_free(town: Town) -> None:
    first = reserve(town, SANYA)
    second = reserve(town, LANZHOU, HE, SU)
    assert second.heard() == ["denied"]
    (denial,) = second.last()["denials"]
    assert (denial["number"], denial["why"], denial["by"]["name"]) == (0, "held_elsewhere", "460200婚姻登记处")
    assert second.step() == "over"
    assert live(town) == [(SUQIAN, SANYA, "held"), (XIANAN, SANYA, "held")]
    first.confirm()
    first.note()
    (denial,) = reserve(town, LANZHOU).last()["denials"]
    assert (denial["why"], denial["issued"]) == ("locked_elsewhere", True)


def test_a_released_key_is_free_for_the_next_attempt(town: Town) -> None:
    reserve(town, SANYA).release()
    second = reserve(town, LANZHOU)
    assert second.heard() == ["held"]


def test_a_lease_that_ran_out_is_swept_and_its_holder_has_lost(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    later(hand, minutes=119)
    ring(town, "sweep")
    assert asked.heard() == ["held"]
    later(hand, minutes=1)
    ring(town, "sweep")
    assert asked.heard() == ["held", "lost"]
    assert asked.last()["denials"][0] == {"number": 0, "why": "ended", "by": None, "issued": False}
    assert (asked.step(), live(town), dead(town)) == ("over", [], [])


def test_whoever_asks_after_the_lease_gets_the_key_and_the_former_holder_hears_of_it(
    town: Town, hand: HandClock
) -> None:
    first = reserve(town, SANYA)
    later(hand, minutes=121)
    second = reserve(town, LANZHOU)
    assert (first.heard(), second.heard()) == (["held", "lost"], ["held"])
    assert live(town) == [(SUQIAN, LANZHOU, "held"), (XIANAN, LANZHOU, "held")]


def test_what_was_not_confirmed_in_time_is_not_locked_although_nobody_else_asked(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    later(hand, minutes=121)
    asked.confirm()
    assert asked.heard() == ["held", "lost"]
    assert live(town) == []


def test_a_lease_is_renewed_once_and_whoever_asked_hears_how_long(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    later(hand, minutes=100)
    asked.say(said.RenewClaimsV1)
    town.settle()
    until = asked.last()["until"]
    assert clock.instant(until) - hand.at > datetime.timedelta(minutes=119)
    heard = asked.heard()
    later(hand, minutes=100)
    asked.say(said.RenewClaimsV1)
    town.settle()
    assert asked.heard() == heard, "the lease that runs is no news"
    asked.confirm()
    assert asked.heard()[-1] == "locked"


@pytest.mark.parametrize("seed", range(6))
def test_of_two_cities_one_marries_whatever_order_letters_come_in_and_however_often(town: Town, seed: int) -> None:
    chance = random.Random(seed)

    def choose(waiting: Sequence[str]) -> int:
        if chance.random() < 0.3:
            town.deliver(chance.choice(waiting))  # once more, from a link that repeats itself
        return chance.randrange(len(waiting))

    both = [reserve(town, SANYA, HE, LIN, settled=False), reserve(town, LANZHOU, LIN, HE, settled=False)]
    town.settle(choose)
    for asked in both:
        if asked.heard() == ["held"]:
            asked.say(said.ConfirmClaimsV1)
    town.settle(choose)
    ends = sorted(asked.heard()[-1] for asked in both)
    assert ends in (["denied", "denied"], ["denied", "locked"])
    assert len(live(town)) == 2 * ends.count("locked")
    assert dead(town) == []


@pytest.mark.parametrize("city", [SUQIAN, SANYA])
def test_a_release_that_overtakes_its_reservation_buries_it(town: Town, city: str) -> None:
    held_back = hold_back(town[city], "claims", said.ReserveClaimV1)
    asked = reserve(town, SANYA, HE, SU)
    asked.release()
    held_back.let_in()
    town.settle()
    assert (asked.heard(), asked.step(), live(town), dead(town)) == ([], "over", [], [])


def test_an_attempt_given_up_before_it_began_never_begins(town: Town) -> None:
    asked = Asked(town, SANYA, clock.new_id(), clock.new_id())
    asked.release()
    ask(asked)
    town.settle()
    assert (asked.step(), live(town)) == ("over", [])
    assert asked.last()["kind"] == "OutOfStep"


def test_a_repeated_attempt_changes_nothing(town: Town) -> None:
    asked = reserve(town, SANYA)
    before = [row.claim_id for row in town[SUQIAN].rows("claims", claims)]
    ask(asked, SU, HE)
    town.settle()
    assert asked.last()["code"] == "attempt_known"
    assert [row.claim_id for row in town[SUQIAN].rows("claims", claims)] == before
    assert town[SANYA].rows("claims", claims) == []


@pytest.mark.parametrize(
    ("about", "more", "code"),
    [
        ([HE, HE | {"name": "何守天", "id_number": " 99010219750312 0178"}], {}, "same_person"),
        ([HE, LIN | {"id_number": "110101189001010010"}], {}, "authority_missing"),
        ([HE, LIN], {"kind": "adoption"}, "kind_unknown"),
        ([HE, LIN], {"asked_by": "subsidy"}, "kind_of_another"),
        ([HE, LIN | {"id_type": "marriage"}], {}, "subject_wrong"),
        ([HE], {"kind": "divorce"}, "subject_wrong"),
        ([HE, LIN | {"id_number": "9901031X7708150"}], {}, "number_malformed"),
    ],
)
def test_what_cannot_even_be_asked_for_is_refused(town: Town, about: list[Json], more: Any, code: str) -> None:
    asked = Asked(town, SANYA, clock.new_id(), clock.new_id())
    ask(asked, *about, **more)
    town.settle()
    assert (asked.heard(), asked.last()["code"]) == (["refused"], code)
    assert town.mail == []
    assert live(town) == []


def test_an_old_number_of_15_digits_is_the_same_person(town: Town) -> None:
    reserve(town, SANYA)
    old = HE | {"id_number": "990102750312017"}
    assert reserve(town, LANZHOU, old, SU).heard() == ["denied"]


def test_kinds_do_not_stand_in_each_others_way(town: Town) -> None:
    reserve(town, SANYA)
    divorce = reserve(town, LANZHOU, {"id_type": "marriage", "id_number": "J990102-2020-000007"}, kind="divorce")
    divorce.confirm()
    assert divorce.heard() == ["held", "locked"]
    assert (SUQIAN, LANZHOU, "locked") in live(town)


def test_nobody_can_touch_the_claim_of_another_city(town: Town) -> None:
    reserve(town, SANYA).confirm()
    (row,) = town[SUQIAN].rows("claims", claims)
    wish = {"claim_id": row.claim_id, "prefix": row.prefix, "epoch": 1}
    with town[LANZHOU].works["desk"].begin() as work:
        work.tell(said.ReleaseClaimV1, row.case_id, wish | {"why": "given_up"}, to=SUQIAN)
    town.settle()
    assert live(town) == [(SUQIAN, SANYA, "locked"), (XIANAN, SANYA, "locked")]
    assert dead(town) == [(SUQIAN, said.ReleaseClaimV1.type)]


def test_nobody_but_the_authority_can_say_that_a_claim_is_held_or_lost(town: Town) -> None:
    asked = reserve(town, SANYA)
    (row,) = town[SUQIAN].rows("claims", claims)
    denied = {"claim_id": row.claim_id, "epoch": 1, "why": "ended"}
    for case_id, sender in ((row.case_id, LANZHOU), (clock.new_id(), SUQIAN)):  # another city; another case
        with town[sender].works["desk"].begin() as work:
            work.tell(said.ClaimDeniedV1, case_id, denied, to=SANYA)
    town.settle()
    assert asked.heard() == ["held"]
    assert dead(town) == [(SANYA, said.ClaimDeniedV1.type)] * 2


def test_a_service_speaks_only_of_its_own_attempts(town: Town) -> None:
    asked = reserve(town, SANYA)
    asked.say(said.ReleaseClaimsV1, why="given_up", asked_by="subsidy")
    town.settle()
    assert asked.step() == "held"
    assert dead(town) == [(SANYA, said.ReleaseClaimsV1.type)]


def test_somebody_with_two_documents_is_held_and_not_locked_before_people_have_looked(
    town: Town, hand: HandClock
) -> None:
    reserve(town, SANYA).confirm()
    second = reserve(town, LANZHOU, HE | {"id_number": "990102197503120194"}, SU)
    assert second.heard() == ["held"]
    second.confirm()
    assert second.heard() == ["held", "deferred"]
    assert (second.last()["why"], second.last()["authority"]) == ("doubted", SUQIAN)
    later(hand, minutes=2)
    ring(town, "say_again")
    assert second.heard() == ["held", "deferred"], "once is enough"


def test_people_of_one_name_born_on_different_days_are_not_doubted(town: Town) -> None:
    reserve(town, SANYA)
    second = reserve(town, LANZHOU, HE | {"id_number": "990102197603120194", "born_on": "1976-03-12"}, SU)
    second.confirm()
    assert second.heard() == ["held", "locked"]
