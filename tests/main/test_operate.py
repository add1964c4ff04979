"""What the doctor says of time and claims, and what `verify` proves of look-ups and of what crossed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

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
from shared.audit import audit_rows, record
from tests.builders import LANZHOU, HandClock, stop_clock

LOOK: Any = {"actor": "a clerk", "office": "371002-mr", "purpose": "查询本人记录", "act": "look"} | {
    "person_index": "somebody",
    "fields": ("marriages",),
}
SPECS = matter_version("disability-subsidies", 1).clocks


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return stop_clock(monkeypatch, "2026-10-20T09:00:00+08:00")


@pytest.fixture
def here(tmp_path: Path, hand: HandClock) -> Iterator[city.City]:
    country = city.Country(tmp_path, (LANZHOU,))
    yield country.cities[LANZHOU]
    country.stop()


def ask(here: city.City, command: str) -> Result:
    environ = {"TONGBAN_NODE": here.node.code, "TONGBAN_HOME": str(here.node.home)}
    return CliRunner().invoke(cli, [command], env=environ)


def doctor(here: city.City) -> Result:
    return ask(here, "doctor")


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


def test_verify_says_that_all_is_as_it_was_written_and_which_line_is_not(here: city.City) -> None:
    with here.works["marriage"].begin() as work:
        for subject in ("one case", "another"):
            record(work, subject=subject, **LOOK)
    whole = ask(here, "verify")
    assert (whole.exit_code, "坏" in whole.output) == (0, False)
    assert "好 查询留痕 marriage" in whole.output.splitlines()
    with here.works["marriage"].begin() as work:
        work.write(text("DROP TRIGGER audit_kept_UPDATE"))  # as somebody with the file itself could
        work.write(update(audit_rows).where(audit_rows.c.subject == "another").values(office="620102-mr"))
    changed = ask(here, "verify")
    assert changed.exit_code == 1
    assert "坏 查询留痕 marriage: 第0链第2行被改动或缺失" in changed.output.splitlines()
