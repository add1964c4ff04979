"""`tongban slots open`: schedules become slots, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from deploy.homes import CITIES
from services.appointment.store import slots
from services.main import city
from services.main.cli import cli
from services.main.slots import seed_of
from shared.directory import read_offices
from tests.builders import WEIHAI, stop_clock


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[city.City]:
    stop_clock(monkeypatch, "2025-10-09T01:00:00Z")
    country = city.Country(tmp_path, (WEIHAI,))
    yield country.cities[WEIHAI]
    country.stop()


def tongban(here: city.City, *words: str) -> Result:
    environ = {"TONGBAN_NODE": here.node.code, "TONGBAN_HOME": str(here.node.home)}
    return CliRunner().invoke(cli, ["slots", "open", *words], env=environ)


def number(here: city.City) -> int:
    with here.works["appointment"].begin() as work:
        return int(work.execute(select(func.count()).select_from(slots)).scalar_one())


def test_the_seed_is_published_once_however_often_it_is_said(here: city.City) -> None:
    first = tongban(here)
    assert f"新增 {number(here)} 个时段" in first.output
    assert number(here) > 100
    assert "新增 0 个时段" in tongban(here).output


def test_a_file_with_a_faulty_schedule_opens_nothing(here: city.City, tmp_path: Path) -> None:
    rows = yaml.safe_load(seed_of(WEIHAI).read_text("utf-8"))
    path = tmp_path / "slots.yaml"
    path.write_text(yaml.safe_dump([*rows, rows[0] | {"minutes": 1, "site": "又一处"}]), "utf-8")
    refused = tongban(here, str(path))
    assert refused.exit_code == 1
    assert "排班有误" in refused.output
    assert number(here) == 0


@pytest.mark.parametrize("code", [here.code for here in CITIES])
def test_every_demo_city_serves_on_a_saturday(code: str) -> None:
    rows = yaml.safe_load(seed_of(code).read_text("utf-8"))
    assert any(row["kind"] == "weekend" and 6 in row["weekdays"] for row in rows)
    table = (seed_of(code).parents[1] / "offices" / f"{code}.csv").read_text("utf-8")
    assert {row["office"] for row in rows} <= set(read_offices(table.splitlines()).by_code)
