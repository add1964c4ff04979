"""What holders restate to a restored authority, and what that makes of its ledger."""

import dataclasses
import datetime

from services.claims.rules import attempt as attempts
from services.claims.rules.attempt import Attempt, Standing, Step, Word
from services.claims.rules.guard import Duty, Guard, may_end_unasked
from services.claims.rules.ledger import Claim, State, Verdict
from services.claims.rules.recovery import HALF_DONE, RESTATED_ENDED, RESTATED_LOCKED, hear_locked, restate

UNTIL = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LOCKED = Claim("a", "460200", State.LOCKED, UNTIL)
OTHER = Claim("b", "620100", State.HELD, UNTIL)


def confirming() -> Attempt:
    attempt = attempts.start(["a", "c"]).attempt
    for token in ("a", "c"):
        attempt = attempts.note_held(attempt, token).attempt
    return attempts.confirm(attempt).attempt


def test_a_wholly_locked_attempt_is_restated_and_goes_on() -> None:
    attempt = confirming()
    for token in ("a", "c"):
        attempt = attempts.note_locked(attempt, token).attempt
    for locked in (attempt, attempts.note_issued(attempt).attempt):
        restated = restate(locked)
        assert (restated.said.attempt, restated.locked, restated.ended) == (locked, ("a", "c"), ())


def test_every_step_is_restated_as_locked_or_ended_or_given_up_first() -> None:
    assert sorted((*HALF_DONE, *RESTATED_LOCKED, *RESTATED_ENDED)) == sorted(Step)
    for step in Step:
        restated = restate(Attempt(step, (("a", Standing.HELD),)))
        assert (restated.locked == ("a",)) == (step in RESTATED_LOCKED)
        assert (restated.ended == ("a",)) == (restated.said.attempt.step in RESTATED_ENDED)


def test_a_half_locked_attempt_is_given_up_by_being_restated() -> None:
    restated = restate(attempts.note_locked(confirming(), "a").attempt)
    assert restated.said.attempt.step is Step.RELEASING
    assert restated.said.words == ((Word.RELEASE, ("a", "c")),)
    assert (restated.locked, restated.ended) == ((), ("a", "c"))


def test_an_attempt_that_is_over_is_restated_as_ended_without_a_word() -> None:
    over = attempts.release(attempts.start(["a"]).attempt).attempt
    over = attempts.note_released(over, "a").attempt
    restated = restate(over)
    assert (restated.said.words, restated.ended) == ((), ("a",))


def test_what_a_holder_has_locked_goes_before_what_the_copy_says() -> None:
    ruling = hear_locked(OTHER, LOCKED, ended=False)
    assert (ruling.live, ruling.verdict, ruling.ended) == (LOCKED, Verdict.LOCKED, ("b",))
    assert hear_locked(LOCKED, LOCKED, ended=False).ended == ()


def test_what_was_released_after_it_was_restated_stays_released() -> None:
    assert hear_locked(None, LOCKED, ended=True).live is None


def test_nothing_ends_without_its_holder_until_the_ledger_has_recovered() -> None:
    active = Guard("99", 1, Duty.ACTIVE)
    assert may_end_unasked(active)
    assert not any(may_end_unasked(dataclasses.replace(active, duty=duty)) for duty in Duty if duty is not Duty.ACTIVE)
    assert not may_end_unasked(None)
