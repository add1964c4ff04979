"""Couples at the counters of several cities, registrars who act, and what became of them."""

import datetime
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import update

from contracts import intake, marriage
from contracts.envelope import Contract, Json
from services.claims.store import tables as claims_tables
from services.marriage.store import applications as store
from services.marriage.store import tables
from services.marriage.store.applications import Kept
from shared.bus import Timer
from shared.outbox import unroutable
from tests.builders import LANZHOU, SANYA, WEIHAI, City, Country, HandClock, clerk

OFFICES = {SANYA: "460204-mr", LANZHOU: "620102-mr", WEIHAI: "371002-mr"}
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
PAPERS = [
    {"code": code, "source": "applicant", "provided_at": "2025-10-09T00:50:00.000000Z"}
    | {"file_id": "", "sha256": "", "size": 0, "media_type": "", "seen": "original", "seen_by": "window"}
    for code in ("declaration", "photo")
]
TWICE = 0.3
HEARD = [{"number": place, "present": True, "declared": True, "willing": True, "apart": True} for place in (0, 1)]


def numbered(division: str, born: str, order: int) -> str:
    """A citizen's number of the unreal block, its check character right; `order` odd: a man."""
    body = f"{division}{born}{order:03d}"
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]


def person(name: str, id_number: str, hukou: str = "620102") -> Json:
    """Somebody who wants to marry; the role is given by `couple`."""
    return {"name": name, "id_type": "citizen", "id_number": id_number, "phone": "13900000000", "hukou_division": hukou}


HE = person("温远山", numbered("990104", "19960412", 1))  # 兰州 guards his claims
SHE = person("宋晚晴", numbered("990105", "19980923", 2), "371002")  # 威海 guards hers
OTHER_HE = person("罗听泉", numbered("990105", "19950107", 3), "371002")
OTHER_SHE = person("沈疏桐", numbered("990104", "19991130", 4))
ANCIENT = person("方既明", numbered("990104", "19720413", 15))  # in the seed: married in 1999


def couple(he: Json = HE, she: Json = SHE) -> tuple[Json, Json]:
    """Both as an application names them."""
    return he | {"role": "applicant"}, she | {"role": "spouse"}


def apply(country: Country, city: str = SANYA, he: Json = HE, she: Json = SHE, **changes: Any) -> str:
    """A couple at the counter of a city's registration office; its case id. Nothing moves yet."""
    facts = {"matter": "marriage-registration", "office": OFFICES[city], "answers": {}, "materials": PAPERS}
    return country.take_in(city, *couple(he, she), **facts | changes)


def kept(country: Country, city: str, case_id: str) -> Kept:
    """The application as marriage keeps it."""
    with country[city].works["marriage"].begin() as work:
        found = store.find_application(work, case_id)
    assert found
    return found


def act(country: Country, city: str, contract: type[Contract], case_id: str, **changes: Any) -> str:
    """A registrar acts on the newest version of a case; the id of the command. Nothing moves yet.

    `changes`: actor, office, expected_version, approve, and what the sealed part says.
    """
    who = clerk(changes.pop("actor", "registrar"), changes.pop("office", OFFICES[city]))
    version = changes.pop("expected_version", None) or kept(country, city, case_id).version
    data: Json = {"expected_version": version, "actor": who}
    if contract is marriage.ReserveAgainV1:
        return country.say(city, contract, case_id, data)
    data["approve"] = changes.pop("approve", True)
    personal: Json = {"reasons": []}
    if contract is marriage.ExamineApplicationV1:
        personal |= {"heard": HEARD, "kinship": "none"}
    return country.say(city, contract, case_id, data, personal | changes)


def examine(country: Country, city: str, case_id: str, **changes: Any) -> None:
    """审查; all settled."""
    act(country, city, marriage.ExamineApplicationV1, case_id, **changes)
    country.settle()


def register(country: Country, city: str, case_id: str, **changes: Any) -> None:
    """登记; all settled."""
    act(country, city, marriage.RegisterMarriageV1, case_id, **changes)
    country.settle()


def wed(country: Country, city: str = SANYA, he: Json = HE, she: Json = SHE) -> str:
    """A couple that marries in a city, if nothing is in the way; all settled."""
    case_id = apply(country, city, he, she)
    country.settle()
    examine(country, city, case_id)
    register(country, city, case_id)
    return case_id


