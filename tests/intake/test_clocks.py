"""期限: a last day beyond the calendar is counted again, from what really happened, when the next year is known."""

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import intake
from contracts.matters import matter_version
from services.intake.rules import legs as rules
from services.intake.rules.legs import Clock, Leg, State
from services.intake.store import cases as store
from services.intake.usecases import clocks
from shared import calendar
from shared.calendar import Calendar
from tests.builders import LANZHOU, SANYA, Country, stop_clock
from tests.intake.cases import ask_supplement, calm, material, supplement, verbs
from tests.replay import record

DAY = datetime.date.fromisoformat
TABLE = calendar.standard()
NEW_YEAR = [(DAY("2027-01-01"), "rest"), (DAY("2027-01-03"), "work"), (DAY("2027-02-08"), "rest")]
SPECS = matter_version("disability-subsidies", 1).clocks


def longer() -> Calendar:
    """Our table and a made-up 2027."""
    known = [(day, "rest") for day in TABLE.rest] + [(day, "work") for day in TABLE.work]
    return calendar.calendar(known + NEW_YEAR)


def begun(on: datetime.date, table: Calendar = TABLE) -> Leg:
    leg = Leg("case", 2, "competent", LANZHOU, State.ACCEPTED, 1)
    return rules.start_clocks(leg, "taken_over", SPECS, on, table)


def lived(table: Calendar, on: datetime.date, pauses: list[tuple[int, int]]) -> Clock:
    """A clock that was paused after so many days, for so many days, again and again."""
    leg, today = begun(on, table), on
    for after, length in pauses:
        today += datetime.timedelta(after)
        leg = rules.pause_clocks(leg, today)
        today += datetime.timedelta(length)
        leg = rules.resume_clocks(leg, today, table)
    return leg.clocks[0]


@given(
    st.dates(DAY("2026-11-20"), DAY("2026-12-31")),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 20)), max_size=3),
)
def test_a_clock_counted_again_ends_as_if_the_calendar_had_been_known_from_the_beginning(
    on: datetime.date, pauses: list[tuple[int, int]]
) -> None:
    assert rules.recount(lived(TABLE, on, pauses), longer()) == lived(longer(), on, pauses)


def test_the_last_day_moves_with_the_new_years_days_off_and_working_days() -> None:
    clock = begun(DAY("2026-12-25")).clocks[0]
    assert (clock.due_on, clock.provisional) == (DAY("2027-01-08"), True)
    again = rules.recount(clock, longer())  # 1 January is free, 3 January is not
    assert (again.due_on, again.provisional) == (DAY("2027-01-08"), False)
    late = rules.recount(begun(DAY("2027-01-26")).clocks[0], longer())
    assert late.due_on == DAY("2027-02-10")  # Monday to Friday alone would have said the 9th


def test_final_paused_and_ended_clocks_are_left_as_they_are() -> None:
    final = begun(DAY("2026-10-09")).clocks[0]
    provisional = begun(DAY("2026-12-25"))
    paused = rules.pause_clocks(provisional, DAY("2026-12-28")).clocks[0]
    ended = rules.end_all_clocks(provisional, DAY("2026-12-28")).clocks[0]
    for clock in (final, paused, ended):
        assert rules.recount(clock, longer()) == clock


def test_a_leg_without_a_change_keeps_its_version() -> None:
    leg = begun(DAY("2026-12-25"))
    assert rules.recount_clocks(leg, TABLE) is leg
    changed = rules.recount_clocks(leg, longer())
    assert (changed.version, changed.provisional) == (leg.version + 1, False)
    assert rules.recount_clocks(changed, longer()) is changed


def recounted(country: Country, city: str, table: Calendar) -> None:
    clocks.recount_all(country[city].works["intake"], table)
    country.settle()


def begin_at_years_end(country: Country, monkeypatch: pytest.MonkeyPatch) -> str:
    stop_clock(monkeypatch, "2027-01-26T09:00:00+08:00")
    case_id = country.take_in(SANYA)
    country.settle()
    return case_id


def due_days(country: Country, city: str, case_id: str) -> dict[str, tuple[str, bool]]:
    legs = country[city].story(case_id)["legs"]
    return {clock["name"]: (clock["due_on"], clock["provisional"]) for leg in legs for clock in leg["clocks"]}


def test_the_new_last_day_is_told_to_the_screens_and_to_the_other_city_once(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = begin_at_years_end(country, monkeypatch)
    assert due_days(country, SANYA, case_id)["decide"] == ("2027-02-09", True)
    for _ in range(2):
        recounted(country, LANZHOU, longer())
    for city in (SANYA, LANZHOU):
        assert due_days(country, city, case_id)["decide"] == ("2027-02-10", False)
        told = [it.data for it in country[city].told(intake.ApplicationProgressedV1, case_id)]
        assert [(it["step"]["verb"], it["leg"]["version"]) for it in told] == [("recount", 2)]
        assert verbs(country, city, case_id).count("recount") == 1
    country.decide(LANZHOU, case_id, "620102")
    assert country[SANYA].leg(case_id).state == "told"
    assert calm(country)


def test_nothing_is_told_while_the_table_does_not_reach(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = begin_at_years_end(country, monkeypatch)
    heard = record(country[LANZHOU], "intake")
    recounted(country, LANZHOU, TABLE)
    assert heard.bodies == []
    assert country[LANZHOU].leg(case_id, "competent").version == 1
    with country[LANZHOU].works["intake"].begin() as work:
        assert clocks.count_provisional(work) == 1
    recounted(country, LANZHOU, longer())
    with country[LANZHOU].works["intake"].begin() as work:
        assert clocks.count_provisional(work) == 0


def test_a_case_paused_over_new_year_ends_by_its_true_segments(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = stop_clock(monkeypatch, "2026-12-24T09:00:00+08:00")
    case_id = country.take_in(SANYA)
    country.settle()
    hand.set("2026-12-29T09:00:00+08:00")
    ask_supplement(country, case_id)
    hand.set("2027-01-26T09:00:00+08:00")
    supplement(country, SANYA, case_id, material("low-income"))
    before = country[LANZHOU].leg(case_id, "competent").clocks[0]
    assert before.pauses == ((DAY("2026-12-29"), DAY("2027-01-26")),)
    assert (before.due_on, before.provisional) == (DAY("2027-02-04"), True)
    week_off = dataclasses.replace(longer(), rest=longer().rest | {DAY("2027-02-01"), DAY("2027-02-02")})
    recounted(country, LANZHOU, week_off)
    assert due_days(country, SANYA, case_id)["decide"] == ("2027-02-09", False)


def test_the_window_s_own_clock_is_counted_again_for_its_screens(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, "2027-02-05T09:00:00+08:00")
    case_id = country.take_in(SANYA)
    country.settle()
    with country[SANYA].works["intake"].begin() as work:  # as while the message house is away
        leg = store.get_leg(work, case_id, "accepting")
        decided = rules.start_clocks(dataclasses.replace(leg, state=State.DECIDED), "closed", SPECS, work.today, TABLE)
        store.save_leg(work, decided, leg.version)
    recounted(country, SANYA, longer())
    (told,) = [it.data["leg"] for it in country[SANYA].told(intake.LegChangedV1, case_id)][-1:]
    assert told["version"] == leg.version + 1
    assert [(it["name"], it["due_on"]) for it in told["clocks"] if not it["ended_on"]] == [("tell", "2027-02-11")]
