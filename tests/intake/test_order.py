"""Whatever order messages come in, and however often: the same end, and nothing waits for ever."""

import itertools
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from contracts import certificate, intake, subsidy
from contracts.envelope import Json, decode, encode
from services.intake import service
from services.intake.ports import SimulatedNotices
from services.intake.store import cases as store
from services.intake.store import tables
from shared import clock
from shared.bus import Outcome
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.outbox import Works, parked
from tests.builders import LANZHOU, SANYA, City, Country
from tests.intake.cases import MISSING, ask_supplement, calm, material
from tests.replay import a_message, record, released

DECIDERS = (
    subsidy.ApplicationCheckedV1,
    subsidy.ApplicationReviewedV1,
    subsidy.ApplicationDecidedV1,
    certificate.CertificateIssuedV1,
)


THREE_TASKS = (
    (subsidy.CheckApplicationV1, "620102001"),
    (subsidy.ReviewApplicationV1, "620102-dpf"),
    (subsidy.DecideApplicationV1, "620102"),
)
MANY_WAYS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def photograph(city: City) -> bytes:
    """All that intake of a city knows now."""
    with closing(sqlite3.connect(city.node.home / "intake.db")) as connection:
        return connection.serialize()


class Copy:
    """Intake of a city as it was when photographed; it handles what it is given, and what it sends itself."""

    def __init__(self, node: Node, photograph: bytes, path: Path) -> None:
        path.write_bytes(photograph)
        engine = sqlite_engine(path)
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
        self.works = Works(node, "intake", engine)
        self.doors = service.doors(SimulatedNotices(node.home / "copied.jsonl"))

    def handle(self, bodies: Iterable[str]) -> list[Outcome]:
        done = []
        for body in bodies:
            done.append(self.doors.handle(self.works, body))
            while own := released(self.works):
                done += [self.doors.handle(self.works, body) for body in own]
        return done

    def end(self, case_id: str) -> Json:
        """Where the case stands, without the instants at which this copy did its part."""
        with self.works.begin() as work:
            kept = store.get_case(work, case_id)
            legs = store.list_legs(work, case_id)
            steps = {(step["leg_no"], step["verb"]) for step in store.list_steps(work, case_id)}
            notices = sorted(row.event for row in work.execute(select(tables.notices)))
            waiting = [row.awaits for row in work.execute(select(parked))]
        self.works.engine.dispose()
        told = [store.snapshot(leg) for leg in legs]
        return {"legs": told, "steps": steps, "outcome": kept.outcome, "notices": notices, "waiting": waiting}


@dataclass
class Scene:
    """Intake of one city in the middle of a case, and what it is told from then on."""

    node: Node
    case_id: str
    photograph: bytes
    words: list[str]
    folder: Path

    def copy(self) -> Copy:
        return Copy(self.node, self.photograph, self.folder / f"{clock.new_id()}.db")

    def end(self, words: Iterable[str]) -> Json:
        copy = self.copy()
        copy.handle(words)
        return copy.end(self.case_id)

    @cached_property
    def end_in_order(self) -> Json:
        return self.end(self.words)


@pytest.fixture
def decided(country: Country, tmp_path: Path) -> Scene:
    """A case that 兰州 has decided while no letter reached 三亚, and those letters."""
    case_id = country.take_in(SANYA)
    country.work()
    for body in country.mail:
        country.deliver(body)
    country.mail.clear()
    here = photograph(country[SANYA])
    country[LANZHOU].bus.run_until_idle()
    for contract, office in THREE_TASKS:
        country.act(LANZHOU, contract, case_id, office)
        country[LANZHOU].bus.run_until_idle()
    heard = record(country[SANYA], "intake")
    country.settle()
    words = [body for body in heard.bodies if decode(body).source == LANZHOU]
    return Scene(country[SANYA].node, case_id, here, words, tmp_path)


@pytest.fixture
def supplemented(country: Country, tmp_path: Path) -> Scene:
    """A case whose supplement is on its way to both services of 兰州, and all that its intake hears from then on."""
    case_id = country.take_in(SANYA)
    country.settle()
    ask_supplement(country, case_id)
    there = photograph(country[LANZHOU])
    heard = record(country[LANZHOU], "intake")
    country.act(SANYA, intake.SupplementApplicationV1, case_id, "460204001", materials=[material("low-income")])
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    kinds = {intake.ApplicationSupplementedV1.type} | {contract.type for contract in DECIDERS}
    words = [body for body in heard.bodies if decode(body).type in kinds]
    return Scene(country[LANZHOU].node, case_id, there, words, tmp_path)


@MANY_WAYS
@given(st.permutations(range(5)))
def test_the_words_of_a_leg_lead_to_the_same_end_in_every_order(decided: Scene, order: list[int]) -> None:
    assert len(decided.words) == 5  # taken over, checked, reviewed, decided, closed
    assert [leg["state"] for leg in decided.end_in_order["legs"]] == ["decided", "closed"]
    assert (decided.end_in_order["notices"], decided.end_in_order["waiting"]) == (["closed"], [])
    assert decided.end(decided.words[number] for number in order) == decided.end_in_order


