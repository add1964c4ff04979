"""Builders: the shortest way to a node, a country of cities, a case or a message that means something."""

import datetime
import itertools
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, StaticPool, Table, create_engine, event, select

import contracts.case
import contracts.certificate
import contracts.claims
import contracts.exchange
import contracts.intake
import contracts.marriage
import contracts.subsidy
from contracts.envelope import Contract, Json, decode, every_contract
from contracts.intake import TakeInApplicationV1
from contracts.matters import find_matter
from deploy.homes import make_homes
from services.certificate import service as certificate_service
from services.certificate import store as certificate_store
from services.claims import service as claims_service
from services.claims.store import tables as claims_tables
from services.intake import service as intake_service
from services.intake.ports import SimulatedNotices
from services.intake.rules.legs import Leg
from services.intake.store import cases as intake_store
from services.intake.store import tables as intake_tables
from services.main import journey
from services.marriage import service as marriage_service
from services.marriage.ports import SimulatedDeathRegister, SimulatedMarriageRegistry
from services.marriage.store import tables as marriage_tables
from services.subsidy import service as subsidy_service
from services.subsidy import store as subsidy_store
from services.subsidy.ports import SimulatedRegistries
from shared import clock
from shared.audit import audit_metadata
from shared.bus import Doors
from shared.crypto.personal import open_personal, seal_personal
from shared.directory import Node
from shared.embedded import EmbeddedBus, Station, dead_letters, embedded_metadata, sqlite_engine
from shared.outbox import Work, Works, message_metadata, parked

FIVE = ("460200", "321300", "421202", "620100", "371000")
SANYA, LANZHOU, WEIHAI = "460200", "620100", "371000"
CONTRACTS = every_contract(
    contracts.intake,
    contracts.subsidy,
    contracts.marriage,
    contracts.certificate,
    contracts.claims,
    contracts.exchange,
)
TABLES = {
    "intake": intake_tables,
    "subsidy": subsidy_store,
    "certificate": certificate_store,
    "claims": claims_tables,
    "marriage": marriage_tables,
}

HE_SHOUTIAN: Json = {
    "role": "applicant",
    "name": "何守田",
    "id_type": "citizen",
    "id_number": "990102197503120178",
    "phone": "13900000000",
    "hukou_division": "620102",
}
ANSWERS: Json = dict(journey.ANSWERS)


CIRCUMSTANCES: Json = {"circumstances": "父母均已失踪"}


def make_nodes(folder: Path, *codes: str) -> dict[str, Node]:
    """Nodes that know each other's keys; all five cities without codes."""
    homes = make_homes(folder, codes or FIVE)
    return {code: Node(code, home) for code, home in homes.items()}


def make_node(folder: Path, code: str = "460200") -> Node:
    """One node, with the other four in its directory."""
    return make_nodes(folder)[code]


def make_works(node: Node, service: str, *metadata: MetaData, engine: Engine | None = None) -> Works:
    """The transactions of one service on its own SQLite file, tables made."""
    engine = engine or sqlite_engine(node.home / f"{service}.db")
    for tables in (message_metadata, *metadata):
        tables.create_all(engine)
    return Works(node, service, engine)


class HandClock:
    """A clock turned by hand: it stands where it was set, but for a microsecond at every look."""

    def __init__(self, at: str) -> None:
        self.at = clock.instant(at)

    def now(self) -> datetime.datetime:
        """This instant; a later one the next time."""
        self.at += datetime.timedelta(microseconds=1)
        return self.at

    def set(self, at: str) -> None:
        """Move on to an instant."""
        self.at = clock.instant(at)


def stop_clock(monkeypatch: pytest.MonkeyPatch, at: str) -> HandClock:
    """Let nothing but the test turn the clock; set it before anything is built."""
    hand = HandClock(at)
    monkeypatch.setattr(clock, "now", hand.now)
    return hand


@dataclass(slots=True)
class Heard:
    """What the desk of a city was told."""

    type: str
    case_id: str
    cause: str  # the id of the message it answers
    data: Json
    personal: Json


