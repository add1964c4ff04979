"""Divisions by code and date: what a code meant, what lies above and below it, and what took over."""

import csv
import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import regions
from shared.errors import Refused

DAY = datetime.date.fromisoformat
TODAY = DAY("2026-10-01")
STANDARD = regions.standard()
PACK = Path(__file__).parents[2] / "deploy" / "seed" / "test_region_pack.csv"
ROWS = list(csv.DictReader((regions.DATA / "divisions.csv").read_text(encoding="utf-8").splitlines()))
MOVES = list(csv.DictReader((regions.DATA / "successors.csv").read_text(encoding="utf-8").splitlines()))
CODES = sorted({row["code"] for row in ROWS})


def refusal(code: str, day: str) -> Refused:
    with pytest.raises(Refused) as caught:
        STANDARD.resolve(code, DAY(day))
    assert caught.value.basis == "GB/T 2260"
    return caught.value


def heirs(code: str) -> list[str]:
    return [division.code for division in STANDARD.current(code, TODAY)]


@pytest.mark.parametrize(
    ("code", "day", "name"),
    [
        ("469003", "2010-01-01", "儋州市"),
        ("460400", "2020-01-01", "儋州市"),
        ("460029", "1990-01-01", "儋县"),
        ("460003", "2000-01-01", "儋州市"),
        ("460205", "2014-12-31", "崖州区"),
        ("460300", "2013-01-01", "三沙市"),
        ("460302", "2020-12-31", "西沙区"),
        ("320824", "1985-01-01", "宿迁县"),
        ("329006", "1990-01-01", "宿迁市"),
        ("321300", "1996-12-31", "宿迁市"),
        ("321321", "2003-12-31", "宿豫县"),
        ("321311", "2004-12-31", "宿豫区"),
        ("422301", "1990-01-01", "咸宁市"),
        ("421202", "2025-09-24", "咸安区"),
        ("379012", "1990-01-01", "荣成市"),
        ("371082", "2025-09-24", "荣成市"),
        ("620302", "1984-12-31", "金川区"),
        ("500112", "2026-01-24", "渝北区"),
        ("500157", "2026-01-25", "两江新区"),
        ("350404", "2021-12-31", "三元区"),
        ("350403", "2020-12-31", "三元区"),
        ("830000", "2025-01-01", "台湾省"),
    ],
)
def test_a_code_has_the_name_of_its_time(code: str, day: str, name: str) -> None:
    assert STANDARD.resolve(code, DAY(day)).name == name


@pytest.mark.parametrize(
    ("code", "day", "successors"),
    [
        ("469003", "2020-01-01", ["460400"]),
        ("500105", "2026-01-25", ["500157"]),
        ("500112", "2026-01-25", ["500109", "500157"]),
        ("350402", "2022-01-01", ["350404"]),
        ("372133", "2000-01-01", ["371082"]),
        ("130106", "2020-01-01", []),
    ],
)
def test_a_retired_code_points_to_its_successors(code: str, day: str, successors: list[str]) -> None:
    answer = refusal(code, day)
    assert (answer.code, answer.details) == ("division_retired", {"successors": successors})
    assert all(successor in answer.message for successor in successors)
    assert "请" in answer.message


def test_a_code_that_was_split_asks_for_the_town() -> None:
    assert "乡镇" in refusal("500112", "2026-01-25").message
    assert "乡镇" not in refusal("500105", "2026-01-25").message


@pytest.mark.parametrize(
    ("code", "day"), [("460400", "2010-01-01"), ("350404", "2020-12-31"), ("500157", "2026-01-24")]
)
def test_a_code_is_not_valid_before_its_time(code: str, day: str) -> None:
    assert refusal(code, day).code == "division_not_yet"


@pytest.mark.parametrize("code", ["460301", "990101", "4603", "46030x", "４６０４００", "", "4604001", "460400\n"])
def test_an_unknown_code_is_refused_without_repeating_it(code: str) -> None:
    answer = refusal(code, "2026-10-01")
    assert answer.code == "division_unknown"
    assert not code or code not in answer.message


def test_only_the_old_code_is_good_until_the_day_of_an_exact_change() -> None:
    change = DAY("2026-01-25")
    old, new = STANDARD.resolve("500105", DAY("2026-01-24")), STANDARD.resolve("500157", change)
    assert (old.valid_until, new.valid_from, new.precision) == (change, change, "day")


def test_both_codes_are_good_in_the_year_of_a_change_of_which_no_more_is_known() -> None:
    change = DAY("1998-06-01")
    assert STANDARD.resolve("422301", change).valid_until == DAY("1999-01-01")
    assert STANDARD.resolve("421202", change).valid_from == DAY("1998-01-01")
    assert STANDARD.resolve("421202", change).precision == "year"


