"""上报: the national registry hears of every change of a record once and in order, from the city that holds the record."""

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts import marriage
from contracts.envelope import Json
from services.marriage import service
from services.marriage.ports import MaritalStatus, Outcome, RegistryUnavailable, SimulatedDeathRegister
from services.marriage.rules import records
from services.marriage.rules.endings import Ground
from services.marriage.store import marriages, reports, tables
from services.marriage.store import records as records_store
from services.marriage.usecases import reporting
from shared import clock
from shared.outbox import Works
from tests.builders import LANZHOU, SANYA, WEIHAI, Country, HandClock, clerk
from tests.marriage.books import OLD, enter, line
from tests.marriage.partings import (
    FIRST,
    at_the_window,
    confirm,
    day,
    ending,
    named,
    record,
    sign,
)
from tests.marriage.weddings import HE, OFFICES, SHE, calm, couple, later, married, report_again, run_timer, switch, wed
from tests.replay import at_once, works_on_postgres
from tests.servers import Database

NEW = "BJ620102-2025-000001"
RIGHT = HE | {"name": "温远帆"}
RENAMED = {"kind": "公安机关姓名变更证明", "issuer": "某派出所", "number": "某字第3号", "on": "2025-10-08"}
ALIVE = {"kind": "撤销证明", "issuer": "某派出所", "number": "某字第4号", "on": "2025-10-12"}
PAPERS = [
    {"code": code, "source": "applicant", "provided_at": "2025-10-09T00:50:00.000000Z"}
    | {"file_id": "", "sha256": "", "size": 0, "media_type": "", "seen": "original", "seen_by": "window"}
    for code in ("declaration", "photo")
]
EVERYTHING = ["registered", "corrected", "reissued", "ended:death", "restored", "ended:divorce_by_court"]


@dataclass
class Held:
    """A registry that we hold in our hands: away, or losing its answers, or neither; it keeps what it is told."""

    away: bool = False
    loses_answers: bool = False
    taken: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def status_of(self, id_type: str, id_number: str) -> MaritalStatus:
        return MaritalStatus(id_number, married=False)

    def report(self, key: str, change: Mapping[str, Any], record: Mapping[str, Any]) -> Outcome:
        if self.away:
            return "unknown"
        self.taken.append((key, change, record))
        return "unknown" if self.loses_answers else "accepted"

    def find_report(self, key: str) -> bool:
        self.asked.append(key)
        if self.away:
            raise RegistryUnavailable("away")
        return key in {taken for taken, _, _ in self.taken}

    @property
    def changes(self) -> list[str]:
        """What it was told, in the order in which it came."""
        return [change["what"] for _, change, _ in self.taken]


@pytest.fixture
def registry(country: Country) -> Held:
    """The one that 三亚's marriage reports to."""
    held = Held()
    register = SimulatedDeathRegister(country[SANYA].node.home / "registries.yaml")
    country[SANYA].bus.stations["marriage"].doors = service.doors(held, register)
    return held


def correct(country: Country, city: str = SANYA, **changes: Any) -> None:
    """Two clerks put a name right."""
    request = clock.new_id()
    wish = {"certificate_no": FIRST, "persons": [named(SHE), named(HE)], "document": RENAMED} | changes
    wish |= {"corrected": [named(SHE), named(RIGHT)]}
    country.say(city, marriage.CorrectRecordV1, request, {"actor": clerk("first", OFFICES[city])}, wish)
    country.settle()
    data = {"actor": clerk("second", OFFICES[city]), "approve": True}
    country.say(city, marriage.ConfirmCorrectionV1, request, data)
    country.settle()


def reissue(country: Country, he: Json = HE) -> None:
    """兰州 gives the certificate out anew."""
    facts: Json = {"matter": "marriage-certificate-reissue", "office": OFFICES[LANZHOU], "materials": PAPERS}
    case_id = country.take_in(LANZHOU, *couple(he), **facts, answers={"certificate_no": FIRST})
    country.settle()
    data = {"expected_version": 1, "actor": clerk("registrar", OFFICES[LANZHOU]), "approve": True}
    country.say(LANZHOU, marriage.RegisterMarriageV1, case_id, data, {"reasons": []})
    country.settle()


def end(country: Country, ground: str, **changes: Any) -> None:
    """A clerk of 威海 records it, and another one confirms what one alone may not send."""
    request = record(country, WEIHAI, ending(ground, **changes))
    confirm(country, WEIHAI, request)


