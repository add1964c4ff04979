"""The registries we do not own: disability cards, low-income families, population; and a simulator of all three."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import structlog
import yaml

from services.subsidy.rules.eligibility import Card, Fact, Facts, merged
from services.subsidy.rules.standard import Area, LowIncome
from shared import clock

REGISTRIES = ("disability-card", "low-income", "population")
MODES = ("up", "slow", "down", "wrong")
STEP_SECONDS = 0.02  # short sleeps give way to other greenlets

log = structlog.get_logger()


class RegistryUnavailable(Exception):
    """The registry gave no usable answer within its time-out; not the same as 'no record'."""

    def __init__(self, registry: str, why: str) -> None:
        super().__init__(f"{registry}: {why}")
        self.registry = registry
        self.why = why


@dataclass(frozen=True, slots=True)
class CardRecord:
    """A disability card (残疾人证); `card_no` is citizen number, category, grade and reissue mark."""

    citizen_number: str = field(repr=False)
    card_no: str = field(repr=False)
    category: int
    grade: int
    components: frozenset[int] | None  # the categories within a multiple disability, None where not recorded
    as_of: datetime.date
    source: str


@dataclass(frozen=True, slots=True)
class LowIncomeRecord:
    """低保, 低保边缘 or neither, and whether the person is on special support (特困)."""

    citizen_number: str = field(repr=False)
    status: LowIncome
    special_support: bool
    as_of: datetime.date
    source: str


@dataclass(frozen=True, slots=True)
class HouseholdRecord:
    """Today's hukou, where it was before the last move, and whether the person lives."""

    citizen_number: str = field(repr=False)
    name: str = field(repr=False)
    born_on: datetime.date
    hukou: str
    area: Area
    moved_from: str | None
    moved_on: datetime.date | None
    died_on: datetime.date | None
    as_of: datetime.date
    source: str


Record = CardRecord | LowIncomeRecord | HouseholdRecord
R = TypeVar("R", CardRecord, LowIncomeRecord, HouseholdRecord)


class DisabilityCardRegistry(Protocol):
    """The cards of 中国残联."""

    def card_of(self, citizen_number: str) -> CardRecord | None:
        """The person's valid card, None for no record; RegistryUnavailable."""


class LowIncomeRegistry(Protocol):
    """The 低保 and low-income families of civil affairs."""

    def status_of(self, citizen_number: str) -> LowIncomeRecord | None:
        """The person's status, None for no record; RegistryUnavailable."""


class PopulationRegistry(Protocol):
    """The household register of public security."""

    def household_of(self, citizen_number: str) -> HouseholdRecord | None:
        """The person's entry, None for no record; RegistryUnavailable."""


class Registries(DisabilityCardRegistry, LowIncomeRegistry, PopulationRegistry, Protocol):
    """All three."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the registries said: facts found, facts of which they hold no record, registries without an answer."""

    found: Facts = field(default_factory=Facts)
    denied: frozenset[str] = frozenset()  # among card, low_income, hukou
    unavailable: frozenset[str] = frozenset()  # names of REGISTRIES


def gather(registries: Registries, citizen_number: str, needed: set[str]) -> Gathered:
    """Ask each needed registry once; one that is down, late or answers about somebody else is unavailable, no error.

    'No record' is found to mean no card and no low-income status; of a person whom the population registry does not
    know it makes no fact: the hukou stays unknown. KeyError for a name that is not in REGISTRIES.
    """
    asks: dict[str, Callable[[str], Record | None]] = {
        "disability-card": registries.card_of,
        "low-income": registries.status_of,
        "population": registries.household_of,
    }
    gathered = Gathered()
    for registry in sorted(needed):
        gathered = _with_answer(gathered, registry, asks[registry], citizen_number)
    return gathered


def _with_answer(
    gathered: Gathered, registry: str, ask: Callable[[str], Record | None], citizen_number: str
) -> Gathered:
    try:
        record = ask(citizen_number)
        if record and record.citizen_number != citizen_number:
            raise RegistryUnavailable(registry, "answered about somebody else")
    except RegistryUnavailable as error:
        log.warning("registry_unavailable", registry=registry, why=error.why)
        return replace(gathered, unavailable=gathered.unavailable | {registry})
    if record is None:
        found = merged(gathered.found, _nothing_on_record(registry, clock.today()))
        return replace(gathered, found=found, denied=gathered.denied | {_DENIES[registry]})
    return replace(gathered, found=merged(gathered.found, _facts(record)))


_DENIES = {"disability-card": "card", "low-income": "low_income", "population": "hukou"}


def _nothing_on_record(registry: str, today: datetime.date) -> Facts:
    if registry == "disability-card":
        return Facts(card=Fact(None, "registry", today))
    if registry == "low-income":
        return Facts(low_income=Fact("none", "registry", today), special_support=Fact(False, "registry", today))
    return Facts()


def _facts(record: Record) -> Facts:
    on = record.as_of
    if isinstance(record, CardRecord):
        return Facts(card=Fact(Card(record.category, record.grade, record.components), "registry", on))
    if isinstance(record, LowIncomeRecord):
        special = Fact(record.special_support, "registry", on)
        return Facts(low_income=Fact(record.status, "registry", on), special_support=special)
    return Facts(
        hukou=Fact(record.hukou, "registry", on),
        area=Fact(record.area, "registry", on),
        born_on=Fact(record.born_on, "registry", on),
        died_on=Fact(record.died_on, "registry", on),
    )


