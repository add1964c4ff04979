"""Old books: their lines come on record, lock both persons, and contradict what is on record elsewhere."""

import csv
from pathlib import Path

import pytest

from services.main.archive import read_lines
from services.marriage.rules.archives import Choice
from services.marriage.store import tables
from services.marriage.store.archives import Covered, list_coverage
from services.marriage.usecases import archive_conflicts
from shared.audit import audit_rows
from shared.errors import Denied, OutOfStep, Refused
from tests.builders import LANZHOU, SANYA, WEIHAI, Country
from tests.marriage.books import OLD, conflicts, enter, line, reported, settle, states, table, tongban
from tests.marriage.partings import confirm, ending, living, named, noted, record
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    PAPERS,
    SHE,
    apply,
    calm,
    findings,
    last_task,
    locked,
    married,
    numbered,
    wed,
)

FIFTEEN = "990104720413001"  # 15 digits, of 1972
ANCIENT = HE | {"name": "方既明", "id_number": FIFTEEN}
NO_NUMBER = "990104199604120000"  # its check digit is wrong
PERMIT = SHE | {"name": "陈晓岚", "id_type": "hk-macau-permit", "id_number": "H12345678"}
PERMIT |= {"hukou_division": "", "sex": "female", "born_on": "1997-03-02"}
IN_BOOK = {"name_2": "陈晓岚", "id_type_2": "hk-macau-permit", "id_number_2": "H1234567801"}
DECLARED = [*PAPERS, PAPERS[0] | {"code": "single-declaration"}]
COURT = {"ground": "divorce_by_court", "on": "2021-03-04", "document": "某法院(2021)民初1号"}


def history(country: Country) -> list[str]:
    (row,) = married(country, LANZHOU)
    return [entry["what"] for entry in row.archive["history"]]


# --- what is entered -------------------------------------------------------------------------------------------------


def test_a_living_marriage_of_an_old_book_locks_both_persons_and_keeps_where_it_was_found(country: Country) -> None:
    outcome = enter(country, line())
    (row,) = married(country, LANZHOU)
    assert (outcome.report, outcome.numbers["asked"], states(country[LANZHOU])) == ([], 1, ["entered"])
    assert (row.certificate_no, row.office, row.serial, row.state) == (OLD, OFFICES[LANZHOU], None, "valid")
    assert row.archive["origin"] == "back_entry"
    assert row.archive["history"][0]["document"] == "区档案馆 2019-3-12 p07.jpg 录入员"
    assert (living(country[LANZHOU]), locked(country)) == (2, [("locked", True, LANZHOU)] * 2)
    assert calm(country)


def test_who_is_married_by_an_old_book_marries_nowhere_else(country: Country) -> None:
    enter(country, line())
    case_id = apply(country, SANYA, HE, OTHER_SHE)
    country.settle()
    assert findings(country[SANYA], case_id)["has_spouse"] is False
    assert last_task(country[SANYA], case_id)["ask_office"]["code"] == OFFICES[LANZHOU]


def test_a_marriage_of_an_old_book_ends_where_it_was_entered_and_frees_both(country: Country) -> None:
    enter(country, line())
    wish = ending(certificate_no=OLD, on="2025-10-09")
    request = record(country, WEIHAI, wish, registering_division="620102")
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert (locked(country), living(country[LANZHOU])) == ([], 0)
    assert history(country) == ["back_entered", "ended:death"]
    assert calm(country)


def test_a_marriage_that_had_ended_is_history_and_locks_nobody(country: Country) -> None:
    enter(country, line(state="divorce_by_court", ended_on="2021-03-04", ended_by="某法院(2021)民初1号"))
    (row,) = married(country, LANZHOU)
    assert (row.state, row.archive["ground"], living(country[LANZHOU])) == ("dissolved", "divorce_by_court", 0)
    assert (locked(country), history(country)) == ([], ["back_entered", "ended:divorce_by_court"])


def test_an_old_number_is_brought_to_eighteen_digits_and_stays_beside_it(country: Country) -> None:
    enter(country, line(ANCIENT))
    (row,) = married(country, LANZHOU)
    assert (row.parties[0]["id_number"], row.parties[0]["number_in_archive"]) == (
        numbered("990104", "19720413", 1),
        FIFTEEN,
    )
    assert "number_in_archive" not in row.parties[1]
    assert len(locked(country)) == 2


def test_a_wrong_number_is_entered_as_it_stands_with_a_warning_and_only_the_other_one_is_locked(
    country: Country,
) -> None:
    outcome = enter(country, line(id_number_1=NO_NUMBER, certificate_no="J62010-2019-1"))
    assert reported(outcome) == [(2, "id_number_1", "提醒"), (2, "certificate_no", "提醒")]
    (row,) = married(country, LANZHOU)
    assert (row.parties[0]["id_number"], row.certificate_no) == (NO_NUMBER, "J62010-2019-1")
    assert (living(country[LANZHOU]), len(locked(country))) == (2, 1)


