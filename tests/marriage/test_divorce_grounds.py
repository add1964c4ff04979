"""What the law demands of a divorce, and what becomes of it when the marriage ends otherwise."""

import datetime
import random
from typing import Any

import pytest
from sqlalchemy import update

from contracts import certificate, marriage
from contracts.envelope import Json, decode
from services.marriage.store import tables
from services.marriage.store.divorces import list_registered
from services.marriage.usecases.case import person_index
from shared.outbox import open_personal
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock
from tests.marriage.partings import (
    AGREED,
    BOTH,
    CLOSES,
    FIRST,
    FIRST_DAY,
    OPENS,
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
from tests.marriage.test_corrections import NEW, confirm, correct, link_at
from tests.marriage.weddings import (
    HE,
    OFFICES,
    SHE,
    calm,
    findings,
    last_task,
    locked,
    married,
    numbered,
    person,
    refusals,
    run_timer,
    settle_anyhow,
    wed,
)
from tests.replay import record as recording

HERS = person(SHE["name"], numbered("990104", "19980923", 52))  # 兰州 guards it


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
    renumbered(country, "J460204-2025-000009")
    sign(country, LANZHOU, case_id)
    assert findings(country[LANZHOU], case_id) == {"marriage_unknown": None}
    day(country, hand, "2025-12-20")
    run_timer(country, LANZHOU, "turn_days")
    assert state(country, case_id) == "awaiting_certificate"
    sign(country, LANZHOU, case_id, approve=False)
    assert refusals(country[LANZHOU], case_id) == ["ground_not_lawful"]
    renumbered(country, FIRST)
    sign(country, LANZHOU, case_id)
    assert (state(country, case_id), states(country)) == ("registered", ["dissolved"])
    assert calm(country)


def test_who_signed_and_is_not_divorced_as_the_holder_refuses_may_still_withdraw(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id = at_the_window(country, hand)
    renumbered(country, "J460204-2025-000009")
    sign(country, LANZHOU, case_id)
    day(country, hand, "2026-03-02")
    withdraw(country, LANZHOU, case_id)
    assert (state(country, case_id), outcome(country[LANZHOU], case_id)) == ("withdrawn", "withdrawn")
    renumbered(country, FIRST)
    assert state(country, accept(country, city=WEIHAI), WEIHAI) == "cooling"
    assert calm(country)


def renumbered(country: Country, number: str) -> None:
    """The holder's record has that number, as somebody has typed it."""
    (row,) = married(country)
    archive = row.archive | {"certificates": [number]}
    with country[SANYA].works["marriage"].begin() as work:
        work.write(update(tables.marriages).values(certificate_no=number, archive=archive))


def test_numbers_of_both_corrected_during_cooling_off_do_not_keep_the_two_from_their_divorce(
    country: Country, couple_of_sanya: str, hand: HandClock
) -> None:
    case_id, heard = at_the_window(country, hand), recording(country[LANZHOU], "certificate")
    link_at(country, WEIHAI, NEW, HE)
    link_at(country, LANZHOU, HERS, SHE)
    confirm(country, correct(country, he=NEW))
    confirm(country, correct(country, he=NEW, persons=[named(SHE), named(NEW)], corrected=[named(HERS), named(NEW)]))
    sign(country, LANZHOU, case_id)
    assert (state(country, case_id), states(country), locked(country)) == ("registered", ["dissolved"], [])
    with country[LANZHOU].works["marriage"].begin() as work:
        divorced = [len(list_registered(work, person_index(work, one))) for one in (NEW, HERS, HE, SHE)]
    assert divorced == [1, 1, 0, 0]
    (told,) = [it for it in map(decode, heard.bodies) if it.type == certificate.IssueCertificateV1.type]
    holders = open_personal(country[LANZHOU].node, certificate.IssueCertificateV1, told)["holders"]
    numbers = {one["name"]: one["id_number"] for one in holders}
    assert numbers == {one["name"]: one["id_number"] for one in (NEW, HERS)}
    assert calm(country)


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
