"""The register of deaths is followed: each of its lines ends or brings back a marriage held here, once."""

import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts import marriage
from contracts.envelope import Json
from services.marriage import service
from services.marriage.ports import DEATHS, DeathEntry
from services.marriage.store import tables
from services.marriage.usecases import deaths
from shared.audit import audit_rows
from shared.errors import OutOfStep
from tests.builders import LANZHOU, SANYA, Country, HandClock
from tests.marriage.books import OLD, enter, line
from tests.marriage.partings import (
    PAPER,
    accept,
    confirm,
    day,
    ending,
    history,
    living,
    named,
    notes,
    record,
    state,
    states,
    why,
    withdrawn,
)
from tests.marriage.test_corrections import confirm as confirm_correction
from tests.marriage.test_corrections import correct
from tests.marriage.weddings import (
    HE,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    apply,
    calm,
    enter_deaths,
    examine,
    locked,
    married,
    register,
    run_timer,
    switch,
    wed,
)

DOCUMENT = PAPER | {"on": datetime.date(2025, 10, 10)}


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 12th."""
    case_id = wed(country)
    day(country, hand, "2025-10-12")
    return case_id


def died(line: str = "d1", person: Json = HE, on: str = "2025-10-10") -> Json:
    day_of = datetime.date.fromisoformat(on)
    return {"id": line, "number": person["id_number"], "name": person["name"], "on": day_of, "document": DOCUMENT}


def was_none(line: str = "d2", withdraws: str = "d1") -> Json:
    return {"id": line, "withdraws": withdraws, "on": datetime.date(2025, 10, 12), "document": DOCUMENT}


def follow(country: Country, *lines: Json, city: str = SANYA) -> None:
    """The register grows, and is asked once."""
    enter_deaths(country[city], *lines)
    run_timer(country, city, "ask_deaths")


def position(country: Country, city: str = SANYA) -> int:
    with country[city].works["marriage"].begin() as work:
        return deaths.position(work)


def noted(country: Country) -> list[tuple[str, str, str]]:
    rows = country[SANYA].rows("marriage", tables.deaths)
    return sorted((row.entry_id, row.marriage_id, row.why) for row in rows)


# --- a death ---------------------------------------------------------------------------------------------------------


def test_a_death_in_the_register_ends_the_marriage_that_is_held_here(country: Country, couple_of_sanya: str) -> None:
    follow(country, died())
    assert (states(country), living(country[SANYA]), locked(country)) == (["ended_by_death"], 0, [])
    assert (history(country), position(country)) == (["registered", "ended:death"], 1)
    assert noted(country) == [("d1", couple_of_sanya, "")]
    looks = [(row.actor, row.office, row.act) for row in country[SANYA].rows("marriage", audit_rows)]
    assert (SANYA, DEATHS, "note_death") in looks
    assert calm(country)


def test_no_line_of_the_register_has_its_effect_twice(country: Country, couple_of_sanya: str) -> None:
    follow(country, died())
    wed(country, SANYA, OTHER_HE, SHE)
    before = married(country, SANYA)
    run_timer(country, SANYA, "ask_deaths")
    follow(country)
    assert (married(country, SANYA), position(country)) == (before, 1)
    assert calm(country)


def test_two_processes_that_read_the_same_line_note_it_once(country: Country, couple_of_sanya: str) -> None:
    entry = DeathEntry(1, "d1", "2025-10-10", PAPER, named(HE))
    works = country[SANYA].works["marriage"]
    with works.begin() as work:
        deaths.note_entry(work, entry, 0, ())
    with pytest.raises(OutOfStep), works.begin() as work:
        deaths.note_entry(work, entry, 0, ())
    country.settle()
    assert (history(country), position(country)) == (["registered", "ended:death"], 1)


def test_what_fails_on_its_way_leaves_neither_effect_nor_position(
    country: Country, couple_of_sanya: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("as if the process died")

    with monkeypatch.context() as broken:
        broken.setattr("services.marriage.usecases.deaths.store.add_noted", fail)
        with pytest.raises(RuntimeError):
            follow(country, died())
    assert (states(country), position(country)) == (["valid"], 0)
    run_timer(country, SANYA, "ask_deaths")
    assert (states(country), position(country)) == (["ended_by_death"], 1)
    assert calm(country)


def test_of_who_was_never_married_here_nothing_happens_and_nothing_is_kept(
    country: Country, couple_of_sanya: str
) -> None:
    follow(country, died(person=OTHER_SHE), died("d2", OTHER_HE), was_none("d3", "d2"))
    follow(country, died(), city=LANZHOU)
    assert (states(country), noted(country), position(country)) == (["valid"], [], 3)
    assert position(country, LANZHOU) == 1
    assert calm(country)


@pytest.mark.parametrize(("on", "why"), [("2025-10-08", "ended_before_it_began"), ("2025-10-13", "ended_in_future")])
def test_a_line_that_contradicts_the_record_is_kept_for_a_person_and_the_register_goes_on(
    country: Country, couple_of_sanya: str, on: str, why: str
) -> None:
    with capture_logs() as lines:
        follow(country, died(on=on), died("d2", SHE))
    assert [line["why"] for line in lines if line["event"] == "death_not_noted"] == [why]
    assert noted(country) == [("d1", "", why), ("d2", couple_of_sanya, "")]
    assert (states(country), position(country)) == (["ended_by_death"], 2)


@pytest.mark.parametrize("mode", ["down", "wrong", "slow"])
def test_a_register_that_is_away_is_asked_again_at_the_next_round(
    country: Country, couple_of_sanya: str, mode: str
) -> None:
    enter_deaths(country[SANYA], died())
    switch(country[SANYA], mode, 1, "deaths")
    with capture_logs() as lines:
        run_timer(country, SANYA, "ask_deaths")
    assert ("registry_unavailable", DEATHS) in [(line["event"], line.get("registry")) for line in lines]
    assert (states(country), position(country)) == (["valid"], 0)
    switch(country[SANYA], "up", name="deaths")
    run_timer(country, SANYA, "ask_deaths")
    assert states(country) == ["ended_by_death"]


def test_a_long_register_is_read_in_portions(
    country: Country, couple_of_sanya: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "DEATHS_AT_ONCE", 2)
    follow(country, died("d1", OTHER_HE), died("d2", OTHER_SHE), died("d3"))
    assert (position(country), states(country)) == (2, ["valid"])
    run_timer(country, SANYA, "ask_deaths")
    assert (position(country), states(country)) == (3, ["ended_by_death"])


def test_a_death_in_the_register_ends_a_divorce_in_its_cooling_off(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    assert state(country, case_id) == "cooling"
    follow(country, died())
    assert (state(country, case_id), states(country)) == ("marriage_ended", ["ended_by_death"])
    assert "死亡" in notes(country[LANZHOU], case_id)[-1]
    assert locked(country) == []
    assert calm(country)


# --- it was none -----------------------------------------------------------------------------------------------------


def test_a_death_that_the_register_withdraws_gives_the_marriage_back(country: Country, couple_of_sanya: str) -> None:
    follow(country, died())
    follow(country, was_none())
    assert (states(country), living(country[SANYA])) == (["valid"], 2)
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert history(country) == ["registered", "ended:death", "restored"]
    assert calm(country)


def test_a_death_that_was_withdrawn_before_we_heard_of_it_has_never_been(
    country: Country, couple_of_sanya: str
) -> None:
    follow(country, died(), was_none())
    assert (states(country), history(country), position(country)) == (["valid"], ["registered"], 2)
    assert noted(country) == []


def test_a_withdrawn_death_does_not_bring_back_the_marriage_of_a_widow_who_has_married_again(
    country: Country, couple_of_sanya: str
) -> None:
    follow(country, died())
    wed(country, LANZHOU, OTHER_HE, SHE)
    follow(country, was_none())
    assert (states(country, SANYA), states(country, LANZHOU)) == (["ended_by_death"], ["valid"])
    assert len(country[SANYA].told(marriage.RestorationBlockedV1)) == 1
    assert locked(country) == [("locked", True, LANZHOU)] * 2
    assert calm(country)


def test_a_withdrawal_does_not_bring_back_what_another_death_has_ended(country: Country, couple_of_sanya: str) -> None:
    follow(country, died())
    follow(country, was_none())
    follow(country, died("d3", SHE))
    follow(country, was_none("d4", "d1"))
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    assert history(country) == ["registered", "ended:death", "restored", "ended:death"]
    assert calm(country)


def test_a_withdrawal_does_not_bring_back_what_a_clerk_has_ended_by_a_certificate(
    country: Country, couple_of_sanya: str
) -> None:
    record(country, LANZHOU, ending())
    follow(country, died())
    follow(country, was_none())
    assert (states(country), noted(country)) == (["ended_by_death"], [("d1", couple_of_sanya, "")])


# --- both are dead -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [("d1", "d2"), ("d2", "d1")])
def test_a_marriage_comes_back_only_when_no_death_of_either_stands_any_more(
    country: Country, couple_of_sanya: str, first: str, last: str
) -> None:
    follow(country, died("d1"), died("d2", SHE))
    assert noted(country) == [("d1", couple_of_sanya, ""), ("d2", couple_of_sanya, "")]
    follow(country, was_none("d3", first))
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    follow(country, was_none("d4", last))
    assert (states(country), noted(country)) == (["valid"], [])
    assert locked(country) == [("locked", True, SANYA)] * 2
    assert calm(country)


def test_clerks_do_not_bring_back_a_marriage_while_the_register_has_a_death_of_either(
    country: Country, couple_of_sanya: str
) -> None:
    record(country, LANZHOU, ending())
    follow(country, died("d1", SHE))
    request = record(country, LANZHOU, withdrawn())
    confirm(country, LANZHOU, request)
    assert (why(country[LANZHOU], request), states(country)) == (["death_stands"], ["ended_by_death"])
    follow(country, was_none())
    request = record(country, LANZHOU, withdrawn())
    confirm(country, LANZHOU, request)
    assert (states(country), living(country[SANYA])) == (["valid"], 2)
    assert calm(country)


def test_who_dies_while_a_marriage_is_coming_back_is_not_married_afterwards(
    country: Country, couple_of_sanya: str
) -> None:
    follow(country, died("d1"))
    switch(country[SANYA], "down", 2)
    follow(country, was_none("d2", "d1"))
    follow(country, died("d3", SHE))
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "restore_again")
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    follow(country, was_none("d4", "d3"))
    assert (states(country), living(country[SANYA])) == (["valid"], 2)
    assert calm(country)


def test_of_two_deaths_the_one_that_stands_keeps_clerks_from_bringing_the_marriage_back(
    country: Country, couple_of_sanya: str
) -> None:
    follow(country, died("d1"), died("d2", SHE))
    follow(country, was_none("d3", "d1"))
    request = record(country, LANZHOU, withdrawn())
    confirm(country, LANZHOU, request)
    assert (why(country[LANZHOU], request), states(country)) == (["death_stands"], ["ended_by_death"])
    assert locked(country) == []
    assert calm(country)


def test_what_cannot_come_back_for_a_number_that_is_none_comes_back_once_the_book_is_put_right(
    country: Country, hand: HandClock
) -> None:
    wrong = HE | {"id_number": "990104199604120000"}  # its check digit is wrong
    enter(country, line(he=wrong))
    day(country, hand, "2025-10-12")
    follow(country, died(person=SHE), city=LANZHOU)
    follow(country, was_none(), city=LANZHOU)
    assert (states(country), locked(country)) == (["ended_by_death"], [])
    kept = [row.why for row in country[LANZHOU].rows("marriage", tables.deaths) if row.entry_id == "d2"]
    assert kept == ["number_uncertain"]
    both = {"certificate_no": OLD, "persons": [named(wrong), named(SHE)], "corrected": [named(HE), named(SHE)]}
    confirm_correction(country, correct(country, LANZHOU, **both), city=LANZHOU)
    request = record(country, LANZHOU, withdrawn(certificate_no=OLD), registering_division="620102")
    confirm(country, LANZHOU, request)
    assert (states(country), len(locked(country))) == (["valid"], 2)
    assert calm(country)


# --- an application ----------------------------------------------------------------------------------------------------


def test_who_dies_before_the_national_registry_has_answered_is_not_married_afterwards(country: Country) -> None:
    switch(country[SANYA], "down")
    case_id = wed(country)
    assert [row.state for row in country[SANYA].rows("marriage", tables.applications)] == ["registering"]
    follow(country, died(on="2025-10-09"))
    switch(country[SANYA], "up")
    run_timer(country, SANYA, "ask_registry_again")
    assert [row.state for row in country[SANYA].rows("marriage", tables.applications)] == ["dropped"]
    assert (married(country), locked(country)) == ([], [])
    assert "死亡" in notes(country[SANYA], case_id)[-1]
    assert calm(country)


def test_a_death_leaves_the_applications_of_others_alone(country: Country) -> None:
    case_id = apply(country, SANYA, OTHER_HE, OTHER_SHE)
    country.settle()
    follow(country, died(on="2025-10-09"))
    examine(country, SANYA, case_id)
    register(country, SANYA, case_id)
    assert states(country) == ["valid"]
    assert calm(country)
