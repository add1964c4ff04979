"""Who guards a key, and when it may rule."""

import dataclasses

import pytest

from services.claims.rules import guard as guards
from services.claims.rules.guard import Answer, Authority, Duty, Guard
from shared.directory import authority_row
from shared.errors import OutOfStep, Refused

TABLE = [
    {"prefix": "99", "node": "000001", "epoch": 1},
    {"prefix": "990102", "node": "321300", "epoch": 2},
    {"prefix": "foreign", "node": "460200", "epoch": 1},
]
MINE = Guard("99", 2, Duty.ACTIVE)
ELSEWHERE = Authority("99", "620100", 3)


@pytest.mark.parametrize(
    ("id_type", "number", "prefix"),
    [
        ("citizen", "990102197503120178", "990102"),
        ("citizen", "990103197708150246", "99"),
        ("passport", "990102", "foreign"),
        ("marriage", "J990102-2025-000001", "990102"),
        ("marriage", "J990102-2025-000001#0199c6f2-4c00-7a31-8f1e-2b6d90c4f100", "990102"),
    ],
)
def test_the_longest_prefix_of_the_digits_first_given_names_the_authority(
    id_type: str, number: str, prefix: str
) -> None:
    assert authority_row(id_type, number, TABLE)["prefix"] == prefix


def test_where_nobody_guards_nobody_is_registered() -> None:
    with pytest.raises(Refused, match="authority_missing"):
        authority_row("passport", "E1", TABLE[:2])


def test_a_node_guards_by_the_directory_alone_only_in_the_first_epoch() -> None:
    first = Authority("99", "321300", 1)
    assert guards.first_guard(first, "321300") == Guard("99", 1, Duty.ACTIVE)
    assert guards.first_guard(first, "460200") is None
    assert guards.first_guard(dataclasses.replace(first, epoch=2), "321300") is None


@pytest.mark.parametrize(
    ("guard", "epoch", "listed", "answer", "why"),
    [
        (MINE, 2, None, Answer.RULE, ""),
        (MINE, 3, None, Answer.DEFER, "epoch_ahead"),
        (MINE, 1, None, Answer.REDIRECT, ""),
        (None, 1, None, Answer.DEFER, "ledger_missing"),
        (None, 3, ELSEWHERE, Answer.DEFER, "ledger_missing"),
        (None, 2, ELSEWHERE, Answer.REDIRECT, ""),
        (dataclasses.replace(MINE, duty=Duty.FROZEN), 2, None, Answer.DEFER, "frozen"),
        (dataclasses.replace(MINE, duty=Duty.RECOVERING), 2, None, Answer.DEFER, "recovering"),
        (dataclasses.replace(MINE, duty=Duty.HANDED_OVER, successor="620100"), 2, None, Answer.REDIRECT, ""),
    ],
)
def test_a_wish_is_ruled_on_only_with_the_ledger_in_hand(
    guard: Guard | None, epoch: int, listed: Authority | None, answer: Answer, why: str
) -> None:
    met = guards.meet(guard, epoch, listed)
    assert (met.answer, met.why) == (answer, why)


def test_whoever_is_sent_on_is_told_where_and_in_which_epoch() -> None:
    handed = dataclasses.replace(MINE, duty=Duty.HANDED_OVER, successor="620100")
    assert guards.meet(handed, 2, None).to == ELSEWHERE
    assert guards.meet(None, 2, ELSEWHERE).to == ELSEWHERE
    assert guards.meet(MINE, 1, None).to == Authority("99", "", 2)


def test_while_recovering_claims_end_and_none_begins() -> None:
    assert guards.meet(dataclasses.replace(MINE, duty=Duty.RECOVERING), 2, None, ends=True).answer is Answer.RULE


def test_a_ledger_is_frozen_handed_over_and_taken_over_once_each() -> None:
    frozen = guards.freeze(MINE, "620100")
    assert guards.freeze(frozen, "620100") == frozen
    handed = guards.hand_over(frozen, "620100", 3)
    assert handed.duty is Duty.HANDED_OVER
    taken = guards.take_over(None, "99", 3)
    assert taken == Guard("99", 3, Duty.ACTIVE)
    for wrong in (
        lambda: guards.freeze(frozen, "460200"),
        lambda: guards.freeze(handed, "620100"),
        lambda: guards.hand_over(MINE, "620100", 3),
        lambda: guards.hand_over(frozen, "620100", 4),
        lambda: guards.hand_over(frozen, "460200", 3),
        lambda: guards.take_over(taken, "99", 3),
    ):
        with pytest.raises(OutOfStep):
            wrong()


def test_a_restored_guard_grants_nothing_before_every_holder_was_heard() -> None:
    ours = Authority("99", "321300", 2)
    recovering = guards.recover(MINE, ours)
    assert recovering.duty is Duty.RECOVERING
    assert guards.recovered(recovering, ours, "321300").duty is Duty.ACTIVE
    for wrong in (
        lambda: guards.recover(guards.freeze(MINE, "620100"), ours),
        lambda: guards.recovered(MINE, ours, "321300"),
        lambda: guards.recovered(recovering, dataclasses.replace(ours, node="620100"), "321300"),
    ):
        with pytest.raises(OutOfStep):
            wrong()
