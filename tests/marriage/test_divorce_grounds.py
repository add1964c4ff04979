"""What the law demands of a divorce, and what becomes of it when the marriage ends otherwise."""

import datetime
import random
from typing import Any

import pytest

from contracts import certificate, marriage
from contracts.envelope import Json
from services.marriage.store import corrections, records
from services.marriage.usecases import case
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock
from tests.marriage.partings import (
    AGREED,
    BOTH,
    CLOSES,
    FIRST_DAY,
    OPENS,
    TOO_LATE,
    accept,
    act,
    ask,
    at_the_window,
    day,
    divorce,
    ending,
    living,
    named,
    notes,
    outcome,
    record,
    reserve_again,
    sign,
    state,
    states,
    tell,
    withdraw,
)
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    calm,
    findings,
    last_task,
    locked,
    married,
    refusals,
    run_timer,
    settle_anyhow,
    wed,
)


@pytest.fixture
def couple_of_sanya(country: Country, hand: HandClock) -> str:
    """A couple that married in 三亚 on 2025-10-09; today is the 10th: cooling-off would end on Sunday, so on Monday."""
    case_id = wed(country)
    day(country, hand, FIRST_DAY)
    return case_id


# --- what is shown ---------------------------------------------------------------------------------------------------


def heard(number: int, **changes: Any) -> list[Json]:
    return [row | changes if row["number"] == number else row for row in BOTH]


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ({"heard": heard(1, willing=False)}, "unwilling"),
        ({"heard": heard(0, present=False, willing=None)}, "not_in_person"),
        ({"heard": heard(1, capable=False)}, "restricted_capacity"),
        ({"agreement": AGREED | {"children": False}}, "agreement_incomplete"),
        ({"agreement": AGREED | {"signed": False}}, "agreement_not_signed"),
        ({"certificate": "missing"}, "marriage_certificate_missing"),
        ({"registered_in_mainland": False}, "registered_elsewhere"),
    ],
)
def test_what_the_law_demands_and_is_not_there_is_not_accepted_by_name(
    country: Country, couple_of_sanya: str, shown: Json, code: str
) -> None:
    case_id = ask(country)
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id, **shown)
    assert refusals(country[LANZHOU], case_id) == [code]
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id, approve=False, **shown)
    (decided,) = country[LANZHOU].told(marriage.ApplicationDecidedV1, case_id)
    assert [reason["code"] for reason in decided.personal["reasons"]] == [code]
    assert ("女方" in decided.personal["statement"]) is (code in ("unwilling", "restricted_capacity"))
    assert (state(country, case_id), locked(country)) == ("not_accepted", [("locked", True, SANYA)] * 2)
    assert calm(country)


def test_without_a_ground_of_the_law_nobody_is_turned_away(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = ask(country)
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id, approve=False)
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id)
    day(country, hand, OPENS)
    sign(country, LANZHOU, case_id, approve=False)
    assert refusals(country[LANZHOU], case_id) == ["ground_not_lawful"] * 2
    assert state(country, case_id) == "cooling"


def test_one_who_comes_alone_or_changes_their_mind_is_told_so(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    sign(country, LANZHOU, case_id, heard=heard(0, present=False, willing=None))
    sign(country, LANZHOU, case_id, heard=heard(0, willing=False))
    assert refusals(country[LANZHOU], case_id) == ["both_must_come", "unwilling"]
    sign(country, LANZHOU, case_id, heard=heard(0, willing=False), approve=False)
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("refused", "refused")
    assert (states(country), locked(country)) == (["valid"], [("locked", True, SANYA)] * 2)
    assert calm(country)


def test_only_the_accepting_office_goes_on_with_a_divorce(country: Country, couple_of_sanya: str) -> None:
    case_id = accept(country)
    act(country, LANZHOU, marriage.WithdrawDivorceV1, case_id, office="620102")
    assert refusals(country[LANZHOU], case_id) == ["not_the_accepting_office"]


# --- no ground, but a wait --------------------------------------------------------------------------------------------


def test_a_marriage_that_the_holder_does_not_know_waits_and_refuses_nobody(
    country: Country, couple_of_sanya: str
) -> None:
    case_id = ask(country, certificate_no="J460204-2025-000009")
    assert findings(country[LANZHOU], case_id) == {"marriage_unknown": None}
    assert last_task(country[LANZHOU], case_id)["missing_facts"] == ["marriage_on_record"]
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id)
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id, approve=False)
    assert refusals(country[LANZHOU], case_id) == ["marriage_unknown", "ground_not_lawful"]
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("applied", "")
    assert calm(country)


