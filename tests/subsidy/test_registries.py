"""Registries that are away, late or wrong, and promises that stand in for them until they are back."""

from dataclasses import replace
from typing import Any

import pytest

from contracts import intake, subsidy
from contracts.envelope import Json, decode, encode
from services.subsidy import service, store
from shared import clock
from shared.audit import audit_rows, broken_rows
from shared.bus import Outcome
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country
from tests.replay import record
from tests.subsidy.cases import (
    CHECK,
    COUNTY,
    DECIDE,
    DPF,
    MISSING,
    MOVED,
    NO_CARD,
    PROMISED,
    PROMISES,
    REVIEW,
    TOWNSHIP,
    UNREGISTERED,
    answer,
    ask_again,
    begun,
    done,
    kept,
    last_task,
    registries,
    switch,
    wait_a_day,
)


@pytest.mark.parametrize("mode", ["down", "slow, seconds: 5", "wrong"])
def test_nothing_is_decided_while_a_registry_does_not_answer(country: Country, mode: str) -> None:
    switch(country, "disability-card", mode)
    case_id = begun(country)
    assert set(last_task(country).data["missing_facts"]) == {"card", "disability-card"}
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF))
    assert answer(country, DECIDE, case_id, COUNTY) == ("Refused", "facts_missing")
    switch(country, "disability-card", "up")
    ask_again(country)
    assert last_task(country).data["missing_facts"] == []
    assert last_task(country).data["task"]["verb"] == "decide"
    assert answer(country, DECIDE, case_id, COUNTY) == ("", "")
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"


def test_a_registry_that_is_still_away_opens_no_task_again(country: Country) -> None:
    switch(country, "disability-card", "down")
    case_id = begun(country)
    tasks = len(country[LANZHOU].told(subsidy.TaskOpenedV1))
    for _ in range(3):
        ask_again(country)
    assert len(country[LANZHOU].told(subsidy.TaskOpenedV1)) == tasks
    with country[LANZHOU].works["subsidy"].begin() as work:
        assert store.list_to_ask_again(work, 10) == [case_id]


def test_a_promise_lets_a_case_be_decided_and_is_checked_when_the_registry_is_back(country: Country) -> None:
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "down")
    case_id = begun(country, materials=PROMISES, answers=PROMISED)
    assert set(last_task(country).data["missing_facts"]) == {"disability-card", "low-income", "population"}
    country.decide(LANZHOU, case_id, COUNTY)
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"
    ask_again(country)
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "up")
    ask_again(country)  # after the decision once a day
    assert country[LANZHOU].told(subsidy.PromiseCheckedV1) == []
    wait_a_day(country)
    ask_again(country)
    checked = {told.personal["fact"]: told.personal["kept"] for told in country[LANZHOU].told(subsidy.PromiseCheckedV1)}
    assert checked == dict.fromkeys(("card", "low_income", "special_support", "hukou", "area"), True)
    ask_again(country)
    assert len(country[LANZHOU].told(subsidy.PromiseCheckedV1)) == 5
    with country[LANZHOU].works["subsidy"].begin() as work:
        assert store.list_to_ask_again(work, 10) == []


@pytest.mark.parametrize(
    ("person", "answers", "broken"),
    [
        (NO_CARD, {}, {"card"}),
        (HE_SHOUTIAN, {"card_grade": "2"}, {"card"}),
        (HE_SHOUTIAN, {"low_income": "dibao_edge", "area": "rural"}, {"low_income", "area"}),
        (MOVED, {"card_category": "2"}, {"hukou"}),
        (UNREGISTERED, {"card_grade": "2"}, {"hukou", "area"}),
    ],
)
def test_a_broken_promise_is_reported_after_the_decision(
    country: Country, person: Json, answers: Json, broken: set[str]
) -> None:
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "down")
    case_id = begun(country, person, materials=PROMISES, answers=PROMISED | answers)
    country.decide(LANZHOU, case_id, COUNTY)
    assert country[LANZHOU].story(case_id)["outcome"]["result"] == "granted"
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "up")
    ask_again(country)
    told = country[LANZHOU].told(subsidy.PromiseCheckedV1, case_id)
    assert {one.personal["fact"] for one in told if not one.personal["kept"]} == broken
    assert {one.personal["fact"] for one in told} == {"card", "low_income", "special_support", "hukou", "area"}
    with country[LANZHOU].works["subsidy"].begin() as work:
        assert store.list_to_ask_again(work, 10) == []


class Counted:
    """Registries that remember what they were asked."""

    def __init__(self, country: Country) -> None:
        self.real, self.asked = registries(country), list[str]()

    def card_of(self, number: str) -> Any:
        self.asked.append("disability-card")
        return self.real.card_of(number)

    def status_of(self, number: str) -> Any:
        self.asked.append("low-income")
        return self.real.status_of(number)

    def household_of(self, number: str) -> Any:
        self.asked.append("population")
        return self.real.household_of(number)


