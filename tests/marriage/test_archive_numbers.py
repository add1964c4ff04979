"""Numbers in old books: none that was given once is given again, and one given twice is for two people to judge."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from click.testing import Result

from contracts.envelope import Json
from services.main.archive import import_lines, read_lines
from services.marriage.rules.numbers import CertificateNumber
from services.marriage.store import tables
from services.marriage.store.marriages import add_marriage, next_serial
from services.marriage.usecases.archive_conflicts import continue_serials, next_number
from services.marriage.usecases.archive_lines import read_line
from services.marriage.usecases.archiving import enter_line
from shared import clock
from shared.audit import audit_metadata, audit_rows
from shared.errors import Refused
from shared.outbox import Works
from tests.builders import LANZHOU, SANYA, WEIHAI, City, Country
from tests.marriage.books import conflicts, enter, line, reported, settle, states, table, tongban
from tests.marriage.partings import ending, living, noted, record
from tests.marriage.weddings import HE, OFFICES, OTHER_HE, OTHER_SHE, SHE, calm, locked, married, wed
from tests.replay import at_once, works_on_postgres
from tests.servers import Database

NEIGHBOUR = "620102"  # another office of the same division
TWICE = "J620102-2005-000001"
ENDED_BY_COURT = {"state": "divorce_by_court", "ended_on": "2021-03-04", "ended_by": "某法院(2021)民初1号"}


# --- those that are yet to be given -----------------------------------------------------------------------------------


def test_numbers_given_after_an_old_one_of_this_year_come_behind_it(country: Country) -> None:
    enter(country, line(OTHER_HE, OTHER_SHE, certificate_no="J620102-2025-000041", registered_on="2025-02-03"))
    wed(country, LANZHOU)
    assert sorted(row.certificate_no for row in married(country, LANZHOU)) == [
        "J620102-2025-000041",
        "J620102-2025-000042",
    ]


def test_a_serial_far_ahead_is_told_what_to_do_and_comes_in_behind_those_before_it(country: Country) -> None:
    far = line(OTHER_HE, OTHER_SHE, certificate_no="J620102-2025-001500", registered_on="2025-07-03")
    (fault,) = enter(country, far).report
    assert "按证字号从小到大" in fault[3]
    before = line(certificate_no="J620102-2025-000700", registered_on="2025-03-03")
    assert enter(country, before, far).report == []


def test_a_number_of_a_year_gone_by_that_disagrees_is_kept_as_words_and_counts_nothing(country: Country) -> None:
    outcome = enter(
        country,
        line(certificate_no="J460204-2019-000041"),
        line(OTHER_HE, OTHER_SHE, certificate_no="J620102-2018-000041"),
    )
    assert reported(outcome) == [(2, "certificate_no", "提醒"), (3, "certificate_no", "提醒")]
    rows = [(row.division, row.year, row.serial) for row in married(country, LANZHOU)]
    assert rows == [("620102", None, None)] * 2
    assert country[LANZHOU].rows("marriage", tables.serials) == []


def test_a_number_of_an_old_book_is_never_given_again_while_its_line_waits_for_people(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line(certificate_no="J620102-2025-000001", registered_on="2025-02-03"))
    assert len(conflicts(country[LANZHOU])) == 1
    wed(country, LANZHOU, OTHER_HE, SHE)
    assert [row.certificate_no for row in married(country, LANZHOU)] == ["J620102-2025-000002"]


def test_numbers_of_divorces_given_after_an_old_one_of_this_year_come_behind_it(country: Country) -> None:
    enter(country, line(kind="divorce", certificate_no="L620102-2025-000007", registered_on="2025-02-03"))
    (counted,) = country[LANZHOU].rows("marriage", tables.serials)
    assert tuple(counted) == ("L", "620102", 2025, 7)


# --- one number, two couples ------------------------------------------------------------------------------------------


def twice(on: str = "2005-05-20", **changes: str) -> list[dict[str, str]]:
    """Two offices of a division have given the same number to two couples, as their books say."""
    mine, theirs = line(certificate_no=TWICE, registered_on=on), line(OTHER_HE, OTHER_SHE, registered_on=on, **changes)
    return [mine, theirs | {"certificate_no": TWICE, "office": NEIGHBOUR}]


def the_number_is_taken(country: Country) -> bool:
    (conflict,) = conflicts(country[LANZHOU])
    return "证字号" in conflict["why"] and "作废后改正重新导入" in conflict["why"]


def test_of_two_lines_with_one_number_the_second_waits_for_two_people_and_holds_nobody(country: Country) -> None:
    outcome = enter(country, *twice())
    assert (outcome.numbers["asked"], outcome.report) == (2, [])
    assert the_number_is_taken(country)
    assert (states(country[LANZHOU]), len(married(country)), len(locked(country))) == (["entered", "conflict"], 1, 2)
    assert calm(country)


def test_a_line_that_waited_while_another_took_its_number_waits_on_when_it_is_asked_for_again(
    country: Country,
) -> None:
    mine, theirs = twice(state="death", ended_on="2015-03-04", ended_by="某医院(2015)1号")
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, mine)
    enter(country, theirs | {"name_2": SHE["name"], "id_number_2": SHE["id_number"]})
    settle(country, "again")
    assert the_number_is_taken(country)
    assert (len(married(country, LANZHOU)), len(locked(country)), calm(country)) == (1, 2, True)
    settle(country, "discard")
    enter(country, mine | {"certificate_no": "J620102-2005-000002", **ENDED_BY_COURT})
    assert len(married(country, LANZHOU)) == 2


def test_a_couple_whose_number_was_really_given_twice_is_entered_by_two_people_and_locked(country: Country) -> None:
    mine, theirs = twice()
    enter(country, mine)
    enter(country, theirs)
    assert the_number_is_taken(country)
    settle(country, "repeated")
    rows = [(row.certificate_no, row.year, row.serial) for row in married(country)]
    assert sorted(rows, key=str) == [(TWICE, 2005, 1), (TWICE, None, None)]
    assert (states(country[LANZHOU]), len(locked(country))) == (["entered", "entered"], 4)
    assert (living(country[LANZHOU]), calm(country)) == (4, True)
    wish = ending("death", OTHER_HE, OTHER_SHE, certificate_no=TWICE, on="2025-10-09")
    assert noted(country[WEIHAI], record(country, WEIHAI, wish)) == ["sent", "ended"]
    assert len(locked(country)) == 2


def test_a_number_that_this_system_gave_to_another_couple_is_for_two_people_to_judge(country: Country) -> None:
    wed(country, LANZHOU)
    enter(country, line(OTHER_HE, OTHER_SHE, certificate_no="J620102-2025-000001", registered_on="2025-03-03"))
    assert the_number_is_taken(country)
    settle(country, "repeated")
    assert (len(married(country)), len(locked(country)), calm(country)) == (2, 4, True)


def test_only_a_number_that_is_taken_is_entered_as_given_twice(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    with pytest.raises(Refused, match="number_not_taken"):
        settle(country, "repeated")


def test_a_repeated_number_is_not_settled_as_an_ended_marriage_but_entered_anew_as_one(country: Country) -> None:
    enter(country, *twice())
    with pytest.raises(Refused, match="number_taken"):
        settle(country, "ended", {"ground": "divorce_by_court", "on": "2021-03-04", "document": "某法院(2021)民初1号"})
    settle(country, "discard")
    enter(country, twice(**ENDED_BY_COURT)[1])
    settle(country, "repeated")
    assert sorted(row.state for row in married(country, LANZHOU)) == ["dissolved", "valid"]
    assert (len(locked(country)), calm(country)) == (2, True)


# --- an office that joins within a year -------------------------------------------------------------------------------


def continue_from(city: City, kind: str, last: int, by: str = "甲", other: str = "乙", year: int = 2025) -> Result:
    words = (OFFICES[LANZHOU], kind, str(year), str(last), "--by", by, "--confirmed-by", other)
    return tongban(city, "serials", *words)


def counted(city: City) -> set[tuple[str, str, int, int]]:
    return {tuple(row) for row in city.rows("marriage", tables.serials)}


def test_two_operators_let_numbers_go_on_where_the_system_before_has_stopped(country: Country) -> None:
    city = country[LANZHOU]
    for kind, last in (("J", 41), ("L", 7), ("BJ", 40), ("BL", 3)):
        answer = continue_from(city, kind, last)
        assert (answer.exit_code, answer.output) == (0, f"下一个字号是 {kind}620102-2025-{last + 1:06}。\n")
    assert {(kind, last) for kind, _, _, last in counted(city)} == {("J", 41), ("L", 7), ("BJ", 40), ("BL", 3)}
    wed(country, LANZHOU)
    assert married(country)[0].certificate_no == "J620102-2025-000042"
    acts = [
        (row.act, row.actor, row.office) for row in city.rows("marriage", audit_rows) if row.purpose == "back_entry"
    ]
    assert sorted(set(acts)) == [("continue_serials", name, OFFICES[LANZHOU]) for name in ("乙", "甲")]


def test_numbers_never_go_back_and_those_given_out_behind_the_last_one_are_no_fault(country: Country) -> None:
    continue_from(country[LANZHOU], "J", 41)
    wed(country, LANZHOU)
    for last in (41, 12):
        answer = continue_from(country[LANZHOU], "J", last)
        assert (answer.exit_code, answer.output) == (0, "下一个字号是 J620102-2025-000043。\n")


def test_numbers_that_were_given_out_too_early_are_named_aloud_and_none_more_is_repeated(country: Country) -> None:
    wed(country, LANZHOU)
    wed(country, LANZHOU, OTHER_HE, OTHER_SHE)
    answer = continue_from(country[LANZHOU], "J", 41)
    assert (answer.exit_code, "下一个字号是 J620102-2025-000042。" in answer.output) == (1, True)
    assert "已经编出 2 个" in answer.output
    assert "(J620102-2025-000001 至 J620102-2025-000002)" in answer.output
    assert counted(country[LANZHOU]) == {("J", "620102", 2025, 41)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"other": "甲"}, "两名不同的"),
        ({"other": " 甲 "}, "两名不同的"),
        ({"year": 2024}, "只能续编今年"),
        ({"last": 0}, "0"),
    ],
)
def test_numbers_go_on_only_by_two_people_in_this_year(country: Country, changes: dict[str, Any], why: str) -> None:
    answer = continue_from(country[LANZHOU], "BJ", **{"last": 40} | changes)
    assert (answer.exit_code != 0, why in answer.output, counted(country[LANZHOU])) == (True, True, set())


# --- at the same time -------------------------------------------------------------------------------------------------


@pytest.fixture
def works(country: Country, postgres: Database) -> Iterator[Works]:
    """兰州's marriage on PostgreSQL."""
    made = works_on_postgres(postgres, country[LANZHOU].node, "marriage", tables.metadata, audit_metadata)
    yield made
    made.engine.dispose()


