"""注销和恢复: the row stays, the newest word holds, and no word is lost that overtakes the certificate itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import certificate
from contracts.envelope import decode
from services.certificate import rules, service, store
from shared import clock
from shared.bus import Outcome
from shared.outbox import Works
from tests.builders import LANZHOU, make_node, make_works
from tests.certificate.test_usecases import SECRETS, issue, rows, told, wish
from tests.replay import a_message, released

REVOKE, REINSTATE = certificate.RevokeCertificateV1, certificate.ReinstateCertificateV1
EARLY, LATE = "2025-10-11T01:00:00.000000Z", "2025-10-12T01:00:00.000000Z"


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = make_works(make_node(tmp_path, LANZHOU), "certificate", store.metadata)
    yield made
    made.engine.dispose()


def word(works: Works, contract: type[certificate.OfCertificate], case_id: str, at: str) -> str:
    return a_message(works.node, contract, case_id, {"certificate_type": "eligibility-notice", "at": at})


def status(works: Works) -> list[tuple[str, str]]:
    return [(row.status, row.status_at) for row in rows(works)]


def test_a_revoked_certificate_stays_on_record_and_web_is_told(works: Works) -> None:
    case_id = clock.new_id()
    issue(works, wish(works, case_id))
    assert issue(works, word(works, REVOKE, case_id, EARLY)) is Outcome.DONE
    assert status(works) == [("revoked", EARLY)]
    assert [said["status"] for said in told(works)] == ["valid", "revoked"]


@pytest.mark.parametrize("words", [[(REVOKE, EARLY), (REINSTATE, LATE)], [(REINSTATE, LATE), (REVOKE, EARLY)]])
def test_of_two_words_the_later_one_holds_in_whichever_order_they_come(
    works: Works, words: list[tuple[type[certificate.OfCertificate], str]]
) -> None:
    case_id = clock.new_id()
    issue(works, wish(works, case_id))
    for contract, at in words:
        issue(works, word(works, contract, case_id, at))
    assert status(works) == [("valid", LATE)]
    assert issue(works, word(works, REVOKE, case_id, LATE)) is Outcome.STALE


def test_a_word_that_overtakes_the_certificate_waits_for_it(works: Works) -> None:
    case_id = clock.new_id()
    revoking = word(works, REVOKE, case_id, EARLY)
    issue(works, revoking)
    issue(works, wish(works, case_id))
    (again,) = released(works)
    assert decode(again).id == decode(revoking).id
    service.doors().handle(works, again)
    assert status(works) == [("revoked", EARLY)]


REPLACE = certificate.ReplaceCertificateV1
RIGHT = {"holders": SECRETS["holders"], "face": {"statement": "更正后"}}


def replacing(works: Works, case_id: str, at: str) -> str:
    return a_message(works.node, REPLACE, case_id, {"certificate_type": "eligibility-notice", "at": at}, RIGHT)


def test_a_certificate_that_was_put_right_has_a_next_version_and_the_old_one_stays_as_replaced(works: Works) -> None:
    case_id = clock.new_id()
    issue(works, wish(works, case_id))
    assert issue(works, replacing(works, case_id, EARLY)) is Outcome.DONE
    old, new = sorted(rows(works), key=lambda row: int(row.version))
    assert (old.status, new.status, new.version, new.face) == ("replaced", "valid", 2, RIGHT["face"])
    assert old.face == SECRETS["face"]
    parts = [row.certificate_id.split(".") for row in (old, new)]
    assert (parts[0][:-2], [part[-2] for part in parts]) == (parts[1][:-2], ["001", "002"])
    assert rules.is_identifier(new.certificate_id)


def test_a_word_from_before_the_replacement_does_not_touch_the_new_version(works: Works) -> None:
    case_id = clock.new_id()
    issue(works, wish(works, case_id))
    issue(works, replacing(works, case_id, LATE))
    assert issue(works, word(works, REVOKE, case_id, EARLY)) is Outcome.STALE
    assert issue(works, replacing(works, case_id, LATE)) is Outcome.STALE
    assert sorted(row.status for row in rows(works)) == ["replaced", "valid"]


def test_a_certificate_in_whose_place_another_case_s_stands_is_replaced_and_stays_on_record(works: Works) -> None:
    case_id = clock.new_id()
    issue(works, wish(works, case_id))
    assert issue(works, word(works, certificate.SupersedeCertificateV1, case_id, EARLY)) is Outcome.DONE
    assert status(works) == [("replaced", EARLY)]
    assert [said["status"] for said in told(works)] == ["valid", "replaced"]
