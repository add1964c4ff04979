"""Words that get no answer, or another one than yes and no: said again, put off, sent on."""

import itertools

import pytest
from sqlalchemy import update

from contracts import claims as said
from contracts.envelope import decode
from deploy.homes import make_homes
from services.claims import service
from services.claims.store.tables import attempts, claims, wishes
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
    Town,
    dead,
    later,
    live,
    reserve,
    ring,
    set_guard,
)


def lose_all(town: Town) -> int:
    """Every letter on its way is lost; how many."""
    town.work()
    lost, town.mail = len(town.mail), []
    return lost


def spoken(town: Town) -> int:
    """How many words leave the cities when the timer rings; all are lost."""
    for city in town.cities.values():
        service.say_again(city.works["claims"])
    return lose_all(town)


def test_every_word_that_was_lost_is_said_again_with_the_same_token(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA, settled=False)
    assert lose_all(town) == 2
    later(hand, seconds=61)
    ring(town, "say_again")
    assert asked.heard() == ["held"]
    for contract in (said.ConfirmClaimsV1, said.NoteIssuedV1, said.ReleaseClaimsV1):
        more = {said.NoteIssuedV1: {"reference": "J1"}, said.ReleaseClaimsV1: {"why": "ended"}}.get(contract, {})
        asked.say(contract, **more)
        assert lose_all(town) == 2
        later(hand, seconds=61)
        ring(town, "say_again")
    assert asked.heard() == ["held", "locked"]
    assert (asked.step(), live(town), dead(town)) == ("over", [], [])
    assert [row.why for row in town[SUQIAN].rows("claims", claims)] == ["ended"]


def test_the_less_is_answered_the_less_is_said_again(
    town: Town, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "IN_VAIN", 3)
    monkeypatch.setattr(service, "PROBES", 1)
    asked = [reserve(town, SANYA, settled=False) for _ in range(6)]
    words = lose_all(town) // len(asked)
    later(hand, seconds=61)
    assert spoken(town) == 3 * words
    assert spoken(town) == 1 * words  # nobody has answered the three
    ring(town, "say_again")  # the fifth is heard
    assert spoken(town) == 1 * words


def test_who_is_silent_keeps_no_word_to_another_back(
    town: Town, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "IN_VAIN", 1)
    monkeypatch.setattr(service, "PROBES", 1)
    for _ in range(9):
        reserve(town, SANYA, HE, settled=False)
    reserve(town, SANYA, LIN, settled=False)
    assert lose_all(town) == 10
    later(hand, seconds=61)
    town.work()
    service.say_again(town[SANYA].works["claims"])
    town.work()
    assert sorted(decode(letter).destination for letter in town.mail) == [SUQIAN, XIANAN]
    lose_all(town)


def test_only_the_word_of_whoever_did_not_answer_is_said_again(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA, HE, SU, settled=False)
    assert lose_all(town) == 1
    later(hand, seconds=61)
    assert spoken(town) == 1
    assert asked.step() == "reserving"


def test_what_every_authority_has_noted_as_issued_waits_for_nothing(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA, HE, SU)
    asked.confirm()
    asked.note()
    later(hand, minutes=2)
    assert [row.waits for row in town[SANYA].rows("claims", attempts)] == [False]


def test_a_silent_city_is_asked_ever_more_slowly_and_at_least_once_an_hour(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA, settled=False)
    lose_all(town)
    minutes = []
    for minute in range(1, 300):
        later(hand, minutes=1)
        if spoken(town):
            minutes.append(minute)
    pauses = [after - before for before, after in itertools.pairwise(minutes)]
    assert minutes[0] == 1
    assert pauses[:5] == sorted(pauses[:5])
    assert pauses[-1] <= 61
    assert len(minutes) < 12


def test_what_is_answered_is_not_said_again(town: Town, hand: HandClock) -> None:
    reserve(town, SANYA)
    reserve(town, LANZHOU)
    later(hand, minutes=10)
    assert spoken(town) == 0


def test_a_frozen_ledger_puts_off_and_is_asked_again_until_it_answers(town: Town, hand: HandClock) -> None:
    set_guard(town, SUQIAN, "990102", duty="frozen", successor=LANZHOU)
    asked = reserve(town, SANYA)
    assert asked.heard() == ["deferred"]
    assert asked.last() | {"attempt": ""} == {
        "attempt": "",
        "asked_by": "marriage",
        "number": 0,
        "why": "frozen",
        "authority": SUQIAN,
    }
    for _ in range(5):
        later(hand, seconds=61)
        ring(town, "say_again")
    assert asked.heard() == ["deferred"], "one reason is told once"
    set_guard(town, SUQIAN, "990102")
    later(hand, seconds=61)
    ring(town, "say_again")
    assert asked.heard() == ["deferred", "held"], "who defers is asked again within a minute"


def test_a_ledger_that_was_handed_over_is_found_where_it_is_now(town: Town, hand: HandClock) -> None:
    set_guard(town, SUQIAN, "990102", duty="handed_over", successor=LANZHOU)
    set_guard(town, LANZHOU, "990102", epoch=2)
    asked = reserve(town, SANYA)
    asked.confirm()
    assert asked.heard() == ["held", "locked"]
    assert live(town) == [(XIANAN, SANYA, "locked"), (LANZHOU, SANYA, "locked")]
    assert ("990102", LANZHOU, 2) in {
        (row.prefix, row.authority, row.epoch) for row in town[SANYA].rows("claims", wishes)
    }