def live_through_everything(country: Country, hand: HandClock) -> str:
    """A couple to whom all happens that can happen to a record, but a divorce by registration; the marriage."""
    marriage_id = wed(country)
    correct(country)
    reissue(country)
    end(country, "death", on="2025-10-09")
    day(country, hand, "2025-10-12")
    end(country, "", on="2025-10-12", document=ALIVE)
    end(country, "divorce_by_court", on="2025-10-12")
    return marriage_id


def unsent(country: Country, city: str = SANYA) -> list[tuple[int, str]]:
    return sorted(
        (row.version, row.state) for row in country[city].rows("marriage", tables.reports) if row.state != "sent"
    )


# --- each change, once, in order -------------------------------------------------------------------------------------


def test_every_change_of_a_record_is_reported_once_and_in_order(
    country: Country, hand: HandClock, registry: Held
) -> None:
    marriage_id = live_through_everything(country, hand)
    assert registry.changes == EVERYTHING
    assert [key for key, _, _ in registry.taken] == [f"{marriage_id}-{version}" for version in range(1, 7)]
    report_again(country)
    assert (registry.changes, registry.asked, unsent(country)) == (EVERYTHING, [], [])
    assert calm(country)


@pytest.mark.parametrize("ground", [ground for ground in Ground if ground is not Ground.DIVORCE_REGISTERED])
def test_every_ending_is_reported_with_its_ground(country: Country, registry: Held, ground: Ground) -> None:
    wed(country)
    end(country, ground, on="2025-10-09")
    assert registry.changes == ["registered", f"ended:{ground}"]
    (_, change, copy) = registry.taken[-1]
    assert (change["version"], copy["version"], copy["archive"]["ground"]) == (2, 2, ground)
    assert copy["state"] == married(country)[0].state != "valid"


def test_a_registered_divorce_is_reported_by_the_holder_and_not_by_the_office_that_registered_it(
    country: Country, hand: HandClock, registry: Held
) -> None:
    wed(country)
    sign(country, LANZHOU, at_the_window(country, hand))
    assert registry.changes == ["registered", "ended:divorce_registered"]
    assert country[LANZHOU].rows("marriage", tables.reports) == []


def test_a_declaration_of_death_that_was_taken_back_in_vain_is_reported_too(
    country: Country, hand: HandClock, registry: Held
) -> None:
    wed(country)
    end(country, "declared_dead", on="2025-10-09")
    day(country, hand, "2025-10-12")
    end(country, "", on="2025-10-12", document=ALIVE, declined=True)
    assert registry.changes == ["registered", "ended:declared_dead", "not_restored"]


def test_a_record_of_an_old_book_is_reported_when_it_changes(country: Country) -> None:
    enter(country, line())
    assert country[LANZHOU].rows("marriage", tables.reports) == []
    correct(country, LANZHOU, certificate_no=OLD)
    (line_kept,) = kept(country, LANZHOU)
    assert (line_kept["what"], line_kept["copy"]["certificate_no"]) == ("corrected", OLD)


def kept(country: Country, city: str = SANYA) -> list[Json]:
    """What the simulator of a city has kept."""
    path = country[city].node.home / "reports.jsonl"
    return [json.loads(text) for text in path.read_text("utf-8").splitlines()]


def test_the_copy_that_is_sent_is_the_record_as_it_is_now(country: Country, registry: Held) -> None:
    registry.away = True
    wed(country)
    correct(country)
    reissue(country, RIGHT)
    registry.away = False
    report_again(country)
    assert [(change["version"], copy["version"]) for _, change, copy in registry.taken] == [(1, 3), (2, 3), (3, 3)]
    first = registry.taken[0][2]
    assert [person["name"] for person in first["parties"]] == [RIGHT["name"], SHE["name"]]
    assert (first["archive"]["certificates"], first["registered_on"]) == ([FIRST, NEW], "2025-10-09")


# --- a registry that is away, or loses its answers -------------------------------------------------------------------


def test_what_changed_while_the_registry_was_away_is_reported_in_order_once_it_is_back(
    country: Country, hand: HandClock, registry: Held
) -> None:
    registry.away = True
    live_through_everything(country, hand)
    report_again(country)
    assert registry.taken == []
    assert unsent(country) == [(1, "unknown"), *((version, "waiting") for version in range(2, 7))]
    registry.away = False
    for _ in range(2):
        report_again(country)
    assert (registry.changes, unsent(country)) == (EVERYTHING, [])
    assert calm(country)


