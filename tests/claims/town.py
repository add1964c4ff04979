"""Cities whose desks ask for claims: what tests of claims say again and again, and hear."""

import datetime
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import delete, insert

from contracts import claims as said
from contracts.envelope import Contract, Json, decode
from deploy.homes import DIRECTORY, make_root
from services.claims import service
from services.claims.store.tables import attempts, claims, guards
from services.main.cli import cli
from shared import clock
from shared.bus import Doors
from shared.directory import Node, sign_directory
from shared.embedded import Station, embedded_metadata
from shared.files import replace_file
from shared.outbox import Work
from tests.builders import LANZHOU, SANYA, City, Country, HandClock, Heard, clerk, make_works

SUQIAN, XIANAN = "321300", "421202"
HEARD = (
    said.ActRefusedV1,
    said.ClaimsHeldV1,
    said.ClaimsDeniedV1,
    said.ClaimsDeferredV1,
    said.ClaimsLockedV1,
    said.ClaimsLostV1,
    said.ClaimsFoundV1,
    said.ClaimDroppedV1,
)
HE: Json = {  # 321300 guards his number
    "id_type": "citizen",
    "id_number": "990102197503120178",
    "name": "何守田",
    "born_on": "1975-03-12",
    "sex": "male",
}
LIN: Json = {  # 421202 guards hers
    "id_type": "citizen",
    "id_number": "990103197708150246",
    "name": "林秋禾",
    "born_on": "1977-08-15",
    "sex": "female",
}
SU: Json = LIN | {"id_number": "990101198002030465", "name": "苏晚晴", "born_on": "1980-02-03"}  # 460200


class Town(Country):
    """A country in which a desk of every city asks its claims, in the place of the services that will."""

    def __init__(self, folder: Path, *codes: str) -> None:
        self.desks: dict[str, list[Heard]] = {code: [] for code in codes}  # what they were told
        super().__init__(folder, *codes)

    def _city(self, node: Node) -> City:
        city = super()._city(node)
        city.works["desk"] = works = make_works(node, "desk", embedded_metadata)
        stations: Any = city.bus.stations
        del stations["marriage"]  # the desk asks in its place
        stations["desk"] = Station(works, _desk(self.desks[node.code]))
        return city


def _desk(heard: list[Heard]) -> Doors:
    entrance = Doors("desk")
    for contract in HEARD:
        entrance.listen(contract)(_listener(heard, contract))
    return entrance


def _listener(heard: list[Heard], contract: type[Contract]) -> Callable[[Work], None]:
    def listen(work: Work) -> None:
        assert work.cause
        private = work.personal(contract) if contract.Personal else {}
        heard.append(Heard(contract.type, work.cause.subject, work.cause.correlation, work.data(contract), private))

    return listen


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt of the desk of a city."""

    town: Town
    city: str
    case_id: str
    attempt: str

    def say(self, contract: type[Contract], **more: Any) -> None:
        """The desk speaks of its attempt. Nothing moves yet."""
        data = {"attempt": self.attempt, "asked_by": "marriage"} | more
        self.town.say(self.city, contract, self.case_id, data)

    def confirm(self) -> None:
        self.say(said.ConfirmClaimsV1)
        self.town.settle()

    def release(self) -> None:
        self.say(said.ReleaseClaimsV1, why="given_up")
        self.town.settle()

    def note(self) -> None:
        self.say(said.NoteIssuedV1, reference="J460204-2025-000001")
        self.town.settle()

    def heard(self) -> list[str]:
        """What the desk was told of it, by the last words of each message."""
        return [it.type.split(".")[1].rpartition("_")[2] for it in self._told()]

    def last(self) -> Json:
        """The newest of what it was told."""
        return self._told()[-1].data

    def _told(self) -> list[Heard]:
        return [it for it in self.town.desks[self.city] if it.case_id == self.case_id]

    def step(self) -> str:
        (row,) = [row for row in self.town[self.city].rows("claims", attempts) if row.attempt == self.attempt]
        return str(row.step)


def reserve(town: Town, city: str, *about: Json, kind: str = "marriage", settled: bool = True) -> Asked:
    """The desk of a city begins an attempt on these subjects (何守田 and 林秋禾 without any)."""
    asked = Asked(town, city, clock.new_id(), clock.new_id())
    ask(asked, *about, kind=kind)
    if settled:
        town.settle()
    return asked


def ask(asked: Asked, *about: Json, kind: str = "marriage", asked_by: str = "marriage") -> None:
    """Say an attempt's first word (perhaps once more)."""
    office = {"code": f"{asked.city}-marry", "name": f"{asked.city}婚姻登记处", "node": asked.city, "phone": "0000-1"}
    data = {"attempt": asked.attempt, "asked_by": asked_by, "kind": kind, "office": office}
    asked.town.say(asked.city, said.ReserveClaimsV1, asked.case_id, data, {"subjects": list(about or (HE, LIN))})


