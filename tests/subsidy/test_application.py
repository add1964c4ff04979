"""审定的规矩: who may do which task, when a supplement may be asked for, what may be decided."""

import dataclasses
import datetime
import itertools
from typing import Any

import pytest

from contracts.matters import find_matter
from services.subsidy.rules import application as rules
from services.subsidy.rules.application import Act, Application, State
from shared import calendar
from shared.errors import Denied, OutOfStep, Refused

DAY = datetime.date.fromisoformat
ACCEPTED = DAY("2025-09-24")
CALENDAR = calendar.standard()
WINDOW = "460204001"
REASON = {"code": "other", "text": "理由", "basis": "依据"}
LIVING = {"benefit": "living", "eligible": True, "monthly_amount": 10000, "reasons": [{**REASON, "code": "living"}]}


def steps(matter: str = "disability-subsidies") -> Any:
    found = find_matter(matter, ACCEPTED)
    assert found
    return found.steps


def application(**changes: Any) -> Application:
    values: dict[str, Any] = {
        "case_id": "case",
        "leg_no": 2,
        "matter": "disability-subsidies",
        "matter_version": 1,
        "division": "620102",
        "accepting_office": WINDOW,
        "accepting_node": "460200",
        "accepted_on": ACCEPTED,
        "applied_on": ACCEPTED,
    }
    return Application(**values | changes)


def act(verb: str, actor: str = "甲", office: str = "", approve: bool = True, *reasons: Any) -> Act:
    return Act(verb, actor, office or f"office of {verb}", approve, reasons, "2025-09-24T01:02:03.000000Z")


def office(code: str, tier: str, **changes: Any) -> dict[str, Any]:
    return {"code": code, "node": "620100", "tier": tier, "may": True, "covers": True} | changes


def after(*acts: Act) -> Application:
    held = application()
    for one in acts:
        held = rules.done(held, one, last=one.verb == "decide")
    return held


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_the_tasks_come_one_after_the_other_and_then_there_is_none() -> None:
    acts = [act("check"), act("review"), act("decide")]
    found = [rules.next_step(after(*acts[:done]), steps()) for done in range(4)]
    assert [step and step["verb"] for step in found] == ["check", "review", "decide", None]
    assert [after(*acts[:done]).version for done in range(4)] == [1, 2, 3, 4]
    assert [after(*acts[:done]).state for done in range(4)] == [State.OPEN] * 3 + [State.DECIDED]


def test_a_matter_may_have_fewer_tasks() -> None:
    assert [step["verb"] for step in steps("orphan-recognition")] == ["check", "decide"]
    assert rules.next_step(after(act("check")), steps("orphan-recognition"))["verb"] == "decide"  # type: ignore[index]


@pytest.mark.parametrize("state", [State.DECIDED, State.REDIRECTED, State.DROPPED])
def test_an_application_that_is_over_has_no_task(state: State) -> None:
    over = application(state=state)
    assert rules.next_step(over, steps()) is None
    with pytest.raises(OutOfStep, match="application_ended"):
        rules.expect_open(over)


def test_while_the_applicant_supplements_nobody_else_goes_on() -> None:
    with pytest.raises(OutOfStep, match="awaiting_supplement"):
        rules.expect_open(application(state=State.SUPPLEMENTING))
    rules.expect_open(application())


@pytest.mark.parametrize("seen", [0, 2])
def test_a_clerk_must_have_seen_the_newest_version(seen: int) -> None:
    rules.expect_version(application(), 1)
    with pytest.raises(OutOfStep, match="version_changed") as refused:
        rules.expect_version(application(), seen)
    assert refused.value.details == {"current": 1}


# --- who may ---------------------------------------------------------------------------------------------------------


def tried(held: Application, verb: str, actor: str, there: dict[str, Any]) -> None:
    rules.expect_actor(held, rules.next_step(held, steps()), verb, actor, there)


def test_three_tasks_are_done_by_three_persons_in_three_offices() -> None:
    tried(after(), "check", "甲", office("620102001", "township"))
    tried(after(act("check", "甲", "620102001")), "review", "乙", office("620102-dpf", "county"))
    two = after(act("check", "甲", "620102001"), act("review", "乙", "620102-dpf"))
    tried(two, "decide", "丙", office("620102", "county"))


