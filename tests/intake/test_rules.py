"""受理的规矩: legal clocks, moves of a leg, completeness, competence, parties and consents."""

import dataclasses
import datetime
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.matters import find_matter
from services.intake.rules import form
from services.intake.rules import legs as rules
from services.intake.rules.legs import Clock, Leg, State
from shared import calendar
from shared.errors import Denied, OutOfStep, Refused

DAY = datetime.date.fromisoformat
CALENDAR = calendar.standard()
TODAY = DAY("2025-09-24")
DAYS = st.dates(DAY("2024-01-01"), DAY("2026-06-30"))


def matter(name: str = "disability-subsidies") -> Any:
    found = find_matter(name, TODAY)
    assert found
    return found


def leg(role: str = "accepting", state: State = State.TAKEN_IN, **more: Any) -> Leg:
    return Leg("case", 1, role, "460200", state, 1, **more)


def due(held: Leg, name: str) -> str:
    return next(clock for clock in held.clocks if clock.name == name).due_on.isoformat()


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_papers_complete_on_24_september_are_decided_by_17_october_and_told_by_22_october() -> None:
    specs = matter().clocks
    accepting = rules.start_clocks(leg(), "complete", specs, DAY("2025-09-24"), CALENDAR)
    assert due(accepting, "forward") == "2025-09-28"  # a Sunday on which offices work
    accepting = rules.end_clocks(accepting, "forwarded", specs, DAY("2025-09-28"))

    competent = rules.start_clocks(leg("competent"), "taken_over", specs, DAY("2025-09-28"), CALENDAR)
    assert due(competent, "decide") == "2025-10-17"
    competent = rules.end_clocks(competent, "decided", specs, DAY("2025-10-17"))

    accepting = rules.start_clocks(accepting, "closed", specs, DAY("2025-10-17"), CALENDAR)
    assert due(accepting, "tell") == "2025-10-22"
    accepting = rules.end_clocks(accepting, "told", specs, DAY("2025-10-22"))
    assert not any(clock.running for clock in (*accepting.clocks, *competent.clocks))


def test_an_orphan_is_forwarded_in_3_days_checked_in_15_decided_in_15_and_told_in_3() -> None:
    specs = matter("orphan-recognition").clocks
    accepting = rules.start_clocks(leg(), "complete", specs, DAY("2025-10-09"), CALENDAR)
    competent = rules.start_clocks(leg("competent"), "taken_over", specs, DAY("2025-10-13"), CALENDAR)
    assert [(clock.name, clock.days) for clock in competent.clocks] == [("check", 15)]
    assert due(competent, "check") == "2025-11-03"
    competent = rules.end_clocks(competent, "checked", specs, DAY("2025-11-03"))
    competent = rules.start_clocks(competent, "checked", specs, DAY("2025-11-03"), CALENDAR)
    accepting = rules.start_clocks(accepting, "closed", specs, DAY("2025-11-24"), CALENDAR)
    assert [clock.days for clock in (*accepting.clocks, *competent.clocks)] == [3, 3, 15, 15]
    assert (due(accepting, "forward"), due(competent, "decide")) == ("2025-10-13", "2025-11-24")
    assert due(accepting, "tell") == "2025-11-27"


def test_a_promised_limit_goes_before_the_statutory_one() -> None:
    specs = [{**spec, "promised": 2} for spec in matter().clocks]
    (clock,) = rules.start_clocks(leg(), "complete", specs, DAY("2025-09-24"), CALENDAR).clocks
    assert (clock.days, clock.due_on) == (2, DAY("2025-09-26"))


def test_a_clock_is_the_role_s_own() -> None:
    assert rules.start_clocks(leg("competent"), "complete", matter().clocks, TODAY, CALENDAR).clocks == ()


def test_a_date_beyond_the_calendar_is_provisional() -> None:
    beyond = rules.start_clocks(leg(), "complete", matter().clocks, CALENDAR.horizon, CALENDAR)
    assert beyond.clocks[0].provisional
    assert not rules.start_clocks(leg(), "complete", matter().clocks, TODAY, CALENDAR).clocks[0].provisional


def test_a_leg_that_is_over_has_no_running_clock_and_keeps_when_each_ended() -> None:
    specs = matter().clocks
    held = rules.start_clocks(leg(), "complete", specs, TODAY, CALENDAR)
    held = rules.end_clocks(held, "forwarded", specs, DAY("2025-09-26"))
    over = rules.end_all_clocks(
        rules.start_clocks(held, "closed", specs, DAY("2025-10-17"), CALENDAR), DAY("2025-10-20")
    )
    assert [str(clock.ended_on) for clock in over.clocks] == ["2025-09-26", "2025-10-20"]


