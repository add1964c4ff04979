"""The judge of weddings finds each fault it is there for, and nothing where there is none."""

import dataclasses

import pytest

from tests.chaos.couples import GUARDS
from tests.chaos.registrars import Wedding
from tests.chaos.wedlock import Lock, Record, blocked, left_out, numbers, two_marriages, unguarded

HE, SHE, OTHER = "990101195001019515", "990102195001019527", "990103195001019528"
ONE = Wedding("one", "371000", "371002-mr", (HE, SHE), 1, "")
TWO = Wedding("two", "460200", "460204-mr", (HE, OTHER), 1, "")
BOTH = {"one": ONE, "two": TWO}
RECORD = Record("one", "371000", "valid", "J371002-2026-000001", "371002", 2026, 1)
SECOND = Record("two", "460200", "valid", "J460204-2026-000001", "460204", 2026, 1)
LAST = {("371002", 2026): 1, ("460204", 2026): 1}
LOCKS = [
    Lock("460200", "one", "990101", "locked", True, "his", "marriage", "371000"),
    Lock("321300", "one", "990102", "locked", True, "hers", "marriage", "371000"),
]


def test_one_marriage_and_its_two_locks_are_right():
    assert not list(two_marriages([RECORD], BOTH))
    assert not list(numbers([RECORD], {("371002", 2026): 1}))
    assert not list(blocked(LOCKS, {"one"}))
    assert not list(unguarded(LOCKS, [RECORD], BOTH, GUARDS))
    assert not list(left_out(BOTH, {"one": True}))


def test_a_person_married_in_two_cities_is_found_by_the_runs_own_book():
    assert list(two_marriages([RECORD, SECOND], BOTH)) == ["two marriages of one person: ['one', 'two']"]


def test_a_marriage_that_has_ended_does_not_stand_in_the_way_of_the_next():
    assert not list(two_marriages([dataclasses.replace(RECORD, state="ended"), SECOND], BOTH))


def test_a_marriage_nobody_applied_for_is_found():
    assert list(two_marriages([RECORD], {}))


@pytest.mark.parametrize("serials", [(1, 3), (1, 1), (2,)])
def test_a_gap_and_a_repeat_in_the_certificate_numbers_are_found(serials):
    found = [dataclasses.replace(RECORD, serial=serial, number=f"{n}") for n, serial in enumerate(serials)]
    assert list(numbers(found, {("371002", 2026): max(serials)}))


def test_a_number_that_was_counted_and_never_given_is_found():
    assert list(numbers([RECORD], {("371002", 2026): 2}))


def test_one_number_for_two_marriages_is_found():
    found = [RECORD, dataclasses.replace(SECOND, number=RECORD.number)]
    assert list(numbers(found, LAST)) == [f"certificate number twice: {RECORD.number}"]


@pytest.mark.parametrize("valid", [set(), {"two"}])
def test_a_claim_that_stands_for_no_valid_marriage_blocks_a_person(valid):
    assert len(list(blocked(LOCKS, valid))) == 2


def test_two_live_claims_on_one_key_are_found():
    twice = [*LOCKS, dataclasses.replace(LOCKS[0])]
    assert list(blocked(twice, {"one"})) == ["two live claims on one key at 460200"]


@pytest.mark.parametrize(
    "change", [{"state": "held"}, {"issued": False}, {"holder": "460200"}, {"node": "620100"}, {"prefix": "990105"}]
)
def test_a_marriage_without_a_right_lock_on_each_of_both_is_unguarded(change):
    wrong = [dataclasses.replace(LOCKS[0], **change), LOCKS[1]]
    assert list(unguarded(wrong, [RECORD], BOTH, GUARDS))
    assert list(unguarded(LOCKS[1:], [RECORD], BOTH, GUARDS))


def test_of_two_who_want_one_person_one_marries_unless_they_change_their_mind():
    assert len(list(left_out(BOTH, {}))) == 2
    assert not list(left_out({"one": dataclasses.replace(ONE, whim="signed")}, {}))


def test_a_third_who_comes_for_a_widow_is_not_left_out_when_she_has_taken_another_meanwhile():
    third = dataclasses.replace(ONE, case_id="third", numbers=(OTHER, HE), tangle=0)
    assert not list(left_out({"one": ONE, "third": third}, {"one": True}))
    assert list(left_out({"one": ONE, "third": third}, {"one": False})) == ["left out: third at 371000, tangle 0"]