def test_a_marriage_that_comes_on_record_while_the_couple_waits_is_looked_up_again(country: Country) -> None:
    case_id = ask(country)
    assert findings(country[LANZHOU], case_id) == {"marriage_unknown": None}
    wed(country)
    reserve_again(country, LANZHOU, case_id)
    assert findings(country[LANZHOU], case_id) == {}
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id)
    assert (state(country, case_id), refusals(country[LANZHOU], case_id)) == ("cooling", [])
    assert calm(country)


@pytest.mark.parametrize("number", ["J110101-2025-000001", "旧字第1号", "J999999-2025-000001"])
def test_a_marriage_whose_holder_cannot_be_asked_waits_and_loses_no_case(country: Country, number: str) -> None:
    case_id = ask(country, certificate_no=number)
    assert list(findings(country[LANZHOU], case_id).values()) == [None]
    act(country, LANZHOU, marriage.ExamineDivorceV1, case_id, approve=False)
    assert refusals(country[LANZHOU], case_id) == ["ground_not_lawful"]
    withdraw(country, LANZHOU, case_id)
    assert state(country, case_id) == "withdrawn"
    assert calm(country)


def test_who_signed_in_time_is_not_late_when_the_holder_first_refuses(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    day(country, hand, CLOSES)
    renamed(country, [named(one | {"id_number": it["id_number"]}) for one, it in ((HE, OTHER_HE), (SHE, OTHER_SHE))])
    sign(country, LANZHOU, case_id)
    assert findings(country[LANZHOU], case_id) == {"marriage_unknown": None}
    day(country, hand, TOO_LATE)
    run_timer(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    sign(country, LANZHOU, case_id, approve=False)
    assert refusals(country[LANZHOU], case_id) == ["ground_not_lawful"]
    renamed(country, [named(HE), named(SHE)])
    sign(country, LANZHOU, case_id)
    assert (state(country, case_id), states(country)) == ("registered", ["dissolved"])
    assert calm(country)


def renamed(country: Country, persons: list[Json]) -> None:
    """The holder's record names these two, as somebody has typed them."""
    (marriage_id,) = {row.marriage_id for row in married(country)}
    with country[SANYA].works["marriage"].begin() as work:
        held = records.find_held(work, marriage_id)
        assert held
        before, after = ([case.person_index(work, one) for one in both] for both in (held.persons, persons))
        corrections.save_spouses(work, marriage_id, dict(zip(before, after, strict=True)))
        corrections.save_persons(work, marriage_id, persons)


# --- a marriage that ends otherwise ----------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["2025-10-20", OPENS])
def test_a_death_during_the_days_ends_the_divorce(
    country: Country, couple_of_sanya: str, hand: HandClock, date: str
) -> None:
    case_id = accept(country)
    day(country, hand, date)
    run_timer(country, LANZHOU, "turn_days")
    record(country, WEIHAI, ending(on="2025-10-15"))
    assert (state(country, case_id), states(country)) == ("marriage_ended", ["ended_by_death"])
    assert divorce(country, LANZHOU, case_id).divorce.ended_on == datetime.date(2025, 10, 15)
    assert "死亡" in notes(country[LANZHOU], case_id)[-1]
    assert (outcome(country[LANZHOU], case_id), locked(country)) == ("withdrawn", [])
    assert calm(country)


@pytest.mark.parametrize("seed", range(6))
def test_a_death_and_a_signature_at_the_same_time_end_the_marriage_once(
    country: Country, couple_of_sanya: str, hand: HandClock, seed: int
) -> None:
    case_id = at_the_window(country, hand)
    tell(country, LANZHOU, marriage.RegisterDivorceV1, case_id)
    country.work()
    wish = ending(on="2025-10-15")
    data = {"actor": {"id": "first", "kind": "clerk", "office": OFFICES[WEIHAI]}, "registering_division": ""}
    country.say(WEIHAI, marriage.RecordEndingV1, "01999999-0000-7000-8000-000000000001", data, wish)
    settle_anyhow(country, random.Random(seed))
    ended = {"dissolved": "registered", "ended_by_death": "marriage_ended"}[states(country)[0]]
    assert state(country, case_id) == ended
    assert (living(country[SANYA]), locked(country)) == (0, [])
    assert calm(country)


@pytest.mark.parametrize("seed", range(6))
def test_letters_in_any_order_and_twice_lead_to_one_divorce(
    country: Country, couple_of_sanya: str, hand: HandClock, seed: int
) -> None:
    chance = random.Random(seed)
    case_id = ask(country)
    tell(country, LANZHOU, marriage.ExamineDivorceV1, case_id)
    settle_anyhow(country, chance)
    day(country, hand, OPENS)
    tell(country, LANZHOU, marriage.RegisterDivorceV1, case_id)
    settle_anyhow(country, chance)
    assert (state(country, case_id), states(country)) == ("registered", ["dissolved"])
    assert len(country[LANZHOU].told(certificate.CertificateIssuedV1, case_id)) == 1
    assert locked(country) == []
    assert calm(country)
