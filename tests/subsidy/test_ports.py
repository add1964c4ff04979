"""The registries: what is asked once, what their silence means, and a simulator that can be slow, down and wrong."""

import datetime
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.subsidy.ports import (
    REGISTRIES,
    CardRecord,
    Gathered,
    HouseholdRecord,
    LowIncomeRecord,
    RegistryUnavailable,
    SimulatedRegistries,
    gather,
)
from services.subsidy.rules.eligibility import Allowance, Card, Facts, assess, merged
from services.subsidy.standards import standard_for
from shared import clock
from tests.subsidy.persons import fact

SEED = Path(__file__).parents[2] / "deploy" / "seed" / "registries.yaml"
DAY = datetime.date(2025, 10, 8)
BOTH = "990102197503120178"
NOBODY = "990101198001010014"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
STATED: dict[str, Any] = {
    "injury_care": fact(False, "applicant"),
    "orphan_support": fact(False, "applicant"),
    "serving_sentence": fact(False, "applicant"),
    "public_pay": fact("none", "applicant"),
    "allowances": fact((), "applicant"),
}


def rows() -> list[dict[str, Any]]:
    persons: list[dict[str, Any]] = yaml.safe_load(SEED.read_text(encoding="utf-8"))["persons"]
    return persons


def numbered(name: str) -> str:
    (number,) = (row["number"] for row in rows() if row["name"] == name)
    return str(number)


