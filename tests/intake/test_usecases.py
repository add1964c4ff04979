"""A case from 收件 to 告知, in one city and across two: duplicates, supplements, races, notices."""

import dataclasses
from pathlib import Path

import pytest

from contracts import intake, subsidy
from services.intake.store import cases as store
from services.intake.store import tables
from tests.builders import HE_SHOUTIAN, LANZHOU, SANYA, WEIHAI, Country, clerk, stop_clock
from tests.intake.cases import (
    MISSING,
    ORPHAN,
    SECRETS,
    UNREGISTERED,
    ask_supplement,
    calm,
    material,
    newest_shown,
    orphan,
    refusal,
    states,
    supplement,
    verbs,
    withdraw,
)

# --- the whole way ---------------------------------------------------------------------------------------------------


def test_a_case_that_crossed_two_cities_is_the_same_at_both_ends(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "accepted")]
    country.decide(LANZHOU, case_id, "620102")
    here, there = country[SANYA].story(case_id), country[LANZHOU].story(case_id)
    assert here == there
    assert states(country, SANYA, case_id) == [(1, "told"), (2, "closed")]
    done = [(step["verb"], step["office"]["code"]) for step in here["steps"] if step["verb"] != "take_in"]
    assert done == [
        ("forward", "460204001"),
        ("take_over", "620102001"),
        ("check", "620102001"),
        ("review", "620102-dpf"),
        ("decide", "620102"),
        ("close", "620102"),
        ("tell", "460204001"),
    ]
    assert here["outcome"]["result"] == "granted"
    assert here["outcome"]["certificate_id"] in [step["note"] for step in here["steps"]]
    assert here["outcome"]["remedies"]
    assert not [clock for leg in here["legs"] for clock in leg["clocks"] if not clock["ended_on"]]
    assert calm(country)