def test_a_month_is_known_where_monthly_lists_enclose_the_change() -> None:
    new = STANDARD.resolve("460400", TODAY)
    assert (new.valid_from, new.precision) == (DAY("2015-03-01"), "month")
    assert STANDARD.resolve("469003", DAY("2015-03-31")).valid_until == DAY("2015-04-01")


def test_a_renamed_code_has_the_newer_name_in_the_year_of_renaming() -> None:
    names = [STANDARD.resolve("420600", DAY(f"{year}-06-01")).name for year in (2009, 2010, 2011)]
    assert names == ["襄樊市", "襄阳市", "襄阳市"]


@pytest.mark.parametrize(
    ("code", "parent"),
    [
        ("469005", "460000"),  # a county directly under its province
        ("419001", "410000"),
        ("460302", "460300"),
        ("460400", "460000"),
        ("110101", "110000"),
        ("500243", "500000"),
        ("659001", "650000"),
        ("329006", "320000"),
        ("620102008", "620100"),
        ("620000", ""),
    ],
)
def test_the_parent_is_stated_and_not_computed(code: str, parent: str) -> None:
    assert STANDARD.parent(code) == parent


@pytest.mark.parametrize(
    ("code", "day", "codes"),
    [
        ("460400", "2026-10-01", []),
        ("441900", "2026-10-01", []),
        ("620200", "2026-10-01", []),
        ("460300", "2026-10-01", ["460302", "460303"]),
        ("460300", "2019-12-31", []),
        ("460200", "2026-10-01", ["460202", "460203", "460204", "460205"]),
        ("620300", "2026-10-01", ["620302", "620321"]),
        ("350400", "2020-12-31", "350402 350403 350421 350423 350424 350425 350426 350427 350428 350429 350430 350481"),
        ("999999", "2026-10-01", []),
    ],
)
def test_children_are_those_of_the_day(code: str, day: str, codes: list[str] | str) -> None:
    expected = codes.split() if isinstance(codes, str) else codes
    assert [division.code for division in STANDARD.children(code, DAY(day))] == expected


def test_chongqing_has_38_counties_until_two_become_one() -> None:
    before = {division.code for division in STANDARD.children("500000", DAY("2026-01-24"))}
    after = {division.code for division in STANDARD.children("500000", DAY("2026-01-25"))}
    assert (len(before), len(after)) == (38, 37)
    assert (before - after, after - before) == ({"500105", "500112"}, {"500157"})


def test_the_provinces_are_below_nothing() -> None:
    provinces = STANDARD.children("", TODAY)
    assert len(provinces) == 34
    assert {division.level for division in provinces} == {"province"}
    assert "830000" not in {division.code for division in provinces}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("460029", ["460400"]),
        ("460003", ["460400"]),
        ("322225", ["321302", "321311"]),
        ("320881", ["321302", "321311"]),
        ("321321", ["321311"]),
        ("422301", ["421202"]),
        ("379012", ["371082"]),
        ("371081", ["371003"]),
        ("500105", ["500157"]),
        ("500112", ["500109", "500157"]),
        ("510218", ["500109", "500157"]),
        ("350403", ["350404"]),
        ("350404", ["350404"]),
        ("421202", ["421202"]),
        ("340203", ["340209"]),  # renamed under the same code before it moved
        ("449003", ["440113"]),  # given twice: the latest holder counts
    ],
)
def test_an_old_code_leads_to_the_divisions_of_today(code: str, expected: list[str]) -> None:
    assert heirs(code) == expected


def test_an_old_code_leads_no_further_than_the_day_asked_for() -> None:
    assert [division.code for division in STANDARD.current("460003", DAY("2010-01-01"))] == ["469003"]
    assert STANDARD.current("460400", DAY("2010-01-01")) == []


def test_a_living_code_may_have_given_a_part_away() -> None:
    (move,) = STANDARD.successors("500109")
    assert (move.new, move.scope, move.effective_on, move.precision) == ("500157", "part", DAY("2026-01-25"), "day")
    assert heirs("500109") == ["500109"]


def test_a_merger_is_whole_and_a_division_in_parts() -> None:
    assert [(move.new, move.scope) for move in STANDARD.successors("500105")] == [("500157", "whole")]
    assert [(move.new, move.scope) for move in STANDARD.successors("500112")] == [
        ("500109", "part"),
        ("500157", "part"),
    ]
    assert [(move.new, move.basis) for move in STANDARD.successors("321321")] == [("321311", "国函〔2004〕6号")]
    assert STANDARD.successors("460400") == []


