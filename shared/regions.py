"""China's divisions by (code, date): names, parents, children, and what took over when a code was retired.

Dates in the tables are as exact as their sources: a day, a month or a year. Where only the year or month of a change
is known, the old and the new code are both good until its end. Provenance: shared/data/README.md.
"""

import csv
import datetime
import functools
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Refused

DATA = Path(__file__).parent / "data"
ONE_DAY = datetime.timedelta(days=1)
BASIS = "GB/T 2260"
_CODE = re.compile(r"(\d{6})(?:\d{3}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Division:
    """One code under one name. `level`: province, prefecture, county, or permit (a block in permit numbers only)."""

    code: str
    name: str
    level: str
    parent_code: str  # "" for provinces
    valid_from: datetime.date | None  # None: before the table begins (1982)
    valid_until: datetime.date | None  # the first day on which it is surely no longer valid; None: open
    precision: str  # of the less exact of both dates: year, month, day; "" when neither is known
    source: str

    def is_valid(self, day: datetime.date) -> bool:
        """Whether the code was, or may have been, in force on that day."""
        return (self.valid_from or day) <= day and (self.valid_until is None or day < self.valid_until)


@dataclass(frozen=True, slots=True)
class Successor:
    """Territory of `old` went to `new`. scope: `whole`, or `part` - then only the town or street decides which."""

    old: str
    new: str
    effective_on: datetime.date  # the first day of the month or year if no more is known,
    effective_by: datetime.date  # and its last
    precision: str
    scope: str
    basis: str


class Regions:
    """Divisions of one or more tables. Townships and villages (9 and 12 digits) stand for their county."""

    def __init__(self, rows: dict[str, list[list[str]]], moves: dict[str, list[list[str]]]) -> None:
        self._rows = rows  # code -> its rows as they stand in the file, oldest first: only what is asked for is parsed
        self._moves = moves

    @classmethod
    def load(cls, *paths: Path) -> "Regions":
        """From CSV files of divisions or successors. A later file replaces all rows of the codes that it names."""
        rows: dict[str, list[list[str]]] = {}
        moves: dict[str, list[list[str]]] = {}
        for path in paths:
            with path.open(encoding="utf-8", newline="") as file:
                header, *lines = csv.reader(file)
            (moves if header[0] == "old" else rows).update(_by_code(lines))
        return cls(rows, moves)

    def resolve(self, code: str, as_of: datetime.date) -> Division:
        """What the code meant on that day; of two names in the year of a change, the newer.

        Refused: division_unknown, division_not_yet, division_retired (details: successors, the codes that `current`
        gives for that day).
        """
        history = self._history(code)
        if valid := _valid(history, as_of):
            return valid
        raise self._retired(code, as_of) if _past(history, as_of) else _not_yet(history[0])

    def parent(self, code: str) -> str:
        """The code of the division above, by the latest row; "" above provinces. Refused: division_unknown."""
        return self._history(code)[-1].parent_code

    def children(self, code: str, as_of: datetime.date) -> list[Division]:
        """What lay directly below on that day, by code; `""` gives the provinces."""
        found = (_valid(self._history(below), as_of) for below in self._below.get(code, []))
        return [division for division in found if division and division.parent_code == code]

    def successors(self, code: str) -> list[Successor]:
        """Where the code's territory went, oldest first; also what a living code gave away. Empty: nobody knows."""
        return [_successor(row) for row in self._moves.get(code[:6], [])]

    def current(self, code: str, as_of: datetime.date) -> list[Division]:
        """The divisions of that day to which an older code leads: itself while valid, several where it was split.

        Empty if no table knows, or if the code is younger than `as_of`. Refused: division_unknown.
        """
        history = self._history(code)
        if valid := _valid(history, as_of):
            return [valid]
        found, seen, ahead = {}, set(), _past(history, as_of)[-1:]
        while ahead:
            division = ahead.pop()
            if division == _valid(self._history(division.code), as_of):
                found[division.code] = division
            elif division not in seen:
                ahead += self._heirs(division, as_of)
            seen.add(division)
        return [found[new] for new in sorted(found)]

    def name_path(self, code: str, as_of: datetime.date) -> str:
        """The full name on that day, e.g. 甘肃省兰州市城关区. Refused as `resolve`."""
        division = self.resolve(code, as_of)
        names = [division.name]
        while division.parent_code:
            above = self._history(division.parent_code)
            division = _valid(above, as_of) or above[-1]
            names.append(division.name)
        return "".join(reversed(names))

    @functools.cached_property
    def _below(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = defaultdict(list)
        for code in sorted(self._rows):
            for parent in {row[3] for row in self._rows[code] if row[2] != "permit"}:
                below[parent].append(code)
        return below

    def _history(self, code: str) -> list[Division]:
        match = _CODE.fullmatch(code)
        if not match or match[1] not in self._rows:
            raise Refused("division_unknown", "没有这个区划代码，请核对，或从列表中选择所在地", basis=BASIS)
        return [_division(row) for row in self._rows[match[1]]]

    def _moves_of(self, division: Division) -> list[Successor]:
        """The moves of this period of a code that may have been given again: each belongs to the latest begun before."""
        history = self._history(division.code)
        return [
            move
            for move in self.successors(division.code)
            if (_begun(history, move.effective_on - ONE_DAY) or history)[-1] == division
        ]

    def _heirs(self, division: Division, as_of: datetime.date) -> list[Division]:
        """The periods in which its moves up to that day ended, or else the same code under its next name."""
        moves = [move for move in self._moves_of(division) if move.effective_on <= as_of]
        landings = [row for move in moves for row in _begun(self._history(move.new), move.effective_by)[-1:]]
        return landings if moves else _renamed(self._history(division.code), division)

    def _retired(self, code: str, as_of: datetime.date) -> Refused:
        old, heirs = _past(self._history(code), as_of)[-1], self.current(code, as_of)
        names = "、".join(f"{heir.name}（{heir.code}）" for heir in heirs)
        advice = f"现为{names}，请改用现行代码" if heirs else "请从列表中选择现在的所在地"
        if len(heirs) > 1:
            advice = f"其区域分属{names}，请按乡镇（街道）选择"
        message = f"区划代码{old.code}（{old.name}）已停用，{advice}"
        return Refused("division_retired", message, basis=BASIS, successors=[heir.code for heir in heirs])


@functools.cache
def standard(*packs: Path) -> Regions:
    """The tables this release carries, and packs laid over them."""
    return Regions.load(DATA / "divisions.csv", DATA / "successors.csv", *packs)


def _not_yet(division: Division) -> Refused:
    message = f"区划代码{division.code}（{division.name}）那时尚未启用，请改用当时的代码"
    return Refused("division_not_yet", message, basis=BASIS, valid_from=division.valid_from)


def _valid(history: list[Division], day: datetime.date) -> Division | None:
    return next((division for division in reversed(history) if division.is_valid(day)), None)


def _past(history: list[Division], day: datetime.date) -> list[Division]:
    return [division for division in history if division.valid_until and division.valid_until <= day]


def _begun(history: list[Division], day: datetime.date) -> list[Division]:
    return [division for division in history if division.valid_from is None or division.valid_from <= day]


def _renamed(history: list[Division], division: Division) -> list[Division]:
    """The next period of the same code, if it joins on to this one."""
    follower = history[history.index(division) + 1 :][:1]
    return [
        row for row in follower if division.valid_until and row.valid_from and row.valid_from <= division.valid_until
    ]


def _by_code(lines: Iterable[list[str]]) -> dict[str, list[list[str]]]:
    table: dict[str, list[list[str]]] = {}
    for line in lines:
        table.setdefault(line[0], []).append(line)
    return table


def _span(text: str) -> tuple[datetime.date, datetime.date, str]:
    """First and last day that `1998`, `2015-03` or `2026-01-25` may mean, and which precision that is."""
    year, month, day = (int(part) for part in (text + "-0-0").split("-")[:3])
    if day:
        return datetime.date(year, month, day), datetime.date(year, month, day), "day"
    if month:
        after = datetime.date(year + month // 12, month % 12 + 1, 1)
        return datetime.date(year, month, 1), after - ONE_DAY, "month"
    return datetime.date(year, 1, 1), datetime.date(year, 12, 31), "year"


def _until(text: str) -> datetime.date:
    _, last, precision = _span(text)
    return last if precision == "day" else last + ONE_DAY


def _division(row: list[str]) -> Division:
    code, name, level, parent_code, opened, closed, source = row
    spans = [_span(text) for text in (opened, closed) if text]
    return Division(
        code=code,
        name=name,
        level=level,
        parent_code=parent_code,
        valid_from=_span(opened)[0] if opened else None,
        valid_until=_until(closed) if closed else None,
        precision=max((span[2] for span in spans), default=""),  # by luck of the alphabet, the least exact
        source=source,
    )


def _successor(row: list[str]) -> Successor:
    old, new, effective, scope, basis = row
    first, last, precision = _span(effective)
    return Successor(old, new, first, last, precision, scope, basis)
