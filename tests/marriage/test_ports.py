"""The national marriage registry and the register of deaths: what their silence means, and simulators of them that can be
slow, down and wrong."""

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.marriage.ports import (
    DEATHS,
    NAME,
    DeathEntry,
    MaritalStatus,
    RegistryUnavailable,
    SimulatedDeathRegister,
    SimulatedMarriageRegistry,
    find_deaths,
    look,
)
from services.marriage.rules.eligibility import Standing
from tests.marriage.weddings import ANCIENT, HE, SHE

SEED = Path(__file__).parents[2] / "deploy" / "seed" / "registries.yaml"
CHANGE = {"what": "ended:bigamy", "on": "2025-10-10", "basis": "", "document": "", "version": 2}
RECORD = {
    "certificate_no": "J460204-2025-000001",
    "office": "460204-mr",
    "state": "void",
    "version": 2,
    "parties": [HE, SHE],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "registries.yaml"
    copy.write_bytes(SEED.read_bytes())
    return copy


@pytest.fixture
def registry(path: Path) -> SimulatedMarriageRegistry:
    return made(path)


def made(path: Path) -> SimulatedMarriageRegistry:
    return SimulatedMarriageRegistry(path, path.with_name("reports.jsonl"), timeout_seconds=0.05)


def write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    after = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(after, after))


def switch(path: Path, mode: str, seconds: float = 0, name: str = NAME) -> None:
    data = yaml.safe_load(path.read_text("utf-8"))
    data["registries"][name] = {"mode": mode, "seconds": seconds}
    write(path, yaml.safe_dump(data, allow_unicode=True))


def test_who_married_long_ago_elsewhere_is_married_and_who_nobody_knows_is_not(
    registry: SimulatedMarriageRegistry,
) -> None:
    assert look(registry, [ANCIENT, HE]) == (Standing.MARRIED, Standing.FREE)
    found = registry.status_of("citizen", ANCIENT["id_number"])
    assert (found.office, found.number) == ("某县(未接入)婚姻登记处", "某结字第99-0213号")


def test_what_a_registry_says_of_a_person_does_not_show_in_logs(registry: SimulatedMarriageRegistry) -> None:
    assert repr(registry.status_of("citizen", ANCIENT["id_number"])) == "MaritalStatus(married=True)"


@pytest.mark.parametrize(("mode", "seconds"), [("down", 0), ("wrong", 0), ("slow", 0.05)])
def test_no_usable_answer_in_time_says_nothing_of_anybody(
    registry: SimulatedMarriageRegistry, path: Path, mode: str, seconds: float
) -> None:
    switch(path, mode, seconds)
    assert look(registry, [ANCIENT, HE]) == (None, None)


def test_a_slow_answer_within_its_time_is_an_answer(registry: SimulatedMarriageRegistry, path: Path) -> None:
    switch(path, "slow", 0.02)
    assert look(registry, [HE]) == (Standing.FREE,)


def test_a_home_whose_file_knows_no_such_registry_has_one_that_is_up(path: Path) -> None:
    data = yaml.safe_load(path.read_text("utf-8"))
    del data["registries"][NAME]
    write(path, yaml.safe_dump(data, allow_unicode=True))
    assert look(made(path), [HE]) == (Standing.FREE,)


@pytest.mark.parametrize("text", ["", "registries: []", "registries: {}\npersons: [{marriage: {since: x}}]"])
def test_a_faulty_file_stops_the_start_and_later_is_a_registry_down(
    registry: SimulatedMarriageRegistry, path: Path, text: str
) -> None:
    write(path, text)
    with pytest.raises(ValueError, match=r"registries\.yaml"):
        made(path)
    assert look(registry, [HE]) == (None,)


def test_a_mode_nobody_knows_is_a_faulty_file(path: Path) -> None:
    switch(path, "sleepy")
    with pytest.raises(ValueError, match="sleepy"):
        made(path)


def test_a_report_is_kept_once_and_found_by_its_key_also_after_a_restart(
    registry: SimulatedMarriageRegistry, path: Path
) -> None:
    assert [registry.report("key", CHANGE, RECORD), registry.report("key", CHANGE, RECORD)] == ["accepted", "accepted"]
    assert registry.find_report("key")
    assert made(path).find_report("key")
    assert not registry.find_report("another")
    (line,) = path.with_name("reports.jsonl").read_text("utf-8").splitlines()
    assert HE["id_number"] not in line
    assert SHE["name"] not in line
    assert "bigamy" not in line


