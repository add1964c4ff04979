"""Claims between cities: one of all who ask has the key; denied, lost and released leave nothing behind."""

from tests.claims.town import SANYA, SUQIAN, XIANAN, Town, dead, live, reserve


def test_both_are_held_then_locked_then_noted_then_released_at_their_two_authorities(town: Town) -> None:
    asked = reserve(town, SANYA)
    assert asked.heard() == ["held"]
    assert live(town) == [(SUQIAN, SANYA, "held"), (XIANAN, SANYA, "held")]
    asked.confirm()
    assert asked.heard() == ["held", "locked"]
    assert live(town) == [(SUQIAN, SANYA, "locked"), (XIANAN, SANYA, "locked")]
    asked.note()
    assert asked.step() == "issued"
    asked.release()
    assert asked.step() == "over"
    assert live(town) == []
    assert asked.heard() == ["held", "locked"]
    assert dead(town) == []
