"""Old books: their lines as somebody copied them into a table, and what became of them."""

import csv
import io
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from contracts.envelope import Json
from services.main import archive
from services.main.archive import Outcome
from services.main.cli import cli
from services.marriage.rules.archives import Choice
from services.marriage.store import tables
from services.marriage.usecases import archive_conflicts
from services.marriage.usecases.archive_lines import COLUMNS
from tests.builders import LANZHOU, City, Country
from tests.marriage.weddings import HE, OFFICES, SHE

OLD = "兰结字第12号"


def line(he: Json = HE, she: Json = SHE, **changes: str) -> dict[str, str]:
    """A living marriage in a book of 兰州."""
    plain = {"kind": "marriage", "office": OFFICES[LANZHOU], "certificate_no": OLD, "registered_on": "2019-05-20"}
    plain |= {"name_1": he["name"], "id_number_1": he["id_number"], "name_2": she["name"]}
    plain |= {"id_number_2": she["id_number"], "archive": "区档案馆", "call_number": "2019-3-12", "scan": "p07.jpg"}
    return dict.fromkeys(COLUMNS, "") | plain | {"state": "valid"} | changes


def table(*lines: dict[str, str]) -> bytes:
    """The lines as a spreadsheet saves them."""
    text = io.StringIO()
    written = csv.DictWriter(text, COLUMNS)
    written.writeheader()
    written.writerows(lines)
    return text.getvalue().encode("utf-8-sig")


def enter(country: Country, *lines: dict[str, str], city: str = LANZHOU, by: str = "录入员") -> Outcome:
    """The lines are imported in a city; all settled."""
    outcome = archive.import_lines(country[city].works["marriage"], archive.read_lines(table(*lines)), by)
    country.settle()
    return outcome


def reported(outcome: Outcome) -> list[tuple[int, str, str]]:
    """Line, field and grade of all that was reported."""
    return [fault[:3] for fault in outcome.report]


def states(city: City) -> list[str]:
    """How far every line of a city is, in the order of their entry."""
    return [row.state for row in sorted(city.rows("marriage", tables.archives), key=lambda row: row.entry_id)]


def conflicts(city: City) -> list[Json]:
    """What two people must look at."""
    with city.works["marriage"].begin() as work:
        return archive_conflicts.list_conflicts(work)


def settle(country: Country, choice: str, ended: Any = None, city: str = LANZHOU) -> None:
    """Two people settle the oldest conflict of a city; all settled."""
    entry = conflicts(country[city])[0]["entry"]
    with country[city].works["marriage"].begin() as work:
        archive_conflicts.propose(work, entry, Choice(choice), "甲", ended)
    with country[city].works["marriage"].begin() as work:
        archive_conflicts.confirm(work, entry, "乙")
    country.settle()


def tongban(city: City, *words: str, home: Path | None = None) -> Result:
    """A command of an operator of that city."""
    environ = {"TONGBAN_NODE": city.code, "TONGBAN_HOME": str(home or city.node.home)}
    return CliRunner().invoke(cli, ["archive", *words], env=environ)
