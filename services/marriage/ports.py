"""The national marriage registry (全国婚姻基础信息库) and the register of deaths, which we do not own; and simulators."""

import datetime
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog
import yaml

from services.marriage.rules.eligibility import Standing
from shared import clock
from shared.logs import where

NAME = "national-marriage"
DEATHS = "deaths"  # as the register of deaths is called in logs, in the audit and in the node's file
MODES = ("up", "slow", "down", "wrong")
STEP_SECONDS = 0.02  # short sleeps give way to other greenlets
ACCEPTED: Literal["accepted"] = "accepted"
UNKNOWN: Literal["unknown"] = "unknown"
Outcome = Literal["accepted", "unknown"]

log = structlog.get_logger()


class RegistryUnavailable(Exception):
    """A registry gave no usable answer within its time-out; not the same as "none"."""


@dataclass(frozen=True, slots=True)
class MaritalStatus:
    """Whether the person has a spouse on record; `office` and `number` of the marriage where there is one.

    `since`: the day of the latest registration, also of a marriage that has ended; `number` is of that one.
    """

    id_number: str = field(repr=False)
    married: bool
    office: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    since: datetime.date | None = field(default=None, repr=False)


class NationalMarriageRegistry(Protocol):
    """What the ministry's registry answers and takes."""

    def status_of(self, id_type: str, id_number: str) -> MaritalStatus:
        """Married or not, as far as it knows; RegistryUnavailable."""

    def report(self, key: str, change: Mapping[str, Any], record: Mapping[str, Any]) -> Outcome:
        """Take a change of a record, once, under a key of ours; `unknown`: it may have been taken or not.

        `change`: version, what (registered, ended:ground, restored, corrected, reissued …), on, basis, document.
        `record`: the archive copy (电子档案) as it stands when it is sent: certificate_no, office, division,
        registered_on, state, parties, version; archive: origin, facts, history, certificates, ground and days.
        Changes of one record come in the order of their versions.
        """

    def find_report(self, key: str) -> bool:
        """Whether it has taken what was reported under that key; RegistryUnavailable."""


def look(registry: NationalMarriageRegistry, persons: Iterable[Mapping[str, Any]]) -> tuple[Standing | None, ...]:
    """What the registry says of each person; None where it gave no answer, or one about somebody else."""
    return tuple(_standing(registry, person) for person in persons)


def find_status(registry: NationalMarriageRegistry, person: Mapping[str, Any]) -> MaritalStatus | None:
    """What the registry says of a person; None where it gave no answer, or one about somebody else."""
    try:
        status = registry.status_of(person["id_type"], person["id_number"])
        if status.id_number != person["id_number"]:
            raise RegistryUnavailable("answered about somebody else")
    except RegistryUnavailable as error:
        log.warning("registry_unavailable", registry=NAME, why=str(error))
        return None
    return status


def _standing(registry: NationalMarriageRegistry, person: Mapping[str, Any]) -> Standing | None:
    status = find_status(registry, person)
    if status is None:
        return None
    return Standing.MARRIED if status.married else Standing.FREE


# --- deaths -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeathEntry:
    """One line of the register: somebody died, or (`withdraws` an earlier line) was reported dead wrongly.

    `on`: the day of death, or of the withdrawal. `document`: contracts.marriage_parts.Document.
    """

    position: int
    entry_id: str
    on: str
    document: Mapping[str, str] = field(repr=False)
    person: Mapping[str, str] = field(default_factory=dict, repr=False)  # contracts.marriage_parts.Spouse
    withdraws: str = ""


class DeathRegister(Protocol):
    """The population register's list of deaths; it only ever grows."""

    def entries_after(self, position: int, limit: int) -> list[DeathEntry]:
        """The next lines, by rising position; RegistryUnavailable."""


def find_deaths(register: DeathRegister, position: int, limit: int) -> list[DeathEntry]:
    """The next lines of the register; none where it gave no answer, or one to another question."""
    try:
        entries = register.entries_after(position, limit)
        places = [position, *(entry.position for entry in entries)]
        if any(later <= earlier for earlier, later in itertools.pairwise(places)):
            raise RegistryUnavailable("answered from another position")
    except RegistryUnavailable as error:
        log.warning("registry_unavailable", registry=DEATHS, why=str(error))
        return []
    return entries


# --- simulators ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _World:
    mode: str
    seconds: float
    told: Any = field(repr=False)


class _Stage:
    """What one registry knows by the node's YAML file, read again whenever it changes.

    Modes: up; slow (`seconds` until the answer, unavailable from the time-out on); down; wrong (answers another
    question). Where the file names no mode it is up. ValueError at the start for a faulty file; later a faulty file is
    a registry down.
    """

    def __init__(self, path: Path, name: str, read: Callable[[Any], Any], timeout_seconds: float) -> None:
        self._path, self._name, self._read = path, name, read
        self._timeout = timeout_seconds
        self._stamp = _stamp(path)
        self._world = _world(path, name, read)

    def reached(self) -> _World:
        """The file as it is now, after the time the answer takes; RegistryUnavailable."""
        world = self.fresh()
        if world.mode == "down":
            raise RegistryUnavailable("down")
        if world.mode == "slow":
            self._wait(world.seconds)
        return world

    def fresh(self) -> _World:
        """The file as it is now; RegistryUnavailable."""
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._world, self._stamp = _world(self._path, self._name, self._read), stamp
        except (OSError, ValueError) as error:
            log.error("registry_file_faulty", registry=self._name, where=where(error))
            raise RegistryUnavailable(f"{self._path.name} cannot be read") from error
        return self._world

    def _wait(self, seconds: float) -> None:
        deadline = clock.monotonic() + min(seconds, self._timeout)
        while (left := deadline - clock.monotonic()) > 0:
            time.sleep(min(left, STEP_SECONDS))
        if seconds >= self._timeout:
            raise RegistryUnavailable(f"no answer within {self._timeout:g} s")


