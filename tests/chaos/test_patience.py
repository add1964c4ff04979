"""A run is waited for as long as it may still end by itself, and no longer."""

from collections.abc import Iterable

from tests.chaos.patience import ENDLESS_SECONDS, SETTLE_SECONDS, Patience
from tests.chaos.sabotage import sign_first, unproven

STUCK = 200.0


def waited(seen: Iterable[tuple[float, int, int]], longest: float = 10_000.0) -> tuple[float, bool]:
    """When the patience with (second, unfinished, moving) was out, and whether the time was up."""
    patience = Patience(0.0, longest, STUCK)
    out = next(now for now, unfinished, moving in seen if patience.is_out(unfinished, moving, now))
    return out, patience.time_up


def test_waiting_ends_when_nothing_is_left() -> None:
    assert waited([(0, 3, 1), (10, 1, 0), (20, 0, 2), (30, 0, 0)]) == (30, False)


def test_what_stands_still_is_waited_for_longer_while_messages_are_put_off() -> None:
    assert waited((second, 3, 0) for second in range(1000)) == (STUCK, False)
    assert waited((second, 3, 1) for second in range(1000)) == (SETTLE_SECONDS, False)


def test_what_asks_again_for_ever_is_not_waited_for_until_the_time_is_up() -> None:
    assert waited((second, 3, second % 2) for second in range(9999)) == (ENDLESS_SECONDS, False)


def test_what_comes_back_and_ends_again_is_not_an_end() -> None:
    assert waited((second, 3 + second % 2, 1) for second in range(9999)) == (ENDLESS_SECONDS, False)


def test_the_time_is_up_while_things_still_come_to_their_end() -> None:
    assert waited(((second, 9999 - second, 1) for second in range(9999)), longest=1500.0) == (1500.0, True)
    assert waited(((second, 0, 9999 - second) for second in range(9999)), longest=1500.0) == (1500.0, True)


def test_a_fault_of_the_kind_that_a_missing_safeguard_makes_is_proof() -> None:
    assert unproven("cases", "no-unique", ["two twins are open"], time_up=True) is None
    assert unproven("cases", "early-ack", ["not ended: a leg"], time_up=False) is None


def test_a_sabotage_of_which_processes_die_proves_nothing() -> None:
    faults = ["not ended: a leg"]
    assert "3 times" in (unproven("cases", "no-confirms", faults, time_up=False, fallen=3) or "")


def test_faults_of_another_kind_prove_nothing() -> None:
    assert unproven("cases", "no-unique", ["not ended: a leg"], time_up=False) == ("not one fault of the kind “twins”")


def test_what_had_not_ended_when_the_time_was_up_proves_nothing() -> None:
    assert unproven("cases", "early-ack", ["not ended: a leg"], time_up=True) == (
        "the time was up while things still came to their end"
    )


def test_the_faults_that_prove_something_are_told_first() -> None:
    told = sign_first("cases", "no-unique", ["not ended: a leg", "two twins are open", "not ended: a case"])
    assert told == ["two twins are open", "not ended: a leg", "not ended: a case"]
