"""The exchange's rules: keys, parts, numbers, chains."""

import datetime
import itertools
from dataclasses import fields, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange import rules
from shared.errors import Denied

NOW = datetime.datetime(2025, 9, 24, 1, 2, 3, tzinfo=datetime.UTC)
ENTRY = rules.Entry("out", "620100", 1, 1, "id", "a.b.v1", "case", "0" * 64, "h..s", "2025-09-24T01:02:03.000000Z")
A, B, C = "460200", "620100", "371000"


def code_of(act, *args) -> str:
    with pytest.raises(Denied) as denied:
        act(*args)
    return denied.value.code


def test_a_key_names_both_cities_the_lane_and_the_type() -> None:
    address = rules.Address("620100", "460203", "std", "intake.application_forwarded.v1")
    assert address.key == "62.01.00.460203.std.intake.application_forwarded.v1"
    assert rules.read_key(address.key) == address


@pytest.mark.parametrize(
    "key",
    [
        "",
        "62.01.00.460203.std",
        "620100.460203.std.intake.application_forwarded.v1",
        "62.01.00.460203.bulk.intake.application_forwarded.v1",
        "62.01.00.460203.std.intake.application_forwarded",
        "62.01.00.460203.std.intake.application_forwarded.v1.460200",
        "６２.01.00.460203.std.intake.application_forwarded.v1",
        "62.01.00.460203.std.intake.application_forwarded.v1\n",
    ],
)
def test_any_other_key_is_malformed(key: str) -> None:
    assert code_of(rules.read_key, key) == "key_malformed"


def check_age(
    age: datetime.timedelta, waited: datetime.timedelta = datetime.timedelta(0), vouched: bool = False
) -> None:
    """Of a message that was that old when it came, and has waited since."""
    rules.check_time(NOW - age, NOW, NOW + waited, vouched=vouched)


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (datetime.timedelta(days=30, seconds=1), "time_too_old"),
        (-datetime.timedelta(minutes=5, seconds=1), "time_in_future"),
    ],
)
def test_what_is_outside_the_replay_window_is_denied(age: datetime.timedelta, code: str) -> None:
    assert code_of(check_age, age) == code


@pytest.mark.parametrize("age", [datetime.timedelta(days=30), datetime.timedelta(0), -datetime.timedelta(minutes=5)])
def test_the_ends_of_the_replay_window_belong_to_it(age: datetime.timedelta) -> None:
    check_age(age)


def test_what_waited_in_quarantine_is_no_older_than_it_came_and_no_more_ahead_than_now() -> None:
    day, minutes = datetime.timedelta(days=1), datetime.timedelta(minutes=9)
    check_age(29 * day, 60 * day)
    check_age(-minutes, minutes)
    assert code_of(check_age, -3 * minutes, minutes) == "time_in_future"


def test_a_person_vouches_for_what_is_too_old_never_for_what_is_ahead() -> None:
    check_age(datetime.timedelta(days=400), vouched=True)
    assert code_of(partial(check_age, vouched=True), -datetime.timedelta(days=1)) == "time_in_future"


def test_whoever_hands_a_case_over_is_accepting_and_the_other_alone_is_competent() -> None:
    parts = rules.handed_over((), A, B, 2)
    rules.may_say(parts, A, "accepting", (1, 2))
    rules.may_say(parts, B, "competent", (2, 1))
    assert code_of(rules.may_say, parts, A, "competent", (2, 1)) == "wrong_role"
    assert code_of(rules.may_say, parts, C, "competent", (2, 1)) == "no_part"
    assert code_of(rules.may_say, (), C, "competent", (2, 1)) == "case_unknown"


def test_whoever_was_handed_one_leg_speaks_of_no_other() -> None:
    parts = rules.handed_over((), A, B, 2)
    for leg_no in (1, 3, 1000):
        assert code_of(rules.may_say, parts, B, "competent", (leg_no, 1)) == "wrong_role"
    rules.may_say(parts, B, "competent", (0, 0))  # a word of no leg