@pytest.mark.parametrize("number", ["H1234567801", "h12345678"])
def test_who_is_in_an_old_book_with_a_permit_is_met_at_every_counter_however_its_number_is_written(
    country: Country, number: str
) -> None:
    outcome = enter(country, line(**IN_BOOK))
    (row,) = married(country, LANZHOU)
    assert (row.parties[1]["id_number"], row.parties[1]["number_in_archive"]) == ("H12345678", "H1234567801")
    assert (outcome.report, len(locked(country))) == ([], 2)
    for city in (SANYA, LANZHOU):
        case_id = apply(country, city, OTHER_HE, PERMIT | {"id_number": number}, materials=DECLARED)
        country.settle()
        assert findings(country[city], case_id)["has_spouse"] is False
    assert (len(married(country)), calm(country)) == (1, True)


@pytest.mark.parametrize(("id_type", "number"), [("passport", "512345678"), ("hk-macau-permit", "H12345678(01)")])
def test_who_cannot_be_told_by_a_document_is_entered_as_it_stands_with_a_warning_and_not_locked(
    country: Country, id_type: str, number: str
) -> None:
    outcome = enter(country, line(id_type_2=id_type, id_number_2=number))
    assert reported(outcome) == [(2, "id_number_2", "提醒")]
    (row,) = married(country, LANZHOU)
    assert row.parties[1]["id_number"] == number
    assert (living(country[LANZHOU]), len(locked(country)), calm(country)) == (2, 1, True)


def test_a_passport_with_its_country_is_locked(country: Country) -> None:
    assert enter(country, line(id_type_2="passport", id_number_2="usa-5123 45678")).report == []
    assert (married(country, LANZHOU)[0].parties[1]["id_number"], len(locked(country))) == ("USA-512345678", 2)


def test_a_kind_of_document_that_no_counter_takes_is_rejected_with_those_that_it_may_be(country: Country) -> None:
    (fault,) = enter(country, line(id_type_1="身份证")).report
    assert (fault[:3], married(country)) == ((2, "id_type_1", "拒绝"), [])
    assert "citizen、passport、hk-macau-permit、taiwan-permit、foreign-permit" in fault[3]


@pytest.mark.parametrize(
    ("number", "on"),
    [
        ("J620102-2025-999999", "2019-02-03"),  # the year of another registration
        ("J620102-2026-000500", "2025-02-03"),  # a year that has not come
        ("J460204-2025-000041", "2025-02-03"),  # another city's division
        ("BJ620102-2025-000041", "2019-02-03"),  # of a certificate given out anew
        ("J620102-2025-001001", "2025-02-03"),  # more than 1,000 behind the last one that is known
    ],
)
def test_one_mistyped_line_neither_gaps_nor_exhausts_the_numbers_of_an_office(
    country: Country, number: str, on: str
) -> None:
    outcome = enter(country, line(OTHER_HE, OTHER_SHE, certificate_no=number, registered_on=on))
    assert reported(outcome) == [(2, "certificate_no", "拒绝")]
    assert country[LANZHOU].rows("marriage", tables.serials) == []
    wed(country, LANZHOU)
    assert [row.certificate_no for row in married(country, LANZHOU)] == ["J620102-2025-000001"]


def test_a_divorce_of_an_old_book_is_on_record_and_locks_nobody(country: Country) -> None:
    enter(country, line(kind="divorce", certificate_no="兰离字第3号"))
    assert (states(country[LANZHOU]), married(country), locked(country)) == (["entered"], [], [])
    assert [row.live for row in country[LANZHOU].rows("marriage", tables.spouses)] == [False, False]


# --- what is not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"kind": "wedding"}, ["kind"]),
        ({"office": "620199-mr"}, ["office"]),
        ({"registered_on": "2019/5/20"}, ["registered_on"]),
        ({"registered_on": "2026-05-20"}, ["registered_on"]),
        ({"certificate_no": ""}, ["certificate_no"]),
        ({"name_1": "", "id_number_2": ""}, ["name_1", "id_number_2"]),
        ({"id_number_2": HE["id_number"]}, ["id_number_2"]),
        ({"scan": ""}, ["provenance"]),
        ({"state": "married"}, ["state"]),
        ({"ended_on": "2020-01-01"}, ["ended_on"]),
        ({"state": "death", "ended_by": "某字第1号"}, ["ended_on"]),
        ({"state": "death", "ended_on": "2018-01-01", "ended_by": "某字第1号"}, ["ended_on"]),
        ({"state": "death", "ended_on": "2020-01-01"}, ["ended_by"]),
        ({"kind": "divorce", "state": "death", "ended_on": "2020-01-01", "ended_by": "某字"}, ["state"]),
    ],
)
def test_a_faulty_line_is_rejected_by_line_and_field_and_the_others_are_entered(
    country: Country, changes: dict[str, str], fields: list[str]
) -> None:
    outcome = enter(country, line(**changes), line(OTHER_HE, OTHER_SHE, certificate_no="兰结字第13号"))
    rejected = [(number, field) for number, field, grade in reported(outcome) if grade == "拒绝"]
    assert rejected == [(2, field) for field in fields]
    assert (outcome.numbers["rejected"], states(country[LANZHOU])) == (1, ["entered"])