def settle_anyhow(country: Country, chance: random.Random) -> None:
    """Let everything happen; letters between cities arrive in any order, some of them twice."""

    def choose(waiting: Sequence[str]) -> int:
        place = chance.randrange(len(waiting))
        if chance.random() < TWICE:
            country.deliver(waiting[place])
        return place

    country.settle(choose)


def withdraw(country: Country, city: str, case_id: str) -> None:
    """The couple changes its mind. Nothing moves yet."""
    country.act(city, intake.WithdrawApplicationV1, case_id, OFFICES[city])


def married(country: Country, *cities: str) -> list[Any]:
    """Every marriage on record in these cities, in all without any."""
    return [row for code in cities or country.cities for row in country[code].rows("marriage", tables.marriages)]


def last_task(city: City, case_id: str) -> Json:
    """The task as the desk saw it last."""
    return city.told(marriage.TaskOpenedV1, case_id)[-1].data


def findings(city: City, case_id: str) -> dict[str, bool | None]:
    """What the newest task says the rules find."""
    said = city.told(marriage.TaskOpenedV1, case_id)[-1].personal["findings"]
    return {finding["ground"]: finding["eligible"] for finding in said}


def refusals(city: City, case_id: str) -> list[str]:
    """The codes with which marriage refused acts on a case."""
    return [it.data["code"] for it in city.told(marriage.ActRefusedV1, case_id)]


def run_timer(country: Country, city: str, name: str) -> None:
    """One round of a timer of marriage, and all that follows."""
    run_only(country, city, name)
    country.settle()


def report_again(country: Country, city: str = SANYA) -> None:
    """The timer of reports, when nothing of it can be in flight any more, and all that follows."""
    with country[city].works["marriage"].begin() as work:
        work.write(update(tables.reports).values(asked_at=""))
    run_timer(country, city, "report_again")


def run_only(country: Country, city: str, name: str, service: str = "marriage") -> None:
    """One round of a timer, while no message is heard."""
    station = country[city].bus.stations[service]
    assert station.doors
    timers: dict[str, Timer] = {timer.name: timer for timer in station.doors.timers}
    timers[f"{service}.{name}"].act(station.works)


def later(hand: HandClock, seconds: float) -> None:
    """Time goes by."""
    hand.at += datetime.timedelta(seconds=seconds)


def switch(city: City, mode: str, seconds: float = 0, name: str = "national-marriage") -> None:
    """Do as an operator does: change the registry's file while the simulator runs."""
    path: Path = city.node.home / "registries.yaml"
    data = yaml.safe_load(path.read_text("utf-8"))
    data["registries"][name] = {"mode": mode, "seconds": seconds}
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    after = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(after, after))


def locked(country: Country) -> list[tuple[str, bool, str]]:
    """Every live claim of the country: state, issued, by whom."""
    rows = [claim for city in country.cities.values() for claim in city.rows("claims", claims_tables.claims)]
    return sorted((row.state, row.issued, row.holder) for row in rows if row.state != "ended")


def calm(country: Country) -> bool:
    """Nothing is dead, parked or unwanted anywhere."""
    lost = [row for city in country.cities.values() for name in city.works for row in city.rows(name, unroutable)]
    return not lost and not any(city.dead() or city.parked() for city in country.cities.values())


def add_spouse(country: Country, id_number: str, *, gone: bool = False, **more: Any) -> None:
    """The registry of 三亚 says that somebody is married, or says so no more; `more`: since, number, until (it has ended)."""
    path: Path = country[SANYA].node.home / "registries.yaml"
    data = yaml.safe_load(path.read_text("utf-8"))
    data["persons"] = [row for row in data["persons"] if row["number"] != id_number]
    if not gone:
        marriage_row = {"since": datetime.date(2003, 5, 20), "office": "某县婚姻登记处", "number": "某结字第1号"} | more
        data["persons"].append({"number": id_number, "name": "某人", "marriage": marriage_row})
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    switch(country[SANYA], "up")


def enter_deaths(city: City, *lines: Json) -> None:
    """The register of deaths of a city grows by these lines, as services.marriage.ports reads them."""
    path: Path = city.node.home / "registries.yaml"
    data = yaml.safe_load(path.read_text("utf-8"))
    data["deaths"] = [*data["deaths"], *lines]
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    switch(city, "up", name="deaths")


def run_claims_timer(country: Country, city: str, name: str) -> None:
    """One round of a timer of claims, and all that follows."""
    run_only(country, city, name, "claims")
    country.settle()
