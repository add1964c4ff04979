"""Registries that are away, late or wrong, and promises that stand in for them until they are back."""

import pytest

from contracts import subsidy
from contracts.envelope import Json
from services.subsidy import store
from shared.audit import audit_rows, broken_rows
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, Country
from tests.subsidy.cases import (
    CHECK,
    COUNTY,
    DECIDE,
    DPF,
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
    switch,
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
    assert country[LANZHOU].told(subsidy.PromiseCheckedV1) == []
    for registry in ("disability-card", "low-income", "population"):
        switch(country, registry, "up")
    ask_again(country)
    checked = {told.data["fact"]: told.data["kept"] for told in country[LANZHOU].told(subsidy.PromiseCheckedV1)}
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
    assert {one.data["fact"] for one in told if not one.data["kept"]} == broken
    assert {one.data["fact"] for one in told} == {"card", "low_income", "special_support", "hukou", "area"}
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
