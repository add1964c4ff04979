"""Under real parallel transactions: numbers without gaps, one living marriage per person, one signature per case."""

import datetime
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from contracts import certificate, claims, marriage
from contracts.envelope import Json, decode
from services.marriage import service
from services.marriage.ports import DeathEntry, SimulatedDeathRegister, SimulatedMarriageRegistry
from services.marriage.store import applications, corrections, deaths, tables
from services.marriage.store import marriages as store
from services.marriage.store.deaths import Noted
from services.marriage.usecases import deaths as following
from shared import clock
from shared.audit import audit_metadata, broken_rows
from shared.bus import Doors, Outcome, Rejected
from shared.errors import Refused
from shared.outbox import Work, Works, outbox
from tests.builders import SANYA, Country, clerk
from tests.marriage.partings import named
from tests.marriage.weddings import HE, OFFICES, apply, examine, register
from tests.replay import a_message, at_once, handled_at_once, record, works_on_postgres
from tests.servers import Database


@pytest.fixture
def works(country: Country, postgres: Database) -> Iterator[Works]:
    """三亚's marriage on PostgreSQL."""
    made = works_on_postgres(postgres, country[SANYA].node, "marriage", tables.metadata, audit_metadata)
    yield made
    made.engine.dispose()


@pytest.fixture
def doors(country: Country) -> Doors:
    home = country[SANYA].node.home
    world = home / "registries.yaml"
    return service.doors(SimulatedMarriageRegistry(world, home / "pg-reports.jsonl"), SimulatedDeathRegister(world))


def row(serial: int, division: str = "460204") -> Json:
    number = {"division": division, "year": 2025, "serial": serial, "registered_on": datetime.date(2025, 10, 9)}
    whose = {"office": f"{division}-mr", "registrar": "registrar", "state": "valid", "attempt": clock.new_id()}
    whose |= {"claims_case": clock.new_id()}
    named = {"marriage_id": clock.new_id(), "certificate_no": f"J{division}-2025-{serial:06}"}
    return number | whose | named | {"parties": [], "archive": {}}


def marry(works: Works, *persons: str, division: str = "460204", fails: bool = False) -> None:
    with works.begin() as work:
        serial = store.next_serial(work, division, 2025)
        store.add_marriage(work, row(serial, division), persons)
        if fails:
            raise Refused("as_if", "")


def numbers(works: Works) -> list[int]:
    with works.begin() as work:
        return list(work.execute(select(tables.marriages.c.serial).order_by(tables.marriages.c.serial)).scalars())


def test_numbers_have_no_gap_and_no_repeat_whoever_registers_at_once_and_whatever_fails(works: Works) -> None:
    for round_no in range(5):
        acts: list[Callable[[], Any]] = [
            lambda at=f"{round_no}-{place}", fails=place % 3 == 0: marry(works, f"{at}-he", f"{at}-she", fails=fails)  # type: ignore[misc]
            for place in range(8)
        ]
        at_once(acts)
    assert numbers(works) == list(range(1, 26))
    with works.begin() as work:
        assert work.execute(select(tables.serials.c.last)).scalars().all() == [25]


def test_every_division_and_year_counts_by_itself(works: Works) -> None:
    with works.begin() as work:
        counted = [store.next_serial(work, *key) for key in [("460204", 2025), ("460203", 2025), ("460204", 2026)]]
        counted.append(store.next_serial(work, "460204", 2025))
    assert counted == [1, 1, 1, 2]


def test_the_database_refuses_a_number_that_was_given_before(works: Works) -> None:
    with works.begin() as work:
        store.add_marriage(work, row(7), ["a", "b"])
    with pytest.raises((IntegrityError, psycopg.IntegrityError)), works.begin() as work:
        store.add_marriage(work, row(7), ["c", "d"])


def test_the_database_refuses_a_second_living_marriage_of_a_person_and_allows_one_after_the_first_ended(
    works: Works,
) -> None:
    marry(works, "he", "she")
    with pytest.raises((IntegrityError, psycopg.IntegrityError)):
        marry(works, "she", "another")
    assert numbers(works) == [1]
    with works.begin() as work:
        assert store.list_married(work, ["he", "she", "another"]) == {"he", "she"}
        work.write(update(tables.spouses).values(live=False))
    marry(works, "she", "another")
    assert numbers(works) == [1, 2]


def test_of_crossing_couples_who_register_at_once_no_two_share_a_person_and_none_waits_for_ever(works: Works) -> None:
    crossing = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "a")]
    acts: list[Callable[[], Any]] = [
        lambda pair=pair, place=place: marry(works, *pair, division=f"46020{place}")  # type: ignore[misc]
        for place, pair in enumerate(crossing)
    ]
    answers = at_once(acts)
    assert [answer is None for answer in answers].count(True) == 1
    assert not [answer for answer in answers if "deadlock" in str(answer)]


# --- through the doors -----------------------------------------------------------------------------------------------


@pytest.fixture
def told(country: Country) -> tuple[str, list[str]]:
    """A wedding, and all that 三亚's marriage was told of it until the locks were there."""
    heard = record(country[SANYA], "marriage")
    case_id = apply(country)
    country.settle()
    examine(country, SANYA, case_id)
    register(country, SANYA, case_id)
    return case_id, heard.bodies


def of(bodies: list[str], contract: type[Any]) -> str:
    (body,) = [body for body in bodies if decode(body).type == contract.type]
    return body


def said(works: Works) -> list[str]:
    with works.begin() as work:
        return sorted(decode(body).type for body in work.execute(select(outbox.c.body)).scalars())