def _stamp(path: Path) -> tuple[int, int, int]:
    it = path.stat()
    return it.st_mtime_ns, it.st_size, it.st_ino


def _world(path: Path, name: str, read: Callable[[Any], Any]) -> _World:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        how = data["registries"].get(name, {"mode": "up"})
        if how["mode"] not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, is {how['mode']!r}")
        told = read(data)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path.name}: {error!r}") from error
    return _World(how["mode"], float(how.get("seconds", 0)), told)


def _day(value: object) -> datetime.date:
    if not isinstance(value, datetime.date):
        raise ValueError("marriage.since, marriage.until and every `on` must be a day")
    return value


class SimulatedMarriageRegistry:
    """The registry out of the node's YAML file, and what was reported to it; modes as of `_Stage`.

    Wrong: it answers about somebody else. A report in slow or wrong mode arrives, and nobody learns of it.
    """

    def __init__(self, path: Path, reports: Path, timeout_seconds: float = 2.0) -> None:
        self._stage = _Stage(path, NAME, _married, timeout_seconds)
        self._reports = reports
        self._keys: set[str] = set()
        self._read_to = 0

    def status_of(self, id_type: str, id_number: str) -> MaritalStatus:
        """Married by the file; RegistryUnavailable."""
        world = self._stage.reached()
        if world.mode == "wrong":
            return MaritalStatus("", married=False)
        return world.told.get(id_number) or MaritalStatus(id_number, married=False)

    def report(self, key: str, change: Mapping[str, Any], record: Mapping[str, Any]) -> Outcome:
        """Keep that there was a report, once, and nobody's name; lookups do not answer from it."""
        try:
            if self._stage.fresh().mode == "down":
                return UNKNOWN
            if key not in self._kept():
                with self._reports.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(_kept_of(key, change, record), ensure_ascii=False) + "\n")
            return UNKNOWN if self._stage.reached().mode == "wrong" else ACCEPTED
        except RegistryUnavailable:
            return UNKNOWN

    def find_report(self, key: str) -> bool:
        """Whether a report with that key was kept; RegistryUnavailable."""
        if self._stage.reached().mode == "wrong":
            raise RegistryUnavailable("answered about another report")
        return key in self._kept()

    def _kept(self) -> set[str]:
        """The keys of all reports; what others have added since is read now."""
        if self._reports.exists():
            with self._reports.open("r", encoding="utf-8") as file:
                file.seek(self._read_to)
                self._keys |= {json.loads(line)["key"] for line in iter(file.readline, "")}
                self._read_to = file.tell()
        return self._keys


def _kept_of(key: str, change: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """What the simulator keeps in plain text: no person, and no ground."""
    kind, _, _ = change["what"].partition(":")
    copy = {name: record[name] for name in ("certificate_no", "office", "state", "version")}
    return {"key": key, "what": kind, "copy": copy}


def _married(data: Mapping[str, Any]) -> Mapping[str, MaritalStatus]:
    """By number; a marriage with a day `until` has ended."""
    return {row["number"]: _status(row["number"], row["marriage"]) for row in data["persons"] if row.get("marriage")}


def _status(number: str, it: Mapping[str, Any]) -> MaritalStatus:
    ended = "until" in it and bool(_day(it["until"]))
    return MaritalStatus(number, not ended, str(it["office"]), str(it["number"]), _day(it["since"]))


class SimulatedDeathRegister:
    """The list `deaths` of the node's YAML file, which only grows; modes as of `_Stage`.

    A line is {id, number, name, on, document} or {id, withdraws, on, document}; its position is its place in the list.
    Wrong: it answers from another position.
    """

    def __init__(self, path: Path, timeout_seconds: float = 2.0) -> None:
        self._stage = _Stage(path, DEATHS, _deaths, timeout_seconds)

    def entries_after(self, position: int, limit: int) -> list[DeathEntry]:
        """The next lines of the file; RegistryUnavailable."""
        world = self._stage.reached()
        if world.mode == "wrong":
            return [DeathEntry(position, "", "", {})]
        return list(world.told[position : position + limit])


def _deaths(data: Mapping[str, Any]) -> list[DeathEntry]:
    return [_death(position, row) for position, row in enumerate(data.get("deaths") or (), start=1)]


def _death(position: int, row: Mapping[str, Any]) -> DeathEntry:
    paper = row["document"]
    document = {name: str(paper[name]) for name in ("kind", "issuer", "number")} | {"on": _day(paper["on"]).isoformat()}
    on = _day(row["on"]).isoformat()
    if "withdraws" in row:
        return DeathEntry(position, str(row["id"]), on, document, withdraws=str(row["withdraws"]))
    person = {"name": row["name"], "id_type": row.get("id_type", "citizen"), "id_number": row["number"]}
    return DeathEntry(position, str(row["id"]), on, document, person)