def test_a_case_of_the_city_s_own_people_never_leaves_it(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.work()
    assert country.mail == []
    country.decide(LANZHOU, case_id, "620102")
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert len(country[LANZHOU].notices()) == 1
    assert calm(country)


def test_a_real_case_carries_its_legal_dates_in_both_cities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = stop_clock(monkeypatch, "2025-09-24T08:00:00+08:00")
    country = Country(tmp_path)
    case_id = country.take_in(SANYA)
    country.work()
    hand.set("2025-09-28T16:00:00+08:00")  # the letter arrives on the make-up Sunday
    country.settle()
    hand.set("2025-10-17T16:00:00+08:00")
    country.decide(LANZHOU, case_id, "620102")
    for city in (SANYA, LANZHOU):
        legs = country[city].story(case_id)["legs"]
        clocks = {it["name"]: (it["started_on"], it["due_on"], it["ended_on"]) for leg in legs for it in leg["clocks"]}
        assert clocks == {
            "forward": ("2025-09-24", "2025-09-28", "2025-09-24"),
            "decide": ("2025-09-28", "2025-10-17", "2025-10-17"),
            "tell": ("2025-10-17", "2025-10-22", "2025-10-17"),
        }
    country.close()


def test_what_was_done_in_time_is_in_time_whenever_we_hear_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = stop_clock(monkeypatch, "2025-09-24T08:00:00+08:00")
    country = Country(tmp_path)
    case_id = orphan(country)
    country.settle()
    supplement(country, LANZHOU, case_id, material("parents-circumstances", "promise"))
    hand.set("2025-10-20T08:00:00+08:00")
    office = {"code": "460203001", "name": "吉阳街道", "node": SANYA, "phone": ""}
    done = {"leg_no": 2, "version": 2, "approve": True, "office": office, "next_task": None}
    country.say(SANYA, subsidy.ApplicationCheckedV1, case_id, done | {"at": "2025-10-15T15:59:59.000000Z"})
    country.settle()
    check, decide = country[SANYA].leg(case_id, "competent").clocks
    assert (str(check.ended_on), str(decide.started_on)) == ("2025-10-15", "2025-10-15")
    country.close()


def test_nothing_personal_stands_in_the_readable_part_of_any_letter(country: Country) -> None:
    letters: list[str] = []
    case_id = country.take_in(SANYA)
    for verb, office in ((None, ""), (subsidy.CheckApplicationV1, "620102001")):
        if verb:
            country.act(LANZHOU, verb, case_id, office)
        country.work()
        letters += country.mail
        country.settle()
    assert letters
    assert not [secret for secret in SECRETS for letter in letters if secret in letter]


def test_the_applicant_is_told_once_of_the_result_without_a_personal_word(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    country.settle()
    (notice,) = country[SANYA].notices()
    assert "已办结" in notice["text"]
    assert not [secret for secret in (*SECRETS, "残疾", "补贴") if secret in str(notice)]
    (kept,) = country[SANYA].rows("intake", tables.notices)
    assert kept.sent_at
    assert kept.phone == ""  # no longer needed here


# --- one open case per person and matter -----------------------------------------------------------------------------


def test_a_second_case_of_the_same_person_and_matter_is_refused_naming_the_office_to_ask(country: Country) -> None:
    first = country.take_in(LANZHOU, office="620102001")
    country.settle()
    spelt_otherwise = HE_SHOUTIAN | {"id_number": "９９0102 19750312 0178", "name": "何守田 "}
    second = country.take_in(LANZHOU, spelt_otherwise)
    country.settle()
    answer = refusal(country, LANZHOU, second)
    assert (answer["kind"], answer["code"]) == ("Refused", "duplicate_case")
    assert answer["details"] == {"office": "酒泉路街道便民服务中心", "office_code": "620102001"}
    assert "酒泉路街道便民服务中心" in answer["message"]
    assert not [secret for secret in SECRETS if secret in str(answer)]
    assert {row.case_id for row in country[LANZHOU].rows("intake", tables.legs)} == {first}


def test_the_same_person_may_apply_again_when_the_first_case_is_over_and_for_another_matter_at_once(
    country: Country,
) -> None:
    first = country.take_in(LANZHOU)
    beside = country.take_in(LANZHOU, *ORPHAN, HE_SHOUTIAN | {"role": "spouse"}, matter="orphan-recognition",
                             consents=["notice_shown", "guardian"])  # fmt: skip
    country.settle()
    country.decide(LANZHOU, first, "620102")
    again = country.take_in(LANZHOU)
    country.settle()
    assert country[LANZHOU].told(intake.ActRefusedV1) == []
    assert states(country, LANZHOU, again) == [(1, "in_progress"), (2, "accepted")]
    assert states(country, LANZHOU, beside) == [(1, "supplement_required")]


def test_of_two_cities_that_take_the_same_person_in_at_once_exactly_one_goes_on(wide_country: Country) -> None:
    country = wide_country
    cases = {city: country.take_in(city) for city in (SANYA, WEIHAI)}
    country.settle()
    by_state = {str(country[city].leg(case_id).state): city for city, case_id in cases.items()}
    assert set(by_state) == {"in_progress", "not_accepted"}
    winner, loser = by_state["in_progress"], by_state["not_accepted"]
    (declined,) = country[loser].told(intake.ApplicationDeclinedV1)
    (reason,) = declined.data["reasons"]
    assert reason["code"] == "duplicate_case"
    assert declined.data["ask_office"]["node"] == winner
    assert declined.data["ask_office"]["name"] in reason["text"]
    story = country[loser].story(cases[loser])
    assert story["outcome"]["result"] == "not_accepted"
    assert story["outcome"]["remedies"]
    assert story["reasons"] == [reason]
    assert "decline" in verbs(country, loser, cases[loser])
    assert ["未予受理" in notice["text"] for notice in country[loser].notices()] == [True]
    country.decide(LANZHOU, cases[winner], "620102")
    assert country[winner].leg(cases[winner]).state == "told"
    assert calm(country)


def test_a_city_that_declines_its_own_window_s_case_says_so_in_the_record(country: Country) -> None:
    first = country.take_in(SANYA)
    country.settle()
    second = country.take_in(LANZHOU)
    country.settle()
    assert states(country, LANZHOU, second) == [(1, "not_accepted")]
    assert "decline" in verbs(country, LANZHOU, second)
    (declined,) = country[LANZHOU].told(intake.ApplicationDeclinedV1)
    assert declined.data["ask_office"]["code"] == "460204001"  # where the other case was taken in
    assert states(country, SANYA, first) == [(1, "in_progress"), (2, "accepted")]


# --- supplements -----------------------------------------------------------------------------------------------------


def test_a_case_with_a_missing_material_waits_at_its_window_and_goes_on_when_it_is_there(country: Country) -> None:
    case_id = orphan(country)
    country.settle()
    (taken_in,) = country[LANZHOU].told(intake.ApplicationTakenInV1)
    assert taken_in.data["missing"] == ["parents-circumstances"]
    assert states(country, LANZHOU, case_id) == [(1, "supplement_required")]
    supplement(country, LANZHOU, case_id, material("child-identity"))
    assert refusal(country, LANZHOU)["code"] == "material_missing"
    assert verbs(country, LANZHOU, case_id) == ["take_in"]
    supplement(country, LANZHOU, case_id, material("parents-circumstances", "promise"))
    assert states(country, SANYA, case_id) == [(1, "forwarded"), (2, "accepted")]
    assert country[LANZHOU].leg(case_id).state == "in_progress"
    with country[SANYA].works["intake"].begin() as work:
        assert [item["code"] for item in store.list_materials(work, case_id)] == ["parents-circumstances"]


def test_the_clock_of_forwarding_starts_when_the_papers_are_complete(country: Country) -> None:
    case_id = orphan(country)
    country.settle()
    assert country[LANZHOU].leg(case_id).clocks == ()
    supplement(country, LANZHOU, case_id, material("parents-circumstances"))
    (clock,) = country[LANZHOU].leg(case_id).clocks
    assert (clock.name, clock.days, clock.ended_on) == ("forward", 3, clock.started_on)


def test_a_deciding_city_asks_for_a_supplement_and_its_clock_stands_still_until_it_comes(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    before = country[LANZHOU].leg(case_id, "competent").clocks
    ask_supplement(country, case_id)
    assert states(country, SANYA, case_id) == [(1, "supplement_required"), (2, "supplement_required")]
    assert [clock.paused_on for clock in country[LANZHOU].leg(case_id, "competent").clocks] == [before[0].started_on]
    (requested,) = country[SANYA].told(intake.SupplementRequestedV1)
    assert requested.personal == MISSING
    assert ["补正" in notice["text"] for notice in country[SANYA].notices()] == [True]
    supplement(country, SANYA, case_id, material("low-income"))
    assert states(country, SANYA, case_id) == [(1, "in_progress"), (2, "accepted")]
    (clock,) = country[LANZHOU].leg(case_id, "competent").clocks
    assert (clock.due_on, clock.running) == (before[0].due_on, True)  # it stood still for less than a day
    country.decide(LANZHOU, case_id, "620102")
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert verbs(country, SANYA, case_id).count("receive_supplement") == 1
    assert calm(country)


def test_a_supplement_may_be_brought_to_a_city_s_own_window(country: Country) -> None:
    case_id = country.take_in(LANZHOU)
    country.settle()
    ask_supplement(country, case_id)
    supplement(country, LANZHOU, case_id, material("low-income"))
    with country[LANZHOU].works["intake"].begin() as work:
        assert [item["code"] for item in store.list_materials(work, case_id)] == ["low-income"]
    country.decide(LANZHOU, case_id, "620102")
    assert country[LANZHOU].leg(case_id).state == "told"


def test_what_was_not_asked_for_cannot_be_supplemented(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    supplement(country, SANYA, case_id, material("low-income"))
    assert (refusal(country, SANYA)["kind"], refusal(country, SANYA)["code"]) == ("OutOfStep", "state_changed")


def test_a_supplement_of_something_the_matter_does_not_need_is_refused(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    supplement(country, SANYA, case_id, material("bank-statement"))
    assert refusal(country, SANYA)["code"] == "material_not_asked"
    assert country[SANYA].leg(case_id).state == "supplement_required"


# --- what the desk is told -------------------------------------------------------------------------------------------


def shown_is_true(country: Country, city: str, case_id: str) -> bool:
    leg = country[city].leg(case_id)
    return newest_shown(country, city, case_id) == (leg.version, leg.state)


@pytest.mark.parametrize("city", [SANYA, LANZHOU])
def test_the_desk_always_knows_the_newest_version_of_its_window_s_leg(country: Country, city: str) -> None:
    case_id = country.take_in(city)
    country.work()
    assert shown_is_true(country, city, case_id)
    country.settle()
    assert shown_is_true(country, city, case_id)
    ask_supplement(country, case_id)
    assert shown_is_true(country, city, case_id)
    supplement(country, city, case_id, material("low-income"))
    assert shown_is_true(country, city, case_id)
    country.decide(LANZHOU, case_id, "620102")
    assert newest_shown(country, city, case_id) == (country[city].leg(case_id).version, "told")


@pytest.mark.parametrize("ending", ["withdrawn", "not_accepted", "needs_attention"])
def test_the_desk_knows_how_every_other_case_ended(country: Country, ending: str) -> None:
    if ending == "not_accepted":
        country.take_in(LANZHOU, UNREGISTERED)
        country.settle()
    case_id = country.take_in(SANYA, UNREGISTERED)
    country.settle()
    if ending == "withdrawn":
        withdraw(country, SANYA, case_id)
    elif ending == "needs_attention":
        country.act(LANZHOU, subsidy.RedirectApplicationV1, case_id, "620102001", to_division="371082")
    country.settle()
    assert newest_shown(country, SANYA, case_id) == (country[SANYA].leg(case_id).version, ending)


# --- races -----------------------------------------------------------------------------------------------------------


def test_of_two_clerks_at_the_same_window_one_is_out_of_step(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    version = country[SANYA].leg(case_id).version
    country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204001", expected_version=version)
    supplement(country, SANYA, case_id, material("low-income"), expected_version=version)
    answer = refusal(country, SANYA)
    assert (answer["kind"], answer["code"]) == ("OutOfStep", "version_changed")
    assert answer["details"] == {"current": str(version + 1)}
    assert country[SANYA].leg(case_id).state == "withdrawn"


def test_an_act_on_a_case_nobody_knows_is_answered(country: Country) -> None:
    country.say(
        SANYA,
        intake.WithdrawApplicationV1,
        "no-such-case",
        {"expected_version": 1, "actor": clerk("c", "460204001")},
        {"reason": ""},
    )
    country.settle()
    assert (refusal(country, SANYA)["kind"], refusal(country, SANYA)["code"]) == ("NotFound", "case_unknown")


def test_every_answer_names_the_command_it_answers(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    command = country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204001")
    stale = country.act(SANYA, intake.WithdrawApplicationV1, case_id, "460204001")
    country.settle()
    assert [it.cause for it in country[SANYA].told(intake.ActRefusedV1)] == [stale]
    assert country[SANYA].told(intake.ApplicationWithdrawnV1)[0].cause == command


@pytest.mark.parametrize("city", [SANYA, LANZHOU])
def test_a_story_told_twice_is_told_once(country: Country, city: str) -> None:
    case_id = country.take_in(city)
    country.settle()
    told = country[city].story(case_id)
    with country[city].works["intake"].begin() as work:
        store.add_steps(work, case_id, told["steps"])
        for leg in told["legs"]:
            store.keep_peer_leg(work, case_id, leg | {"version": leg["version"] - 1, "state": "taken_in"})
    assert country[city].story(case_id) == told


def test_a_leg_of_ours_is_never_overwritten_by_what_another_city_says(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    mine = country[SANYA].leg(case_id)
    with country[SANYA].works["intake"].begin() as work:
        forged = store.snapshot(dataclasses.replace(mine, version=99)) | {"node": LANZHOU, "state": "told"}
        store.keep_peer_leg(work, case_id, forged)
    assert country[SANYA].leg(case_id) == mine