def test_a_line_waits_for_the_one_with_its_number_that_is_being_entered_and_then_for_people(works: Works) -> None:
    mine, theirs, before = (read_lines(table(one | ENDED_BY_COURT)) for one in (*twice(), line()))
    import_lines(works, before, "录入员")  # the chains of the record of look-ups are begun: nobody waits for those
    first, _ = read_line(works.node, mine[0][1], "录入员", clock.today())
    assert first
    with ThreadPoolExecutor(1) as other:
        with works.begin() as work:
            entry = enter_line(work, first, "录入员")
            second = other.submit(import_lines, works, theirs, "录入员")
            wait([second], timeout=1)
        assert entry
        assert (str(entry.state), second.result().numbers) == ("entered", {"conflict": 1})


def registered(works: Works) -> int:
    """A couple is registered; the serial of its number."""
    office = {"office": OFFICES[LANZHOU], "division": "620102", "year": 2025, "registrar": "registrar"}
    with works.begin() as work:
        serial = next_serial(work, "620102", 2025)
        row: Json = office | {"marriage_id": clock.new_id(), "certificate_no": f"J620102-2025-{serial:06}"}
        row |= {"serial": serial, "registered_on": work.today, "state": "valid", "attempt": "", "claims_case": ""}
        add_marriage(work, row | {"parties": [], "archive": {}}, [clock.new_id().replace("-", "")])
    return serial


def test_numbers_go_on_while_couples_are_registered_and_none_is_passed_over_in_silence(works: Works) -> None:
    last = CertificateNumber("J", "620102", 2025, 41)

    def go_on() -> list[int]:
        with works.begin() as work:
            return continue_serials(work, last, OFFICES[LANZHOU], "甲", "乙")

    early, *serials = at_once([go_on, *[partial(registered, works)] * 7])
    assert early == [serial for serial in sorted(serials) if serial <= last.serial]
    late = [serial for serial in sorted(serials) if serial > last.serial]
    assert late == list(range(42, 42 + len(late)))
    with works.begin() as work:
        assert next_number(work, last) == f"J620102-2025-{42 + len(late):06}"
