"""Each rule that the sabotage of weddings takes out is one without which the judge of weddings finds its fault."""

import random

import pytest

from contracts.claim_kinds import claim_kinds
from contracts.claims import ReleaseClaimV1
from contracts.marriage import ReserveAgainV1
from services.claims import service
from services.claims.store import tables as claims_tables
from services.marriage.store import tables
from services.marriage.usecases import case
from shared.outbox import Work
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock
from tests.chaos import misrule
from tests.chaos.registrars import Wedding
from tests.chaos.sabotage import SIGNS
from tests.chaos.wedlock import Lock, Record, two_marriages, unguarded
from tests.marriage.conftest import country, hand
from tests.marriage.weddings import HE, OTHER_SHE, SHE, act, apply, later, run_claims_timer, settle_anyhow, wed

__all__ = ["country", "hand"]
GUARDS = {"990104": LANZHOU, "990105": WEIHAI}
SIGN = SIGNS["weddings"]


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a misrule changes is as before when the test is over."""
    monkeypatch.setattr(case, "tell_claims", case.tell_claims)
    monkeypatch.setattr(Work, "lock", Work.lock)
    monkeypatch.setattr(misrule, "MOMENT_SECONDS", 0.001)
    monkeypatch.setitem(service.VERBS, ReleaseClaimV1, service.VERBS[ReleaseClaimV1])
    monkeypatch.setitem(claim_kinds(), case.US, claim_kinds()[case.US])


def records(country: Country) -> list[Record]:
    names = ("marriage_id", "state", "certificate_no", "division", "year", "serial")
    found = [(code, row) for code in country.cities for row in country[code].rows("marriage", tables.marriages)]
    return [Record(row.marriage_id, code, *(getattr(row, name) for name in names[1:])) for code, row in found]


def locks(country: Country) -> list[Lock]:
    names = ("case_id", "prefix", "state", "issued", "key_index", "kind", "holder")
    found = [(code, row) for code in country.cities for row in country[code].rows("claims", claims_tables.claims)]
    return [Lock(code, *(getattr(row, name) for name in names)) for code, row in found if row.state != "ended"]


def book(**cases: tuple[str, str, str]) -> dict[str, Wedding]:
    return {case_id: Wedding(case_id, node, "", (he, she), 1, "") for case_id, (node, he, she) in cases.items()}


def marry_him_twice(country: Country, hand: HandClock) -> list[str]:
    """He marries in one city, and two minutes later, every lease over, somebody else in another one."""
    first = wed(country, SANYA)
    later(hand, 120)
    for code in country.cities:
        run_claims_timer(country, code, "sweep")
    second = wed(country, WEIHAI, HE, OTHER_SHE)
    people = {first: (SANYA, HE["id_number"], SHE["id_number"])}
    people |= {second: (WEIHAI, HE["id_number"], OTHER_SHE["id_number"])}
    return list(two_marriages(records(country), book(**people)))


def test_with_all_rules_he_marries_once(country: Country, hand: HandClock):
    assert not marry_him_twice(country, hand)


@pytest.mark.usefixtures("restored")
def test_who_issues_on_a_lease_marries_him_twice(country: Country, hand: HandClock):
    misrule.issue_on_lease()
    assert any(SIGN["issue-on-lease"] in fault for fault in marry_him_twice(country, hand))


@pytest.mark.usefixtures("restored")
def test_without_the_lock_all_else_goes_on(country: Country):
    misrule.without_lock()
    wed(country, SANYA)
    assert [record.state for record in records(country)] == ["valid"]


@pytest.fixture
def unbound(restored: None) -> None:
    """Before any city's doors are made."""
    misrule.unbound_release()


def try_in_vain(country: Country) -> list[str]:
    """Two who are married apply elsewhere, again and again, letters arriving anyhow; how their marriage is guarded."""
    first, second = wed(country, SANYA), apply(country, LANZHOU, SHE, HE)
    for seed in range(6):
        settle_anyhow(country, random.Random(seed))
        act(country, LANZHOU, ReserveAgainV1, second)
    people = book(**{first: (SANYA, HE["id_number"], SHE["id_number"])})
    return list(unguarded(locks(country), records(country), people, GUARDS))


def test_with_all_rules_a_marriage_stays_guarded_whoever_applies(country: Country):
    assert not try_in_vain(country)


@pytest.mark.usefixtures("unbound")
def test_a_release_that_is_bound_to_no_token_frees_who_is_married(country: Country):
    assert any(SIGN["unbound-release"] in fault for fault in try_in_vain(country))