def switch(path: Path, registry: str, mode: str, seconds: float = 0) -> None:
    """Do as an operator does: change the file while the simulator runs."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["registries"][registry] = {"mode": mode, "seconds": seconds}
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    after = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(after, after))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "registries.yaml"
    copy.write_bytes(SEED.read_bytes())
    return copy


@dataclass
class Told:
    """Registries that say what they are told to, and count."""

    card: CardRecord | None = None
    asked: list[str] = field(default_factory=list)

    def card_of(self, citizen_number: str) -> CardRecord | None:
        self.asked.append("card")
        return self.card

    def status_of(self, citizen_number: str) -> LowIncomeRecord | None:
        self.asked.append("low-income")
        return None

    def household_of(self, citizen_number: str) -> HouseholdRecord | None:
        self.asked.append("population")
        raise RegistryUnavailable("population", "down")


def test_every_seed_number_is_of_the_unreal_block_and_has_a_right_check_digit() -> None:
    numbers = [row["number"] for row in rows()]
    assert len(set(numbers)) == len(numbers) >= 12
    for number in numbers:
        assert number.startswith("99")
        total = sum(int(digit) * weight for digit, weight in zip(number[:17], WEIGHTS, strict=True))
        assert number[17] == "10X98765432"[total % 11]
        datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def test_the_seed_has_hard_names() -> None:
    names = [row["name"] for row in rows()]
    assert any(len(name) == 2 for name in names)
    assert any(ord(character) > 0xFFFF for name in names for character in name)
    assert any(name.count("·") == 2 for name in names)


@pytest.mark.parametrize(
    ("name", "division", "living", "care"),
    [
        ("何守田", "620102", 10000, 12000),
        ("李禾", "620104", 10000, "category_not_covered"),
        ("王𬍛", "620103", "not_low_income", 12000),
        ("阿依古丽·买买提江·热合曼", "620105", 10000, 12000),
        ("赵无咎", "620102", "no_card", "no_card"),
        ("孙问渠", "421202", "special_support", "special_support"),
        ("周立夏", "371082", "not_low_income", "grade_not_covered"),
        ("马程远", "620102", "hukou_elsewhere", "hukou_elsewhere"),
        ("马程远", "460204", 16300, 20000),
        ("韩落英", "620102", "deceased", "deceased"),
        ("欧阳北辰", "460203", 14500, 15000),
        ("郭照邻", "371002", 20000, 16500),
        ("许知行", "321302", "not_low_income", 16000),
        ("吴小满", "421202", "not_low_income", "grade_not_covered"),
        ("田一苇", "620111", 10000, "missing_card_components"),
        ("邓观澜", "620102", "missing_hukou", "missing_hukou"),
    ],
)
def test_each_person_of_the_seed_meets_the_fate_their_note_tells(
    name: str, division: str, living: int | str, care: int | str
) -> None:
    gathered = gather(SimulatedRegistries(SEED), numbered(name), set(REGISTRIES))
    facts = merged(Facts(**STATED), gathered.found)
    for outcome, expected in zip(
        assess(facts, standard_for(division, DAY), division, DAY), (living, care), strict=True
    ):
        if isinstance(expected, int):
            assert (outcome.eligible, outcome.monthly_amount_fen) == (True, expected)
        else:
            assert not outcome.eligible
            assert expected in {reason.code for reason in outcome.reasons}


def test_the_old_lady_of_weihai_keeps_her_senior_allowance() -> None:
    gathered = gather(SimulatedRegistries(SEED), numbered("郭照邻"), set(REGISTRIES))
    declared = Facts(**STATED | {"allowances": fact((Allowance("senior", 90000),), "applicant")})
    living, _ = assess(merged(declared, gathered.found), standard_for("371002", DAY), "371002", DAY)
    assert living.eligible


def test_an_answer_carries_its_source_and_day() -> None:
    registries = SimulatedRegistries(SEED)
    card, status, household = registries.card_of(BOTH), registries.status_of(BOTH), registries.household_of(BOTH)
    assert card
    assert status
    assert household
    assert card.card_no == BOTH + "41"
    assert (household.hukou, household.born_on) == ("620102", datetime.date(1975, 3, 12))
    assert {record.as_of for record in (card, status, household)} == {datetime.date(2025, 10, 1)}
    assert all("模拟" in record.source for record in (card, status, household))


def test_a_reissued_card_bears_its_mark_and_a_move_its_origin() -> None:
    registries = SimulatedRegistries(SEED)
    card, household = registries.card_of(numbered("欧阳北辰")), registries.household_of(numbered("马程远"))
    assert card
    assert card.card_no.endswith("52B1")
    assert household
    assert (household.moved_from, household.hukou) == ("620102", "460204")
    assert household.moved_on == datetime.date(2025, 9, 26)


def test_a_record_shown_in_a_log_names_nobody() -> None:
    registries = SimulatedRegistries(SEED)
    shown = repr((registries.card_of(BOTH), registries.status_of(BOTH), registries.household_of(BOTH)))
    assert BOTH not in shown
    assert "何守田" not in shown


def test_no_record_is_an_answer_about_card_and_income_but_not_about_hukou() -> None:
    gathered = gather(SimulatedRegistries(SEED), NOBODY, set(REGISTRIES))
    assert gathered.denied == {"card", "low_income", "hukou"}
    assert not gathered.unavailable
    assert gathered.found.card
    assert gathered.found.card.value is None
    assert gathered.found.low_income
    assert gathered.found.low_income.value == "none"
    assert gathered.found.hukou is None
    assert gathered.found.died_on is None


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_registry_that_is_down_leaves_its_facts_unknown_and_the_others_known(path: Path, registry: str) -> None:
    registries = SimulatedRegistries(path)
    switch(path, registry, "down")
    gathered = gather(registries, BOTH, set(REGISTRIES))
    assert gathered.unavailable == {registry}
    assert not gathered.denied
    known = {
        "disability-card": gathered.found.card,
        "low-income": gathered.found.low_income,
        "population": gathered.found.hukou,
    }
    assert {name for name, it in known.items() if it is None} == {registry}


def test_only_what_is_needed_is_asked_and_only_once() -> None:
    told = Told()
    gathered = gather(told, BOTH, {"disability-card", "population"})
    assert sorted(told.asked) == ["card", "population"]
    assert gathered.denied == {"card"}
    assert gathered.unavailable == {"population"}
    assert gathered.found.low_income is None
    assert gather(told, BOTH, set()) == Gathered()


def test_a_registry_we_do_not_know_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        gather(Told(), BOTH, {"weather"})


def test_an_answer_about_somebody_else_is_no_answer() -> None:
    other = CardRecord(NOBODY, NOBODY + "11", 1, 1, None, DAY, "测试")
    gathered = gather(Told(card=other), BOTH, {"disability-card"})
    assert gathered.found.card is None
    assert gathered.unavailable == {"disability-card"}


def test_a_wrong_registry_answers_about_somebody_else(path: Path) -> None:
    registries = SimulatedRegistries(path)
    switch(path, "disability-card", "wrong")
    card = registries.card_of(BOTH)
    assert card
    assert card.citizen_number != BOTH
    assert gather(registries, BOTH, {"disability-card"}).found.card is None


def test_modes_switch_while_it_runs(path: Path) -> None:
    registries = SimulatedRegistries(path)
    assert registries.card_of(BOTH)
    switch(path, "disability-card", "down")
    with pytest.raises(RegistryUnavailable):
        registries.card_of(BOTH)
    switch(path, "disability-card", "up")
    assert registries.card_of(BOTH)


def test_persons_change_while_it_runs(path: Path) -> None:
    registries = SimulatedRegistries(path)
    text = path.read_text(encoding="utf-8").replace("{category: 4, grade: 1}", "{category: 4, grade: 3}", 1)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(1, 1))
    facts = gather(registries, BOTH, {"disability-card"}).found
    assert facts.card
    assert facts.card.value == Card(4, 3)


def test_a_slow_registry_still_answers_within_its_time_out(path: Path) -> None:
    switch(path, "population", "slow", 0.1)
    registries = SimulatedRegistries(path, timeout_seconds=5)
    begun = clock.monotonic()
    assert registries.household_of(BOTH)
    assert 0.1 <= clock.monotonic() - begun < 2


def test_a_registry_slower_than_its_time_out_is_unavailable_at_the_time_out(path: Path) -> None:
    switch(path, "population", "slow", 60)
    registries = SimulatedRegistries(path, timeout_seconds=0.2)
    begun = clock.monotonic()
    assert gather(registries, BOTH, {"population"}).unavailable == {"population"}
    assert 0.2 <= clock.monotonic() - begun < 5


def test_threads_wait_side_by_side(path: Path) -> None:
    switch(path, "population", "slow", 60)
    registries = SimulatedRegistries(path, timeout_seconds=0.4)
    begun = clock.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: gather(registries, BOTH, {"population"}), range(8)))
    assert all(answer.unavailable for answer in answers)
    assert clock.monotonic() - begun < 1.6  # one after the other would take 3.2 s


GREEN = """
import eventlet
eventlet.monkey_patch()
import sys
from pathlib import Path
from services.subsidy.ports import SimulatedRegistries, gather
from shared import clock
registries = SimulatedRegistries(Path(sys.argv[1]), timeout_seconds=0.4)
begun = clock.monotonic()
asks = [eventlet.spawn(gather, registries, sys.argv[2], {"population"}) for _ in range(8)]
assert all(ask.wait().unavailable == {"population"} for ask in asks)
sys.exit(0 if clock.monotonic() - begun < 1.6 else 3)
"""


def test_greenlets_wait_side_by_side(path: Path) -> None:
    switch(path, "population", "slow", 60)
    command = [sys.executable, "-W", "ignore", "-c", GREEN, str(path), BOTH]
    done = subprocess.run(command, cwd=SEED.parents[2], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("disability-card: {mode: up}", "disability-card: {mode: asleep}", "registries: .*asleep"),
        ("  population: {mode: up}\n", "", "registries: .*population"),
        ('hukou: "620102"', "hukou: 620102", r"persons\[0\]: .*hukou"),
        ("grade: 1}", "grade: 9}", r"persons\[0\]: .*grade"),
        ("status: dibao}", "status: poor}", r"persons\[0\]: .*poor"),
        ("99010419880704022X", BOTH, r"persons\[1\]: .*twice"),
        ("persons:", "persons: [", "registries: "),
    ],
)
def test_a_faulty_file_stops_the_start_and_says_where(path: Path, old: str, new: str, where: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"registries\.yaml: {where}"):
        SimulatedRegistries(path)


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("persons: ["), lambda path: path.unlink()])
def test_a_file_spoilt_at_run_time_is_a_registry_down_until_it_is_mended(path: Path, spoil: Any) -> None:
    registries = SimulatedRegistries(path)
    spoil(path)
    assert gather(registries, BOTH, set(REGISTRIES)).unavailable == set(REGISTRIES)
    path.write_bytes(SEED.read_bytes())
    assert not gather(registries, BOTH, set(REGISTRIES)).unavailable
