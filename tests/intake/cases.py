"""What tests of intake do again and again to a case, and ask of it."""

from typing import Any

from contracts import intake, subsidy
from contracts.envelope import Json
from services.intake.store import tables
from tests.builders import HE_SHOUTIAN, LANZHOU, Country

CHILD = HE_SHOUTIAN | {"name": "欧阳北辰", "id_number": "990101201406050182", "hukou_division": "460203"}
ORPHAN = [
    CHILD | {"role": "beneficiary", "phone": ""},
    HE_SHOUTIAN | {"role": "applicant"},
    HE_SHOUTIAN | {"role": "guardian", "basis": "户口簿"},
]
MISSING: Json = {"missing": [{"code": "low-income", "text": "请补充低收入认定材料", "basis": "国发〔2015〕52号 二"}]}
SECRETS = ("何守田", "990102197503120178", "13900000000")


def material(code: str, source: str = "applicant", **more: Any) -> Json:
    """A material; an applicant's is an original that the window has seen, unless `more` says otherwise."""
    seen = {"seen": "original", "seen_by": "window"} if source == "applicant" and "file_id" not in more else {}
    return {"code": code, "source": source, "provided_at": "2025-09-24T01:02:03.000000Z"} | seen | more


def orphan(country: Country, city: str = LANZHOU, **changes: Any) -> str:
    changes = {"matter": "orphan-recognition", "consents": ["notice_shown", "guardian"]} | changes
    return country.take_in(city, *ORPHAN, **changes)


def ask_supplement(country: Country, case_id: str, **changes: Any) -> None:
    country.act(LANZHOU, subsidy.RequestSupplementV1, case_id, "620102001", personal=MISSING, **changes)
    country.settle()


def supplement(country: Country, city: str, case_id: str, *materials: Json, **changes: Any) -> None:
    country.act(city, intake.SupplementApplicationV1, case_id, "460204001", materials=list(materials), **changes)
    country.settle()


def refusal(country: Country, city: str, case_id: str = "") -> Json:
    (heard,) = country[city].told(intake.ActRefusedV1, case_id)
    return heard.data


def calm(country: Country) -> bool:
    return all(not city.parked() and not city.dead() for city in country.cities.values())


def states(country: Country, city: str, case_id: str) -> list[tuple[int, str]]:
    return [(leg["leg_no"], leg["state"]) for leg in country[city].story(case_id)["legs"]]


def verbs(country: Country, city: str, case_id: str) -> list[str]:
    return [step["verb"] for step in country[city].story(case_id)["steps"]]


def newest_shown(country: Country, city: str, case_id: str) -> tuple[int, str]:
    """Version and state of the window's leg as the desk has last heard of it."""
    told = [heard.data["leg"] for heard in country[city].heard if heard.case_id == case_id and "leg" in heard.data]
    return max((leg["version"], leg["state"]) for leg in told if leg["role"] == "accepting")


def withdraw(country: Country, city: str, case_id: str, **changes: Any) -> None:
    """The applicant withdraws at the office that took the case in. Nothing moves yet."""
    (facts,) = [row.facts for row in country[city].rows("intake", tables.cases) if row.case_id == case_id]
    country.act(city, intake.WithdrawApplicationV1, case_id, facts["accepting_office"]["code"], **changes)


def somebody(name: str, number: str, hukou: str) -> Json:
    return HE_SHOUTIAN | {"name": name, "id_number": number, "hukou_division": hukou}


UNREGISTERED = somebody("邓观澜", "990102196908010597", "620102")  # the population registry does not know him
MOVED = somebody("马程远", "990104197911080518", "620102")  # and of him it knows that he lives in 460204 now
