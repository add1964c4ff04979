"""Marriage's doors and timers: whom the national registry is asked about, when, and what a fault there costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select

from contracts import marriage
from contracts.envelope import Json
from services.marriage import service
from services.marriage.ports import MaritalStatus, Outcome, RegistryUnavailable, SimulatedDeathRegister
from services.marriage.store import tables
from shared.audit import audit_rows
from shared.outbox import Works
from tests.builders import SANYA, WEIHAI, Country
from tests.marriage.weddings import (
    HE,
    OTHER_HE,
    OTHER_SHE,
    SHE,
    act,
    apply,
    examine,
    married,
    register,
    report_again,
    run_timer,
    withdraw,
)


class Broken(Exception):
    """What no registry of ours raises: a bug, or a kill."""


@dataclass
class Told:
    """A registry that counts, does as it is told, and looks whether we put on record whom we ask about."""

    works: Works
    asked: list[str] = field(default_factory=list)
    on_record: list[int] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    breaks: Callable[[str], bool] = lambda _who: False
    silent: bool = False

    def status_of(self, id_type: str, id_number: str) -> MaritalStatus:
        with self.works.begin() as work:  # would hang if a transaction were open
            self.on_record.append(work.execute(select(func.count()).select_from(audit_rows)).scalar_one())
        self.asked.append(id_number)
        if self.silent:
            raise RegistryUnavailable("silent")
        if self.breaks(id_number):
            raise Broken
        return MaritalStatus(id_number, married=False)

    def report(self, key: str, change: Mapping[str, Any], record: Mapping[str, Any]) -> Outcome:
        self.asked.append("report")
        self.reports.append(key)
        if self.breaks("report"):
            raise Broken
        return "accepted"

    def find_report(self, key: str) -> bool:
        self.asked.append("find")
        return key in self.reports


@pytest.fixture
def told(country: Country) -> Told:
    """三亚's marriage asks a registry that we hold in our hands."""
    station = country[SANYA].bus.stations["marriage"]
    registry = Told(station.works)
    station.doors = service.doors(registry, SimulatedDeathRegister(country[SANYA].node.home / "registries.yaml"))
    return registry


def examined(country: Country, he: Json = HE, she: Json = SHE) -> str:
    case_id = apply(country, SANYA, he, she)
    country.settle()
    examine(country, SANYA, case_id)
    return case_id


def test_whoever_is_asked_about_is_on_record_before(country: Country, told: Told) -> None:
    register(country, SANYA, examined(country))
    assert told.asked[:2] == [HE["id_number"], SHE["id_number"]]
    assert told.on_record == [2, 2]


@pytest.mark.parametrize(
    "changes",
    [{"approve": False}, {"expected_version": 1}, {"expected_version": 9}, {"office": "460203-mr"}, {"office": "?"}],
)
def test_nobody_is_asked_about_for_a_signature_that_cannot_stand(country: Country, told: Told, changes: Json) -> None:
    register(country, SANYA, examined(country), **changes)
    assert told.asked == []
    assert country[SANYA].rows("marriage", audit_rows) == []


def test_nobody_is_asked_about_who_is_not_reserved_or_not_examined_or_signed_for_already(
    country: Country, told: Told
) -> None:
    first = apply(country, WEIHAI, OTHER_HE, OTHER_SHE)
    country.settle()
    register(country, SANYA, examined(country, HE, OTHER_SHE))  # reserved in 威海
    withdraw(country, WEIHAI, first)
    country.settle()
    case_id = apply(country, SANYA, OTHER_HE, SHE)
    country.settle()
    register(country, SANYA, case_id)  # not examined
    assert told.asked == []
    examine(country, SANYA, case_id)
    for _ in range(2):
        act(country, SANYA, marriage.RegisterMarriageV1, case_id)
    country.settle()
    assert told.asked.count(SHE["id_number"]) == 1


def test_a_case_that_cannot_go_on_keeps_no_other_from_it(country: Country, told: Told) -> None:
    told.silent = True
    for couple in ((HE, SHE), (OTHER_HE, OTHER_SHE)):
        register(country, SANYA, examined(country, *couple))
    assert married(country) == []
    told.silent, told.breaks = False, lambda who: who == HE["id_number"]
    run_timer(country, SANYA, "ask_registry_again")
    (row,) = married(country)
    assert OTHER_HE["name"] in {party["name"] for party in row.parties}


def test_a_report_that_was_cut_off_is_looked_for_before_it_is_sent_again(country: Country, told: Told) -> None:
    case_id = examined(country)
    told.breaks = lambda who: who == "report"
    register(country, SANYA, case_id)
    assert told.reports == [f"{case_id}-1"]
    told.breaks = lambda _who: False
    report_again(country)
    assert told.reports == [f"{case_id}-1"]
    assert told.asked[-1] == "find"
    (row,) = country[SANYA].rows("marriage", tables.reports)
    assert row.state == "sent"
    report_again(country)
    assert told.asked.count("find") == 1


def test_a_report_that_never_arrived_is_sent_again(country: Country, told: Told) -> None:
    case_id = examined(country)
    told.breaks = lambda who: who == "report"
    register(country, SANYA, case_id)
    told.reports.clear()
    told.breaks = lambda _who: False
    report_again(country)
    assert told.reports == [f"{case_id}-1"]
