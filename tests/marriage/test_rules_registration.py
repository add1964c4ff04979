"""结婚登记: a certificate needs a signature, the registry's "none" and both locks, all of one attempt."""

import dataclasses
from collections.abc import Callable

import pytest

from services.marriage.rules import registration as rules
from services.marriage.rules.registration import OPEN, Hold, Move, Registration, State, Wish
from shared.errors import OutOfStep

FIRST, SECOND = "first attempt", "second attempt"
SIGNED = Registration(State.REGISTERING, Hold.HELD, FIRST)


def at(**changes: object) -> Registration:
    return dataclasses.replace(SIGNED, **changes)  # type: ignore[arg-type]


def test_signature_none_and_reservation_ask_for_the_locks_in_whichever_order_they_come() -> None:
    held_last = rules.clear(at(hold=Hold.ASKED), FIRST)
    assert held_last.wish is None
    assert rules.note_held(held_last.after, FIRST).wish is Wish.CONFIRM
    assert rules.clear(SIGNED, FIRST).wish is Wish.CONFIRM
    assert rules.note_held(at(hold=Hold.ASKED), FIRST).wish is None
    assert rules.note_held(at(state=State.EXAMINED, hold=Hold.ASKED), FIRST).wish is None


def test_only_the_locks_register_and_only_what_was_signed_and_cleared() -> None:
    confirming = rules.clear(SIGNED, FIRST).after
    assert rules.note_locked(confirming, FIRST).after == at(state=State.REGISTERED, hold=Hold.LOCKED, cleared=True)
    for now in (SIGNED, at(state=State.EXAMINED), at(hold=Hold.NONE), at(state=State.REFUSED, hold=Hold.CONFIRMING)):
        with pytest.raises(OutOfStep):
            rules.note_locked(now, FIRST)


def test_what_the_registry_said_of_a_lost_attempt_counts_no_more() -> None:
    lost = rules.note_lost(rules.clear(SIGNED, FIRST).after, FIRST).after
    assert lost == at(hold=Hold.NONE)
    late = rules.clear(lost, FIRST).after
    again = rules.reserve_again(late, SECOND)
    assert (again.after, again.wish) == (at(hold=Hold.ASKED, attempt=SECOND), Wish.RESERVE)
    assert rules.note_held(again.after, SECOND).wish is None


def test_a_spouse_found_by_the_registry_voids_the_signature_and_keeps_the_reservation() -> None:
    assert rules.note_spouse(SIGNED) == Move(at(state=State.EXAMINED))
    accepted = at(state=State.ACCEPTED, hold=Hold.NONE)
    assert rules.note_spouse(accepted) == Move(accepted)
    for now in (at(hold=Hold.CONFIRMING, cleared=True), at(state=State.REGISTERED), at(state=State.DROPPED)):
        with pytest.raises(OutOfStep):
            rules.note_spouse(now)


@pytest.mark.parametrize("state", sorted(OPEN))
@pytest.mark.parametrize("hold", list(Hold)[:4])
def test_an_end_releases_whatever_is_reserved_or_may_be(state: State, hold: Hold) -> None:
    ended = rules.end(at(state=state, hold=hold), State.DROPPED)
    assert (ended.after.state, ended.after.hold) == (State.DROPPED, Hold.NONE)
    assert ended.wish is (None if hold is Hold.NONE else Wish.RELEASE)


@pytest.mark.parametrize("state", sorted(set(State) - OPEN))
def test_what_is_over_moves_no_more(state: State) -> None:
    over = at(state=state, hold=Hold.NONE)
    moves: list[Callable[[], Move]] = [
        lambda: rules.end(over, State.DROPPED),
        lambda: rules.examine(over),
        lambda: rules.register(over),
        lambda: rules.reserve_again(over, SECOND),
        lambda: rules.note_held(over, FIRST),
        lambda: rules.note_lost(over, FIRST),
        lambda: rules.clear(over, FIRST),
    ]
    for move in moves:
        with pytest.raises(OutOfStep):
            move()


def test_words_about_another_attempt_move_nothing() -> None:
    for move in (rules.note_held, rules.note_lost, rules.note_locked, rules.clear):
        with pytest.raises(OutOfStep):
            move(at(hold=Hold.CONFIRMING), SECOND)


def test_a_living_reservation_and_a_used_attempt_are_not_reserved_again() -> None:
    for hold in list(Hold)[1:]:
        with pytest.raises(OutOfStep):
            rules.reserve_again(at(hold=hold), SECOND)
    with pytest.raises(OutOfStep):
        rules.reserve_again(at(hold=Hold.NONE), FIRST)
