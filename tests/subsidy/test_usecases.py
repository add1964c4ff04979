"""审定: three offices and three persons, registries that are away or prove a promise wrong, decisions told again."""

import datetime
from typing import Any

import pytest

from contracts import certificate, intake, subsidy
from contracts.envelope import Contract, Json
from services.subsidy import store
from services.subsidy.rules import facts as fact_rules
from services.subsidy.rules.eligibility import assess
from services.subsidy.standards import standard_for
from services.subsidy.usecases import case as cases
from services.subsidy.usecases.deciding import RULES_VERSION
from shared.audit import audit_rows
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country, stop_clock
from tests.subsidy.cases import (
    CHECK,
    COUNTY,
    DECIDE,
    DPF,
    MISSING,
    MOVED,
    NO_CARD,
    REASON,
    REVIEW,
    TOWNSHIP,
    answer,
    ask_again,
    begun,
    done,
    kept,
    last_task,
    switch,
)

# --- tasks -----------------------------------------------------------------------------------------------------------


def test_each_task_is_shown_to_the_offices_that_may_do_it_with_what_the_rules_say(country: Country) -> None:
    case_id = begun(country)
    opened = last_task(country)
    assert opened.data["task"] == {"verb": "check", "tier": "township", "offices": ["620102001", "620102002"]}
    assert opened.data["missing_facts"] == []
    findings = {finding["benefit"]: finding for finding in opened.personal["findings"]}
    assert {name: one["monthly_amount"] for name, one in findings.items()} == {"living": 10000, "care": 12000}
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    checked, reviewed = (
        country[LANZHOU].told(contract)[0].data
        for contract in (subsidy.ApplicationCheckedV1, subsidy.ApplicationReviewedV1)
    )
    assert checked["next_task"] == {"verb": "review", "tier": "county", "offices": ["620102-dpf"]}
    assert reviewed["next_task"] == {"verb": "decide", "tier": "county", "offices": ["620102"]}
    assert (checked["office"]["name"], checked["version"], reviewed["version"]) == ("酒泉路街道便民服务中心", 2, 3)


NOT_YOURS = ("Denied", "office_without_power")
NOT_NOW = ("OutOfStep", "not_this_step")
YOU_DID = ("Denied", "already_acted")
TRIES: dict[int, list[tuple[type[Contract], str, Json, tuple[str, str]]]] = {  # after so many tasks
    0: [
        (CHECK, "620102001001", {}, NOT_YOURS),  # a village takes in, no more
        (CHECK, "620103001", {}, NOT_YOURS),  # another county's
        (CHECK, "620102001-old", {}, NOT_YOURS),  # closed
        (CHECK, COUNTY, {}, NOT_YOURS),  # another tier's
        (CHECK, "460204001", {}, ("NotFound", "office_unknown")),
        (CHECK, "", {}, ("NotFound", "office_unknown")),
        (CHECK, TOWNSHIP, {"expected_version": 7}, ("OutOfStep", "version_changed")),
        (REVIEW, DPF, {}, NOT_NOW),
        (DECIDE, COUNTY, {}, NOT_NOW),
    ],
    1: [
        (CHECK, "620102002", {}, NOT_NOW),
        (REVIEW, DPF, {"actor": f"clerk of {TOWNSHIP}"}, YOU_DID),
        (REVIEW, COUNTY, {}, NOT_YOURS),
        (DECIDE, COUNTY, {}, NOT_NOW),
    ],
    2: [
        (DECIDE, DPF, {}, NOT_YOURS),
        (DECIDE, "620103", {}, NOT_YOURS),
        (DECIDE, "620100", {}, NOT_YOURS),
        (DECIDE, COUNTY, {"actor": f"clerk of {DPF}"}, YOU_DID),
        (DECIDE, COUNTY, {"actor": f"clerk of {TOWNSHIP}"}, YOU_DID),
    ],
}


@pytest.mark.parametrize("tasks", TRIES)
def test_whoever_may_not_do_a_task_is_told_so_and_nothing_happens(country: Country, tasks: int) -> None:
    case_id = begun(country, city=SANYA)
    done(country, case_id, *[(CHECK, TOWNSHIP), (REVIEW, DPF)][:tasks])
    held = kept(country, case_id)
    for contract, office, changes, expected in TRIES[tasks]:
        assert answer(country, contract, case_id, office, **changes) == expected
    assert kept(country, case_id) == held
    assert country[SANYA].story(case_id)["outcome"] == {}