@pytest.mark.parametrize(("verb", "done"), list(itertools.product(("check", "review", "decide"), range(4))))
def test_only_the_task_that_waits_can_be_done(verb: str, done: int) -> None:
    acts = [act("check", "甲", "a"), act("review", "乙", "b"), act("decide", "丙", "c")][:done]
    there = office("620102", "township" if verb == "check" else "county")
    if ["check", "review", "decide", ""][done] == verb:
        tried(after(*acts), verb, "丁", there)
    else:
        with pytest.raises(OutOfStep, match="not_this_step"):
            tried(after(*acts), verb, "丁", there)


@pytest.mark.parametrize("done", [1, 2])
def test_no_person_does_two_tasks_of_one_case(done: int) -> None:
    acts = [act("check", "甲", "620102001"), act("review", "乙", "620102-dpf")][:done]
    verb = ("review", "decide")[done - 1]
    for earlier in acts:
        with pytest.raises(Denied, match="already_acted"):
            tried(after(*acts), verb, earlier.actor, office("620102", "county"))


@pytest.mark.parametrize("done", [1, 2])
def test_no_office_does_two_tasks_of_one_case(done: int) -> None:
    acts = [act("check", "甲", "x"), act("review", "乙", "y")][:done]
    verb = ("review", "decide")[done - 1]
    for earlier in acts:
        with pytest.raises(Denied, match="office_already_acted"):
            tried(after(*acts), verb, "丁", office(earlier.office, "county"))


@pytest.mark.parametrize(
    "there",
    [
        office("620102001001", "village"),
        office("620102", "county"),
        office("620102001", "township", may=False),
        office("620103001", "township", covers=False),
    ],
)
def test_an_office_without_the_power_is_told_whose_task_it_is(there: dict[str, Any]) -> None:
    with pytest.raises(Denied, match="office_without_power") as refused:
        tried(after(), "check", "甲", there)
    assert "乡镇(街道)" in refused.value.message
    assert refused.value.basis


def test_the_office_that_took_the_case_in_may_not_decide_it() -> None:
    two = after(act("check", "甲", "a"), act("review", "乙", "b"))
    with pytest.raises(Denied, match="accepting_office_may_not_decide") as refused:
        tried(two, "decide", "丙", office(WINDOW, "county", node="460200"))
    assert "收受分离" in refused.value.basis
    tried(two, "decide", "丙", office(WINDOW, "county"))  # an office of the same code in another city
    tried(after(), "check", "丙", office(WINDOW, "township", node="460200"))  # it may check


# --- supplements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "in_time"),
    [
        ("2025-09-24", True),
        ("2025-09-30", True),  # the fifth working day: the Sunday before was one
        ("2025-10-08", True),  # the holidays are none
        ("2025-10-09", False),
    ],
)
def test_what_is_missing_is_told_within_five_working_days_or_counts_as_complete(on: str, in_time: bool) -> None:
    if in_time:
        asked = rules.asked_supplement(application(), DAY(on), CALENDAR, 10)
        assert (asked.state, asked.version, asked.supplement_told) == (State.SUPPLEMENTING, 2, True)
    else:
        with pytest.raises(Refused, match="supplement_too_late") as refused:
            rules.asked_supplement(application(), DAY(on), CALENDAR, 10)
        assert "行政许可法" in refused.value.basis


def answered(held: Application) -> Application:
    """The application once the newest request for a supplement was answered."""
    return rules.supplemented(held, held.leg_no, held.version)


def test_what_is_missing_is_told_once() -> None:
    again = answered(rules.asked_supplement(application(), ACCEPTED, CALENDAR, 10))
    assert (again.state, again.version) == (State.OPEN, 2)
    with pytest.raises(Refused, match="supplement_told_once"):
        rules.asked_supplement(again, ACCEPTED, CALENDAR, 10)


def test_what_was_never_proven_may_be_asked_for_after_five_days_too() -> None:
    asked = rules.asked_supplement(application(), DAY("2025-10-09"), CALENDAR, 10, frozenset({"card"}))
    assert (asked.supplement_told, asked.asked_for) == (True, ("card",))


