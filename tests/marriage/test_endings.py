"""How marriages end without an application, at the node that holds them, and how an error is put right."""

import random

import pytest

from contracts import certificate, marriage
from contracts.envelope import Json
from services.marriage.store import tables
from shared import clock
from shared.audit import audit_rows
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, clerk
from tests.marriage.partings import (
    PAPER,
    certificate_states,
    confirm,
    ending,
    history,
    judged,
    living,
    named,
    noted,
    record,
    states,
    why,
)
from tests.marriage.weddings import (
    HE,
    OFFICES,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    calm,
    locked,
    married,
    refusals,
    settle_anyhow,
    wed,
)

# --- death -----------------------------------------------------------------------------------------------------------


def test_a_death_certificate_seen_anywhere_ends_the_marriage_where_it_is_held(
    country: Country, couple_of_sanya: str
) -> None:
    request = record(country, WEIHAI, ending())
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert (states(country), living(country[SANYA]), locked(country)) == (["ended_by_death"], 0, [])
    (revoked,) = country[SANYA].told(certificate.CertificateRevokedV1, couple_of_sanya)
    assert (certificate_states(country), revoked.data["certificate"]["status"]) == (["revoked"], "revoked")
    assert history(country) == ["registered", "ended:death"]
    assert calm(country)


def test_a_widow_marries_again_in_a_third_city(country: Country, couple_of_sanya: str) -> None:
    record(country, WEIHAI, ending())
    wed(country, LANZHOU, OTHER_HE, SHE)
    assert (states(country, SANYA), states(country, LANZHOU)) == (["ended_by_death"], ["valid"])
    assert calm(country)


def test_the_same_request_again_is_answered_again_and_nothing_happens(country: Country, couple_of_sanya: str) -> None:
    request = record(country, WEIHAI, ending())
    kept = married(country, SANYA)
    wish = {name: value for name, value in ending().items() if name != "declined"}
    office = {"code": OFFICES[WEIHAI], "name": "某登记处", "node": WEIHAI, "phone": ""}
    with country[WEIHAI].works["marriage"].begin() as work:
        work.tell(marriage.EndMarriageV1, request, {"office": office}, wish, to=SANYA)
    country.settle()
    assert married(country, SANYA) == kept
    assert noted(country[WEIHAI], request) == ["sent", "ended"]
    assert calm(country)


def test_a_register_of_deaths_ends_only_what_is_held_here(country: Country, couple_of_sanya: str) -> None:
    dead = {"person": named(HE), "on": "2025-10-10", "document": PAPER}
    for city in (LANZHOU, SANYA, SANYA):
        country.say(city, marriage.NoteDeathV1, clock.new_id(), {"source": "population"}, dead)
        country.settle()
    assert states(country) == ["ended_by_death"]
    assert history(country) == ["registered", "ended:death"]
    assert calm(country)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"certificate_no": "J460204-2025-000002"}, "marriage_unknown"),
        ({"persons": [named(HE), named(OTHER_SHE)]}, "marriage_unknown"),
        ({"persons": [named(HE), named(HE)]}, "marriage_unknown"),
        ({"on": "2025-10-08"}, "ended_before_it_began"),
        ({"on": "2025-10-12"}, "ended_in_future"),
    ],
)
def test_the_holder_ends_nothing_that_is_not_its_record(
    country: Country, couple_of_sanya: str, changes: Json, code: str
) -> None:
    request = record(country, WEIHAI, ending(**changes))
    assert noted(country[WEIHAI], request) == ["sent", "refused"]
    assert why(country[WEIHAI], request) == [code]
    assert (states(country), living(country[SANYA]), len(locked(country))) == (["valid"], 2, 2)
    assert calm(country)


def test_what_has_ended_is_not_ended_again_but_may_be_void_from_the_beginning(
    country: Country, couple_of_sanya: str
) -> None:
    record(country, WEIHAI, ending())
    again = record(country, LANZHOU, ending())
    assert why(country[LANZHOU], again) == ["marriage_ended"]
    void = record(country, LANZHOU, judged("bigamy"))
    confirm(country, LANZHOU, void)
    assert (noted(country[LANZHOU], void)[-1], states(country)) == ("ended", ["void"])
    assert calm(country)


# --- by two people ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "state"),
    [
        ("divorce_by_court", "dissolved"),
        ("declared_dead", "ended_by_death"),
        ("under_age", "void"),
        ("coercion", "revoked"),
        ("impersonation", "revoked"),
    ],
)
def test_a_judgment_ends_the_marriage_once_a_second_clerk_has_compared_it(
    country: Country, couple_of_sanya: str, ground: str, state: str
) -> None:
    request = record(country, LANZHOU, judged(ground))
    assert (noted(country[LANZHOU], request), states(country)) == (["recorded"], ["valid"])
    confirm(country, LANZHOU, request)
    assert noted(country[LANZHOU], request) == ["recorded", "sent", "ended"]
    assert (states(country), locked(country)) == ([state], [])
    assert calm(country)


def test_who_recorded_an_ending_does_not_confirm_it(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request, "first")
    assert refusals(country[LANZHOU], request) == ["same_clerk"]
    assert states(country) == ["valid"]


def test_a_rejected_ending_goes_nowhere_and_is_not_confirmed_later(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request, approve=False)
    confirm(country, LANZHOU, request)
    assert noted(country[LANZHOU], request) == ["recorded", "rejected"]
    assert refusals(country[LANZHOU], request) == ["ending_confirmed"]
    assert states(country) == ["valid"]


@pytest.mark.parametrize(
    ("changes", "wish", "code"),
    [
        ({}, judged("divorce_registered"), "ending_by_application"),
        ({"office": "620102"}, judged(), "office_without_power"),
        ({}, judged(certificate_no="兰结字第12号"), "certificate_number_malformed"),
        ({"registering_division": "110101"}, judged(), "division_not_joined"),
    ],
)
def test_what_cannot_be_recorded_is_refused_at_the_counter(
    country: Country, changes: Json, wish: Json, code: str
) -> None:
    request = record(country, LANZHOU, wish, **changes)
    assert refusals(country[LANZHOU], request) == [code]
    assert country[LANZHOU].rows("marriage", tables.requests) == []


def test_everybody_who_touches_a_recorded_ending_is_on_record(country: Country, couple_of_sanya: str) -> None:
    request = record(country, LANZHOU, judged())
    confirm(country, LANZHOU, request)
    here = [(row.actor, row.act) for row in country[LANZHOU].rows("marriage", audit_rows)]
    there = [(row.actor, row.act) for row in country[SANYA].rows("marriage", audit_rows) if row.subject == request]
    assert sorted(here) == sorted([("first", "record_ending"), ("second", "confirm_ending")] * 2)
    assert there == [(LANZHOU, "end_marriage")] * 2


# --- in any order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_two_cities_that_end_one_marriage_in_any_order_end_it_once(
    country: Country, couple_of_sanya: str, seed: int
) -> None:
    requests = {WEIHAI: clock.new_id(), LANZHOU: clock.new_id()}
    for city, request in requests.items():
        data = {"actor": clerk("first", OFFICES[city]), "registering_division": ""}
        country.say(city, marriage.RecordEndingV1, request, data, ending())
    settle_anyhow(country, random.Random(seed))
    assert sorted(noted(country[city], request)[-1] for city, request in requests.items()) == ["ended", "refused"]
    assert history(country) == ["registered", "ended:death"]
    assert (living(country[SANYA]), locked(country)) == (0, [])
    assert calm(country)