def test_a_case_handed_on_leaves_the_first_city_without_a_say() -> None:
    parts = rules.handed_over(rules.handed_over((), A, B, 2), A, C, 3)
    assert code_of(rules.may_say, parts, B, "competent", (2, 4)) == "wrong_role"
    rules.may_say(parts, C, "competent", (3, 1))
    rules.has_part(parts, B)


def test_a_case_handed_back_and_over_again_gives_the_say_back() -> None:
    parts = rules.handed_back(rules.handed_over((), A, B, 2), B, (2, 3))
    assert code_of(rules.may_say, parts, B, "competent", (2, 4)) == "wrong_role"
    rules.may_say(parts, A, "accepting", (1, 2))
    rules.may_say(rules.handed_over(parts, A, B, 3), B, "competent", (3, 1))


def test_who_handed_a_case_back_may_finish_what_it_said_before_and_nothing_else() -> None:
    parts = rules.handed_back(rules.handed_over((), A, B, 2), B, (2, 3))
    words = [(leg_no, version) for leg_no in range(4) for version in range(5)]
    assert [word for word in words if rules.may_finish(parts, B, "competent", word)] == [(2, 1), (2, 2)]
    assert not any(rules.may_finish(parts, A, "competent", word) for word in words)
    taken_away = rules.handed_over(rules.handed_over((), A, B, 2), A, C, 3)
    assert not any(rules.may_finish(taken_away, B, "competent", word) for word in words)


def test_nobody_else_may_hand_over_a_case_that_a_city_took_in() -> None:
    parts = rules.handed_over((), A, B, 2)
    rules.may_open(parts, A)
    rules.may_open((), C)
    assert code_of(rules.may_open, parts, B) == "wrong_role"
    assert code_of(rules.may_open, parts, C) == "wrong_role"


@given(st.lists(st.integers(1, 40), max_size=60))
def test_what_is_missing_is_what_never_came_below_the_highest(numbers: list[int]) -> None:
    seen, taken = rules.Seen(), set()
    for number in numbers:
        if number in taken:
            assert code_of(rules.take_number, seen, number) == "seq_taken"
        else:
            seen = rules.take_number(seen, number)
            taken.add(number)
    missing = {number for first, last in seen.missing for number in range(first, last + 1)}
    assert seen.high == max(taken, default=0)
    assert missing == set(range(1, seen.high)) - taken


def test_a_huge_gap_is_one_range() -> None:
    assert rules.take_number(rules.Seen(), 1 << 50).missing == ((1, (1 << 50) - 1),)


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_exactly_their_numbers_and_never_touch(numbers: set[int]) -> None:
    found = rules.ranges(numbers)
    assert [number for first, last in found for number in range(first, last + 1)] == sorted(numbers)
    assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(found))


@pytest.mark.parametrize("name", [field.name for field in fields(rules.Entry)])
def test_every_field_of_a_line_changes_its_hash(name: str) -> None:
    value = getattr(ENTRY, name)
    changed = replace(ENTRY, **{name: value + 1 if isinstance(value, int) else value + "x"})
    assert rules.link(rules.GENESIS, changed) != rules.link(rules.GENESIS, ENTRY)


def test_a_line_hashes_its_predecessor() -> None:
    assert rules.link("1" * 64, ENTRY) != rules.link(rules.GENESIS, ENTRY)


@given(st.dictionaries(st.integers(1, 9), st.sampled_from(["aa", "bb"]), max_size=6), st.randoms(use_true_random=False))
def test_a_receipt_does_not_depend_on_the_order(rows: dict[int, str], random) -> None:
    shuffled = list(rows.items())
    random.shuffle(shuffled)
    assert rules.receipt(shuffled) == rules.receipt(rows.items())


def test_a_receipt_is_for_these_bodies_only() -> None:
    assert rules.receipt([(1, "aa"), (2, "bb")]) != rules.receipt([(1, "bb"), (2, "aa")])


def test_pauses_grow_from_one_second_to_one_minute() -> None:
    pauses = [0.0]
    for _ in range(8):
        pauses.append(rules.longer(pauses[-1]))
    assert pauses[1:] == [1, 2, 4, 8, 16, 32, 60, 60]