def test_an_epoch_that_has_passed_is_asked_for_anew_at_the_same_city(town: Town) -> None:
    set_guard(town, SUQIAN, "990102", epoch=3)
    asked = reserve(town, SANYA)
    assert asked.heard() == ["held"]
    assert 3 in {row.epoch for row in town[SANYA].rows("claims", wishes)}


def test_a_city_without_the_ledger_puts_off_and_never_begins_an_empty_one(town: Town) -> None:
    set_guard(town, SUQIAN, "990102", duty="handed_over", successor=LANZHOU)
    asked = reserve(town, SANYA)
    assert (asked.heard(), asked.last()["why"]) == (["deferred"], "ledger_missing")
    assert live(town) == [(XIANAN, SANYA, "held")]


def test_two_cities_that_send_each_other_on_do_not_keep_a_letter_running(town: Town) -> None:
    set_guard(town, SUQIAN, "990102", duty="handed_over", successor=LANZHOU)
    set_guard(town, LANZHOU, "990102", duty="handed_over", successor=SUQIAN)
    asked = reserve(town, SANYA)
    assert (asked.step(), dead(town)) == ("reserving", [])


def test_a_key_is_never_ruled_on_under_a_prefix_that_is_not_its_own(town: Town, hand: HandClock) -> None:
    asked = reserve(town, LANZHOU, settled=False)
    town[LANZHOU].bus.run_until_idle()
    town.mail = []
    with town[LANZHOU].works["claims"].begin() as work:
        work.execute(update(wishes).values(prefix="990103", authority=XIANAN))
        work.execute(update(attempts).values(due_at=""))
    ring(town, "say_again")
    assert asked.heard() == []
    assert live(town) == [(XIANAN, LANZHOU, "held")], "her claim stood there anyway"
    later(hand, seconds=61)
    ring(town, "say_again")
    assert asked.heard() == ["held"]
    assert live(town) == [(SUQIAN, LANZHOU, "held"), (XIANAN, LANZHOU, "held")]


def test_nothing_is_confirmed_on_a_directory_older_than_a_day_and_all_is_once_a_new_one_is_there(
    town: Town, hand: HandClock
) -> None:
    later(hand, hours=23, minutes=30)
    asked = reserve(town, SANYA)
    later(hand, hours=1)
    asked.confirm()
    assert (asked.heard(), asked.last()["why"]) == (["held", "deferred"], "directory_stale")
    for _ in range(2):
        later(hand, seconds=61)
        ring(town, "say_again")
    assert asked.heard() == ["held", "deferred"]
    assert live(town) == [(SUQIAN, SANYA, "held"), (XIANAN, SANYA, "held")]
    make_homes(town[SANYA].node.home.parent, town.cities)
    later(hand, seconds=61)
    ring(town, "say_again")
    assert asked.heard() == ["held", "deferred", "locked"]


def test_a_release_that_is_put_off_is_nobodys_news_and_done_later(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    set_guard(town, SUQIAN, "990102", duty="frozen", successor=LANZHOU)
    asked.release()
    assert (asked.heard(), asked.step()) == (["held"], "releasing")
    set_guard(town, SUQIAN, "990102")
    later(hand, seconds=61)
    ring(town, "say_again")
    assert (asked.step(), live(town)) == ("over", [])


@pytest.mark.parametrize("duty", ["frozen", "handed_over"])
def test_a_lease_is_not_swept_from_a_ledger_that_is_not_ours_to_rule_on(town: Town, hand: HandClock, duty: str) -> None:
    reserve(town, SANYA)
    set_guard(town, SUQIAN, "990102", duty=duty, successor=LANZHOU)
    later(hand, minutes=121)
    ring(town, "sweep")
    assert (SUQIAN, SANYA, "held") in live(town)


@pytest.mark.parametrize("left", [{"duty": "frozen", "successor": LANZHOU}, {"epoch": 3}])
def test_a_renewal_that_was_put_off_or_sent_on_is_said_again(
    town: Town, hand: HandClock, left: dict[str, object]
) -> None:
    asked = reserve(town, SANYA)
    set_guard(town, SUQIAN, "990102", **left)
    later(hand, minutes=100)
    asked.say(said.RenewClaimsV1)
    town.settle()
    set_guard(town, SUQIAN, "990102", epoch=left.get("epoch", 1))
    later(hand, seconds=61)
    ring(town, "say_again")
    later(hand, minutes=60)
    ring(town, "sweep")
    assert live(town) == [(SUQIAN, SANYA, "held"), (XIANAN, SANYA, "held")]
    assert clock.instant(asked.last()["until"]) > hand.at
    assert [row.waits for row in town[SANYA].rows("claims", attempts)] == [False]


def test_a_renewal_whose_answer_was_lost_is_said_again_until_there_is_one(town: Town, hand: HandClock) -> None:
    asked = reserve(town, SANYA)
    later(hand, minutes=100)
    for _ in range(2):  # the second is answered with the lease that runs
        asked.say(said.RenewClaimsV1)
        assert lose_all(town) == 2
        later(hand, seconds=61)
        ring(town, "say_again")
        assert spoken(town) == 0
    asked.confirm()
    assert asked.heard()[-1] == "locked"