def test_only_registries_that_owe_an_answer_are_asked_again_and_none_for_it_after_the_decision(
    country: Country,
) -> None:
    switch(country, "low-income", "down")
    case_id = begun(country)
    works, counted = country[LANZHOU].works["subsidy"], Counted(country)
    service.ask_again(works, case_id, counted)
    assert counted.asked == ["low-income"]
    done(country, case_id, (CHECK, TOWNSHIP), (REVIEW, DPF), (DECIDE, COUNTY))
    assert kept(country, case_id).application.state == "open"  # the living subsidy is undetermined
    switch(country, "low-income", "up")
    ask_again(country)
    assert answer(country, DECIDE, case_id, COUNTY) == ("", "")
    service.ask_again(works, case_id, counted)
    assert counted.asked == ["low-income"]


def test_a_message_that_comes_again_asks_no_registry(country: Country) -> None:
    heard = record(country[LANZHOU], "subsidy")
    begun(country)
    counted = Counted(country)
    (accepted,) = heard.bodies
    assert service.doors(counted).handle(country[LANZHOU].works["subsidy"], accepted) is Outcome.DUPLICATE
    assert counted.asked == []
    assert len(country[LANZHOU].rows("subsidy", audit_rows)) == 1


def test_a_supplement_after_the_decision_asks_no_registry(country: Country) -> None:
    case_id = begun(country, city=SANYA)
    assert answer(country, subsidy.RequestSupplementV1, case_id, TOWNSHIP, personal=MISSING) == ("", "")
    heard = record(country[LANZHOU], "subsidy")
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001")
    country.settle()
    (supplemented,) = [body for body in heard.bodies if decode(body).type == intake.ApplicationSupplementedV1.type]
    country.decide(LANZHOU, case_id, COUNTY)
    counted, looks = Counted(country), len(country[LANZHOU].rows("subsidy", audit_rows))
    again = encode(replace(decode(supplemented), id=clock.new_id(), sealed=None))
    assert service.doors(counted).handle(country[LANZHOU].works["subsidy"], again) is Outcome.DONE
    assert counted.asked == []
    assert len(country[LANZHOU].rows("subsidy", audit_rows)) == looks


def test_a_person_whose_paper_the_register_does_not_bear_out_is_not_asked_about_for_ever(country: Country) -> None:
    switch(country, "population", "down")
    paper = {"code": "identity", "source": "applicant", "seen": "original", "seen_by": "w", "provided_at": ""}
    case_id = begun(country, UNREGISTERED, materials=[paper])
    opinion = {"reasons": [], "shown": {"hukou_division": "620102", "area": "urban"}}
    assert answer(country, CHECK, case_id, TOWNSHIP, personal=opinion) == ("", "")
    switch(country, "population", "up")
    ask_again(country)
    assert kept(country, case_id).facts.born_on is None
    with country[LANZHOU].works["subsidy"].begin() as work:
        assert store.list_to_ask_again(work, 10) == []


def test_a_hukou_found_elsewhere_later_sends_the_undecided_case_back(country: Country) -> None:
    switch(country, "population", "down")
    case_id = begun(country, MOVED, city=SANYA)
    done(country, case_id, (CHECK, TOWNSHIP))
    switch(country, "population", "up")
    ask_again(country)
    assert kept(country, case_id).application.state == "redirected"
    assert country[SANYA].leg(case_id).peer_leg_no == 3


def test_every_question_to_a_registry_stands_in_the_audit_without_a_name(country: Country) -> None:
    switch(country, "disability-card", "down")
    case_id = begun(country)
    switch(country, "disability-card", "up")
    ask_again(country)
    rows = country[LANZHOU].rows("subsidy", audit_rows)
    assert [(row.subject, row.act, row.purpose) for row in rows] == [
        (case_id, "ask_registries", "registries"),
        (case_id, "ask_registries", "registries_again"),
    ]
    assert rows[0].fields == "disability-card,low-income,population"
    assert not [secret for secret in ("何守田", "990102197503120178") for row in rows if secret in str(row)]
    with country[LANZHOU].works["subsidy"].begin() as work:
        assert broken_rows(work) == []


def test_cases_behind_a_silent_registry_do_not_keep_others_from_being_asked(country: Country) -> None:
    switch(country, "disability-card", "down")
    cases = {begun(country, HE_SHOUTIAN | {"id_type": "passport", "id_number": f"E000000{n}"}) for n in range(4)}
    seen: set[str] = set()
    with country[LANZHOU].works["subsidy"].begin() as work:
        for _ in range(200):
            seen.update(store.list_to_ask_again(work, 1))
    assert seen == cases