def test_the_office_that_took_a_case_in_may_not_decide_it(country: Country) -> None:
    case_id = begun(country, office=COUNTY)
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY) == ("Denied", "accepting_office_may_not_decide")
    assert kept(country, case_id).application.open


def test_of_two_clerks_who_saw_the_same_version_one_is_out_of_step(country: Country) -> None:
    case_id = begun(country)
    for office in ("620102001", "620102002"):
        country.act(LANZHOU, CHECK, case_id, office, expected_version=1)
    country.settle()
    (told,) = country[LANZHOU].told(subsidy.ActRefusedV1)
    assert (told.data["kind"], told.data["code"], told.data["details"]) == (
        "OutOfStep",
        "version_changed",
        {"current": "2"},
    )
    assert [act.office for act in kept(country, case_id).application.acts] == ["620102001"]


def test_a_case_nobody_knows_cannot_be_checked(country: Country) -> None:
    assert answer(country, CHECK, "no-such-case", TOWNSHIP) == ("NotFound", "case_unknown")


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_names_its_rules_its_first_month_and_a_certificate(country: Country) -> None:
    case_id = begun(country)
    country.decide(LANZHOU, case_id, COUNTY)
    (decided,) = country[LANZHOU].told(subsidy.ApplicationDecidedV1)
    applied_on = kept(country, case_id).application.applied_on
    assert decided.data["result"] == "granted"
    assert decided.data["first_month"] == f"{applied_on:%Y-%m}"
    assert decided.data["rules_version"] == RULES_VERSION
    assert len(decided.data["remedies"]) == 2
    assert {reason["code"] for reason in decided.personal["reasons"]} >= {"living_dibao", "care_severe"}
    (issued,) = country[LANZHOU].told(certificate.CertificateIssuedV1)
    assert issued.data["certificate"]["issuer"]["code"] == COUNTY


def test_a_decision_can_be_told_again_from_what_was_kept_of_it(country: Country) -> None:
    case_id = begun(country, NO_CARD)
    country.decide(LANZHOU, case_id, COUNTY, approve=False)
    (row,) = country[LANZHOU].rows("subsidy", store.applications)
    decision = row.decision
    applied_on = datetime.date.fromisoformat(decision["applied_on"])
    standard = standard_for(decision["division"][:6], applied_on)
    again = assess(fact_rules.from_json(decision["facts"]), standard, decision["division"][:6], applied_on)
    assert [cases.finding_of(outcome) for outcome in again] == decision["findings"]
    assert (decision["result"], decision["rules"]) == ("refused", RULES_VERSION)
    assert fact_rules.from_json(decision["facts"]) == kept(country, case_id).facts


def test_nobody_grants_against_the_rules(country: Country) -> None:
    case_id = begun(country, NO_CARD)
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY) == ("Refused", "not_eligible")
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("", "")
    story = country[LANZHOU].story(case_id)
    assert story["outcome"]["result"] == "refused"
    assert "no_card" in [reason["code"] for reason in story["reasons"]]
    assert story["outcome"]["remedies"]
    assert story["outcome"]["certificate_id"]  # the notice of the result, also of a refusal


def test_a_refusal_of_what_the_rules_would_grant_needs_written_reasons(country: Country) -> None:
    case_id = begun(country)
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("Refused", "reasons_missing")
    assert answer(country, DECIDE, case_id, COUNTY, approve=False, personal={"reasons": [REASON]}) == ("", "")
    assert REASON in country[LANZHOU].story(case_id)["reasons"]


def test_an_office_without_its_credit_code_cannot_decide_until_the_table_is_mended(country: Country) -> None:
    case_id = begun(country)
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    table = country[LANZHOU].node.home / "offices.csv"
    good = table.read_text("utf-8")
    table.write_text(good.replace("11620102XYN0012366", ""), "utf-8")
    assert answer(country, DECIDE, case_id, COUNTY) == ("Refused", "issuer_code_missing")
    table.write_text(good + "\n", "utf-8")
    assert answer(country, DECIDE, case_id, COUNTY) == ("", "")
    assert country[LANZHOU].leg(case_id).state == "told"


