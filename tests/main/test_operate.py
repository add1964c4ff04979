"""What the doctor says of time: worth knowing as long as nobody can mend it, a fault when it is late."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.matters import matter_version
from services.claims.rules.guard import Duty, Guard
from services.claims.store.ledger import save_guard
from services.claims.store.restating import add_conflicts
from services.intake.rules import legs as rules
from services.intake.rules.legs import Leg, State
from services.intake.store import cases
from services.main import city
from services.main.cli import cli
from shared import calendar
from tests.builders import LANZHOU, HandClock, stop_clock

SPECS = matter_version("disability-subsidies", 1).clocks


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, "2026-10-20T09:00:00+08:00")


@pytest.fixture
def here(tmp_path: Path, hand: HandClock) -> Iterator[city.City]:
    country = city.Country(tmp_path, (LANZHOU,))
    yield country.cities[LANZHOU]
    country.stop()


def doctor(here: city.City) -> Result:
    environ = {"TONGBAN_NODE": here.node.code, "TONGBAN_HOME": str(here.node.home)}
    return CliRunner().invoke(cli, ["doctor"], env=environ)


def line(here: city.City, name: str) -> str:
    (found,) = [line for line in doctor(here).output.splitlines() if name in line]
    return found


@pytest.mark.parametrize(
    ("on", "grade"),
    [("2026-11-01", "好"), ("2026-11-02", "注意"), ("2026-12-16", "注意"), ("2026-12-17", "坏")],
)
def test_a_calendar_that_ends_soon_is_a_fault_only_when_it_is_late(
    here: city.City, hand: HandClock, on: str, grade: str
) -> None:
    hand.set(f"{on}T09:00:00+08:00")
    assert line(here, "工作日历够用").startswith(f"{grade} ")


def test_provisional_clocks_are_counted_and_are_no_fault(here: city.City, hand: HandClock) -> None:
    assert line(here, "时限都已确定") == "好 时限都已确定"
    assert doctor(here).exit_code == 0
    hand.set("2026-11-20T09:00:00+08:00")
    leg = Leg("01999999-0000-7000-8000-00000000abcd", 2, "competent", LANZHOU, State.ACCEPTED, 1)
    beyond = rules.start_clocks(leg, "taken_over", SPECS, calendar.standard().horizon, calendar.standard())
    with here.works["intake"].begin() as work:
        assert cases.open_leg(work, beyond, "disability-subsidies", "somebody")
    assert line(here, "时限都已确定").startswith("注意 时限都已确定: 1 个")


def test_a_prefix_that_recovers_is_worth_knowing_and_a_conflict_is_a_fault(here: city.City) -> None:
    assert line(here, "占用账目正常") == "好 占用账目正常"
    with here.works["claims"].begin() as work:
        save_guard(work, Guard("990104", 1, Duty.RECOVERING))
    assert line(here, "占用账目正常").startswith("注意 占用账目正常: 号段 990104")
    row = {"claim_id": "a claim", "prefix": "990104", "kind": "marriage", "holder": LANZHOU, "office": None}
    with here.works["claims"].begin() as work:
        add_conflicts(work, [row], "second_lock")
    assert line(here, "占用账目正常").startswith("坏 占用账目正常: 有 1 个冲突")