def test_of_registrars_who_sign_at_the_same_moment_one_signs(
    told: tuple[str, list[str]], works: Works, doors: Doors
) -> None:
    case_id, bodies = told
    opened(doors, works, bodies, case_id)
    signatures = [
        a_message(
            works.node,
            marriage.RegisterMarriageV1,
            case_id,
            {"expected_version": 2, "actor": clerk(f"registrar {place}", OFFICES[SANYA]), "approve": True},
            {"reasons": []},
        )
        for place in range(6)
    ]
    assert sorted(map(str, handled_at_once(doors, works, signatures))) == ["done"] + ["stale"] * 5
    assert said(works).count(claims.ConfirmClaimsV1.type) == 1


def test_the_word_that_all_is_locked_said_eight_times_at_once_registers_once(
    told: tuple[str, list[str]], works: Works, doors: Doors
) -> None:
    case_id, bodies = told
    attempt = opened(doors, works, bodies, case_id)
    assert doors.handle(works, of(bodies, marriage.RegisterMarriageV1)) is Outcome.DONE
    data = {"attempt": attempt, "asked_by": "marriage"}
    locks = [a_message(works.node, claims.ClaimsLockedV1, case_id, data) for _ in range(8)]
    assert sorted(map(str, handled_at_once(doors, works, locks))) == ["done"] + ["stale"] * 7
    assert numbers(works) == [1]
    events = said(works)
    for contract in (marriage.ApplicationDecidedV1, certificate.IssueCertificateV1, claims.NoteIssuedV1):
        assert events.count(contract.type) == 1
    with works.begin() as work:
        assert broken_rows(work) == []


def opened(doors: Doors, works: Works, bodies: list[str], case_id: str) -> str:
    """The application is accepted, held and examined; its attempt."""
    assert doors.handle(works, bodies[0]) is Outcome.DONE
    with works.begin() as work:
        attempt = str(work.execute(select(tables.applications.c.attempt)).scalar_one())
    data = {"attempt": attempt, "asked_by": "marriage", "until": "2025-10-09T03:00:00.000000Z"}
    assert doors.handle(works, a_message(works.node, claims.ClaimsHeldV1, case_id, data)) is Outcome.DONE
    assert doors.handle(works, of(bodies, marriage.ExamineApplicationV1)) is Outcome.DONE
    return attempt


def test_a_death_that_is_read_while_the_wedding_commits_ends_the_marriage(
    told: tuple[str, list[str]], works: Works, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id, bodies = told
    attempt = opened(doors, works, bodies, case_id)
    assert doors.handle(works, of(bodies, marriage.RegisterMarriageV1)) is Outcome.DONE
    locked = a_message(works.node, claims.ClaimsLockedV1, case_id, {"attempt": attempt, "asked_by": "marriage"})
    list_open = applications.list_open

    def and_then_it_commits(work: Work) -> list[tuple[str, Json]]:
        still_open = list_open(work)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(doors.handle, works, locked).result() is Outcome.DONE
        return still_open

    monkeypatch.setattr(applications, "list_open", and_then_it_commits)
    paper = {"kind": "居民死亡医学证明(推断)书", "issuer": "某医院", "number": "某字第1号", "on": "2025-10-09"}
    died = DeathEntry(1, "d1", "2025-10-09", paper, named(HE))
    with works.begin() as work:
        following.note_entry(work, died, 0, ())
    with works.begin() as work:
        assert list(work.execute(select(tables.marriages.c.state)).scalars()) == ["ended_by_death"]


def test_a_serial_that_is_used_up_registers_nobody_and_a_person_hears_of_it(
    told: tuple[str, list[str]], works: Works, doors: Doors
) -> None:
    case_id, bodies = told
    attempt = opened(doors, works, bodies, case_id)
    with works.begin() as work:
        work.write(tables.serials.insert().values(kind="J", division="460204", year=2025, last=999_999))
    assert doors.handle(works, of(bodies, marriage.RegisterMarriageV1)) is Outcome.DONE
    locked = a_message(works.node, claims.ClaimsLockedV1, case_id, {"attempt": attempt, "asked_by": "marriage"})
    with pytest.raises(Rejected) as refused:
        doors.handle(works, locked)
    assert refused.value.code == "serial_exhausted"
    assert numbers(works) == []
    with works.begin() as work:
        assert work.execute(select(tables.serials.c.last)).scalar_one() == 999_999
        assert work.execute(select(tables.applications.c.hold)).scalar_one() == "confirming"
        work.write(update(tables.serials).values(last=41))  # whoever sees to it
    assert doors.handle(works, locked) is Outcome.DONE
    assert numbers(works) == [42]


def test_a_line_of_the_register_is_kept_once_withdrawn_and_forgotten(works: Works) -> None:
    with works.begin() as work:
        for line in (Noted("d1", "a marriage", 2), Noted("d1", "a marriage", 3), Noted("d2", "a marriage")):
            deaths.add_noted(work, line)
        assert deaths.withdraw_noted(work, "d1") == [Noted("d1", "a marriage", 2, withdrawn=True)]
        assert deaths.is_anybody_dead(work, "a marriage")
        deaths.withdraw_noted(work, "d2")
        assert not deaths.is_anybody_dead(work, "a marriage")
        deaths.forget(work, "a marriage")
        assert deaths.list_noted(work, "a marriage") == []


def test_one_may_get_the_number_that_was_the_other_s(works: Works) -> None:
    marry(works, "his", "hers")
    with works.begin() as work:
        marriage_id = work.execute(select(tables.spouses.c.marriage_id)).scalars().first() or ""
        corrections.save_spouses(work, marriage_id, {"his": "hers", "hers": "her new one"})
    with works.begin() as work:
        assert store.list_married(work, ["his", "hers", "her new one"]) == {"hers", "her new one"}