def test_a_matter_without_rules_is_checked_and_decided_by_two_offices(country: Country) -> None:
    child = HE_SHOUTIAN | {"role": "beneficiary", "name": "欧阳北辰", "id_number": "990101201406050182", "phone": ""}
    circumstances = {
        "code": "parents-circumstances",
        "source": "applicant",
        "seen": "original",
        "seen_by": "w",
        "provided_at": "",
    }
    case_id = begun(
        country,
        child,
        HE_SHOUTIAN,
        matter="orphan-recognition",
        consents=["notice_shown", "guardian"],
        materials=[circumstances],
    )
    assert last_task(country).personal == {"findings": []}
    done(country, case_id, (CHECK, TOWNSHIP))
    assert answer(country, REVIEW, case_id, DPF) == ("OutOfStep", "not_this_step")
    assert answer(country, DECIDE, case_id, COUNTY, approve=False) == ("Refused", "reasons_missing")
    assert answer(country, DECIDE, case_id, COUNTY) == ("", "")
    (decided,) = country[LANZHOU].told(subsidy.ApplicationDecidedV1)
    assert (decided.data["result"], decided.data["rules_version"]) == ("granted", "clerk")
    assert country[LANZHOU].rows("subsidy", audit_rows) == []  # no registry was asked
    clocks = {clock.name: clock for clock in country[LANZHOU].leg(case_id, "competent").clocks}
    assert {name: clock.days for name, clock in clocks.items()} == {"check": 15, "decide": 15}
    assert not [clock for clock in clocks.values() if clock.running]


# --- supplements -----------------------------------------------------------------------------------------------------


def test_a_supplement_is_asked_for_once_by_the_office_whose_task_it_is(country: Country) -> None:
    case_id = begun(country, city=SANYA)
    ask = subsidy.RequestSupplementV1
    assert answer(country, ask, case_id, DPF, personal=MISSING) == ("Denied", "office_without_power")
    assert answer(country, ask, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    assert answer(country, CHECK, case_id, TOWNSHIP) == ("OutOfStep", "awaiting_supplement")
    brought = [{"code": "low-income", "source": "promise", "provided_at": ""}]
    promise = {"answers": {"low_income": "dibao", "area": "urban"}}
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=brought, personal=promise)
    country.settle()
    assert answer(country, ask, case_id, TOWNSHIP, personal=MISSING) == ("Refused", "supplement_told_once")
    assert [item["code"] for item in last_task(country).data["case"]["materials"]] == ["low-income"]
    assert [item["code"] for item in kept(country, case_id).case_facts["materials"]] == ["low-income"]
    assert answer(country, CHECK, case_id, TOWNSHIP) == ("", "")


def test_after_five_working_days_nothing_more_can_be_asked_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = stop_clock(monkeypatch, "2025-09-24T01:00:00Z")
    country = Country(tmp_path)
    case_id = begun(country)
    hand.set("2025-10-09T01:00:00Z")
    asked = answer(country, subsidy.RequestSupplementV1, case_id, TOWNSHIP, personal=MISSING)
    assert asked == ("Refused", "supplement_too_late")
    country.decide(LANZHOU, case_id, COUNTY)
    (clock,) = country[LANZHOU].leg(case_id, "competent").clocks
    assert (str(clock.started_on), str(clock.due_on), str(clock.ended_on)) == ("2025-09-24", "2025-10-14", "2025-10-09")
    country.close()


def test_a_hukou_that_proves_to_be_elsewhere_during_a_supplement_sends_the_case_back(country: Country) -> None:
    switch(country, "population", "down")
    case_id = begun(country, MOVED, city=SANYA)
    assert answer(country, subsidy.RequestSupplementV1, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    switch(country, "population", "up")
    ask_again(country)
    assert kept(country, case_id).application.state == "supplementing"
    brought = [{"code": "low-income", "source": "applicant", "seen": "original", "seen_by": "w", "provided_at": ""}]
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=brought)
    country.settle()
    assert kept(country, case_id).application.state == "redirected"
    assert [(leg["leg_no"], leg["state"]) for leg in country[SANYA].story(case_id)["legs"]] == [
        (1, "in_progress"),
        (2, "redirected"),
        (3, "accepted"),
    ]


def test_the_reason_for_which_a_clerk_sends_a_case_back_is_kept_sealed_with_it(country: Country) -> None:
    case_id, reason = begun(country, city=SANYA), {"reason": "户口已随子女迁往三亚"}
    back: Json = {"to_division": "460204", "personal": reason}
    assert answer(country, subsidy.RedirectApplicationV1, case_id, TOWNSHIP, **back) == ("", "")
    row, *_later = country[LANZHOU].rows("subsidy", store.applications)
    assert row.state == "redirected"
    assert (row.decision["reason"], row.decision["by"]["office"]) == (reason["reason"], TOWNSHIP)
    moved, *_again = country[LANZHOU].told(subsidy.HukouMovedV1)
    assert reason["reason"] not in str(moved.data)
