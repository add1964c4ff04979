"""离婚登记 from the counter over the cooling-off period to the certificate, in a city that does not hold the marriage."""

import csv
import datetime
from pathlib import Path

import pytest

from contracts import certificate, intake, marriage
from contracts.envelope import decode
from services.claims.usecases.deciding import Pair, link
from services.marriage.store import tables
from services.marriage.store.divorces import list_registered
from services.marriage.usecases.case import person_index
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, stop_clock
from tests.marriage import books
from tests.marriage.partings import (
    CLOSES,
    DAY_AFTER,
    FIRST_DAY,
    LAST_DAY,
    OPENS,
    TOO_LATE,
    accept,
    act,
    ask,
    at_the_window,
    day,
    divorce,
    living,
    named,
    notes,
    outcome,
    reserve_again,
    sign,
    state,
    states,
    tell,
    withdraw,
)
from tests.marriage.test_corrections import NEW, confirm, correct
from tests.marriage.test_reissue import act as reissued
from tests.marriage.test_reissue import ask as reissue
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    calm,
    findings,
    last_task,
    locked,
    married,
    refusals,
    run_only,
    run_timer,
    wed,
)

PAIR = Pair("甲", "乙", "公安机关更正证件号码")


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 10th: cooling-off would end on Sunday, so on Monday."""
    case_id = wed(country)
    day(country, hand, FIRST_DAY)
    return case_id


# --- the way ---------------------------------------------------------------------------------------------------------


def test_a_couple_married_in_one_city_divorces_in_another_and_she_marries_in_a_third(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    assert last_task(country[LANZHOU], case_id)["task"] == {
        "verb": "register",
        "tier": "county",
        "offices": [OFFICES[LANZHOU]],
    }
    sign(country, LANZHOU, case_id)
    (row,) = country[LANZHOU].rows("marriage", tables.divorces)
    assert (row.state, row.certificate_no, row.hold) == ("registered", "L620102-2025-000001", "none")
    assert (states(country), living(country[SANYA]), locked(country)) == (["dissolved"], 0, [])
    (issued,) = country[LANZHOU].told(certificate.CertificateIssuedV1, case_id)
    assert issued.data["certificate"]["name"] == "离婚证"
    assert len(country[SANYA].told(certificate.CertificateRevokedV1, couple_of_sanya)) == 1
    (decided,) = country[LANZHOU].told(marriage.ApplicationDecidedV1, case_id)
    assert (decided.data["result"], decided.personal["certificate_no"]) == ("granted", row.certificate_no)
    assert outcome(country[LANZHOU], case_id) == "granted"
    wed(country, WEIHAI, OTHER_HE, SHE)
    assert states(country, WEIHAI) == ["valid"]
    assert calm(country)


def test_the_receipt_names_the_days_by_the_civil_code(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    assert state(country, case_id) == "cooling"
    (note,) = notes(country[LANZHOU], case_id)
    assert all(date in note for date in (LAST_DAY, OPENS, CLOSES))
    assert locked(country) == [("locked", True, SANYA)] * 2 + [("locked", True, LANZHOU)]
    assert calm(country)


def test_cooling_off_begins_with_the_receipt_though_the_papers_were_examined_days_before(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = ask(country)
    tell(country, LANZHOU, marriage.ExamineDivorceV1, case_id)
    country.work()
    assert state(country, case_id) == "accepted"
    day(country, hand, "2025-10-24")
    country.settle()
    terms = divorce(country, LANZHOU, case_id).divorce.terms
    assert terms
    assert (state(country, case_id), str(terms.cooling.date)) == ("cooling", "2025-11-24")  # a Sunday, so the Monday
    assert "2025-11-24" in notes(country[LANZHOU], case_id)[0]
    assert calm(country)


def test_a_divorce_whose_days_are_provisional_is_looked_at_once_a_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_clock(monkeypatch, "2026-11-20T01:00:00Z")
    country = Country(tmp_path, SANYA, LANZHOU, WEIHAI)
    wed(country)
    case_id = accept(country, certificate_no="J460204-2026-000001")
    run_timer(country, LANZHOU, "turn_days")
    (row,) = country[LANZHOU].rows("marriage", tables.divorces)
    assert (state(country, case_id), str(row.wake_on)) == ("cooling", "2026-11-21")
    assert calm(country)
    country.close()


def test_days_over_a_holiday_end_on_the_first_working_day_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hand = stop_clock(monkeypatch, "2025-09-02T01:00:00Z")
    country = Country(tmp_path, SANYA, LANZHOU, WEIHAI)
    wed(country)
    case_id = accept(country)
    terms = divorce(country, LANZHOU, case_id).divorce.terms
    assert terms
    assert [str(date) for date in (terms.cooling.date, terms.opens_on, terms.window.date)] == [
        "2025-10-09",
        "2025-10-10",
        "2025-11-10",
    ]
    day(country, hand, "2025-11-10")
    sign(country, LANZHOU, case_id)
    assert state(country, case_id) == "registered"
    country.close()


def rest(country: Country, how: str) -> None:
    """The table of 兰州's offices says how its registration office rests."""
    path = country[LANZHOU].node.home / "offices.csv"
    rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    for row in rows:
        row["rest_days"] = how if row["code"] == OFFICES[LANZHOU] else ""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_at_an_office_open_on_weekends_the_days_end_on_its_own_and_no_later_table_moves_them(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    rest(country, "holidays")
    case_id = accept(country)
    (note,) = notes(country[LANZHOU], case_id)
    assert all(date in note for date in ("2025-11-09", "2025-11-10", "2025-12-09"))  # the first is a Sunday
    rest(country, "")
    day(country, hand, "2025-11-10")
    run_timer(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    day(country, hand, "2025-12-09")
    sign(country, LANZHOU, case_id)
    assert state(country, case_id) == "registered"
    assert calm(country)


def test_in_cooling_off_both_are_still_married(country: Country, couple_of_sanya: str) -> None:
    accept(country)
    case_id = wed(country, WEIHAI, OTHER_HE, SHE)
    assert states(country) == ["valid"]
    assert findings(country[WEIHAI], case_id)["has_spouse"] is False


def test_numbers_of_divorces_run_without_gaps_beside_those_of_marriages(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    wed(country, SANYA, OTHER_HE, OTHER_SHE)
    first = accept(country)
    second = accept(country, he=OTHER_HE, she=OTHER_SHE, certificate_no="J460204-2025-000002")
    day(country, hand, OPENS)
    for case_id in (second, first):
        sign(country, LANZHOU, case_id)
    rows = country[LANZHOU].rows("marriage", tables.divorces)
    assert sorted(row.certificate_no for row in rows) == ["L620102-2025-000001", "L620102-2025-000002"]
    assert calm(country)


# --- at the holder ---------------------------------------------------------------------------------------------------


def test_a_holder_that_is_down_for_a_day_loses_nobody_their_divorce(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country)
    day(country, hand, CLOSES)
    run_timer(country, LANZHOU, "turn_days")
    tell(country, LANZHOU, marriage.RegisterDivorceV1, case_id)
    country.work()
    assert [decode(body).type for body in country.mail] == [marriage.EndMarriageV1.type]  # 三亚 is away
    assert last_task(country[LANZHOU], case_id)["missing_facts"] == ["holder"]
    assert states(country) == ["valid"]
    held, country.mail = country.mail, []
    day(country, hand, TOO_LATE)
    run_timer(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    withdraw(country, LANZHOU, case_id)
    assert refusals(country[LANZHOU], case_id) == ["holder_asked"]
    country.mail = held
    country.settle()
    assert (state(country, case_id), states(country)) == ("registered", ["dissolved"])
    (row,) = married(country)
    assert row.archive["ended_on"] == str(divorce(country, LANZHOU, case_id).divorce.ended_on) == TOO_LATE
    assert calm(country)


def test_a_number_corrected_during_cooling_off_does_not_keep_the_two_from_their_divorce(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    with country[WEIHAI].works["claims"].begin() as work:
        assert link(work, *({"born_on": "", "sex": ""} | named(one) for one in (NEW, HE)), PAIR) == []
    confirm(country, correct(country, he=NEW))
    sign(country, LANZHOU, case_id)
    assert (state(country, case_id), states(country), locked(country)) == ("registered", ["dissolved"], [])
    with country[LANZHOU].works["marriage"].begin() as work:
        divorced = [len(list_registered(work, person_index(work, one))) for one in (NEW, SHE, HE)]
    assert divorced == [1, 1, 0]
    assert calm(country)


def test_a_marriage_held_by_the_same_city_is_divorced_without_a_letter_about_it(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country, city=SANYA)
    day(country, hand, OPENS)
    sign(country, SANYA, case_id)
    assert (state(country, case_id, SANYA), states(country)) == ("registered", ["dissolved"])
    assert calm(country)


# --- one office at a time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("city", [WEIHAI, SANYA])
def test_a_second_application_anywhere_names_the_first_office(
    country: Country, couple_of_sanya: str, city: str
) -> None:
    accept(country)
    second = ask(country, city)
    task = last_task(country[city], second)
    assert (task["missing_facts"], task["ask_office"]["code"]) == (["locked_elsewhere"], OFFICES[LANZHOU])
    act(country, city, marriage.ExamineDivorceV1, second)
    assert refusals(country[city], second) == ["marriage_not_reserved"]
    assert calm(country)


def test_a_second_application_names_the_first_office_whichever_certificate_is_shown(
    country: Country, couple_of_sanya: str
) -> None:
    reissued(country, reissue(country))
    first = ask(country, WEIHAI, certificate_no="BJ620102-2025-000001", registering_division="460204")
    act(country, WEIHAI, marriage.ExamineDivorceV1, first)
    assert state(country, first, WEIHAI) == "cooling"
    task = last_task(country[LANZHOU], ask(country, LANZHOU))
    assert (task["missing_facts"], task["ask_office"]["code"]) == (["locked_elsewhere"], OFFICES[WEIHAI])


def test_two_marriages_that_old_books_number_alike_are_divorced_at_the_same_time(country: Country) -> None:
    books.enter(country, books.line())
    books.enter(country, books.line(OTHER_HE, OTHER_SHE, office=OFFICES[WEIHAI]), city=WEIHAI)
    old = {"certificate_no": books.OLD}
    one = accept(country, LANZHOU, registering_division="620102", **old)
    other = accept(country, WEIHAI, he=OTHER_HE, she=OTHER_SHE, registering_division="371002", **old)
    assert (state(country, one), state(country, other, WEIHAI)) == ("cooling", "cooling")
    again = last_task(country[SANYA], ask(country, SANYA, registering_division="620102", **old))
    assert (again["missing_facts"], again["ask_office"]["code"]) == (["locked_elsewhere"], OFFICES[LANZHOU])
    assert calm(country)


def test_once_the_first_is_withdrawn_the_second_office_goes_on(country: Country, couple_of_sanya: str) -> None:
    first, second = accept(country), ask(country, WEIHAI)
    withdraw(country, LANZHOU, first)
    reserve_again(country, WEIHAI, second)
    act(country, WEIHAI, marriage.ExamineDivorceV1, second)
    assert state(country, second, WEIHAI) == "cooling"
    assert calm(country)


# --- withdrawn, or not come ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1])
def test_either_withdraws_until_the_last_day_of_cooling_off(
    country: Country, couple_of_sanya: str, hand: HandClock, number: int
) -> None:
    case_id = accept(country)
    day(country, hand, LAST_DAY)
    run_timer(country, LANZHOU, "turn_days")
    withdraw(country, LANZHOU, case_id, number)
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("withdrawn", "withdrawn")
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


def test_on_the_day_after_it_nobody_withdraws_any_more(country: Country, couple_of_sanya: str, hand: HandClock) -> None:
    case_id = accept(country)
    day(country, hand, OPENS)
    withdraw(country, LANZHOU, case_id)
    assert refusals(country[LANZHOU], case_id) == ["cooling_off_over"]
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, OFFICES[LANZHOU])
    country.settle()
    assert divorce(country, LANZHOU, case_id).hold == "locked"
    sign(country, LANZHOU, case_id)
    assert state(country, case_id) == "registered"
    assert outcome(country[LANZHOU], case_id) == "granted"
    assert calm(country)


def test_a_withdrawal_at_the_last_minute_counts_though_it_is_read_after_midnight(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country)
    hand.set(f"{LAST_DAY}T15:59:00Z")  # 23:59 in China
    tell(country, LANZHOU, marriage.WithdrawDivorceV1, case_id)
    hand.set(f"{LAST_DAY}T16:05:00Z")
    run_only(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    country.settle()
    assert state(country, case_id) == "withdrawn"
    assert calm(country)


def test_the_applicant_withdraws_through_intake_as_well(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, OFFICES[LANZHOU])
    country.settle()
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("withdrawn", "withdrawn")
    assert divorce(country, LANZHOU, case_id).divorce.withdrawn_by is None  # intake does not tell which of the two
    assert "经收件窗口" in notes(country[LANZHOU], case_id)[-1]
    assert calm(country)


def test_through_intake_no_other_office_of_the_city_withdraws_a_divorce(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    country.act(LANZHOU, intake.WithdrawApplicationV1, case_id, "620103-mr")
    country.settle()
    (refused,) = country[LANZHOU].told(intake.ActRefusedV1, case_id)
    assert (refused.data["code"], state(country, case_id)) == ("office_not_accepting", "cooling")
    assert calm(country)


def test_who_does_not_come_in_time_is_deemed_to_have_withdrawn_and_may_apply_anew(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = accept(country)
    for date in (OPENS, CLOSES, TOO_LATE):  # on the last day, word of who came in time may be on its way
        day(country, hand, date)
        run_timer(country, LANZHOU, "turn_days")
        assert state(country, case_id) == "awaiting_certificate"
    day(country, hand, DAY_AFTER)
    run_timer(country, LANZHOU, "turn_days")
    assert divorce(country, LANZHOU, case_id).divorce.ended_on == datetime.date.fromisoformat(TOO_LATE)
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("deemed_withdrawn", "withdrawn")
    assert "视为撤回" in notes(country[LANZHOU], case_id)[-1]
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert state(country, accept(country, city=WEIHAI), WEIHAI) == "cooling"
    assert calm(country)


@pytest.mark.parametrize(("date", "code"), [(LAST_DAY, "cooling_off_runs"), (TOO_LATE, "divorce_ended")])
def test_before_and_after_the_window_nobody_signs(
    country: Country, couple_of_sanya: str, hand: HandClock, date: str, code: str
) -> None:
    case_id = accept(country)
    day(country, hand, date)
    sign(country, LANZHOU, case_id)
    assert refusals(country[LANZHOU], case_id) == [code]
    assert states(country) == ["valid"]
