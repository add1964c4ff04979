"""补正: everything missing is asked for, what is under way is waited for, and what comes too late is seen."""

from typing import Any

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json
from tests.builders import LANZHOU, SANYA, Country, HandClock
from tests.replay import hold_back
from tests.subsidy.cases import (
    CHECK,
    COUNTY,
    DECIDE,
    DPF,
    MISSING,
    PROMISED,
    PROMISES,
    REVIEW,
    TOWNSHIP,
    UNREGISTERED,
    answer,
    ask_again,
    begun,
    done,
    end_supplements,
    kept,
    switch,
)

ASK = subsidy.RequestSupplementV1

pytestmark = pytest.mark.usefixtures("hand")


def asked_for(country: Country, contract: Any = subsidy.SupplementNeededV1) -> list[str]:
    return [one["code"] for one in country[LANZHOU].told(contract)[-1].personal["missing"]]


def bring(country: Country, case_id: str, **answers: Any) -> None:
    personal: Json = {"answers": answers}
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", personal=personal)


def test_the_request_names_every_missing_fact_whatever_the_clerk_thought_of(country: Country) -> None:
    case_id = begun(country, UNREGISTERED, city=SANYA)
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    assert asked_for(country) == ["low-income", "missing_hukou"]
    assert asked_for(country, intake.SupplementRequestedV1) == asked_for(country)
    assert kept(country, case_id).application.asked_for == ("hukou",)


def test_a_promise_that_turned_out_false_after_the_supplement_is_asked_for_before_anybody_is_refused(
    country: Country, hand: HandClock
) -> None:
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "down")
    case_id = begun(country, UNREGISTERED, city=SANYA, materials=PROMISES[1:], answers=PROMISED)
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    assert kept(country, case_id).application.asked_for == ("card",)
    hand.set("2025-11-25T01:00:00Z")
    end_supplements(country)
    switch(country, "population", "up")
    ask_again(country)  # who promised a hukou is in no register
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("Refused", "facts_missing")

    assert answer(country, ASK, case_id, COUNTY, personal=MISSING) == ("", "")
    assert asked_for(country) == ["low-income", "missing_hukou"]
    assert country[SANYA].leg(case_id).state == "supplement_required"
    assert sum("需要补正" in notice["text"] for notice in country[SANYA].notices()) == 2
    bring(country, case_id, long_term_care="yes")
    country.settle()
    assert answer(country, ASK, case_id, COUNTY, personal=MISSING) == ("Refused", "supplement_told_once")
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("", "")
    assert country[SANYA].leg(case_id).state == "told"
    assert country[LANZHOU].dead() == country[LANZHOU].parked() == []


def lapsed_and_newly_missing(country: Country, hand: HandClock) -> str:
    """A case that goes on without its supplement, and a promise of which the register has said since that it is false."""
    switch(country, "population", "down")
    case_id = begun(country, UNREGISTERED, city=SANYA, materials=PROMISES[1:], answers=PROMISED)
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    hand.set("2025-11-25T01:00:00Z")
    end_supplements(country)
    switch(country, "population", "up")
    ask_again(country)
    return case_id


def standing(country: Country, case_id: str) -> tuple[str, str, str]:
    """Where the case stands with those who decide, in their city's intake, and where it was taken in."""
    there, here = country[LANZHOU].leg(case_id, "competent"), country[SANYA].leg(case_id)
    return str(kept(country, case_id).application.state), str(there.state), str(here.state)


@pytest.mark.parametrize("late", [(), ("subsidy",), ("intake",), ("subsidy", "intake")])
def test_a_supplement_sent_before_the_second_request_was_known_does_not_answer_it(
    country: Country, hand: HandClock, late: tuple[str, ...]
) -> None:
    case_id = lapsed_and_newly_missing(country, hand)
    bring(country, case_id, long_term_care="yes")
    held = [hold_back(country[LANZHOU], service, intake.ApplicationSupplementedV1) for service in late]
    country.settle()
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    for one in held:
        one.let_in()
    country.settle()
    assert kept(country, case_id).application.asked_for == ("hukou",)
    assert kept(country, case_id).personal["answers"]["long_term_care"] == "yes"
    assert standing(country, case_id) == ("supplementing", "supplement_required", "supplement_required")
    assert all(item.paused_on for item in country[LANZHOU].leg(case_id, "competent").clocks)
    assert answer(country, CHECK, case_id, TOWNSHIP, approve=False) == ("OutOfStep", "awaiting_supplement")

    bring(country, case_id)
    country.settle()
    assert standing(country, case_id) == ("open", "accepted", "in_progress")
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("", "")
    assert country[SANYA].leg(case_id).state == "told"
    assert country[LANZHOU].dead() == country[LANZHOU].parked() == []


def test_who_answered_the_first_request_only_loses_the_second_by_its_own_last_day(
    country: Country, hand: HandClock
) -> None:
    case_id = lapsed_and_newly_missing(country, hand)
    bring(country, case_id, long_term_care="yes")
    country.work()
    letters = hold(country)
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    country.mail += letters
    country.settle()
    due_on = kept(country, case_id).application.supplement_due_on
    hand.set(f"{due_on}T01:00:00Z")
    end_supplements(country)
    assert standing(country, case_id)[:2] == ("supplementing", "supplement_required")
    hand.set("2026-06-01T01:00:00Z")
    end_supplements(country)
    assert standing(country, case_id)[:2] == ("open", "accepted")
    assert country[LANZHOU].dead() == country[LANZHOU].parked() == []


def on_its_way(country: Country, hand: HandClock) -> str:
    """A case whose supplement was brought on the last day and is still between the cities."""
    case_id = begun(country, city=SANYA)
    assert answer(country, ASK, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    hand.set("2025-11-19T08:00:00Z")
    bring(country, case_id, long_term_care="no")
    country.work()
    assert country.mail
    return case_id


def hold(country: Country) -> list[str]:
    letters, country.mail = country.mail, []
    return letters


def test_a_supplement_brought_in_time_and_still_under_way_does_not_lapse(country: Country, hand: HandClock) -> None:
    case_id = on_its_way(country, hand)
    letters = hold(country)
    hand.set("2025-11-22T01:00:00Z")
    end_supplements(country)
    assert kept(country, case_id).application.state == "supplementing"
    country.mail = letters
    country.settle()
    assert country[LANZHOU].told(subsidy.SupplementLapsedV1) == []
    assert country[LANZHOU].told(subsidy.TaskOpenedV1)[-1].data["task"]["verb"] == "check"


def test_a_supplement_that_arrives_after_the_decision_is_shown_to_the_office_that_decided(
    country: Country, hand: HandClock
) -> None:
    case_id = on_its_way(country, hand)
    letters = hold(country)
    hand.set("2025-12-01T01:00:00Z")
    end_supplements(country)
    country.decide(LANZHOU, case_id, COUNTY)
    country.mail += letters
    country.settle()
    (late,) = country[LANZHOU].told(subsidy.SupplementArrivedLateV1)
    assert (late.data["office"]["code"], late.data["due_on"]) == (COUNTY, "2025-11-19")
    assert late.data["brought_at"].startswith("2025-11-19T08:00")
    assert kept(country, case_id).application.state == "decided"
    assert country[LANZHOU].dead() == country[LANZHOU].parked() == []
