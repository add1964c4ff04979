"""Derive shared/data/calendar.csv: the days on which China's working week departs from Monday to Friday.

Run by hand when the State Council Office has announced a new year (late autumn), never at run time, in a
scratch environment that has the one package needed:

    python -m venv /tmp/scratch && /tmp/scratch/bin/pip install chinesecalendar==1.11.0
    /tmp/scratch/bin/python deploy/derive_calendar.py shared/data/calendar.csv

Provenance: `chinesecalendar` 1.11.0 (PyPI, MIT, released 2025-11), which copies the annual notices of the State
Council Office (国务院办公厅关于年度部分节假日安排的通知) for 2004 to 2026. Dates are facts; only they and the
holiday's name are taken over. A year that no package knows yet may be added to the table by hand, with the
notice's number as its source: the horizon is the end of the last year that the table names.
"""

import csv
import datetime
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "chinesecalendar 1.11.0"
FIRST_YEAR, LAST_YEAR = 2004, 2026
NAMES = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
    "Anti-Fascist 70th Day": "抗战胜利70周年纪念日",
}


def exceptions(package: Any) -> Iterator[tuple[str, str, str, str]]:
    """(date, rest|work, note, source) of every weekday off and every working Saturday or Sunday."""
    day = datetime.date(FIRST_YEAR, 1, 1)
    while day.year <= LAST_YEAR:
        weekday, working = day.weekday() < 5, package.is_workday(day)
        if weekday and not working:
            _, holiday = package.get_holiday_detail(day)
            yield day.isoformat(), "rest", NAMES[holiday], PACKAGE
        if working and not weekday:
            holiday = package.constants.workdays[day]
            yield day.isoformat(), "work", f"{NAMES[holiday]}调休上班", PACKAGE
        day += datetime.timedelta(days=1)


def main(target: Path) -> None:
    """Write the table to `target` and say how many rows of each kind it holds."""
    rows = list(exceptions(importlib.import_module("chinese_calendar")))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("date", "kind", "note", "source"))
        writer.writerows(rows)
    kinds = [row[1] for row in rows]
    sys.stdout.write(f"{len(rows)} rows: {kinds.count('rest')} rest, {kinds.count('work')} work\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
