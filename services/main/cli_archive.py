"""The commands for old books (补录): enter a table of them, settle what contradicts, say which years are complete.

And after which numbers of the system before an office's numbers go on.
"""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.main.cli_stuck import service_works, show

if TYPE_CHECKING:
    from services.marriage.rules.numbers import Kind

BY = click.option("--by", required=True, help="Who does it; stands in the record for ever.")
WORDS = {
    "entered": "已录入",
    "asked": "已受理,正在申请占用",
    "conflict": "有冲突,待两人处理",
    "known": "以前已导入",
    "rejected": "有误,未导入",
}


@click.group()
def archive() -> None:
    """Marriages and divorces of old books."""


@archive.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@BY
@click.option("--report", type=click.Path(path_type=Path), help="Where faults go; else FILE with .report.csv.")
def import_file(file: Path, by: str, report: Path | None) -> None:
    """Enter the lines of FILE; it is safe to run again with the same or a mended file.

    A CSV in UTF-8 with the columns kind (marriage, divorce), office (code in the table of offices), certificate_no (as the
    book has it), registered_on (2001-02-03), name_1, id_type_1 (citizen, also when empty, passport, hk-macau-permit,
    taiwan-permit, foreign-permit), id_number_1 (15 digits are brought to 18; a passport's begins with its country:
    USA-512345678), name_2, id_type_2, id_number_2, archive, call_number, scan (page or scanned file), state (valid, or why the
    marriage ended: divorce_registered, divorce_by_court, death, …), ended_on, ended_by (the document). What is wrong with
    a line stands in the report, by line and field.
    """
    from services.main.archive import import_lines, read_lines, write_report
    from shared.files import replace_file

    lines = read_lines(file.read_bytes())
    works = service_works("marriage")
    with click.progressbar(lines, label="补录", file=sys.stderr) as shown:
        outcome = import_lines(works, shown, by)
    click.echo(";".join(f"{words} {outcome.numbers[state]} 条" for state, words in WORDS.items()))
    if outcome.report:
        path = report or file.with_suffix(".report.csv")
        replace_file(path, "\ufeff" + write_report(outcome))
        click.echo(f"{len(outcome.report)} 处问题已写入 {path},请改正后重新导入;已导入的不会重复。")


@archive.command("list")
def list_entries() -> None:
    """How many lines came how far."""
    from services.marriage.store.archives import count_entries

    with service_works("marriage").begin() as work:
        show({"kind": kind, "state": state, "number": number} for kind, state, number in count_entries(work))


@archive.group()
def conflicts() -> None:
    """Lines that contradict another record: two people settle each."""


@conflicts.command("list")
def list_conflicts() -> None:
    """What waits, why, which office has the other record, and what was proposed by whom."""
    from services.marriage.usecases.archive_conflicts import list_conflicts as list_all

    with service_works("marriage").begin() as work:
        show(list_all(work))


@conflicts.command("resolve")
@click.argument("entry")
@click.option(
    "--as",
    "choice",
    required=True,
    type=click.Choice(["again", "ended", "discard", "repeated"]),
    help="again: the other record was put right. ended: the marriage had ended. discard: this line is wrong. "
    "repeated: two couples were really given this number.",
)
@BY
@click.option("--ground", default="", help="ended: why, as in the column state.")
@click.option("--on", default="", help="ended: since when, 2001-02-03.")
@click.option("--document", default="", help="ended: by which document.")
def resolve(entry: str, choice: str, by: str, **ended: str) -> None:
    """Propose what is to be done; another person confirms it."""
    from services.marriage.rules.archives import Choice
    from services.marriage.usecases.archive_conflicts import propose

    with service_works("marriage").begin() as work:
        propose(work, entry, Choice(choice), by, ended if ended["ground"] else None)
    click.echo("已提出,请另一名工作人员对照档案后 confirm。")


@conflicts.command("confirm")
@click.argument("entry")
@BY
def confirm(entry: str, by: str) -> None:
    """Do what another person has proposed."""
    from services.marriage.usecases.archive_conflicts import confirm as settle

    with service_works("marriage").begin() as work:
        state = settle(work, entry, by).state
    click.echo(f"{WORDS.get(state, '已作废')}。")


@archive.command("coverage")
@click.argument("office", default="")
@click.argument("years", nargs=2, type=int, required=False)
@click.option("--complete/--incomplete", default=True, show_default=True)
@click.option("--by", default="", help="Who compared them with the books.")
def coverage(office: str, years: tuple[int, int] | None, complete: bool, by: str) -> None:
    """Say which YEARS of an OFFICE were compared with its books; without them, list what is covered."""
    from services.marriage.store.archives import Covered, list_coverage
    from services.marriage.usecases.archive_conflicts import declare_years

    with service_works("marriage").begin() as work:
        if years:
            if not by:
                raise click.UsageError("--by: 请写明核对人")
            declare_years(work, Covered(office, *years, complete), by)
        show(dataclasses.asdict(span) for span in list_coverage(work) if office in ("", span.office))


@archive.command("serials")
@click.argument("office")
@click.argument("kind", type=click.Choice(["J", "L", "BJ", "BL"]))
@click.argument("year", type=click.IntRange(1949, 2099))
@click.argument("last", type=click.IntRange(1, 999_998))
@BY
@click.option("--confirmed-by", required=True, help="The other one, who has looked at the system before, too.")
def serials(office: str, kind: "Kind", year: int, last: int, by: str, confirmed_by: str) -> None:
    """Let the numbers of a KIND and this YEAR, in an OFFICE's division, go on after LAST.

    LAST is the serial with which the system before has stopped. It is never set back; all offices of a division share
    its numbers, so give the highest of all of them. J: 结婚证, L: 离婚证, BJ and BL: those given out anew.
    """
    from services.marriage.rules.numbers import CertificateNumber
    from services.marriage.usecases.archive_conflicts import continue_serials, next_number

    with service_works("marriage").begin() as work:
        before = CertificateNumber(kind, work.node.offices.get(office).division[:6], year, last)
        given = continue_serials(work, before, office, by.strip(), confirmed_by.strip())
        following = next_number(work, before)
    click.echo(f"下一个字号是 {following}。")
    if given:
        first, until = (str(dataclasses.replace(before, serial=serial)) for serial in (given[0], given[-1]))
        raise click.ClickException(
            f"注意:本系统今年已经编出 {len(given)} 个序号不大于 {last} 的字号({first} 至 {until}),可能与原系统的重复。"
            "请逐个与原系统的登记簿核对;确有重复的,告知后领证的当事人补领,并报上级民政部门"
        )


COMMANDS: tuple[click.Command, ...] = (archive,)
