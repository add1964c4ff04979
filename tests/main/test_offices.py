"""办理机构表: every fault of a table is told at once, by its line, and nothing changes until there is none."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.homes import CITIES, SEED
from services.main.cli import cli
from services.main.offices import checked
from shared.directory import OFFICE_COLUMNS, Node
from shared.errors import Refused
from tests.builders import LANZHOU, make_node

DAY = datetime.date(2025, 10, 9)
HEADER = ",".join(OFFICE_COLUMNS)
COUNTY = {"code": "620102", "name": "城关区民政局", "tier": "county", "division": "620102", "powers": "decide:*"}
STREET = {"code": "620102001", "name": "酒泉路街道", "tier": "township", "parent": "620102", "division": "620102001"}


def row(plain: dict[str, str] = COUNTY, **changed: str) -> str:
    return ",".join((plain | changed).get(name, "") for name in OFFICE_COLUMNS)


def faults(*lines: str, header: str = HEADER) -> dict[str, str]:
    """What is told, by line."""
    with pytest.raises(Refused) as refused:
        checked("\n".join([header, *lines]).encode(), DAY)
    assert refused.value.code == "offices_invalid"
    told = [line.split(": ", 1) for line in refused.value.message.splitlines()[1:]]
    found: dict[str, str] = {}
    for line, words in told:
        found[line] = f"{found[line]}\n{words}" if line in found else words
    return found


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.code)
def test_the_tables_of_our_own_cities_have_no_fault(city: Any) -> None:
    _, offices = checked((SEED / "offices" / f"{city.code}.csv").read_bytes(), DAY)
    assert offices.by_code


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"code": ""}, "code 机构代码“”应为"),
        ({"code": "62010"}, "code 机构代码“62010”应为"),
        ({"code": "620102_dpf"}, "code 机构代码“620102_dpf”应为"),
        ({"name": " "}, "name 名称不能为空"),
        ({"tier": "moon"}, "tier 层级“moon”应为 city、county、township、village 之一"),
        ({"tier": "village"}, "6 位代码是市或县(区)的"),
        ({"code": "620102001"}, "9 位代码是乡镇(街道)的"),
        ({"code": "620102001001"}, "12 位代码是村(居)的"),
        ({"division": "62010"}, "division 区划代码“62010”应为"),
        ({"division": "699999"}, "没有这个区划代码"),
        ({"division": "620199001"}, "没有这个区划代码"),
        ({"powers": "take_in"}, "应写成 环节:事项"),
        (
            {"powers": "take_in:* rule:*"},
            "powers 权限“rule:*”的环节应为 take_in、check、review、decide、examine、register、register_foreign 之一",
        ),
        ({"powers": "check:marriage"}, "powers 权限“check:marriage”的事项不在事项清单中"),
        ({"organisation_code": "11620102XYN0012367"}, "校验码不对"),
        ({"organisation_code": "none"}, "organisation_code none: 统一社会信用代码应为18位"),
        ({"organisation_code": "11620102xyn0012366"}, "应写成 11620102XYN0012366"),
        ({"valid_from": "soon"}, "valid_from 日期“soon”应写成"),
        ({"valid_from": "2025-01-02", "valid_until": "2025-01-01"}, "停用日期 2025-01-01 应晚于"),
        ({"valid_from": "2025-01-02", "valid_until": "2025-01-02"}, "停用日期 2025-01-02 应晚于"),
        ({"parent": "nobody"}, "parent 上级 nobody 不在表中"),
        ({"parent": "620102"}, "parent 上级不能是本机构自己"),
    ],
)
def test_a_fault_is_named_with_its_line(changed: dict[str, str], words: str) -> None:
    assert words in faults(row(STREET, parent=""), row(**changed))["第3行"]


def test_all_faults_are_told_at_once_also_several_of_a_line() -> None:
    told = faults(
        row(name="", powers="x:y", organisation_code="1"),
        "",
        row(STREET, division="1"),
        row(),
        "620103",
    )
    assert list(told) == ["第2行", "第4行", "第5行", "第6行"]
    assert len(told["第2行"].splitlines()) == 3
    assert "与第2行重复" in told["第5行"]


def test_parents_in_a_circle_are_named_each_with_the_way() -> None:
    told = faults(
        row(code="620102-a", parent="620102-b"),
        row(code="620102-b", parent="620102-c"),
        row(code="620102-c", parent="620102-a"),
        row(code="620102-d", parent="620102-a"),
    )
    assert list(told) == ["第2行", "第3行", "第4行"]
    assert told["第2行"] == "parent 上级关系成环: 620102-a → 620102-b → 620102-c → 620102-a"


def test_a_wrong_header_names_the_columns_that_are_missing() -> None:
    header = HEADER.replace("powers", "power").replace("tier,", "")
    assert faults(row(), header=header) == {"第1行": "表头缺少列: tier、powers"}


def test_a_table_without_offices_is_refused() -> None:
    assert faults() == {"第1行": "表中没有任何机构"}
    for content in (b"", b"\n\n"):
        with pytest.raises(Refused, match="表头缺少列: code"):
            checked(content, DAY)


@pytest.mark.parametrize("content", ["编码".encode("gbk"), f"{HEADER}\n{row()}".encode("utf-16")])
def test_a_file_in_another_encoding_is_refused_with_advice(content: bytes) -> None:
    with pytest.raises(Refused, match="UTF-8"):
        checked(content, DAY)


def test_an_office_that_is_closed_may_stand_in_a_division_that_is_gone() -> None:
    gone = row(code="371081-old", division="371081", valid_until="2013-01-01", powers="take_in:*")
    told = faults(row(code="371081-old", division="371081"))["第2行"]
    assert "371081" in told
    assert "已停用" in told
    assert checked(f"{HEADER}\n{gone}".encode(), DAY)[1].by_code


def test_a_table_comes_into_force_as_it_was_checked_with_blanks_trimmed_and_open_ends() -> None:
    blanks = row(code=" 620102 ", tier=" county ", division=" 620102", valid_from=" 2025-01-02 ")
    short = "620103,七里河区民政局,county,,620103,,,take_in:*"
    text, offices = checked(f"{HEADER}\n{blanks}\n{short}".encode(), DAY)
    assert offices.get("620102").valid_from == datetime.date(2025, 1, 2)
    assert offices.get("620103").may("take_in", "anything", DAY)
    assert checked(text.encode(), DAY)[0] == text


@pytest.mark.parametrize("rest_days", ["", "holidays", "none", "weekends_and_holidays"])
def test_how_an_office_rests_comes_into_force_with_the_table(rest_days: str) -> None:
    text, offices = checked(f"{HEADER},rest_days\n{row()},{rest_days}\n".encode(), DAY)
    assert offices.get("620102").rest_days == (rest_days or "weekends_and_holidays")
    assert checked(text.encode(), DAY)[0] == text


def test_a_way_to_rest_that_nobody_knows_is_named_with_those_there_are() -> None:
    told = faults(f"{row()},sundays", header=f"{HEADER},rest_days")["第2行"]
    assert told == "rest_days 休息日口径“sundays”应为 weekends_and_holidays、holidays、none 之一,或留空(按工作日历)"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return make_node(tmp_path, LANZHOU)


def imported(node: Node, table: Path) -> Result:
    environ = {"TONGBAN_NODE": node.code, "TONGBAN_HOME": str(node.home)}
    return CliRunner().invoke(cli, ["offices", "import", str(table)], env=environ)


def test_a_faulty_table_changes_nothing_and_a_good_one_comes_into_force(node: Node, tmp_path: Path) -> None:
    table, before = tmp_path / "new.csv", (node.home / "offices.csv").read_bytes()
    table.write_text("\n".join([HEADER, row(), row(STREET, powers="x:*")]), "utf-8")
    refused = imported(node, table)
    assert (refused.exit_code, "第3行: powers" in refused.output) == (1, True)
    assert (node.home / "offices.csv").read_bytes() == before
    assert not list(node.home.glob("*.new"))
    table.write_text("\r\n".join([HEADER, row(), row(STREET, powers="check:*")]), "utf-8-sig")
    taken = imported(node, table)
    assert (taken.exit_code, taken.output) == (0, "已导入 2 个办理机构。\n")
    assert set(Node(node.code, node.home).offices.by_code) == {"620102", "620102001"}
