"""签发: one certificate for one case, and serial numbers without a gap."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from contracts import certificate
from contracts.envelope import Json, decode
from services.certificate import rules, service, store
from shared import clock
from shared.bus import Outcome, Rejected
from shared.outbox import Works, outbox
from tests.builders import LANZHOU, make_node, make_works
from tests.replay import a_message, handled_at_once, works_on_postgres
from tests.servers import Database

ISSUE = certificate.IssueCertificateV1
TYPE, ISSUER, OTHER = "11100000XYN00009X5011", "11620102XYN0012366", "11620103XYN0012792"
OFFICE = {"code": "620102", "name": "城关区民政局", "node": LANZHOU, "phone": ""}
SECRETS: Json = {
    "holders": [{"name": "何守田", "id_type": "citizen", "id_number": "990102197503120178"}],
    "face": {"statement": "予以认定"},
}


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = make_works(make_node(tmp_path, LANZHOU), "certificate", store.metadata)
    yield made
    made.engine.dispose()


def wish(works: Works, case_id: str = "", **changes: Any) -> str:
    """The message that asks for a certificate, as it comes out of the queue."""
    data = {
        "case_no": "620102-20250924-0001",
        "certificate_type": "eligibility-notice",
        "name": "残疾人两项补贴资格认定结果告知书",
        "type_code": TYPE,
        "issuer": OFFICE,
        "issuer_code": ISSUER,
        "issued_on": "2025-10-17",
        "result": "granted",
    }
    return a_message(works.node, ISSUE, case_id or clock.new_id(), data | changes, SECRETS)


def issue(works: Works, body: str) -> Outcome:
    return service.doors().handle(works, body)


def rows(works: Works, table: Any = store.certificates) -> list[Any]:
    with works.begin() as work:
        return list(work.execute(select(table)))


def told(works: Works) -> list[Json]:
    return [decode(row.body).data["certificate"] for row in rows(works, outbox)]


def serials(works: Works) -> list[str]:
    return sorted(row.certificate_id.split(".")[-3] for row in rows(works))


def test_a_certificate_is_registered_and_told_with_an_identifier_of_its_own(works: Works) -> None:
    assert issue(works, wish(works, "case")) is Outcome.DONE
    (row,), (face,) = rows(works), told(works)
    assert row.certificate_id == face["certificate_id"] == rules.identifier(TYPE, ISSUER, "2025000001", 1)
    assert rules.is_identifier(row.certificate_id)
    assert (row.case_id, row.status, row.version, str(row.issued_on)) == ("case", "valid", 1, "2025-10-17")
    assert (face["issuer"], face["issued_on"], face["status"]) == (OFFICE, "2025-10-17", "valid")
    assert (row.holders, row.face) == (SECRETS["holders"], SECRETS["face"])


def test_whom_it_is_for_stands_only_under_seal(works: Works) -> None:
    issue(works, wish(works, "case"))
    files = b"".join(path.read_bytes() for path in works.node.home.glob("certificate.db*"))
    for secret in ("何守田", "990102197503120178"):
        assert secret.encode() not in files


def test_the_same_message_issues_nothing_twice(works: Works) -> None:
    body = wish(works)
    assert [issue(works, body) for _ in range(3)] == [Outcome.DONE, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert len(rows(works)) == len(told(works)) == 1


def test_a_second_wish_for_the_same_case_changes_nothing(works: Works) -> None:
    issue(works, wish(works, "case"))
    assert issue(works, wish(works, "case", issued_on="2025-10-18")) is Outcome.STALE
    assert len(rows(works)) == len(told(works)) == 1
    issue(works, wish(works, "another case"))
    assert serials(works) == ["2025000001", "2025000002"]


def test_a_case_may_have_certificates_of_two_types(works: Works) -> None:
    assert issue(works, wish(works, "case")) is Outcome.DONE
    assert issue(works, wish(works, "case", certificate_type="card", type_code=TYPE[:-1] + "2")) is Outcome.DONE
    assert serials(works) == ["2025000001", "2025000001"]


def test_every_type_issuer_and_year_has_a_series_of_its_own(works: Works) -> None:
    for changes in ({}, {"issuer_code": OTHER}, {"type_code": TYPE[:-1] + "2"}, {"issued_on": "2026-01-01"}, {}):
        issue(works, wish(works, **changes))
    assert serials(works) == ["2025000001"] * 3 + ["2025000002", "2026000001"]
    assert len({row.certificate_id for row in rows(works)}) == 5


def test_an_issue_that_fails_half_way_leaves_no_gap(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(works, wish(works))
    body = wish(works)
    with monkeypatch.context() as broken:
        broken.setattr(store, "add_certificate", lambda work, row: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            issue(works, body)
    assert issue(works, body) is Outcome.DONE  # the retry
    issue(works, wish(works))
    assert serials(works) == ["2025000001", "2025000002", "2025000003"]


@pytest.mark.parametrize("changes", [{"issuer_code": ""}, {"issuer_code": "0" * 17}, {"type_code": "?" * 21}])
def test_a_missing_code_is_refused_loudly_and_uses_up_no_number(works: Works, changes: Json) -> None:
    with pytest.raises(Rejected, match="issuer_code_invalid"):
        issue(works, wish(works, **changes))
    assert rows(works) == rows(works, store.serials) == rows(works, outbox) == []


@pytest.fixture
def servers_works(tmp_path: Path, postgres: Database) -> Iterator[Works]:
    """The same on PostgreSQL."""
    made = works_on_postgres(postgres, make_node(tmp_path, LANZHOU), "certificate", store.metadata)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("backend", ["works", "servers_works"])
def test_one_case_asked_for_at_once_by_many_is_issued_once(request: pytest.FixtureRequest, backend: str) -> None:
    works: Works = request.getfixturevalue(backend)
    answers = handled_at_once(service.doors(), works, [wish(works, "case") for _ in range(8)])
    assert sorted(answers, key=str) == [Outcome.DONE] + [Outcome.STALE] * 7
    assert len(rows(works)) == len(told(works)) == 1


@pytest.mark.parametrize("backend", ["works", "servers_works"])
def test_many_cases_at_once_get_numbers_without_gap_or_repeat(request: pytest.FixtureRequest, backend: str) -> None:
    works: Works = request.getfixturevalue(backend)
    bodies = [wish(works) for _ in range(12)] + [wish(works, issuer_code="wrong") for _ in range(4)]
    answers = handled_at_once(service.doors(), works, bodies)
    assert answers[:12] == [Outcome.DONE] * 12
    assert all(isinstance(answer, Rejected) for answer in answers[12:])
    assert serials(works) == [f"2025{number:06d}" for number in range(1, 13)]
