"""The law of claims: one live claim on a key; an attempt has all or none."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.claims.rules import attempt as attempts
from services.claims.rules import ledger
from services.claims.rules.attempt import Attempt, Said, Standing, Step, Word
from services.claims.rules.ledger import Claim, Ruling, State, Verdict
from shared.errors import Denied, NotFound, OutOfStep, Refused

NOON = datetime.datetime(2025, 10, 9, 4, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
HELD = Claim("a", "460200", State.HELD, NOON + HOUR)
LOCKED = dataclasses.replace(HELD, state=State.LOCKED)
OVER = dataclasses.replace(HELD, until=NOON)
OTHER = Claim("b", "620100", State.HELD, NOON + 2 * HOUR)


# --- the ledger -----------------------------------------------------------------------------------------------------------


def test_a_free_key_is_held_by_whoever_asks() -> None:
    assert ledger.reserve(None, HELD, NOON, ended=False) == Ruling(HELD, Verdict.HELD)


def test_a_repeated_reservation_is_answered_as_the_first_time_and_makes_no_lease_longer() -> None:
    again = dataclasses.replace(HELD, until=NOON + 5 * HOUR)
    assert ledger.reserve(HELD, again, NOON, ended=False) == Ruling(HELD, Verdict.HELD)
    assert ledger.reserve(LOCKED, again, NOON, ended=False) == Ruling(LOCKED, Verdict.LOCKED)


@pytest.mark.parametrize(("live", "why"), [(HELD, "held_elsewhere"), (LOCKED, "locked_elsewhere")])
def test_a_key_that_another_has_is_denied_and_the_token_dies(live: Claim, why: str) -> None:
    assert ledger.reserve(live, OTHER, NOON, ended=False) == Ruling(live, Verdict.DENIED, why, live, ("b",))


def test_a_reservation_whose_lease_ran_out_gives_way_and_a_lock_never_does() -> None:
    assert ledger.reserve(OVER, OTHER, NOON, ended=False) == Ruling(OTHER, Verdict.HELD, ended=("a",))
    old = dataclasses.replace(LOCKED, until=NOON - HOUR)
    assert ledger.reserve(old, OTHER, NOON, ended=False).why == "locked_elsewhere"


def test_the_lease_runs_until_its_last_instant_and_not_through_it() -> None:
    second = datetime.timedelta(seconds=1)
    assert ledger.confirm(OVER, "a", "460200", NOON - second).verdict is Verdict.LOCKED
    assert ledger.confirm(OVER, "a", "460200", NOON) == Ruling(None, Verdict.DENIED, "ended", ended=("a",))


@pytest.mark.parametrize("live", [None, OTHER, HELD])
def test_a_token_that_has_ended_is_never_reserved_again(live: Claim | None) -> None:
    assert ledger.reserve(live, HELD, NOON, ended=True) == Ruling(live, Verdict.DENIED, "ended")


def test_what_is_held_is_locked_without_end_and_locking_again_changes_nothing() -> None:
    assert ledger.confirm(HELD, "a", "460200", NOON) == Ruling(LOCKED, Verdict.LOCKED)
    assert ledger.confirm(LOCKED, "a", "460200", NOON + 9 * HOUR) == Ruling(LOCKED, Verdict.LOCKED)


@pytest.mark.parametrize("live", [None, OTHER])
def test_what_is_not_held_is_not_locked_even_where_the_key_is_free(live: Claim | None) -> None:
    assert ledger.confirm(live, "a", "460200", NOON) == Ruling(live, Verdict.DENIED, "ended", ended=("a",))


def test_a_doubted_claim_is_held_and_put_off_until_the_doubt_is_cleared() -> None:
    doubted = dataclasses.replace(HELD, doubted=True)
    assert ledger.confirm(doubted, "a", "460200", NOON) == Ruling(doubted, Verdict.DEFERRED, "doubted")
    assert ledger.clear_doubt(doubted, "a") == HELD
    with pytest.raises(NotFound, match="claim_unknown"):
        ledger.clear_doubt(OTHER, "a")


def test_a_lease_is_renewed_as_often_as_the_kind_allows() -> None:
    later = NOON + 3 * HOUR
    once = ledger.renew(HELD, "a", "460200", NOON, later, 1).live
    assert once == dataclasses.replace(HELD, until=later, renewals=1)
    assert ledger.renew(once, "a", "460200", NOON, later + HOUR, 1) == Ruling(once, Verdict.HELD)
    assert ledger.renew(LOCKED, "a", "460200", NOON, later, 1) == Ruling(LOCKED, Verdict.LOCKED)
    assert ledger.renew(OVER, "a", "460200", NOON, later, 1).verdict is Verdict.DENIED
    assert ledger.renew(OTHER, "a", "460200", NOON, later, 1) == Ruling(OTHER, Verdict.DENIED, "ended", ended=("a",))


@pytest.mark.parametrize(("live", "left"), [(HELD, None), (LOCKED, None), (None, None), (OTHER, OTHER)])
def test_a_release_ends_its_own_token_and_no_other(live: Claim | None, left: Claim | None) -> None:
    assert ledger.release(live, "a", "460200") == Ruling(left, Verdict.RELEASED, ended=("a",))


def test_only_a_lock_is_noted_as_issued() -> None:
    assert ledger.note_issued(LOCKED, "a", "460200").live == dataclasses.replace(LOCKED, issued=True)
    for live in (None, HELD, OTHER):
        with pytest.raises(OutOfStep, match="claim_not_locked"):
            ledger.note_issued(live, "a", "460200")


@pytest.mark.parametrize(
    "act",
    [
        lambda: ledger.reserve(HELD, dataclasses.replace(HELD, holder="620100"), NOON, ended=False),
        lambda: ledger.confirm(HELD, "a", "620100", NOON),
        lambda: ledger.renew(HELD, "a", "620100", NOON, NOON, 1),
        lambda: ledger.release(LOCKED, "a", "620100"),
        lambda: ledger.note_issued(LOCKED, "a", "620100"),
    ],
)
def test_a_token_is_worth_nothing_in_another_nodes_hand(act: Callable[[], Ruling]) -> None:
    with pytest.raises(Denied, match="claim_of_another"):
        act()


def test_only_what_has_run_out_is_swept() -> None:
    assert ledger.sweep(OVER, NOON) == Ruling(None, Verdict.RELEASED, ended=("a",))
    for live in (HELD, dataclasses.replace(LOCKED, until=NOON)):
        with pytest.raises(OutOfStep, match="lease_runs"):
            ledger.sweep(live, NOON)


def test_a_person_gives_up_what_is_held_and_never_what_is_locked() -> None:
    assert ledger.drop(HELD, NOON) == Ruling(None, Verdict.DENIED, "ended", ended=("a",))
    for nothing in (None, OVER):
        with pytest.raises(NotFound, match="claim_unknown"):
            ledger.drop(nothing, NOON)
    with pytest.raises(Refused, match="claim_locked"):
        ledger.drop(LOCKED, NOON)


class Book:
    """One key at one authority, ruled on as the use-cases do."""

    def __init__(self) -> None:
        self.live: Claim | None = None
        self.ended: set[str] = set()
        self.locked: set[str] = set()

    def do(self, act: str, token: str, at: datetime.datetime) -> Verdict | None:
        before = self.live
        try:
            ruling = self._ruled(act, token, at)
        except OutOfStep:
            return None
        self.live, self.ended = ruling.live, self.ended | set(ruling.ended)
        if before is not None and before.state is State.LOCKED and self.live != before and act != "note":
            assert (act, token) == ("release", before.claim_id), "a lock ends by its holder alone"
        return ruling.verdict

    def _ruled(self, act: str, token: str, at: datetime.datetime) -> Ruling:
        holder = f"holder of {token}"
        if act == "reserve":
            asked = Claim(token, holder, State.HELD, at + HOUR)
            return ledger.reserve(self.live, asked, at, ended=token in self.ended)
        if act == "confirm":
            return ledger.confirm(self.live, token, holder, at)
        if act == "renew":
            return ledger.renew(self.live, token, holder, at, at + HOUR, 1)
        return ledger.release(self.live, token, holder)


acts = st.tuples(
    st.sampled_from(("reserve", "confirm", "renew", "release")), st.sampled_from("abc"), st.integers(0, 90)
)


@given(st.lists(acts, max_size=40))
def test_whatever_is_said_in_whatever_order_no_dead_token_lives_and_no_lock_is_lost(
    said: list[tuple[str, str, int]],
) -> None:
    book, at = Book(), NOON
    for act, token, minutes in said:
        at += datetime.timedelta(minutes=minutes)
        verdict = book.do(act, token, at)
        if verdict in (Verdict.HELD, Verdict.LOCKED):
            assert book.live is not None
            assert book.live.claim_id == token, "yes was said to whoever has it"
        assert book.live is None or book.live.claim_id not in book.ended


# --- the attempt ----------------------------------------------------------------------------------------------------------

BEGUN = attempts.start(("x", "y")).attempt
ONE_HELD = attempts.note_held(BEGUN, "x").attempt
ALL_HELD = attempts.note_held(ONE_HELD, "y").attempt
CONFIRMING = attempts.confirm(ALL_HELD).attempt
ONE_LOCKED = attempts.note_locked(CONFIRMING, "x").attempt
ALL_LOCKED = attempts.note_locked(ONE_LOCKED, "y").attempt
ISSUED = attempts.note_issued(ALL_LOCKED).attempt
RELEASING = attempts.release(ALL_LOCKED).attempt
EVERY = (BEGUN, ONE_HELD, ALL_HELD, CONFIRMING, ONE_LOCKED, ALL_LOCKED, ISSUED, RELEASING)


def words(said: Said) -> list[tuple[str, str]]:
    return [(str(word), "".join(ids)) for word, ids in said.words]


def test_all_are_asked_for_at_once_and_all_held_is_said_once_all_are() -> None:
    assert words(attempts.start(("x", "y"))) == [("reserve", "xy")]
    assert words(attempts.note_held(BEGUN, "x")) == []
    assert words(attempts.note_held(BEGUN, "x")) == words(attempts.note_held(ONE_HELD, "x"))
    assert words(attempts.note_held(ONE_HELD, "y")) == [("all_held", "")]
    assert ALL_HELD.step is Step.HELD


def test_a_renewed_lease_is_told_to_whoever_asked() -> None:
    assert words(attempts.renew(ALL_HELD)) == [("renew", "xy")]
    assert words(attempts.note_held(ALL_HELD, "x")) == [("all_held", "")]


def test_all_locked_is_said_when_all_are_and_never_before() -> None:
    assert words(attempts.confirm(ALL_HELD)) == [("confirm", "xy")]
    assert words(attempts.confirm(CONFIRMING)) == words(attempts.confirm(ALL_LOCKED)) == []
    assert words(attempts.note_locked(CONFIRMING, "x")) == []
    assert words(attempts.note_locked(ONE_LOCKED, "y")) == [("all_locked", "")]


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (BEGUN, [("release", "y"), ("denied", "")]),
        (ONE_HELD, [("release", "y"), ("denied", "")]),
        (ALL_HELD, [("release", "y"), ("lost", "")]),
        (CONFIRMING, [("release", "y"), ("lost", "")]),
        (ONE_LOCKED, [("release", "y"), ("lost", "")]),
        (RELEASING, []),
    ],
)
def test_a_denied_claim_ends_the_attempt_and_the_others_are_released(
    attempt: Attempt, said: list[tuple[str, str]]
) -> None:
    denied = attempts.note_denied(attempt, "x")
    assert words(denied) == said
    assert denied.attempt.step is Step.RELEASING
    assert attempts.note_denied(denied.attempt, "y").attempt.step is Step.OVER


def test_an_attempt_of_one_claim_is_over_as_soon_as_it_is_denied() -> None:
    denied = attempts.note_denied(attempts.start(("x",)).attempt, "x")
    assert (words(denied), denied.attempt.step) == ([("denied", "")], Step.OVER)


@pytest.mark.parametrize("attempt", [ALL_LOCKED, ISSUED])
def test_what_is_locked_is_not_ended_by_a_late_denial(attempt: Attempt) -> None:
    with pytest.raises(OutOfStep, match="stale"):
        attempts.note_denied(attempt, "x")


@pytest.mark.parametrize("attempt", EVERY[:-1])
def test_an_attempt_is_given_up_at_any_moment_and_over_when_every_claim_is(attempt: Attempt) -> None:
    given_up = attempts.release(attempt)
    assert words(given_up) == [("release", "xy")]
    assert words(attempts.release(given_up.attempt)) == []
    one = attempts.note_released(given_up.attempt, "x").attempt
    assert one.step is Step.RELEASING
    assert attempts.note_released(one, "y").attempt.step is Step.OVER


def test_what_is_issued_is_noted_by_every_authority() -> None:
    assert words(attempts.note_issued(ALL_LOCKED)) == [("note", "xy")]
    assert words(attempts.note_issued(ISSUED)) == []
    noted = attempts.note_issue_noted(ISSUED, "x").attempt
    assert noted.standing("x") is Standing.NOTED
    assert attempts.unanswered(noted) == (Word.NOTE, ("y",))
    assert attempts.unanswered(attempts.note_issue_noted(noted, "y").attempt) is None


@pytest.mark.parametrize(
    ("attempt", "again"),
    [
        (BEGUN, (Word.RESERVE, ("x", "y"))),
        (ONE_HELD, (Word.RESERVE, ("y",))),
        (ALL_HELD, None),
        (ONE_LOCKED, (Word.CONFIRM, ("y",))),
        (ALL_LOCKED, None),
        (ISSUED, (Word.NOTE, ("x", "y"))),
        (attempts.release(ISSUED).attempt, (Word.RELEASE, ("x", "y"))),
        (attempts.note_released(RELEASING, "x").attempt, (Word.RELEASE, ("y",))),
    ],
)
def test_what_is_said_again_is_what_was_not_answered(attempt: Attempt, again: object) -> None:
    assert attempts.unanswered(attempt) == again


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        (attempts.confirm, (BEGUN, ONE_HELD, ISSUED, RELEASING)),
        (attempts.renew, (BEGUN, CONFIRMING, ALL_LOCKED, ISSUED, RELEASING)),
        (attempts.note_issued, (BEGUN, ALL_HELD, CONFIRMING, RELEASING)),
        (lambda it: attempts.note_held(it, "x"), (CONFIRMING, ALL_LOCKED, ISSUED, RELEASING)),
        (lambda it: attempts.note_locked(it, "x"), (BEGUN, ALL_HELD, ALL_LOCKED, ISSUED, RELEASING)),
        (lambda it: attempts.note_released(it, "x"), (BEGUN, ALL_HELD, CONFIRMING, ALL_LOCKED, ISSUED)),
        (lambda it: attempts.note_issue_noted(it, "x"), (BEGUN, ALL_LOCKED, RELEASING)),
    ],
)
def test_what_is_out_of_step_changes_nothing(verb: Callable[[Attempt], Any], wrong: tuple[Attempt, ...]) -> None:
    for attempt in wrong:
        with pytest.raises(OutOfStep):
            verb(attempt)


heard = st.tuples(
    st.sampled_from(("held", "locked", "released", "noted", "denied", "confirm", "release", "issue", "renew")),
    st.sampled_from("xy"),
)
VERBS: dict[str, Callable[[Attempt, str], Said]] = {
    "held": attempts.note_held,
    "locked": attempts.note_locked,
    "released": attempts.note_released,
    "noted": attempts.note_issue_noted,
    "denied": attempts.note_denied,
    "confirm": lambda it, _: attempts.confirm(it),
    "release": lambda it, _: attempts.release(it),
    "issue": lambda it, _: attempts.note_issued(it),
    "renew": lambda it, _: attempts.renew(it),
}


@given(st.lists(heard, max_size=30))
def test_whatever_is_heard_an_attempt_is_won_once_or_lost_once_and_never_both(said: list[tuple[str, str]]) -> None:
    attempt, told = BEGUN, []
    for word, claim_id in said:
        try:
            ruled = VERBS[word](attempt, claim_id)
        except OutOfStep:
            continue
        attempt, told = ruled.attempt, told + [name for name, _ in ruled.words]
        ends = [word for word in told if word in (Word.ALL_LOCKED, Word.DENIED, Word.LOST)]
        assert len(ends) <= 1
        if Word.ALL_LOCKED in told:
            assert Word.ALL_HELD in told, "nothing is locked that was not held"
        if attempt.step in (Step.LOCKED, Step.ISSUED):
            assert {standing for _, standing in attempt.claims} <= {Standing.LOCKED, Standing.NOTED}
        if attempt.step is Step.OVER:
            assert {standing for _, standing in attempt.claims} == {Standing.ENDED}