def decide_clock(started: datetime.date) -> Leg:
    return rules.start_clocks(leg("competent"), "taken_over", matter().clocks, started, CALENDAR)


@given(DAYS, st.integers(0, 14), st.integers(0, 60))
def test_a_resumed_clock_has_as_many_working_days_left_as_when_it_was_paused(
    started: datetime.date, until_pause: int, length: int
) -> None:
    held = decide_clock(started)
    paused_on = min(started + datetime.timedelta(until_pause), held.clocks[0].due_on)
    resumed_on = paused_on + datetime.timedelta(length)
    left = CALENDAR.working_days_between(paused_on, held.clocks[0].due_on)
    (clock,) = rules.resume_clocks(rules.pause_clocks(held, paused_on), resumed_on, CALENDAR).clocks
    assert clock.running
    if left or CALENDAR.is_working_day(resumed_on):
        assert CALENDAR.working_days_between(resumed_on, clock.due_on) == left
    else:  # the last day was being worked on: the next one on which offices work takes its place
        assert CALENDAR.working_days_between(resumed_on, clock.due_on) == 1


@given(DAYS, st.integers(0, 30), st.integers(0, 60))
def test_a_pause_never_brings_the_end_nearer_nor_puts_it_on_a_rest_day(
    started: datetime.date, until_pause: int, length: int
) -> None:
    held = decide_clock(started)
    paused_on = started + datetime.timedelta(until_pause)
    resumed = rules.resume_clocks(rules.pause_clocks(held, paused_on), paused_on + datetime.timedelta(length), CALENDAR)
    assert resumed.clocks[0].due_on >= held.clocks[0].due_on
    assert CALENDAR.is_working_day(resumed.clocks[0].due_on)


def test_no_day_is_given_twice_when_a_second_pause_begins_before_the_first_was_heard_to_end() -> None:
    held = decide_clock(DAY("2025-09-24"))
    once = rules.resume_clocks(rules.pause_clocks(held, DAY("2025-09-25")), DAY("2025-10-13"), CALENDAR)
    again = rules.pause_clocks(once, DAY("2025-10-10"))
    assert [clock.paused_on for clock in again.clocks] == [DAY("2025-10-13")]
    assert rules.resume_clocks(again, DAY("2025-10-13"), CALENDAR).clocks[0].due_on == once.clocks[0].due_on


@given(DAYS, st.integers(1, 20), st.integers(0, 60))
def test_a_clock_that_was_late_before_its_pause_stays_late(started: datetime.date, late: int, length: int) -> None:
    held = decide_clock(started)
    paused_on = held.clocks[0].due_on + datetime.timedelta(late)
    resumed = rules.resume_clocks(rules.pause_clocks(held, paused_on), paused_on + datetime.timedelta(length), CALENDAR)
    assert resumed.clocks[0].due_on == held.clocks[0].due_on


def test_what_has_ended_is_neither_paused_nor_resumed() -> None:
    specs = matter().clocks
    ended = rules.end_clocks(decide_clock(TODAY), "decided", specs, DAY("2025-10-09"))
    assert rules.pause_clocks(ended, DAY("2025-10-10")) == ended
    assert rules.resume_clocks(ended, DAY("2025-10-20"), CALENDAR) == ended


def test_a_clock_may_end_while_it_is_paused() -> None:
    paused = rules.pause_clocks(decide_clock(TODAY), DAY("2025-09-26"))
    (clock,) = rules.end_all_clocks(paused, DAY("2025-09-30")).clocks
    assert (clock.running, clock.ended_on) == (False, DAY("2025-09-30"))


# --- moves -----------------------------------------------------------------------------------------------------------

ALLOWED = {  # (role, verb): from which states, to which
    ("accepting", "forward"): ("taken_in supplement_required forwarded in_progress needs_attention", "forwarded"),
    ("accepting", "note_taken_over"): ("forwarded", "in_progress"),
    ("accepting", "require_supplement"): ("taken_in in_progress supplement_required", "supplement_required"),
    ("accepting", "supplement"): ("supplement_required", "in_progress"),
    ("accepting", "ask_withdrawal"): ("forwarded in_progress supplement_required", "withdrawing"),
    ("accepting", "withdraw"): ("taken_in in_progress supplement_required needs_attention withdrawing", "withdrawn"),
    ("accepting", "refuse_withdrawal"): ("withdrawing", "in_progress"),
    ("accepting", "decline"): ("forwarded withdrawing", "not_accepted"),
    ("accepting", "need_attention"): ("forwarded in_progress supplement_required", "needs_attention"),
    ("accepting", "decide"): ("forwarded in_progress supplement_required withdrawing", "decided"),
    ("accepting", "tell"): ("decided", "told"),
    ("competent", "progress"): ("accepted", "accepted"),
    ("competent", "require_supplement"): ("accepted", "supplement_required"),
    ("competent", "supplement"): ("supplement_required", "accepted"),
    ("competent", "redirect"): ("accepted supplement_required", "redirected"),
    ("competent", "withdraw"): ("accepted supplement_required", "withdrawn"),
    ("competent", "decide"): ("accepted", "decided"),
    ("competent", "close"): ("decided", "closed"),
}


