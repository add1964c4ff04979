"""Intake's doors: notices are retried apart from deciding, and what waits too long is said aloud."""

import datetime
from pathlib import Path

import pytest

from contracts import certificate, exchange, intake, marriage, subsidy
from contracts.envelope import decode
from services.intake import service
from services.intake.ports import SimulatedNotices
from services.intake.store import tables
from services.intake.usecases import notices
from shared import clock
from shared.outbox import parked
from tests.builders import CONTRACTS, LANZHOU, SANYA, Country


def test_intake_listens_to_all_that_is_said_to_it(tmp_path: Path) -> None:
    listening = set(service.doors(SimulatedNotices(tmp_path / "notices.jsonl")).by_type)
    assert listening == {kind for kind, contract in CONTRACTS.items() if "intake" in contract.consumers}
    assert {exchange.MessageMisdirectedV1.type, certificate.CertificateIssuedV1.type} <= listening


def test_a_notice_sent_before_a_crash_reaches_the_person_once(tmp_path: Path) -> None:
    house = SimulatedNotices(tmp_path / "notices.jsonl")
    for _ in range(2):
        house.send("one", "13900000000", "您的办件已办结")
    house.send("two", "", "您的办件已办结")
    lines = house.path.read_text("utf-8").splitlines()
    assert len(lines) == 2
    assert "13900000000" not in lines[0]


def test_a_message_that_waits_too_long_is_a_work_item_once(country: Country) -> None:
    case_id = country.take_in(SANYA)
    country.settle()
    for contract, office in (
        (subsidy.CheckApplicationV1, "620102001"),
        (subsidy.ReviewApplicationV1, "620102-dpf"),
    ):
        country.act(LANZHOU, contract, case_id, office)
        country.work()
    lost, late = country.mail
    country.mail.clear()
    country.deliver(late)
    country.settle()
    works = country[SANYA].works["intake"]
    assert [row.awaits for row in country[SANYA].rows("intake", parked)] == [f"word/2/2/{case_id}"]
    for longer_than, items in ((3600, 0), (-1, 1), (-1, 1)):
        with works.begin() as work:
            notices.watch_parked(work, datetime.timedelta(seconds=longer_than))
        assert len(country[SANYA].rows("intake", tables.work_items)) == items
    country.settle()
    (told,) = country[SANYA].told(intake.WorkItemOpenedV1)
    assert (told.case_id, told.data["kind"]) == (case_id, "parked_too_long")
    assert decode(late).id in told.data["text"]
    country.deliver(lost)
    country.settle()
    assert country[SANYA].parked() == []
    with works.begin() as work:
        notices.watch_parked(work, datetime.timedelta(seconds=-1))
    (item,) = country[SANYA].rows("intake", tables.work_items)
    assert (item.closed_by, bool(item.closed_at)) == ("system", True)  # what it waited for has come


@pytest.mark.parametrize(("office", "whose"), [("460204-mr", "460204-mr"), ("460299-mr", "")])
def test_a_blocked_restoration_is_a_work_item_once_of_an_office_that_is_there(
    country: Country, office: str, whose: str
) -> None:
    request, blocked = clock.new_id(), {"marriage": clock.new_id(), "office": office, "text": "原婚姻未恢复"}
    for _ in (1, 2):
        country.say(SANYA, marriage.RestorationBlockedV1, request, blocked)
    country.settle()
    (item,) = country[SANYA].rows("intake", tables.work_items)
    assert (item.case_id, item.kind, item.office) == (request, "restoration_blocked", whose)


def test_the_timers_look_for_what_waits_too_long_and_find_nothing(country: Country) -> None:
    timers = {timer.name: timer for timer in country[SANYA].bus.stations["intake"].doors.timers}  # type: ignore[union-attr]
    assert {name: timer.seconds for name, timer in timers.items()} == {
        "intake.prune_inbox": 86400,
        "intake.watch_parked": 300,
        "intake.send_again": 60,
        "intake.chase_files": 300,
        "intake.recount_clocks": 86400,
        "intake.list_lapsed_supplements": 86400,
    }
    for timer in timers.values():
        timer.act(country[SANYA].works["intake"])
    assert country[SANYA].rows("intake", tables.work_items) == []
