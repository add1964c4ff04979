"""A table of offices before it comes into force: every fault by its line, in words for whoever keeps the table."""

import csv
import datetime
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from contracts.deciding import VERBS
from contracts.matters import every_matter
from shared import identity, regions
from shared.calendar import RestDays
from shared.directory import OFFICE_COLUMNS, OPTIONAL_COLUMNS, Offices, read_offices
from shared.errors import Refused

POWERS = ("take_in", *VERBS, "register_foreign")  # the last: named by the province (婚姻登记条例 第二条)
TIERS = {"city": "市", "county": "县(区)", "township": "乡镇(街道)", "village": "村(居)"}
TIERS_OF = {6: ("city", "county"), 9: ("township",), 12: ("village",)}  # by the digits of an office's code
CODE = re.compile(r"(\d{12}|\d{9}|\d{6})(-[a-z0-9]+)*", re.ASCII)
COLUMNS = OFFICE_COLUMNS + OPTIONAL_COLUMNS
HEADER_LINE = 1

Row = Mapping[str, str]
Lines = Mapping[int, Row]


def checked(content: bytes, on: datetime.date) -> tuple[str, Offices]:
    """The table as it was checked, and its offices. Refused `offices_invalid` names all faults on that day at once."""
    rows: Lines = {}
    try:
        table = csv.DictReader(content.decode("utf-8-sig").splitlines(), restval="")
        numbered = ((table.line_num, _trimmed(row)) for row in table)
        rows = dict(numbered)
        faults = sorted(_faults(table.fieldnames or (), rows, on))
    except UnicodeDecodeError:
        faults = [(HEADER_LINE, "文件不是 UTF-8 编码,请在表格软件中另存为“CSV UTF-8”")]
    except csv.Error:
        faults = [(HEADER_LINE, "文件不是 CSV 表格,请重新导出")]
    if faults:
        told = "\n".join(f"第{line}行: {words}" for line, words in faults)
        raise Refused("offices_invalid", f"办理机构表有误,未导入:\n{told}")
    text = _written(rows.values())  # so that what comes into force is what was checked, blanks trimmed
    return text, read_offices(text.splitlines())


def _trimmed(row: Row) -> Row:
    return {name: row.get(name, "").strip() for name in COLUMNS}


def _written(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _faults(header: Collection[str], rows: Lines, on: datetime.date) -> Iterator[tuple[int, str]]:
    if missing := [name for name in OFFICE_COLUMNS if name not in header]:
        yield HEADER_LINE, f"表头缺少列: {'、'.join(missing)}"
        return
    if not rows:
        yield HEADER_LINE, "表中没有任何机构"
    for line, row in rows.items():
        yield from ((line, words) for words in _of_row(row, on))
    yield from _of_table(rows)


def _of_row(row: Row, on: datetime.date) -> Iterator[str]:
    yield from _of_code(row)
    yield from _of_powers(row["powers"].split())
    if row["organisation_code"]:
        yield from _of_organisation(row["organisation_code"])
    if row["rest_days"] and row["rest_days"] not in set(RestDays):
        yield f"rest_days 休息日口径“{row['rest_days']}”应为 {'、'.join(RestDays)} 之一,或留空(按工作日历)"
    days = {name: _day(row[name]) for name in ("valid_from", "valid_until") if row[name]}
    yield from (f"{name} 日期“{row[name]}”应写成 2026-01-31 的形式" for name, day in days.items() if day is None)
    first, end = days.get("valid_from") or datetime.date.min, days.get("valid_until") or datetime.date.max
    if end <= first:
        yield f"valid_until 停用日期 {end} 应晚于 valid_from 启用日期 {first}"
    else:
        yield from _of_division(row["division"], max(first, min(on, end - datetime.timedelta(days=1))))


def _of_code(row: Row) -> Iterator[str]:
    if not row["name"]:
        yield "name 名称不能为空"
    code = CODE.fullmatch(row["code"])
    if code is None:
        yield f"code 机构代码“{row['code']}”应为 6、9 或 12 位数字,同一地有几个机构时后加短横和小写字母,如 620102-dpf"
    if row["tier"] not in TIERS:
        yield f"tier 层级“{row['tier']}”应为 {'、'.join(TIERS)} 之一"
    elif code and row["tier"] not in TIERS_OF[len(code[1])]:
        fitting = "或".join(TIERS[tier] for tier in TIERS_OF[len(code[1])])
        yield f"tier 层级 {row['tier']}({TIERS[row['tier']]})与代码不符:{len(code[1])} 位代码是{fitting}的"


def _of_powers(powers: Iterable[str]) -> Iterator[str]:
    matters = {matter.matter for matter in every_matter()}
    for power in powers:
        verb, colon, matter = power.partition(":")
        if not colon:
            yield f"powers 权限“{power}”应写成 环节:事项,如 take_in:*"
        elif verb not in POWERS:
            yield f"powers 权限“{power}”的环节应为 {'、'.join(POWERS)} 之一"
        elif matter not in matters | {"*"}:
            yield f"powers 权限“{power}”的事项不在事项清单中,应为 {'、'.join(sorted(matters))} 或 *"


def _of_organisation(code: str) -> Iterator[str]:
    try:
        right = identity.uscc(code)
    except Refused as refused:
        yield f"organisation_code {code}: {refused.message}"
    else:
        if right != code:
            yield f"organisation_code {code} 应写成 {right}"


def _of_division(division: str, on: datetime.date) -> Iterator[str]:
    if not re.fullmatch(r"\d{6}|\d{9}|\d{12}", division, re.ASCII):
        yield f"division 区划代码“{division}”应为 6、9 或 12 位数字"
        return
    try:
        regions.standard().resolve(division, on)
    except Refused as refused:
        yield f"division {division}: {refused.message}"


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _of_table(rows: Lines) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    for line, row in rows.items():
        if row["code"] and lines.setdefault(row["code"], line) != line:
            yield line, f"code 机构代码 {row['code']} 与第{lines[row['code']]}行重复"
    parents = {code: rows[line]["parent"] for code, line in lines.items()}
    for line, row in rows.items():
        if row["parent"] and row["parent"] not in lines:
            yield line, f"parent 上级 {row['parent']} 不在表中"
        elif row["parent"] == row["code"] != "":
            yield line, "parent 上级不能是本机构自己"
    for code in sorted(parents):
        if (circle := _circle(code, parents)) is not None:
            yield lines[code], f"parent 上级关系成环: {' → '.join(circle)}"


def _circle(code: str, parents: Mapping[str, str]) -> list[str] | None:
    """The way up from an office that leads back to it over others."""
    way = [code]
    while (above := parents.get(way[-1], "")) and above not in way:
        way.append(above)
    return [*way, code] if above == code and len(way) > 1 else None