@dataclass(slots=True)
class City:
    """One city: its services on files of their own, and what its desk has heard."""

    code: str
    works: dict[str, Works]
    bus: EmbeddedBus
    heard: list[Heard] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """This city's node."""
        return self.works["intake"].node

    def told(self, contract: type[Contract], case_id: str = "") -> list[Heard]:
        """All that the desk heard of one kind, perhaps of one case only."""
        return [it for it in self.heard if it.type == contract.type and case_id in ("", it.case_id)]

    def rows(self, service: str, table: Table) -> list[Any]:
        """All rows of a table."""
        with self.works[service].begin() as work:
            return list(work.execute(select(table)))

    def parked(self) -> list[str]:
        """What any service still waits for."""
        return [row.awaits for name in TABLES for row in self.rows(name, parked)]

    def dead(self) -> list[Json]:
        """All dead letters."""
        return [letter for works in self.works.values() for letter in dead_letters(works)]

    def notices(self) -> list[Json]:
        """The short messages that have left."""
        path = self.node.home / "notices.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def story(self, case_id: str) -> Json:
        """What intake knows of a case: legs, steps without order, outcome, reasons."""
        with self.works["intake"].begin() as work:
            kept = intake_store.get_case(work, case_id)
            legs = [intake_store.snapshot(leg) for leg in intake_store.list_legs(work, case_id)]
            steps = sorted(intake_store.list_steps(work, case_id), key=lambda step: (step["at"], step["verb"]))
        return {"legs": legs, "steps": steps, "outcome": kept.outcome, "reasons": kept.reasons}

    def leg(self, case_id: str, role: str = "accepting") -> Leg:
        """This city's own newest leg in that role."""
        with self.works["intake"].begin() as work:
            return intake_store.get_leg(work, case_id, role)


class Country:
    """Cities that decide cases together: real files and doors, an embedded bus in each, letters carried by hand.

    A letter is taken from the sender's outbox, opened, sealed anew and told at its destination, as the exchange does.
    """

    def __init__(self, folder: Path, *codes: str) -> None:
        self.mail: list[str] = []  # letters on their way between cities
        self.cities = {
            code: self._city(node) for code, node in make_nodes(folder, *(codes or (SANYA, LANZHOU))).items()
        }
        self._numbers = itertools.count(1)

    def __getitem__(self, code: str) -> City:
        return self.cities[code]

    def _city(self, node: Node) -> City:
        works = {name: _new_works(node, name) for name in (*TABLES, "web", "exchange")}
        heard: list[Heard] = []
        doors = {
            "intake": intake_service.doors(SimulatedNotices(node.home / "notices.jsonl")),
            "subsidy": subsidy_service.doors(_Late(SimulatedRegistries, node.home / "registries.yaml")),
            "marriage": marriage_service.doors(*_late_marriage_registries(node)),
            "certificate": certificate_service.doors(),
            "claims": claims_service.doors(),
            "web": _desk(heard),
        }
        stations = {name: Station(works[name], doors[name]) for name in doors}
        bus = EmbeddedBus(stations | {"exchange": Station(works["exchange"], drain=self._post)})
        return City(node.code, works, bus, heard)

    def _post(self, bodies: Sequence[str]) -> list[Exception | None]:
        self.mail += bodies
        return [None] * len(bodies)

    def close(self) -> None:
        """Let go of all files."""
        for city in self.cities.values():
            for works in city.works.values():
                works.engine.dispose()

    def settle(self, choose: Callable[[Sequence[str]], int] | None = None) -> None:
        """Let everything happen; `choose` says which of the waiting letters comes next (else: all, in order)."""
        self.work()
        while self.mail:
            waiting, self.mail = self.mail, []
            if choose:
                self.mail = waiting
                waiting = [self.mail.pop(choose(self.mail))]
            for body in waiting:
                self.deliver(body)
            self.work()

    def work(self) -> None:
        """Let everything happen inside the cities; letters stay where they are."""
        for city in self.cities.values():
            city.bus.run_until_idle()

    def deliver(self, body: str) -> None:
        """Bring one letter to its city."""
        message = decode(body)
        sender, receiver = self.cities[message.source].node, self.cities[message.destination]
        sealed = None
        if message.sealed is not None:
            private = open_personal(sender, CONTRACTS[message.type], message)
            sealed = seal_personal(receiver.node, message.type, message.id, private)
        with receiver.works["exchange"].begin() as work:
            work.retell(replace(message, destination="", sealed=sealed))

    def say(self, city: str, contract: type[Contract], case_id: str, data: Json, personal: Json | None = None) -> str:
        """What the desk of a city asks of its services; the id of the message. Nothing moves yet."""
        with self.cities[city].works["web"].begin() as work:
            return work.tell(contract, case_id, data, personal)

    def take_in(self, city: str = SANYA, *parties: Json, **changes: Any) -> str:
        """A desk takes in an application of these parties (何守田 without any); its case id. Nothing moves yet.

        `changes`: matter, office, answers, place_division, and whatever else belongs into the case's facts.
        """
        case_id, office = clock.new_id(), str(changes.pop("office", township(city)))
        matter = changes.pop("matter", "disability-subsidies")
        answers = changes.pop("answers", CIRCUMSTANCES if matter == "orphan-recognition" else ANSWERS)
        personal = {"parties": list(parties or [HE_SHOUTIAN]), "answers": answers}
        data = {"actor": clerk("window", office), "place_division": changes.pop("place_division", "")}
        facts = self._facts(self.cities[city].node, office, matter)
        self.say(city, TakeInApplicationV1, case_id, data | {"case": facts | changes}, personal)
        return case_id

    def _facts(self, node: Node, office: str, matter: str) -> Json:
        found = find_matter(matter, clock.today())
        name = node.offices.by_code[office].name if office in node.offices.by_code else office
        return {
            "case_no": f"{office}-{clock.today():%Y%m%d}-{next(self._numbers):04d}",
            "matter": matter,
            "matter_version": found.version if found else 1,
            "channel": "counter",
            "accepting_office": {"code": office, "name": name, "node": node.code, "phone": "0000-12345"},
            "applied_on": clock.today().isoformat(),
            "taken_in_at": clock.iso(clock.now()),
            "materials": [],
            "consents": ["notice_shown"],
        }

    def act(self, city: str, contract: type[Contract], case_id: str, office: str, **changes: Any) -> str:
        """A clerk of `office` acts on the newest version of a case; the id of the command. Nothing moves yet.

        `changes`: actor, expected_version, personal, and the fields of the command.
        """
        actor, personal = changes.pop("actor", f"clerk of {office}"), changes.pop("personal", None)
        version = changes.pop("expected_version", None) or self._version(city, contract, case_id)
        data = {"expected_version": version, "actor": clerk(actor, office)} | changes
        if issubclass(contract, contracts.subsidy.Act):
            data, personal = {"approve": True} | data, {"reasons": []} | (personal or {})
        elif contract.Personal in (contracts.case.Why, contracts.case.Answers):
            personal = personal or {}
        if contract is contracts.intake.SupplementApplicationV1:
            data = {"materials": []} | data
        return self.say(city, contract, case_id, data, personal)

    def _version(self, city: str, contract: type[Contract], case_id: str) -> int:
        if contract.type.startswith("intake."):
            return int(self.cities[city].leg(case_id).version)
        with self.cities[city].works["subsidy"].begin() as work:
            kept = subsidy_store.find_application(work, case_id)
        return kept.application.version if kept else 1

    def decide(self, city: str, case_id: str, county: str, **last: Any) -> None:
        """The three offices of a county check, review and decide (`last`: changes of the decision); all settled."""
        self.act(city, contracts.subsidy.CheckApplicationV1, case_id, f"{county}001")
        self.settle()
        self.act(city, contracts.subsidy.ReviewApplicationV1, case_id, f"{county}-dpf")
        self.settle()
        self.act(city, contracts.subsidy.DecideApplicationV1, case_id, county, **last)
        self.settle()