def live(town: Town) -> list[tuple[str, str, str]]:
    """All live claims everywhere: authority, holder, state."""
    rows = [(code, row) for code, city in town.cities.items() for row in city.rows("claims", claims)]
    return sorted((code, row.holder, row.state) for code, row in rows if row.state != "ended")


def ring(town: Town, name: str) -> None:
    """What a timer of every city's claims does."""
    (timer,) = [it for it in service.doors().timers if it.name == f"claims.{name}"]
    for city in town.cities.values():
        timer.act(city.works["claims"])
    town.settle()


def dead(town: Town) -> list[tuple[str, str]]:
    """The dead letters of all claims: city and type."""
    return [(code, letter["type"]) for code, city in town.cities.items() for letter in city.dead()]


def later(hand: HandClock, **by: float) -> None:
    """So much time passes."""
    hand.at += datetime.timedelta(**by)


def set_guard(town: Town, code: str, prefix: str, **values: Any) -> None:
    """What a hand-over leaves of a city's duty for a prefix."""
    row = {"prefix": prefix, "epoch": 1, "duty": "active", "successor": "", "since": clock.iso(clock.now())}
    with town[code].works["claims"].begin() as work:
        work.execute(delete(guards).where(guards.c.prefix == prefix))
        work.execute(insert(guards), row | values)


def by_clerk(city: str) -> Json:
    return clerk("clerk-07", f"{city}-marry")


def name_authority(town: Town, prefix: str, code: str, *at: str, epoch: int = 2, before: str = "") -> None:
    """The root signs a directory in which that city guards the prefix; it reaches these cities only (all without any)."""
    folder = town[code].node.home.parent
    document = json.loads(json.loads((folder / DIRECTORY).read_text("utf-8"))["document"])
    row = {"prefix": prefix, "node": code, "epoch": epoch} | ({"before": before} if before else {})
    others = [known for known in document["authorities"] if known["prefix"] != prefix]
    changed = document | {"authorities": [*others, row], "issued_at": clock.iso(clock.now())}
    signed = sign_directory(changed | {"version": document["version"] + 1}, make_root(folder))
    for city in at or tuple(town.cities):
        replace_file(town[city].node.home / DIRECTORY, signed)
    replace_file(folder / DIRECTORY, signed)


def run(town: Town, code: str, *words: str, given: str = "") -> Result:
    """What the command `tongban claims …` of a city does; nothing else moves yet. `given`: its standard input."""
    environ = {"TONGBAN_NODE": code, "TONGBAN_HOME": str(town[code].node.home)}
    return CliRunner().invoke(cli, ["claims", *words], env=environ, input=given)


def copy_of(town: Town, code: str) -> Path:
    """A copy of the file of a city's claims as it is now."""
    path = town[code].node.home / "claims.db"
    copy = path.with_name(f"copy-{clock.new_id()}.db")
    _copy(path, copy)
    return copy


def restore(town: Town, code: str, copy: Path) -> None:
    """A city's disk is lost, and its claims are as they were when the copy was made."""
    _copy(copy, town[code].node.home / "claims.db")


def _copy(old: Path, new: Path) -> None:
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)


def letters_to(town: Town, code: str) -> list[str]:
    """Take the letters to a city out of the mail."""
    held = [letter for letter in town.mail if decode(letter).destination == code]
    town.mail = [letter for letter in town.mail if letter not in held]
    return held


def duties(town: Town, code: str) -> dict[str, tuple[int, str]]:
    """What a city does for which prefix, in which epoch."""
    return {row.prefix: (row.epoch, row.duty) for row in town[code].rows("claims", guards)}


__all__ = ["HE", "LANZHOU", "LIN", "SANYA", "SU", "SUQIAN", "XIANAN", "Asked", "Town"]