def test_successors_and_heirs_of_a_township_are_its_countys() -> None:
    assert STANDARD.successors("469003100") == STANDARD.successors("469003")
    assert heirs("469003100201") == ["460400"]
    with pytest.raises(Refused, match="division_unknown"):
        STANDARD.current("460301", TODAY)


@pytest.mark.parametrize(
    ("code", "day", "path"),
    [
        ("620102", "2026-10-01", "甘肃省兰州市城关区"),
        ("421202", "2026-10-01", "湖北省咸宁市咸安区"),
        ("421202007002", "2026-10-01", "湖北省咸宁市咸安区"),
        ("469005", "2026-10-01", "海南省文昌市"),
        ("460400100", "2026-10-01", "海南省儋州市"),
        ("110101", "2026-10-01", "北京市东城区"),
        ("422301", "1990-01-01", "湖北省咸宁地区咸宁市"),
        ("510218", "1996-01-01", "四川省重庆市渝北区"),
        ("620000", "2026-10-01", "甘肃省"),
    ],
)
def test_a_path_names_everything_above(code: str, day: str, path: str) -> None:
    assert STANDARD.name_path(code, DAY(day)) == path


def test_a_pack_adds_unreal_divisions() -> None:
    packed = regions.standard(PACK)
    names = [division.name for division in packed.children("990100", TODAY)]
    assert names == ["测试区一", "测试区二", "测试区三", "测试区四", "测试区五"]
    assert packed.name_path("990103001", DAY("1990-01-01")) == "测试省测试市测试区三"
    assert packed.resolve("620102", TODAY) == STANDARD.resolve("620102", TODAY)


def test_a_pack_replaces_the_codes_it_names(tmp_path: Path) -> None:
    divisions, moves = tmp_path / "divisions.csv", tmp_path / "successors.csv"
    divisions.write_text(
        "code,name,level,parent_code,valid_from,valid_until,source\n"
        "990000,测试省,province,,,,unreal\n"
        "620302,金川区,county,620300,1984,2026-11-01,notice\n"
        "620303,新金川区,county,620300,2026-11-01,,notice\n",
        encoding="utf-8",
    )
    moves.write_text("old,new,effective_on,scope,basis\n620302,620303,2026-11-01,whole,notice\n", encoding="utf-8")
    packed = regions.standard(divisions, moves)
    assert [division.name for division in packed.current("620302", DAY("2026-11-01"))] == ["新金川区"]
    assert [division.name for division in packed.current("620302", DAY("2026-10-31"))] == ["金川区"]
    assert heirs("620302") == ["620302"]


def test_the_table_of_today_counts_what_the_ministry_counts() -> None:
    levels = [row["level"] for row in ROWS if not row["valid_until"]]
    assert [levels.count(level) for level in ("province", "prefecture", "county", "permit")] == [34, 333, 2847, 1]


def test_every_division_lies_below_one_that_is_known() -> None:
    assert {row["parent_code"] for row in ROWS} - {""} <= set(CODES)
    still = {row["code"] for row in ROWS if not row["valid_until"]}
    assert {row["parent_code"] for row in ROWS if not row["valid_until"]} - {""} <= still


def test_the_periods_of_a_code_follow_each_other() -> None:
    for before, after in pairwise(ROWS):
        if before["code"] == after["code"]:
            assert "" < before["valid_until"] <= after["valid_from"]


def test_every_move_joins_two_known_codes() -> None:
    assert {move["old"] for move in MOVES} | {move["new"] for move in MOVES} <= set(CODES)
    assert all(move["old"] != move["new"] for move in MOVES)
    assert {move["scope"] for move in MOVES} == {"whole", "part"}
    assert all(move["basis"] and move["effective_on"] for move in MOVES)


def test_few_codes_lead_nowhere() -> None:
    nowhere = [code for code in CODES if not STANDARD.current(code, TODAY)]
    assert len(nowhere) < 0.025 * len(CODES)
    assert not [row for row in ROWS if row["code"] in nowhere and row["valid_until"] > "2011"]


@given(st.sampled_from(CODES), st.dates(DAY("1984-01-01"), TODAY))
def test_whatever_a_code_leads_to_was_valid_that_day(code: str, day: datetime.date) -> None:
    found = STANDARD.current(code, day)
    assert all(division.is_valid(day) for division in found)
    assert [division.code for division in found] == sorted({division.code for division in found})
    for division in found:
        assert STANDARD.resolve(division.code, day) == division
        assert STANDARD.name_path(division.code, day).endswith(division.name)