def test_a_change_whose_answer_was_lost_is_asked_about_and_not_reported_twice(
    country: Country, hand: HandClock, registry: Held
) -> None:
    registry.loses_answers = True
    marriage_id = live_through_everything(country, hand)
    for _ in EVERYTHING:
        report_again(country)
    assert (registry.changes, unsent(country)) == (EVERYTHING, [])
    assert set(registry.asked) == {f"{marriage_id}-{version}" for version in range(1, 7)}


def test_nothing_is_reported_of_a_record_while_an_earlier_change_may_not_have_arrived(
    country: Country, registry: Held
) -> None:
    registry.loses_answers = True
    wed(country)
    registry.away = True
    end(country, "death", on="2025-10-09")
    assert registry.changes == ["registered"]
    assert unsent(country) == [(1, "unknown"), (2, "waiting")]
    registry.away = registry.loses_answers = False
    report_again(country)
    assert registry.changes == ["registered", "ended:death"]


@pytest.mark.parametrize(("mode", "seconds"), [("down", 0), ("slow", 5), ("wrong", 0)])
def test_an_ending_reaches_the_simulated_registry_once_and_no_ground_or_name_stands_in_its_file(
    country: Country, mode: str, seconds: float
) -> None:
    marriage_id = wed(country)
    switch(country[SANYA], mode, seconds)
    end(country, "bigamy", on="2025-10-09")
    assert unsent(country) == [(2, "unknown")]
    switch(country[SANYA], "up")
    report_again(country)
    assert [(it["key"], it["what"], it["copy"]["state"]) for it in kept(country)] == [
        (f"{marriage_id}-1", "registered", "valid"),
        (f"{marriage_id}-2", "ended", "void"),
    ]
    text = (country[SANYA].node.home / "reports.jsonl").read_text("utf-8")
    assert not any(word in text for word in (HE["name"], HE["id_number"], "bigamy"))


def test_a_change_that_is_undone_is_not_reported(country: Country, registry: Held) -> None:
    marriage_id = wed(country)
    with pytest.raises(RuntimeError):
        reissue_in_vain(country[SANYA].works["marriage"], marriage_id)
    country.settle()
    report_again(country)
    assert (registry.changes, len(country[SANYA].rows("marriage", tables.reports))) == (["registered"], 1)


def reissue_in_vain(works: Works, marriage_id: str) -> None:
    """What a kill before the commit leaves: nothing."""
    with works.begin() as work:
        held = records_store.find_held(work, marriage_id)
        assert held
        record = records.reissue(held.record, NEW, work.today)
        reporting.save_record(work, held, record, live=True)
        raise RuntimeError


def test_a_report_that_may_be_in_flight_this_very_minute_is_not_sent_a_second_time(
    country: Country, registry: Held, hand: HandClock
) -> None:
    registry.loses_answers = True
    wed(country)
    later(hand, 50)
    run_timer(country, SANYA, "report_again")
    assert registry.asked == []
    later(hand, 10)
    run_timer(country, SANYA, "report_again")
    assert (len(registry.asked), registry.changes) == (1, ["registered"])


# --- on PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.fixture
def works(country: Country, postgres: Database) -> Works:
    """三亚's marriage on PostgreSQL, with a record that was written to three times."""
    made = works_on_postgres(postgres, country[SANYA].node, "marriage", tables.metadata)
    line_of = {"on": "2025-10-09", "basis": "", "document": "", "before": None}
    history = [line_of | {"what": what} for what in ("registered", "ended:death", "restored")]
    row: Json = {"marriage_id": "m", "certificate_no": FIRST, "office": "460204-mr", "division": "460204", "year": 2025}
    row |= {
        "serial": 1,
        "registered_on": datetime.date(2025, 10, 9),
        "registrar": "r",
        "state": "valid",
        "attempt": "a",
    }
    with made.begin() as work:
        marriages.add_marriage(
            work, row | {"claims_case": "m", "parties": [], "archive": {"history": history}}, ["he", "she"]
        )
        for version in (2, 3):
            reports.add_report(work, "m", version)
    return made


def test_however_many_report_a_record_at_once_the_registry_has_every_change_in_order(works: Works) -> None:
    registry = Held()
    acts: list[Callable[[], Any]] = [lambda: service.report(works, "m", registry) for _ in range(6)]
    assert at_once(acts) == [None] * 6
    first_time = list(dict.fromkeys(registry.changes))
    assert first_time == ["registered", "ended:death", "restored"]
    with works.begin() as work:
        assert reports.list_unsent(work, work.now, 9) == []
        assert reporting.begin_report(work, "m") is None
    works.engine.dispose()
