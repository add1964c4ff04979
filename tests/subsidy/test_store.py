"""Under real parallel transactions: one decision, and a withdrawal that is never lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from contracts import intake, subsidy
from contracts.envelope import decode
from services.subsidy import service, store
from services.subsidy.ports import SimulatedRegistries
from shared.audit import audit_metadata, broken_rows
from shared.bus import Doors, Outcome
from shared.outbox import Works, outbox
from tests.builders import LANZHOU, SANYA, Country, clerk
from tests.replay import a_message, handled_at_once, record, works_on_postgres
from tests.servers import Database


@pytest.fixture
def told(country: Country) -> tuple[str, list[str]]:
    """A case, and all that 兰州's subsidy was told until two tasks were done."""
    heard = record(country[LANZHOU], "subsidy")
    case_id = country.take_in(SANYA)
    country.settle()
    for contract, office in (
        (subsidy.CheckApplicationV1, "620102001"),
        (subsidy.ReviewApplicationV1, "620102-dpf"),
    ):
        country.act(LANZHOU, contract, case_id, office)
        country.settle()
    return case_id, heard.bodies


@pytest.fixture
def works(country: Country, postgres: Database) -> Iterator[Works]:
    """兰州's subsidy on PostgreSQL."""
    made = works_on_postgres(postgres, country[LANZHOU].node, "subsidy", store.metadata, audit_metadata)
    yield made
    made.engine.dispose()


@pytest.fixture
def doors(country: Country) -> Doors:
    return service.doors(SimulatedRegistries(country[LANZHOU].node.home / "registries.yaml"))


def said(works: Works) -> list[str]:
    with works.begin() as work:
        return sorted(decode(body).type for body in work.execute(select(outbox.c.body)).scalars())


def test_of_clerks_who_decide_at_the_same_moment_one_decides(
    told: tuple[str, list[str]], works: Works, doors: Doors, tmp_path: Path
) -> None:
    case_id, bodies = told
    assert [doors.handle(works, body) for body in bodies] == [Outcome.DONE] * 3
    decisions = [
        a_message(
            works.node,
            subsidy.DecideApplicationV1,
            case_id,
            {"expected_version": 3, "actor": clerk(f"clerk {number}", "620102"), "approve": number % 2 == 0},
            {"reasons": [{"code": "other", "text": "理由", "basis": "依据"}]},
        )
        for number in range(8)
    ]
    assert sorted(map(str, handled_at_once(doors, works, decisions))) == ["done"] + ["stale"] * 7
    events = said(works)
    assert events.count(subsidy.ApplicationDecidedV1.type) == 1
    assert events.count("certificate.issue_certificate.v1") == 1
    assert events.count(subsidy.ActRefusedV1.type) == 7
    with works.begin() as work:
        kept = store.find_application(work, case_id)
    assert kept
    assert len(kept.application.acts) == 3


@pytest.mark.parametrize("attempt", range(3))
def test_a_withdrawal_that_arrives_with_its_application_ends_it(
    told: tuple[str, list[str]], works: Works, doors: Doors, attempt: int
) -> None:
    case_id, bodies = told
    leg = {"leg_no": 1, "role": "accepting", "node": SANYA, "state": "withdrawing", "version": 3, "clocks": []}
    step = {"verb": "withdraw", "at": "2025-09-24T01:02:03.000000Z", "leg_no": 1}
    step["office"] = {"code": "460204001", "name": "某窗口", "node": SANYA}
    data = {"leg": leg, "step": step, "leg_no": 2}
    withdrawal = a_message(works.node, intake.ApplicationWithdrawnV1, case_id, data)
    assert handled_at_once(doors, works, [bodies[0], withdrawal][:: 1 - 2 * (attempt % 2)]) == [Outcome.DONE] * 2
    assert said(works).count(subsidy.ApplicationDroppedV1.type) == 1
    with works.begin() as work:
        kept = store.find_application(work, case_id)
        assert broken_rows(work) == []
    assert kept
    assert kept.application.state == "dropped"