class _Late:
    """A simulated registry, read when first asked: most cities of a country decide nothing."""

    def __init__(self, make: Callable[..., Any], *paths: Path) -> None:
        self.make, self.paths = make, paths

    def __getattr__(self, name: str) -> Any:
        self.__dict__["made"] = made = self.__dict__.get("made") or self.make(*self.paths, timeout_seconds=0.1)
        return getattr(made, name)


def _late_marriage_registries(node: Node) -> tuple[Any, Any]:
    world = node.home / "registries.yaml"
    return _Late(SimulatedMarriageRegistry, world, node.home / "reports.jsonl"), _Late(SimulatedDeathRegister, world)


def _new_works(node: Node, service: str) -> Works:
    """As `make_works`, quicker: a copy of an empty file, which need not survive a power cut."""
    path = node.home / f"{service}.db"
    path.write_bytes(_empty_file(service))
    engine = sqlite_engine(path)
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    return Works(node, service, engine)


@cache
def _empty_file(service: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        own = (TABLES[service].metadata, audit_metadata) if service in TABLES else ()
        for tables in (message_metadata, embedded_metadata, *own):
            tables.create_all(engine)
        return connection.serialize()


def clerk(name: str, office: str) -> Json:
    """Somebody at a desk, as contracts.case.Actor."""
    return {"id": name, "kind": "clerk", "office": office}


def township(city: str) -> str:
    """The first township window of a city, where cases are taken in."""
    return {"460200": "460204001", "321300": "321302001", "620100": "620102002", "371000": "371002001"}.get(
        city, f"{city}001"
    )


def _desk(heard: list[Heard]) -> Doors:
    """The desk's doors: whatever is said to web is written down."""
    entrance = Doors("web")
    for contract in CONTRACTS.values():
        if "web" in contract.consumers:
            entrance.listen(contract)(_listener(heard, contract))
    return entrance


def _listener(heard: list[Heard], contract: type[Contract]) -> Callable[[Work], None]:
    def listen(work: Work) -> None:
        assert work.cause
        private = work.personal(contract) if contract.Personal else {}
        heard.append(Heard(contract.type, work.cause.subject, work.cause.causation, work.data(contract), private))

    return listen