@pytest.mark.parametrize(("mode", "seconds", "arrives"), [("down", 0, False), ("wrong", 0, True), ("slow", 1, True)])
def test_whether_a_report_without_an_answer_arrived_only_a_later_query_tells(
    registry: SimulatedMarriageRegistry, path: Path, mode: str, seconds: float, arrives: bool
) -> None:
    switch(path, mode, seconds)
    assert registry.report("key", CHANGE, RECORD) == "unknown"
    with pytest.raises(RegistryUnavailable):
        registry.find_report("key")
    switch(path, "up")
    assert registry.find_report("key") is arrives


def test_what_was_reported_answers_no_question_about_a_person(registry: SimulatedMarriageRegistry) -> None:
    registry.report("key", CHANGE | {"what": "registered", "version": 1}, RECORD | {"state": "valid"})
    assert look(registry, [HE, SHE]) == (Standing.FREE, Standing.FREE)


def test_an_answer_about_somebody_else_is_none() -> None:
    class Confused:
        def status_of(self, id_type: str, id_number: str) -> Any:
            return MaritalStatus(SHE["id_number"], married=False)

    assert look(Confused(), [HE, SHE]) == (None, Standing.FREE)  # type: ignore[arg-type]


# --- deaths -----------------------------------------------------------------------------------------------------------

PAPER = {
    "kind": "居民死亡医学证明(推断)书",
    "issuer": "某医院",
    "number": "某字第1号",
    "on": datetime.date(2025, 10, 10),
}
LINES = [
    {"id": "d1", "number": HE["id_number"], "name": HE["name"], "on": datetime.date(2025, 10, 10), "document": PAPER},
    {"id": "d2", "withdraws": "d1", "on": datetime.date(2025, 10, 12), "document": PAPER},
]


@pytest.fixture
def register(path: Path) -> SimulatedDeathRegister:
    data = yaml.safe_load(path.read_text("utf-8")) | {"deaths": LINES}
    write(path, yaml.safe_dump(data, allow_unicode=True))
    return SimulatedDeathRegister(path, timeout_seconds=0.05)


def test_the_register_tells_what_was_entered_after_a_position_and_no_more_than_asked_for(
    register: SimulatedDeathRegister,
) -> None:
    first, second = find_deaths(register, 0, 10)
    assert (first.entry_id, first.person["id_number"], first.on) == ("d1", HE["id_number"], "2025-10-10")
    assert (second.position, second.withdraws, dict(second.person)) == (2, "d1", {})
    assert find_deaths(register, 0, 1) == [first]
    assert find_deaths(register, 1, 10) == [second]
    assert find_deaths(register, 2, 10) == []


def test_who_died_does_not_show_in_logs(register: SimulatedDeathRegister) -> None:
    shown = repr(find_deaths(register, 0, 1))
    assert HE["id_number"] not in shown
    assert HE["name"] not in shown


def test_the_seed_knows_of_no_death(path: Path) -> None:
    assert SimulatedDeathRegister(path).entries_after(0, 10) == []


@pytest.mark.parametrize(("mode", "seconds"), [("down", 0), ("wrong", 0), ("slow", 0.05)])
def test_a_register_without_a_usable_answer_tells_of_nobody(
    register: SimulatedDeathRegister, path: Path, mode: str, seconds: float
) -> None:
    switch(path, mode, seconds, DEATHS)
    assert find_deaths(register, 0, 10) == []


@pytest.mark.parametrize("places", [(1, 1), (2, 1), (0,)])
def test_lines_that_do_not_follow_the_position_asked_for_are_no_answer(places: tuple[int, ...]) -> None:
    class Confused:
        def entries_after(self, position: int, limit: int) -> list[DeathEntry]:
            return [DeathEntry(place, str(place), "2025-10-10", {}) for place in places]

    assert find_deaths(Confused(), 0, 10) == []


@pytest.mark.parametrize("line", [{}, LINES[0] | {"on": "gestern"}, LINES[0] | {"document": {}}])
def test_a_faulty_line_is_a_register_down(register: SimulatedDeathRegister, path: Path, line: Any) -> None:
    data = yaml.safe_load(path.read_text("utf-8")) | {"deaths": [line]}
    write(path, yaml.safe_dump(data, allow_unicode=True))
    assert find_deaths(register, 0, 10) == []
    with pytest.raises(ValueError, match=r"registries\.yaml"):
        SimulatedDeathRegister(path)