def test_a_fact_that_went_missing_later_may_be_asked_for_once_more() -> None:
    asked = rules.asked_supplement(application(), ACCEPTED, CALENDAR, 10, frozenset({"card"}))
    again, late = answered(asked), DAY("2026-03-02")
    with pytest.raises(Refused, match="supplement_told_once"):
        rules.asked_supplement(again, late, CALENDAR, 10, frozenset({"card", "allowance_rule", "standard"}))
    more = rules.asked_supplement(again, late, CALENDAR, 10, frozenset({"card", "hukou"}))
    assert more.asked_for == ("card", "hukou")


def test_an_answer_to_an_earlier_request_leaves_the_newer_one_open() -> None:
    first = rules.asked_supplement(application(), ACCEPTED, CALENDAR, 10, frozenset({"card"}))
    assert first.supplement_due_on
    over = rules.lapsed(first, first.supplement_due_on + rules.TRANSIT + datetime.timedelta(days=1))
    second = rules.asked_supplement(over, DAY("2026-03-02"), CALENDAR, 10, frozenset({"hukou"}))
    assert rules.supplemented(second, second.leg_no, first.version) == second
    assert rules.supplemented(second, second.leg_no - 1, second.version) == second  # of another county's, long ago
    assert answered(second) == rules.supplemented(second, 0, 0) == dataclasses.replace(second, state=State.OPEN)


def test_when_its_time_is_over_the_case_goes_on_without_the_supplement_and_still_takes_it() -> None:
    asked = rules.asked_supplement(application(), ACCEPTED, CALENDAR, 10)
    assert asked.supplement_due_on
    with pytest.raises(OutOfStep, match="stale"):
        rules.lapsed(asked, asked.supplement_due_on)
    with pytest.raises(OutOfStep, match="stale"):
        rules.lapsed(asked, asked.supplement_due_on + rules.TRANSIT)
    late = rules.lapsed(asked, asked.supplement_due_on + rules.TRANSIT + datetime.timedelta(days=1))
    assert (late.state, late.version) == (State.OPEN, 3)
    assert answered(late) == late
    with pytest.raises(OutOfStep, match="stale"):
        rules.lapsed(late, DAY("2026-12-31"))


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUPPLEMENTING])
def test_a_supplement_nobody_waits_for_is_stale(state: State) -> None:
    with pytest.raises(OutOfStep, match="stale"):
        answered(application(state=state))


@pytest.mark.parametrize("to", [State.REDIRECTED, State.DROPPED])
@pytest.mark.parametrize("state", State)
def test_an_application_ends_only_while_it_is_open(state: State, to: State) -> None:
    held = application(state=state)
    if state in (State.OPEN, State.SUPPLEMENTING):
        assert (rules.ended(held, to).state, rules.ended(held, to).version) == (to, 2)
    else:
        with pytest.raises(OutOfStep, match="application_ended"):
            rules.ended(held, to)


@pytest.mark.parametrize(("to", "elsewhere"), [("620102", False), ("620102002", False), ("620103", True)])
def test_a_case_is_redirected_to_another_county_only(to: str, elsewhere: bool) -> None:
    if elsewhere:
        rules.expect_elsewhere(application(), to)
    else:
        with pytest.raises(Refused, match="same_division"):
            rules.expect_elsewhere(application(), to)


# --- the decision ----------------------------------------------------------------------------------------------------


def finding(eligible: bool | None, code: str = "ground", benefit: str = "care") -> dict[str, Any]:
    reason = {**REASON, "code": code, "basis": "国发〔2015〕52号 二"}
    return {"benefit": benefit, "eligible": eligible, "monthly_amount": 0, "reasons": [reason]}


def acts(approve: bool, *reasons: Any) -> list[Act]:
    return [act("check"), act("review"), act("decide", "丙", "", approve, *reasons)]


def test_one_benefit_that_is_due_is_enough() -> None:
    result, reasons = rules.decision([LIVING, finding(False, "grade_not_covered")], acts(True))
    assert result == "granted"
    assert [reason["code"] for reason in reasons] == ["living", "grade_not_covered"]