@pytest.mark.parametrize(("key", "state"), list(itertools.product(ALLOWED, State)))
def test_a_leg_moves_only_where_its_state_allows(key: tuple[str, str], state: State) -> None:
    (role, verb), (sources, target) = key, ALLOWED[key]
    before = leg(role, state, peer_version=3)
    if state in sources.split():
        assert rules.move(before, verb) == dataclasses.replace(before, state=State(target), version=2)
    else:
        with pytest.raises(OutOfStep) as refused:
            rules.move(before, verb)
        assert refused.value.code == "state_changed"
        assert rules.STATE_NAMES[state] in refused.value.message


def test_no_move_is_left_out_of_this_table() -> None:
    assert set(rules.MOVES) == set(ALLOWED)


@pytest.mark.parametrize("state", State)
def test_nothing_leads_out_of_a_leg_that_is_over(state: State) -> None:
    leads_on = {role for (role, _), (sources, _) in ALLOWED.items() if state in sources.split()}
    assert leg(state=state).open == bool(leads_on)


def test_the_accepting_office_holds_a_case_until_it_is_handed_over_and_when_it_is_handed_back_for_good() -> None:
    held = {
        (state, peer_leg_no)
        for state, peer_leg_no in itertools.product(State, (1, 2))
        if rules.is_held_here(leg(state=state, peer_leg_no=peer_leg_no))
    }
    assert held == {
        (State.TAKEN_IN, 1),
        (State.SUPPLEMENT_REQUIRED, 1),
        (State.NEEDS_ATTENTION, 1),
        (State.NEEDS_ATTENTION, 2),
    }


def test_an_actor_must_have_seen_the_newest_version() -> None:
    rules.expect_version(leg(), 1)
    with pytest.raises(OutOfStep) as refused:
        rules.expect_version(leg(), 2)
    assert (refused.value.code, refused.value.details) == ("version_changed", {"current": 1})


# --- materials -------------------------------------------------------------------------------------------------------


def brought(code: str, source: str = "applicant") -> dict[str, str]:
    return {"code": code, "source": source}


def test_nothing_need_be_uploaded_for_disability_subsidies() -> None:
    assert form.missing_materials(matter().materials, []) == []


def test_what_a_registry_or_a_certificate_holds_is_never_asked_for() -> None:
    materials = [{"code": source, "sources": [source, "applicant"]} for source in ("registry", "e-certificate")]
    materials.append({"code": "letter", "sources": ["applicant", "promise"]})
    assert form.missing_materials(materials, []) == ["letter"]


@pytest.mark.parametrize("source", ["applicant", "promise"])
def test_a_material_is_there_when_it_was_brought_or_promised(source: str) -> None:
    orphan = matter("orphan-recognition").materials
    assert form.missing_materials(orphan, []) == ["parents-circumstances"]
    assert form.missing_materials(orphan, [brought("parents-circumstances", source)]) == []


def test_a_material_brought_in_a_way_that_does_not_count_is_missing() -> None:
    materials = [{"code": "letter", "sources": ["applicant"]}]
    assert form.missing_materials(materials, [brought("letter", "promise")]) == ["letter"]


