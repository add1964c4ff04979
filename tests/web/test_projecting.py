"""The read model: whatever the order and however often, the same messages lead to the same case."""

import json
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts import certificate, exchange, intake, subsidy
from services.web.rules import Principal
from services.web.store import reading
from services.web.store.tables import metadata
from services.web.usecases import acting, projecting, viewing
from shared.bus import Outcome
from shared.errors import Denied
from shared.outbox import inbox
from tests.web.scene import (
    COUNTY,
    NODE,
    PERSON,
    TAKEN_IN,
    TOWNSHIP,
    Scene,
    a_clock,
    a_leg,
    a_step,
    facts,
    office,
    people,
    taken_in,
)

CASE = "01999999-0000-7000-8000-00000000abcd"
REASON = {"code": "no_card", "text": "没有残疾人证", "basis": "国发〔2015〕52号 三"}
FINDING = {"benefit": "living", "eligible": True, "monthly_amount": 10000, "reasons": [REASON]}
COUNTY_CLERK = Principal("t", "clerk", "k", office=COUNTY)
CERTIFICATE = {
    "certificate_id": "1.2.156.3005.2.x",
    "certificate_type": "eligibility-notice",
    "name": "告知书",
    "version": 1,
    "status": "valid",
    "issuer": office(COUNTY),
    "issued_on": "2025-09-26",
}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def at(second):
    return f"2025-09-24T01:02:{second:02}.000000Z"


def a_task(verb, tier, code):
    return {"verb": verb, "tier": tier, "offices": [code]}


def the_story(scene):
    """Every message web hears of one case that one city takes in, supplements, decides and tells."""
    take_in, forward = a_step("take_in", at=at(1)), a_step("forward", at=at(1))
    due = [a_clock("2025-10-15")]
    check, review = a_task("check", "township", TOWNSHIP), a_task("review", "county", COUNTY)
    opened = {"case": facts(), "division": COUNTY, "missing_facts": []}
    done = {"approve": True, "office": office(), "at": at(4)}
    decided = {"version": 5, "result": "granted", "office": office(COUNTY), "at": at(8), "remedies": ["复议"]}
    why = {"statement": "予以认定", "findings": [FINDING], "reasons": [REASON]}
    closed = {"leg": a_leg(2, 7, "closed"), "steps": [a_step("close", 2, at(9))], "result": "granted"}
    closed |= {"remedies": ["复议"], "certificate_id": CERTIFICATE["certificate_id"], "certificate_name": "告知书"}
    supplemented = {"leg": a_leg(1, 5, "in_progress"), "step": a_step("supplement", at=at(6)), "materials": []}
    answer = {"request": 3}
    forwarded = {"case": facts(), "leg_no": 2, "division": COUNTY, "redirects": 0, "steps": [take_in, forward]}
    accepted = {"case": facts(), "leg": a_leg(2, 1, "accepted", clocks=due), "division": COUNTY, "decides": "subsidy"}

    def progressed(verb, version, second):
        return {"leg": a_leg(2, version, "accepted", clocks=due), "step": a_step(verb, 2, at(second))}

    heard = [
        (TAKEN_IN, taken_in(steps=[take_in]), people()),
        (intake.ApplicationForwardedV1, forwarded | {"leg": a_leg(1, 2, "forwarded")}, people()),
        (intake.ApplicationTakenOverV1, progressed("take_over", 1, 2), None),
        (intake.ApplicationAcceptedV1, accepted | {"steps": [take_in, forward]}, people()),
        (subsidy.TaskOpenedV1, opened | {"version": 1, "task": check}, {"findings": [FINDING]}),
        (subsidy.ApplicationCheckedV1, done | {"version": 2, "next_task": review}, None),
        (intake.ApplicationProgressedV1, progressed("check", 2, 4), None),
        (subsidy.SupplementNeededV1, {"version": 3, "office": office(), "at": at(5)}, {"missing": [REASON]}),
        (intake.SupplementRequestedV1, progressed("request_supplement", 3, 5) | answer, {"missing": [REASON]}),
        (intake.ApplicationSupplementedV1, supplemented | answer | {"leg_no": 2}, {"answers": {}}),
        (intake.ApplicationProgressedV1, progressed("receive_supplement", 4, 7), None),
        (subsidy.TaskOpenedV1, opened | {"version": 4, "task": review}, {"findings": [FINDING]}),
        (subsidy.ApplicationDecidedV1, decided | {"rules_version": "1", "first_month": "2025-09"}, why),
        (certificate.CertificateIssuedV1, {"certificate": CERTIFICATE}, None),
        (intake.ApplicationClosedV1, closed, {"reasons": [REASON]}),
        (intake.ApplicantToldV1, {"leg": a_leg(1, 9, "told"), "step": a_step("tell", at=at(10))}, None),
    ]
    return [scene.event(contract, CASE, data, personal) for contract, data, personal in heard]