def test_a_file_that_comes_twice_changes_nothing(country: Country) -> None:
    enter(country, line())
    before = married(country)
    again = enter(country, line(), by="另一人")
    assert (again.numbers["known"], again.report) == (1, [])
    assert (married(country), locked(country)) == (before, [("locked", True, LANZHOU)] * 2)


def test_a_number_with_other_content_or_one_registered_here_is_rejected(country: Country) -> None:
    wed(country, LANZHOU)
    outcome = enter(
        country,
        line(OTHER_HE, OTHER_SHE),
        line(OTHER_HE, OTHER_SHE, registered_on="2018-05-20"),
        line(certificate_no="J620102-2025-000001", registered_on="2025-03-03"),
    )
    assert reported(outcome) == [(3, "certificate_no", "拒绝"), (4, "certificate_no", "拒绝")]
    assert len(married(country)) == 2


def test_a_file_that_is_no_table_of_old_books_is_refused_whole(country: Country) -> None:
    for content in ("姓名,证件\n".encode(), "姓名".encode("gb18030")):
        with pytest.raises(Refused, match="archive_unreadable"):
            read_lines(content)


# --- what two people settle ------------------------------------------------------------------------------------------


def test_who_is_married_elsewhere_is_a_conflict_that_names_the_other_office(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    (conflict,) = conflicts(country[LANZHOU])
    assert (conflict["why"], conflict["ask"]) == ("一方在别处另有有效的婚姻登记", "天涯区民政局婚姻登记处")
    assert HE["id_number"] not in str(conflict)
    assert (married(country, LANZHOU), len(locked(country))) == ([], 2)


def test_who_is_married_here_is_a_conflict_and_nobody_elsewhere_is_asked(country: Country) -> None:
    wed(country, LANZHOU, HE, OTHER_SHE)
    enter(country, line())
    assert [it["why"] for it in conflicts(country[LANZHOU])] == ["一方在本地另有有效的婚姻登记"]
    assert len(locked(country)) == 2


def test_two_people_enter_as_history_what_had_ended_before(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    settle(country, "ended", COURT)
    (row,) = married(country, LANZHOU)
    assert (row.state, states(country[LANZHOU]), len(locked(country))) == ("dissolved", ["entered"], 2)
    assert "甲、乙 复核" in row.archive["history"][0]["document"]


def test_a_line_whose_obstacle_is_gone_is_asked_for_again(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    wish = ending("impersonation", HE, OTHER_SHE, certificate_no="J460204-2025-000001", on="2025-10-09")
    request = record(country, WEIHAI, wish)
    confirm(country, WEIHAI, request)
    settle(country, "again")
    assert (states(country[LANZHOU]), locked(country)) == (["entered"], [("locked", True, LANZHOU)] * 2)


def test_a_line_that_two_people_discard_leaves_its_number_to_a_right_one(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    settle(country, "discard")
    (row,) = country[LANZHOU].rows("marriage", tables.archives)
    assert (row.state, row.proposal["by"], row.proposal["confirmed_by"]) == ("discarded", "甲", "乙")
    enter(country, line(OTHER_HE, SHE))
    assert sorted(states(country[LANZHOU])) == ["discarded", "entered"]


@pytest.mark.parametrize("first", ["marriage", "divorce"])
def test_a_marriage_and_its_later_divorce_contradict_each_other_in_either_order(country: Country, first: str) -> None:
    wedding, parting = line(), line(kind="divorce", certificate_no="兰离字第3号", registered_on="2022-01-04")
    for one in (wedding, parting) if first == "marriage" else (parting, wedding):
        enter(country, one)
    assert len(conflicts(country[LANZHOU])) == 1
    on_paper = {"ground": "divorce_registered", "on": "2022-01-04", "document": "离婚证 兰离字第3号"}
    settle(country, "ended", None if first == "marriage" else on_paper)
    (row,) = married(country)
    assert (row.state, row.archive["ended_on"], locked(country)) == ("dissolved", "2022-01-04", [])
    assert (states(country[LANZHOU]), living(country[LANZHOU])) == (["entered", "entered"], 0)
    assert calm(country)


def test_one_person_alone_settles_nothing(country: Country) -> None:
    wed(country, LANZHOU, HE, OTHER_SHE)
    enter(country, line())
    entry = conflicts(country[LANZHOU])[0]["entry"]
    works = country[LANZHOU].works["marriage"]
    with works.begin() as work:
        with pytest.raises(OutOfStep, match="nothing_proposed"):
            archive_conflicts.confirm(work, entry, "甲")
        with pytest.raises(Refused, match="ending_missing"):
            archive_conflicts.propose(work, entry, Choice.ENDED, "甲")
        archive_conflicts.propose(work, entry, Choice.DISCARD, "甲")
    with works.begin() as work, pytest.raises(Denied, match="same_operator"):
        archive_conflicts.confirm(work, entry, "甲")
    with works.begin() as work:
        archive_conflicts.confirm(work, entry, "乙")
        with pytest.raises(OutOfStep, match="no_conflict"):
            archive_conflicts.propose(work, entry, Choice.AGAIN, "甲")


def test_entering_proposing_and_confirming_are_on_record_with_who_did_them_to_whom(country: Country) -> None:
    enter(country, line())
    enter(country, line(kind="divorce", certificate_no="兰离字第1号", registered_on="2021-02-03"))
    settle(country, "ended")
    (row,) = married(country)
    assert row.state == "dissolved"
    rows = [one for one in country[LANZHOU].rows("marriage", audit_rows) if one.purpose == "back_entry"]
    acts = [(one.act, one.actor, one.office) for one in sorted(rows, key=lambda one: one.at)]
    assert sorted(set(acts)) == [
        ("confirm_archive_ended", "乙", OFFICES[LANZHOU]),
        ("enter_archive_line", "录入员", OFFICES[LANZHOU]),
        ("propose_archive_ended", "甲", OFFICES[LANZHOU]),
    ]
    assert (len(acts), len({one.person_index for one in rows})) == (8, 2)


# --- which years -----------------------------------------------------------------------------------------------------


def test_years_with_old_records_are_covered_and_complete_only_when_somebody_says_so(country: Country) -> None:
    enter(country, line(), line(OTHER_HE, OTHER_SHE, certificate_no="兰结字第9号", registered_on="2017-05-20"))
    office, works = OFFICES[LANZHOU], country[LANZHOU].works["marriage"]
    with works.begin() as work:
        assert list_coverage(work) == [Covered(office, 2017, 2017, False), Covered(office, 2019, 2019, False)]
        archive_conflicts.declare_years(work, Covered(office, 2017, 2020, True), "核对员")
        assert list_coverage(work) == [Covered(office, 2017, 2020, True)]
        with pytest.raises(Refused, match="years_wrong"):
            archive_conflicts.declare_years(work, Covered(office, 2017, 2026, True), "核对员")


def test_a_year_with_an_unsettled_line_is_not_complete(country: Country) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    enter(country, line())
    office = OFFICES[LANZHOU]
    with country[LANZHOU].works["marriage"].begin() as work:
        archive_conflicts.declare_years(work, Covered(office, 2018, 2020, True), "核对员")
        assert [span.complete for span in list_coverage(work)] == [True, False, True]


# --- at the terminal -------------------------------------------------------------------------------------------------


def test_an_operator_imports_a_table_and_settles_what_contradicts(country: Country, tmp_path: Path) -> None:
    wed(country, SANYA, HE, OTHER_SHE)
    file, city = tmp_path / "book.csv", country[LANZHOU]
    file.write_bytes(table(line(), line(id_number_1="", certificate_no="兰结字第13号")))
    answer = tongban(city, "import", str(file), "--by", "录入员")
    assert (answer.exit_code, "有误,未导入 1 条" in answer.output) == (0, True), answer.output
    report = list(csv.reader((tmp_path / "book.report.csv").read_text("utf-8-sig").splitlines()))
    assert report[0] == ["line", "field", "grade", "reason"]
    assert [row[:3] for row in report[1:]] == [["3", "id_number_1", "拒绝"]]
    country.settle()
    entry = conflicts(city)[0]["entry"]
    assert entry in tongban(city, "conflicts", "list").output
    told = tongban(city, "conflicts", "resolve", entry, "--as", "discard", "--by", "甲")
    assert told.exit_code == 0, told.output
    same = tongban(city, "conflicts", "confirm", entry, "--by", "甲")
    assert (same.exit_code, "两名工作人员" in same.output) == (1, True)
    assert tongban(city, "conflicts", "confirm", entry, "--by", "乙").output == "已作废。\n"
    covered = tongban(city, "coverage", OFFICES[LANZHOU], "2018", "2020", "--by", "核对员")
    assert '"until_year": 2020, "complete": true' in covered.output, covered.output
    assert '"state": "discarded", "number": 1' in tongban(city, "list").output
    assert named(HE)["id_number"] not in answer.output + told.output + covered.output