@dataclass(frozen=True, slots=True)
class _Mode:
    mode: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Person:
    card: CardRecord | None
    low_income: LowIncomeRecord | None
    household: HouseholdRecord | None


@dataclass(frozen=True, slots=True)
class _World:
    modes: Mapping[str, _Mode]
    persons: Mapping[str, _Person]


class SimulatedRegistries:
    """The three registries out of one YAML file, read again whenever it changes, so that modes switch at run time.

    Modes: up; slow (`seconds` until the answer, unavailable from the time-out on); down; wrong (answers with the
    record of somebody else). ValueError at the start for a faulty file; later a faulty file is a registry down.
    """

    def __init__(self, path: Path, timeout_seconds: float = 2.0) -> None:
        self._path = path
        self._timeout = timeout_seconds
        self._stamp = _stamp(path)
        self._world = _read(path)

    def card_of(self, citizen_number: str) -> CardRecord | None:
        """The person's card; RegistryUnavailable."""
        return self._answer("disability-card", citizen_number, lambda person: person.card)

    def status_of(self, citizen_number: str) -> LowIncomeRecord | None:
        """The person's low-income status; RegistryUnavailable."""
        return self._answer("low-income", citizen_number, lambda person: person.low_income)

    def household_of(self, citizen_number: str) -> HouseholdRecord | None:
        """The person's household entry; RegistryUnavailable."""
        return self._answer("population", citizen_number, lambda person: person.household)

    def _answer(self, registry: str, citizen_number: str, pick: Callable[[_Person], R | None]) -> R | None:
        world = self._fresh(registry)
        it = world.modes[registry]
        if it.mode == "down":
            raise RegistryUnavailable(registry, "down")
        if it.mode == "slow":
            self._wait(registry, it.seconds)
        if it.mode == "wrong":
            others = (pick(person) for number, person in world.persons.items() if number != citizen_number)
            return next((record for record in others if record), None)
        person = world.persons.get(citizen_number)
        return pick(person) if person else None

    def _fresh(self, registry: str) -> _World:
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._world, self._stamp = _read(self._path), stamp
        except (OSError, ValueError) as error:
            raise RegistryUnavailable(registry, f"{self._path.name} cannot be read") from error
        return self._world

    def _wait(self, registry: str, seconds: float) -> None:
        deadline = clock.monotonic() + min(seconds, self._timeout)
        while (left := deadline - clock.monotonic()) > 0:
            time.sleep(min(left, STEP_SECONDS))
        if seconds >= self._timeout:
            raise RegistryUnavailable(registry, f"no answer within {self._timeout:g} s")


def _stamp(path: Path) -> tuple[int, int, int]:
    it = path.stat()
    return it.st_mtime_ns, it.st_size, it.st_ino


def _read(path: Path) -> _World:
    where = "registries"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        modes = {registry: _mode(data["registries"][registry]) for registry in REGISTRIES}
        persons: dict[str, _Person] = {}
        for index, row in enumerate(data["persons"]):
            where = f"persons[{index}]"
            number = _text(row, "number")
            if number in persons:
                raise ValueError("the number is given twice")
            persons[number] = _person(number, row, data["as_of"])
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path.name}: {where}: {error!r}") from error
    return _World(modes, persons)


def _mode(row: Mapping[str, Any]) -> _Mode:
    if row["mode"] not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, is {row['mode']!r}")
    return _Mode(row["mode"], float(row.get("seconds", 0)))


def _person(number: str, row: Mapping[str, Any], as_of: datetime.date) -> _Person:
    card, status, household = row.get("card"), row.get("low_income"), row.get("household")
    return _Person(
        card and _card(number, card, as_of),
        status and _status(number, status, as_of),
        household and _household(number, row, as_of),
    )


def _card(number: str, row: Mapping[str, Any], as_of: datetime.date) -> CardRecord:
    components = frozenset(row["components"]) if "components" in row else None
    card = Card(row["category"], row["grade"], components)
    card_no = f"{number}{card.category}{card.grade}{row.get('reissue', '')}"
    source = "残疾人证登记（模拟）"
    return CardRecord(number, card_no, card.category, card.grade, components, row.get("as_of", as_of), source)


def _status(number: str, row: Mapping[str, Any], as_of: datetime.date) -> LowIncomeRecord:
    status = _one_of(row["status"], get_args(LowIncome))
    special = bool(row.get("special_support", False))
    return LowIncomeRecord(number, status, special, row.get("as_of", as_of), "社会救助对象登记（模拟）")


def _household(number: str, row: Mapping[str, Any], as_of: datetime.date) -> HouseholdRecord:
    it = row["household"]
    return HouseholdRecord(
        citizen_number=number,
        name=_text(row, "name"),
        born_on=datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14])),
        hukou=_text(it, "hukou"),
        area=_one_of(it["area"], get_args(Area)),
        moved_from=it.get("moved_from"),
        moved_on=it.get("moved_on"),
        died_on=it.get("died_on"),
        as_of=it.get("as_of", as_of),
        source="人口登记（模拟）",
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} must be quoted text, is {value!r}")
    return value


def _one_of(value: Any, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}, is {value!r}")
    return value