@MANY_WAYS
@given(st.permutations(range(5)))
def test_the_deciding_service_may_be_faster_than_the_supplement_it_decides_on(
    supplemented: Scene, order: list[int]
) -> None:
    assert len(supplemented.words) == 5  # supplemented, checked, reviewed, decided, issued
    assert supplemented.end_in_order["legs"][1]["state"] == "closed"
    assert supplemented.end_in_order["outcome"]["certificate_id"]
    assert supplemented.end_in_order["waiting"] == []
    assert supplemented.end(supplemented.words[number] for number in order) == supplemented.end_in_order


@pytest.fixture
def asked_twice(supplemented: Scene) -> Scene:
    """The same, but it came too late and something else was missing by then: its words, and the second answer."""
    brought, node = supplemented.words[0], supplemented.node
    first = decode(brought).data
    office = first["step"]["office"]
    said = {"leg_no": 2, "office": office, "at": clock.iso(clock.now())}
    lapsed = a_message(node, subsidy.SupplementLapsedV1, supplemented.case_id, said | {"version": 3})
    needed = a_message(node, subsidy.SupplementNeededV1, supplemented.case_id, said | {"version": 4}, MISSING)
    second = first | {"request": 4, "materials": []}
    answer = a_message(node, intake.ApplicationSupplementedV1, supplemented.case_id, second, {"answers": {}})
    return Scene(
        node, supplemented.case_id, supplemented.photograph, [brought, lapsed, needed, answer], supplemented.folder
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_only_the_answer_to_the_newest_request_ends_the_waiting_in_every_order(
    asked_twice: Scene, order: tuple[int, ...]
) -> None:
    words = [asked_twice.words[number] for number in order]
    waits, goes_on = asked_twice.end(words), asked_twice.end([*words, asked_twice.words[3]])
    assert (waits["legs"][1]["state"], waits["waiting"]) == ("supplement_required", [])
    assert all(item["paused_on"] for item in waits["legs"][1]["clocks"])
    assert (goes_on["legs"][1]["state"], goes_on["waiting"]) == ("accepted", [])
    assert not any(item["paused_on"] for item in goes_on["legs"][1]["clocks"])


def test_an_answer_that_does_not_say_to_what_ends_the_waiting(asked_twice: Scene) -> None:
    brought = decode(asked_twice.words[0])
    data = {name: value for name, value in brought.data.items() if name not in ("leg_no", "request")}
    words = [
        *asked_twice.words[1:3],
        encode(replace(brought, data=data, checked="")),
    ]  # of a release before requests were named
    assert asked_twice.end(words)["legs"][1]["state"] == "accepted"


def test_what_comes_early_waits_and_what_comes_twice_changes_nothing(decided: Scene) -> None:
    copy, words = decided.copy(), decided.words
    copy.handle(reversed(words[1:]))
    with copy.works.begin() as work:
        assert len(list(work.execute(select(parked)))) == 4
        assert store.get_leg(work, decided.case_id, "accepting").state == "forwarded"
    assert copy.handle(words[:1]) == [Outcome.DONE] * 5  # the first, and one after the other those that waited for it
    assert copy.handle(words) == [Outcome.DUPLICATE] * 5
    assert copy.end(decided.case_id) == decided.end_in_order


def test_every_message_told_again_anywhere_changes_nothing(country: Country) -> None:
    recordings = {
        (code, name): record(country[code], name)
        for code in (SANYA, LANZHOU)
        for name in ("intake", "subsidy", "certificate")
    }
    case_id = country.take_in(SANYA)
    country.settle()
    country.decide(LANZHOU, case_id, "620102")
    before = {code: (country[code].story(case_id), country[code].notices()) for code in (SANYA, LANZHOU)}
    handled = 0
    for (code, name), recording in recordings.items():
        for body in list(recording.bodies):
            assert recording.handle(country[code].works[name], body) is Outcome.DUPLICATE
            handled += 1
    country.settle()
    assert handled == 18
    assert before == {code: (country[code].story(case_id), country[code].notices()) for code in (SANYA, LANZHOU)}
    assert calm(country)


@settings(MANY_WAYS, max_examples=4)
@given(st.data())
def test_letters_may_be_late_doubled_and_in_any_order(tmp_path: Path, data: Any) -> None:
    country = Country(tmp_path / clock.new_id())
    delivered: list[str] = []

    def choose(waiting: Sequence[str]) -> int:
        number = data.draw(st.integers(0, len(waiting) - 1))
        delivered.append(waiting[number])
        if data.draw(st.booleans()):  # an old letter comes once more
            country.deliver(data.draw(st.sampled_from(delivered)))
        return int(number)

    case_id = country.take_in(SANYA)
    country.settle(choose)
    for contract, office in THREE_TASKS:
        country.act(LANZHOU, contract, case_id, office)
        country[LANZHOU].bus.run_until_idle()
        if data.draw(st.booleans()):
            country.settle(choose)
    country.settle(choose)
    assert country[SANYA].story(case_id) == country[LANZHOU].story(case_id)
    assert [leg["state"] for leg in country[SANYA].story(case_id)["legs"]] == ["told", "closed"]
    assert len(country[SANYA].notices()) == 1
    assert calm(country)
    country.close()