def test_nobody_grants_against_the_rules() -> None:
    with pytest.raises(Refused, match="not_eligible") as refused:
        rules.decision([finding(False), finding(False)], acts(True, REASON))
    assert refused.value.basis == "国发〔2015〕52号 二"


UNKNOWN = finding(None, "missing_card")
ASKED = application(supplement_told=True, asked_for=("card",))


@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_on_missing_facts_before_the_applicant_was_asked_for_them(approve: bool) -> None:
    with pytest.raises(Refused, match="facts_missing") as refused:
        rules.decision(rules.settled([LIVING, UNKNOWN], application()), acts(approve, REASON))
    assert "要求补正" in refused.value.message


def test_what_was_not_proven_after_a_supplement_is_refused_in_writing_with_its_basis() -> None:
    result, reasons = rules.decision(rules.settled([UNKNOWN, UNKNOWN], ASKED), acts(False))
    assert result == "refused"
    assert {reason["code"] for reason in reasons} == {"not_proven_card"}
    assert all("行政许可法" in reason["basis"] and "未得到证明" in reason["text"] for reason in reasons)


@pytest.mark.parametrize("approve", [True, False])
def test_nobody_is_refused_for_a_fact_they_were_not_asked_to_prove(approve: bool) -> None:
    unasked = UNKNOWN | {"reasons": [*UNKNOWN["reasons"], {**REASON, "code": "missing_hukou"}]}
    with pytest.raises(Refused, match="facts_missing"):
        rules.decision(rules.settled([unasked, unasked], ASKED), acts(approve, REASON))


def test_nobody_grants_on_missing_facts_however_often_they_were_asked_for() -> None:
    with pytest.raises(Refused, match="facts_missing"):
        rules.decision(rules.settled([UNKNOWN, finding(False)], ASKED), acts(True))


def test_a_benefit_that_is_proven_is_granted_beside_one_that_is_not() -> None:
    result, reasons = rules.decision(rules.settled([LIVING, UNKNOWN], ASKED), acts(True))
    assert (result, [reason["code"] for reason in reasons]) == ("granted", ["living", "not_proven_card"])


@pytest.mark.parametrize("rule", ["allowance_rule", "standard"])
@pytest.mark.parametrize("approve", [True, False])
def test_a_rule_that_is_not_there_is_nobody_s_to_prove(approve: bool, rule: str) -> None:
    with pytest.raises(Refused, match="facts_missing"):
        rules.decision(rules.settled([finding(None, f"missing_{rule}")], ASKED), acts(approve, REASON))


@pytest.mark.parametrize("approve", [True, False])
def test_a_person_of_another_county_is_neither_granted_nor_refused(approve: bool) -> None:
    with pytest.raises(Refused, match="hukou_elsewhere"):
        rules.decision([finding(False, "hukou_elsewhere")] * 2, acts(approve, REASON))


def test_a_refusal_that_follows_from_the_rules_needs_no_other_reason() -> None:
    result, reasons = rules.decision([finding(False)], acts(False))
    assert (result, [reason["code"] for reason in reasons]) == ("refused", ["ground"])


@pytest.mark.parametrize("findings", [[], [LIVING]])
def test_a_refusal_the_rules_do_not_give_needs_written_reasons(findings: list[Any]) -> None:
    with pytest.raises(Refused, match="reasons_missing"):
        rules.decision(findings, acts(False))
    result, reasons = rules.decision(findings, acts(False, REASON))
    assert result == "refused"
    assert REASON in reasons


def test_the_reasons_for_a_refusal_may_be_those_of_an_earlier_task_that_said_no() -> None:
    said_no = [act("check", "甲", "", False, REASON), act("decide", "乙", "", False)]
    assert rules.decision([], said_no) == ("refused", (REASON,))
    said_yes = [act("check", "甲", "", True, REASON), act("decide", "乙", "", False)]
    with pytest.raises(Refused, match="reasons_missing"):
        rules.decision([], said_yes)


def test_a_matter_without_rules_is_granted_by_the_decider() -> None:
    assert rules.decision([], acts(True)) == ("granted", ())