def seen(scene):
    """The whole case as the county's clerk sees it, without the instants at which we heard of it."""
    with scene.works.begin() as work:
        view = viewing.view_case(work, COUNTY_CLERK, CASE, "handle_case")
        view["tasks"] = [task for _, task in reading.list_tasks(work, COUNTY, 10)]
    return {name: value for name, value in view.items() if name not in ("updated_at", "versions")}


def forget(scene):
    with scene.works.begin() as work:
        for table in (*metadata.sorted_tables, inbox):
            work.execute(table.delete())


def test_a_case_told_in_turn_is_the_whole_case(scene):
    states = []
    for event in the_story(scene):
        scene.doors.handle(scene.works, event)
        with scene.works.begin() as work:
            states.append(reading.find_case(work, CASE).state)
    assert [state for n, state in enumerate(states) if n == 0 or state != states[n - 1]] == [
        "taken_in",
        "forwarded",
        "taken_over",
        "accepted",
        "in_progress",
        "supplement_required",
        "in_progress",
        "decided",
        "closed",
    ]
    case = seen(scene)
    verbs = ["take_in", "forward", "take_over", "check", "request_supplement", "supplement", "receive_supplement"]
    assert [step["verb"] for step in case["timeline"]] == [*verbs, "close", "tell"]
    assert case["personal"]["parties"][0]["name"] == PERSON["name"]
    assert case["personal"]["missing"] == [REASON]
    assert case["personal"]["findings"] == [FINDING]
    assert case["result"]["certificate_id"] == case["certificate"]["certificate_id"]
    assert case["decision"]["first_month"] == "2025-09"
    assert (case["task"], case["tasks"], case["due_on"]) == (None, [], "")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_order_and_no_repetition_makes_another_case(scene, data):
    story = the_story(scene)
    for event in story:
        scene.doors.handle(scene.works, event)
    in_turn = seen(scene)
    forget(scene)
    order = data.draw(st.permutations(range(len(story))))
    again = data.draw(st.lists(st.sampled_from(order), max_size=5))
    for number in [*order, *again]:
        scene.doors.handle(scene.works, story[number])
    assert json.dumps(seen(scene), sort_keys=True) == json.dumps(in_turn, sort_keys=True)


def test_many_handlers_at_once_make_the_same_case(scene):
    story = the_story(scene)
    threads = [threading.Thread(target=scene.doors.handle, args=(scene.works, event)) for event in story]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen(scene)["state"], len(seen(scene)["timeline"])) == ("closed", 9)


