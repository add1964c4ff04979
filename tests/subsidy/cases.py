"""What tests of subsidy do again and again to a case, and ask of it."""

import datetime
from typing import Any

from sqlalchemy import update

from contracts import subsidy
from contracts.envelope import Contract, Json
from services.subsidy import service, store
from services.subsidy.ports import SimulatedRegistries
from tests.builders import ANSWERS, HE_SHOUTIAN, LANZHOU, Country

CHECK, REVIEW, DECIDE = subsidy.CheckApplicationV1, subsidy.ReviewApplicationV1, subsidy.DecideApplicationV1
TOWNSHIP, DPF, COUNTY = "620102001", "620102-dpf", "620102"
REASON = {"code": "other", "text": "经调查不符合", "basis": "国发〔2015〕52号 二"}
MISSING: Json = {"missing": [{"code": "low-income", "text": "请补充", "basis": "国发〔2015〕52号 二"}]}
NO_CARD = HE_SHOUTIAN | {"name": "赵无咎", "id_number": "990104196305200132"}
UNREGISTERED = HE_SHOUTIAN | {"name": "邓观澜", "id_number": "990102196908010597"}
MOVED = HE_SHOUTIAN | {"name": "马程远", "id_number": "990104197911080518"}
PROMISES = [{"code": code, "source": "promise", "provided_at": ""} for code in ("disability-card", "low-income")]
PROMISED = ANSWERS | {"card_category": "4", "card_grade": "1", "low_income": "dibao", "area": "urban"}


def begun(country: Country, *parties: Json, city: str = LANZHOU, **changes: Any) -> str:
    case_id = country.take_in(city, *parties, **changes)
    country.settle()
    return case_id


def done(country: Country, case_id: str, *acts: tuple[type[Contract], str]) -> None:
    for contract, office in acts:
        country.act(LANZHOU, contract, case_id, office)
        country.settle()


def answer(country: Country, contract: type[Contract], case_id: str, office: str, **changes: Any) -> tuple[str, str]:
    """Which of the four errors, and its code; empty when the act was done."""
    before = len(country[LANZHOU].told(subsidy.ActRefusedV1))
    country.act(LANZHOU, contract, case_id, office, **changes)
    country.settle()
    told = country[LANZHOU].told(subsidy.ActRefusedV1)[before:]
    return (told[0].data["kind"], told[0].data["code"]) if told else ("", "")


def switch(country: Country, registry: str, mode: str) -> None:
    """Registries are up, down, slow or wrong."""
    path = country[LANZHOU].node.home / "registries.yaml"
    lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "\n".join(f"  {registry}: {{mode: {mode}}}" if f"  {registry}: {{" in one else one for one in lines)
    )


def ask_again(country: Country) -> None:
    """What the timer does every minute."""
    _ring(country, "ask_registries_again")


def wait_a_day(country: Country) -> None:
    """What was asked today was asked yesterday."""
    with country[LANZHOU].works["subsidy"].begin() as work:
        work.execute(update(store.applications).values(asked_on=work.today - datetime.timedelta(days=1)))


def end_supplements(country: Country) -> None:
    """What the timer does every five minutes."""
    _ring(country, "end_supplements")


def _ring(country: Country, name: str) -> None:
    (timer,) = [it for it in service.doors(registries(country)).timers if it.name == f"subsidy.{name}"]
    timer.act(country[LANZHOU].works["subsidy"])
    country.settle()


def registries(country: Country) -> SimulatedRegistries:
    return SimulatedRegistries(country[LANZHOU].node.home / "registries.yaml", timeout_seconds=0.1)


def kept(country: Country, case_id: str) -> store.Kept:
    with country[LANZHOU].works["subsidy"].begin() as work:
        found = store.find_application(work, case_id)
    assert found
    return found


def last_task(country: Country) -> Any:
    return country[LANZHOU].told(subsidy.TaskOpenedV1)[-1]
