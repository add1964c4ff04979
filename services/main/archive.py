"""`tongban archive import`: the lines of a CSV of old books, each in a transaction of its own, and what became of them."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.marriage.rules.archives import Fault
from services.marriage.usecases.archive_lines import COLUMNS, Raw, read_line
from services.marriage.usecases.archiving import enter_line
from shared import clock
from shared.errors import Refused, TongbanError
from shared.outbox import Works

HEADER_LINE = 1
REPORT = ("line", "field", "grade", "reason")
REJECTED, NOTED = "拒绝", "提醒"
Lines = list[tuple[int, Raw]]


@dataclass(slots=True)
class Outcome:
    """How many lines came how far (of rules.archives.State; `known`: there before), and what is to be reported."""

    numbers: Counter[str] = field(default_factory=Counter)
    report: list[tuple[int, str, str, str]] = field(default_factory=list)


def read_lines(content: bytes) -> Lines:
    """Every line with its number in the file, blanks trimmed. Refused `archive_unreadable`."""
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), restval="", strict=True)
        lacking = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if lacking:
            raise Refused("archive_unreadable", f"表头缺少列:{'、'.join(lacking)}。一行也没有导入")
        return [(table.line_num, {name: row[name].strip() for name in COLUMNS}) for row in table]
    except UnicodeDecodeError as error:
        words = "文件不是 UTF-8 编码,请在表格软件中另存为“CSV UTF-8”。一行也没有导入"
        raise Refused("archive_unreadable", words) from error
    except csv.Error as error:
        raise Refused("archive_unreadable", "文件不是 CSV 表格,请重新导出。一行也没有导入") from error


def import_lines(works: Works, lines: Iterable[tuple[int, Raw]], by: str) -> Outcome:
    """Enter every line that can be; those there already are passed over. `lines` may be a progress bar."""
    outcome = Outcome()
    for number, raw in lines:
        _import_line(works, number, raw, by, outcome)
    return outcome


def _import_line(works: Works, number: int, raw: Raw, by: str, outcome: Outcome) -> None:
    line, faults = read_line(works.node, raw, by, clock.today())
    state = "rejected"
    if line is not None:
        try:
            with works.begin() as work:
                entry = enter_line(work, line, by)
            state = str(entry.state) if entry else "known"
        except TongbanError as error:
            faults.append(Fault(error.field, error.message))
    outcome.numbers[state] += 1
    if state != "known":
        outcome.report += [(number, one.field, REJECTED if one.rejects else NOTED, one.words) for one in faults]


def write_report(outcome: Outcome) -> str:
    """The report as CSV: line, field, grade and reason; it names nobody."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(REPORT)
    table.writerows(outcome.report)
    return text.getvalue()
