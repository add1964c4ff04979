"""The national marriage registry: what its silence means, and a simulator that can be slow, down and wrong."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.marriage.ports import NAME, MaritalStatus, RegistryUnavailable, SimulatedMarriageRegistry, look
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


def switch(path: Path, mode: str, seconds: float = 0) -> None:
    data = yaml.safe_load(path.read_text("utf-8"))
    data["registries"][NAME] = {"mode": mode, "seconds": seconds}
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
