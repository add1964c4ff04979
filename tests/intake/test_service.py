"""Intake's doors: notices are retried apart from deciding, and what waits too long is said aloud."""

import datetime
from pathlib import Path

from contracts import certificate, exchange, intake, subsidy
from contracts.envelope import decode
from services.intake import service
from services.intake.ports import SimulatedNotices
from services.intake.store import tables
from services.intake.usecases import notices
from shared.embedded import deliveries
from shared.outbox import parked
from tests.builders import CONTRACTS, LANZHOU, SANYA, Country
from tests.intake.cases import states


class Silent:
    """A message house that is down until told otherwise."""

    def __init__(self) -> None:
        self.down = True
        self.sent: list[str] = []

    def send(self, notice_id: str, phone: str, text: str) -> None:
        if self.down:
            raise OSError("nobody answers")
        self.sent.append(notice_id)


def decided(country: Country) -> str:
    case_id = country.take_in(LANZHOU)
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    return case_id


def test_intake_listens_to_all_that_is_said_to_it(tmp_path: Path) -> None:
    listening = set(service.doors(Silent()).by_type)
    assert listening == {kind for kind, contract in CONTRACTS.items() if "intake" in contract.consumers}
    assert {exchange.MessageMisdirectedV1.type, certificate.CertificateIssuedV1.type} <= listening


def test_a_message_house_that_is_down_holds_nothing_up_but_the_telling(country: Country) -> None:
    house = Silent()
    station = country[LANZHOU].bus.stations["intake"]
    station.doors = service.doors(house)
    case_id = decided(country)
    assert states(country, LANZHOU, case_id) == [(1, "decided"), (2, "closed")]
    (clock,) = [it for it in country[LANZHOU].leg(case_id).clocks if it.name == "tell"]
    assert clock.running
    house.down = False
    (notice,) = country[LANZHOU].rows("intake", tables.notices)
    for body in waiting(country):
        station.doors.handle(station.works, body)
    country.settle()
    assert states(country, LANZHOU, case_id) == [(1, "told"), (2, "closed")]
    assert house.sent == [notice.notice_id]


def waiting(country: Country) -> list[str]:
    return [row.body for row in country[LANZHOU].rows("intake", deliveries)]


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
            notices.list_parked_too_long(work, datetime.timedelta(seconds=longer_than))
        assert len(country[SANYA].rows("intake", tables.work_items)) == items
    country.settle()
    (told,) = country[SANYA].told(intake.WorkItemOpenedV1)
    assert (told.case_id, told.data["kind"]) == (case_id, "parked_too_long")
    assert decode(late).id in told.data["text"]
    country.deliver(lost)
    country.settle()
    assert country[SANYA].parked() == []


def test_the_timer_looks_for_what_waits_too_long(country: Country) -> None:
    (timer,) = country[SANYA].bus.stations["intake"].doors.timers  # type: ignore[union-attr]
    timer.act(country[SANYA].works["intake"])
    assert country[SANYA].rows("intake", tables.work_items) == []