@pytest.mark.parametrize(
    "item", [brought("household-certificate"), brought("identity", "promise"), brought("", "registry")]
)
def test_what_the_matter_does_not_ask_for_may_not_be_collected(item: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        form.expect_known_materials(matter().materials, [brought("identity"), item])
    assert (refused.value.code, refused.value.field) == ("material_not_asked", "materials")


# --- competence ------------------------------------------------------------------------------------------------------

PLACES = {"office_division": "460204", "hukou": "620102", "residence": "371082", "place": "421202"}


@pytest.mark.parametrize(
    ("competence", "without", "division"),
    [
        ("accepting", (), "460204"),
        ("accepting", ("hukou", "residence", "place"), "460204"),
        ("hukou", (), "620102"),
        ("hukou-or-residence", (), "371082"),
        ("hukou-or-residence", ("residence",), "620102"),
        ("place-of-event", (), "421202"),
    ],
)
def test_the_matter_says_whose_county_decides(competence: str, without: tuple[str, ...], division: str) -> None:
    places = PLACES | dict.fromkeys(without, "")
    assert form.competent_division(competence, **places) == division


@pytest.mark.parametrize(
    ("competence", "without", "asked_for"),
    [
        ("hukou", ("hukou",), "户籍所在地"),
        ("hukou-or-residence", ("hukou", "residence"), "户籍所在地"),
        ("place-of-event", ("place",), "急难发生地"),
    ],
)
def test_a_person_is_asked_for_the_division_that_is_missing(
    competence: str, without: tuple[str, ...], asked_for: str
) -> None:
    with pytest.raises(Refused, match="division_missing") as refused:
        form.competent_division(competence, **PLACES | dict.fromkeys(without, ""))
    assert asked_for in refused.value.message


@pytest.mark.parametrize(
    ("reach", "within"),
    [
        ("city", {"620100"}),
        ("province", {"620100", "620300"}),
        ("nation", {"620100", "620300", "460200"}),
    ],
)
def test_a_matter_reaches_as_far_as_it_says(reach: str, within: set[str]) -> None:
    for city in ("620100", "620300", "460200"):
        if city in within:
            form.expect_reach(reach, city, "620100")
        else:
            with pytest.raises(Refused, match="out_of_reach"):
                form.expect_reach(reach, city, "620100")


# --- parties and consents --------------------------------------------------------------------------------------------


def party(role: str, **more: str) -> dict[str, str]:
    return {"role": role, "name": "甲", "basis": "", "expires_on": ""} | more


def test_the_subject_is_the_one_party_in_the_matter_s_role() -> None:
    child, guardian = party("beneficiary"), party("guardian")
    assert form.find_subject([guardian, child], "beneficiary") is child
    with pytest.raises(Refused, match="party_missing"):
        form.find_subject([guardian], "beneficiary")
    with pytest.raises(Refused, match="party_twice"):
        form.find_subject([child, guardian, child], "beneficiary")


@pytest.mark.parametrize("role", ["agent", "guardian"])
@pytest.mark.parametrize(
    ("authority", "valid"),
    [
        ({"basis": "委托书"}, True),
        ({"basis": "委托书", "expires_on": "2025-09-24"}, True),  # the last day counts
        ({"basis": "委托书", "expires_on": "2025-09-23"}, False),
        ({"basis": "委托书", "expires_on": "永久"}, False),
        ({}, False),
        ({"expires_on": "2026-01-01"}, False),
    ],
)
def test_an_agent_needs_a_basis_that_has_not_run_out(role: str, authority: dict[str, str], valid: bool) -> None:
    if valid:
        form.expect_agency([party("applicant"), party(role, **authority)], TODAY)
    else:
        with pytest.raises(Denied, match="agency_invalid"):
            form.expect_agency([party("applicant"), party(role, **authority)], TODAY)


def test_a_good_agent_does_not_hide_one_without_authority() -> None:
    good, bad = party("agent", basis="委托书"), party("agent")
    for parties in itertools.permutations([good, bad]):
        with pytest.raises(Denied, match="agency_invalid"):
            form.expect_agency(parties, TODAY)


def test_an_applicant_needs_no_authority() -> None:
    form.expect_agency([party("applicant"), party("beneficiary"), party("spouse")], TODAY)


def test_the_notice_must_have_been_shown() -> None:
    form.expect_consents(["notice_shown"], child=False)
    with pytest.raises(Refused, match="notice_not_shown"):
        form.expect_consents(["checks", "guardian"], child=False)


def test_a_guardian_consents_for_a_child() -> None:
    form.expect_consents(["notice_shown", "guardian"], child=True)
    with pytest.raises(Refused, match="guardian_consent_missing"):
        form.expect_consents(["notice_shown"], child=True)


def test_a_clock_says_on_which_clause_it_rests() -> None:
    started = [clock for role in ("accepting", "competent") for clock in every_clock(role)]
    assert len(started) == 3
    assert all(clock.basis for clock in started)


def every_clock(role: str) -> tuple[Clock, ...]:
    specs = matter().clocks
    held = leg(role)
    for moment in {spec["starts"] for spec in specs}:
        held = rules.start_clocks(held, moment, specs, TODAY, CALENDAR)
    return held.clocks