def test_a_late_word_of_an_earlier_application_does_not_hide_the_task_of_the_next(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    opened = {"case": facts(), "division": COUNTY, "missing_facts": [], "leg_no": 3, "version": 1}
    opened |= {"task": a_task("check", "township", COUNTY)}
    scene.hear(subsidy.TaskOpenedV1, CASE, opened, {"findings": [FINDING]})
    moved = {"leg_no": 2, "version": 2, "office": office(), "at": at(4), "to_division": COUNTY}
    scene.hear(subsidy.HukouMovedV1, CASE, moved)
    assert seen(scene)["task"]["verb"] == "check"
    assert len(seen(scene)["tasks"]) == 1


def test_a_message_heard_twice_is_a_duplicate(scene):
    event = the_story(scene)[0]
    assert scene.doors.handle(scene.works, event) is Outcome.DONE
    assert scene.doors.handle(scene.works, event) is Outcome.DUPLICATE


def test_the_competent_city_opens_a_case_it_was_sent(scene):
    case = facts("460204001-20250924-0001-T", accepting_office=office("460204001", "460200"))
    step = a_step("take_in")
    told = {"case": case, "leg_no": 2, "division": COUNTY, "redirects": 0, "steps": [step]}
    leg = a_leg(1, 2, "forwarded", node="460200")
    scene.hear(intake.ApplicationForwardedV1, CASE, told | {"leg": leg}, people(), source="460200", destination=NODE)
    view = seen(scene)
    assert (view["state"], view["competent_node"], view["accepting_office"]["node"]) == ("forwarded", NODE, "460200")
    assert view["legs"][0]["node_name"] == "460200" or view["legs"][0]["node_name"] == "三亚"
    with scene.works.begin() as work:
        assert viewing.view_case(work, COUNTY_CLERK, CASE)["versions"]["accepting"] is None


def test_the_accepting_city_knows_where_it_sent_a_case(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(competent_node="460200", division="460204"), people())
    told = {"case": facts(), "leg_no": 2, "division": "460204", "redirects": 0, "steps": []}
    told |= {"leg": a_leg(1, 2, "forwarded")}
    scene.hear(intake.ApplicationForwardedV1, CASE, told, people(), destination="460200")
    with scene.works.begin() as work:
        case = reading.find_case(work, CASE)
    assert (case.competent_node, case.division, case.state) == ("460200", "460204", "forwarded")


def test_what_moves_no_leg_is_a_change_of_the_case_too(scene):
    def changed_at():
        with scene.works.begin() as work:
            return reading.find_case(work, CASE).updated_at

    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    before = changed_at()
    scene.hear(certificate.CertificateRevokedV1, CASE, {"certificate": CERTIFICATE})
    assert changed_at() > before


def test_a_matter_that_only_the_other_city_knows_can_be_seen(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(case=facts(matter="moon-landing", matter_version=9)), people())
    with scene.works.begin() as work:
        assert viewing.view_case(work, COUNTY_CLERK, CASE)["matter_name"] == "moon-landing"


def test_papers_for_a_matter_that_only_the_other_city_knows_are_brought_where_it_was_taken_in(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(case=facts(matter_version=9)), people())
    brought = {"act": "supplement", "materials": [], "answers": {"long_term_care": "yes"}, "expected_version": 1}
    clerk = Principal("t", "clerk", "k", office=TOWNSHIP)
    with scene.works.begin() as work, pytest.raises(Denied, match="office_not_accepting"):
        acting.act(work, clerk, CASE, brought, "key-0001")


def test_a_declined_case_names_the_office_to_ask(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    declined = {"leg": a_leg(2, 1, "declined"), "reasons": [REASON], "ask_office": office(COUNTY)}
    scene.hear(intake.ApplicationDeclinedV1, CASE, declined)
    view = seen(scene)
    assert (view["state"], view["result"]["ask_office"]["code"]) == ("not_accepted", COUNTY)
    assert view["personal"]["reasons"] == [REASON]


def test_a_withdrawal_is_at_once_here_and_asked_for_elsewhere(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    told = {"leg": a_leg(1, 2, "withdrawing"), "step": a_step("withdraw")}
    scene.hear(intake.ApplicationWithdrawnV1, CASE, told | {"leg_no": 2})
    assert seen(scene)["state"] == "withdrawing"
    scene.hear(intake.ApplicationWithdrawnV1, CASE, told | {"leg_no": 0, "leg": a_leg(1, 3, "withdrawn")})
    assert seen(scene)["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("contract", "data"),
    [
        (
            subsidy.SupplementArrivedLateV1,
            {"leg_no": 2, "version": 5, "office": office(COUNTY), "brought_at": at(1), "due_on": "2025-11-19"},
        ),
        (exchange.MessageQuarantinedV1, {"code": "signature_wrong", "peer": "460200", "message_id": "m"}),
        (exchange.DirectoryUpdatedV1, {"version": 7}),
        (
            exchange.MessageMisdirectedV1,
            {"message_id": "m", "message_type": "t", "division": "460204", "directory_version": 7},
        ),
    ],
)
def test_what_a_person_must_know_of_is_a_notice(scene, contract, data):
    scene.hear(contract, CASE, data)
    with scene.works.begin() as work:
        [notice] = viewing.list_notices(work, {"cursor": "", "limit": 50})["notices"]
        [of_case] = reading.list_notices(work, CASE, "", 5)
    assert {name: of_case[name] for name in notice} == notice
    assert (notice["kind"], notice["data"]) == (contract.type, data)


def test_that_a_promise_was_checked_is_a_notice_and_what_was_found_is_for_who_looks_into_the_case(scene):
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    for fact, kept in (("low_income", False), ("card", True)):
        told = {"leg_no": 2, "version": 5, "source": "promise"}
        scene.hear(subsidy.PromiseCheckedV1, CASE, told, {"fact": fact, "kept": kept})
    with scene.works.begin() as work:
        notices = viewing.list_notices(work, {"cursor": "", "limit": 50})["notices"]
    assert [notice["data"] for notice in notices] == [told, told]
    assert seen(scene)["personal"]["checked"] == [
        {"fact": "card", "name": "残疾人证信息", "kept": True, "source": "promise"},
        {"fact": "low_income", "name": "低保或低收入身份", "kept": False, "source": "promise"},
    ]


def test_a_task_that_no_office_may_do_is_a_notice(scene):
    opened = {"case": facts(), "division": COUNTY, "missing_facts": [], "leg_no": 2, "version": 1}
    nobodys = a_task("check", "township", TOWNSHIP) | {"offices": []}
    scene.hear(subsidy.TaskOpenedV1, CASE, opened | {"task": nobodys}, {"findings": [FINDING]})
    done = {"leg_no": 2, "version": 2, "approve": True, "office": office(), "at": at(4), "next_task": nobodys}
    scene.hear(subsidy.ApplicationCheckedV1, CASE, done)
    with scene.works.begin() as work:
        notices = viewing.list_notices(work, {"cursor": "", "limit": 50})["notices"]
    assert [(notice["kind"], notice["case_id"]) for notice in notices] == [
        (subsidy.ApplicationCheckedV1.type, CASE),
        (subsidy.TaskOpenedV1.type, CASE),
    ]
    assert [notice["data"] for notice in notices] == [{"verb": "check", "tier": "township", "offices": []}] * 2


def test_the_limit_that_runs_out_first_is_the_cases(scene):
    clocks = [
        a_clock("2025-10-15"),
        a_clock("2025-10-01", name="check"),
        a_clock("2025-09-01", ended_on="2025-09-01", name="forward"),
        a_clock("2025-09-02", paused_on="2025-09-01", name="tell"),
    ]
    scene.hear(TAKEN_IN, CASE, taken_in(leg=a_leg(clocks=clocks)), people())
    view = seen(scene)
    assert (view["due_on"], view["overdue"]) == ("2025-10-01", True)
    assert [(clock["overdue"], clock["days_left"] is None) for clock in view["legs"][0]["clocks"]] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]


def test_a_date_from_another_city_that_is_none_breaks_nothing(scene):
    clocks = [a_clock("someday"), a_clock("9999-12-31", name="check")]
    scene.hear(TAKEN_IN, CASE, taken_in(leg=a_leg(clocks=clocks)), people())
    assert [clock["days_left"] for clock in seen(scene)["legs"][0]["clocks"]] == [None, None]


def test_every_projection_is_of_an_event_that_names_web(scene):
    assert all("web" in contract.consumers for contract in projecting.PROJECTIONS)
    with scene.works.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM cases")).scalar() == 0


def no_office(scene, code="no_competent_office") -> None:
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    why = REASON | {"code": code}
    declined = {"leg": a_leg(2, 1, "declined"), "reasons": [why], "ask_office": office(COUNTY)}
    scene.hear(intake.ApplicationDeclinedV1, CASE, declined)


@pytest.mark.parametrize("code", ["no_competent_office", "release_behind"])
def test_a_case_for_which_nobody_is_competent_is_not_announced_as_refused(scene, code):
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.web.usecases.webhooks.plan", lambda _work, _ids, _case, state: told.append(state))
        no_office(scene, code)
        assert (seen(scene)["state"], seen(scene)["result"]) == ("redirected", None)
        changed = {"leg": a_leg(1, 3, "needs_attention"), "peer_leg_no": 2}
        scene.hear(intake.LegChangedV1, CASE, changed)
        assert seen(scene)["state"] == "needs_attention"
    assert told == ["taken_in", "redirected", "needs_attention"]


def test_after_its_withdrawal_such_a_case_has_no_refusal_for_a_result(scene):
    no_office(scene)
    gone = {"leg": a_leg(1, 4, "withdrawn"), "step": a_step("withdraw"), "leg_no": 0}
    scene.hear(intake.ApplicationWithdrawnV1, CASE, gone)
    assert (seen(scene)["state"], seen(scene)["result"]) == ("withdrawn", None)


def test_a_case_that_waits_for_a_clerk_too_long_is_seen_as_overdue(scene):
    no_office(scene)
    clock = {"name": "forward", "started_on": "2025-10-13", "due_on": "2025-10-16", "days": 3, "basis": "x"}
    leg = a_leg(1, 3, "needs_attention") | {"clocks": [clock]}
    scene.hear(intake.LegChangedV1, CASE, {"leg": leg, "peer_leg_no": 2})
    assert (seen(scene)["due_on"], seen(scene)["overdue"]) == ("2025-10-16", True)
