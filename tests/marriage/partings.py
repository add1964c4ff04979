"""Couples that part: divorces at the counters, endings that clerks record, and what became of them."""

from typing import Any

from contracts import marriage
from contracts.envelope import Contract, Json
from deploy.homes import make_homes
from services.certificate import store as certificates
from services.marriage.store import divorces as store
from services.marriage.store import tables
from services.marriage.store.divorces import Kept
from shared import clock
from tests.builders import LANZHOU, SANYA, City, Country, HandClock, clerk
from tests.marriage.weddings import HE, OFFICES, SHE, couple, married, run_timer

PAPERS = [
    {"code": code, "source": "applicant", "provided_at": "2025-10-09T00:50:00.000000Z"}
    | {"file_id": "", "sha256": "", "size": 0, "media_type": "", "seen": "original", "seen_by": "window"}
    for code in ("application", "agreement", "certificate", "photo")
]
AGREED = {"signed": True, "children": True, "property": True, "debts": True}
BOTH = [{"number": place, "present": True, "willing": True, "capable": True} for place in (0, 1)]
SHOWN: Json = {"heard": BOTH, "agreement": AGREED, "certificate": "shown", "registered_in_mainland": True}
PAPER = {"kind": "居民死亡医学证明(推断)书", "issuer": "某医院", "number": "某字第1号", "on": "2025-10-10"}
JUDGMENT = {"kind": "民事判决书", "issuer": "某人民法院", "number": "(2025)某民初1号", "on": "2025-10-10"}
ERROR = {"kind": "撤销死亡登记证明", "issuer": "某派出所", "number": "某证第2号", "on": "2025-10-12"}
FIRST = "J460204-2025-000001"
FIRST_DAY, LAST_DAY, OPENS, CLOSES, TOO_LATE, DAY_AFTER = (
    "2025-10-10",
    "2025-11-10",
    "2025-11-11",
    "2025-12-10",
    "2025-12-11",
    "2025-12-12",
)  # of a divorce


def day(country: Country, hand: HandClock, at: str) -> None:
    """It is another day, at nine in the morning, and the hub has given out a new directory."""
    hand.set(f"{at}T01:00:00Z")
    homes = [city.node.home for city in country.cities.values()]
    make_homes(homes[0].parent, country.cities)


def named(person: Json) -> Json:
    """Somebody as the parts of messages about endings name them."""
    return {name: person[name] for name in ("name", "id_type", "id_number")}


def ending(ground: str = "death", he: Json = HE, she: Json = SHE, **changes: Any) -> Json:
    """What a clerk records of an ending; `changes`: certificate_no, on, document, declined, persons."""
    plain = {"certificate_no": FIRST, "persons": [named(he), named(she)], "on": "2025-10-10", "document": PAPER}
    return plain | {"ground": ground, "declined": False} | changes


def record(country: Country, city: str, wish: Json, actor: str = "first", **changes: Any) -> str:
    """A clerk records an ending; its id. All settled."""
    request = changes.pop("request", None) or clock.new_id()
    data = {"actor": clerk(actor, changes.pop("office", OFFICES[city])), "registering_division": ""}
    country.say(city, marriage.RecordEndingV1, request, data | changes, wish)
    country.settle()
    return request


def confirm(country: Country, city: str, request: str, actor: str = "second", *, approve: bool = True) -> None:
    """A clerk confirms it; all settled."""
    data = {"actor": clerk(actor, OFFICES[city]), "approve": approve}
    country.say(city, marriage.ConfirmEndingV1, request, data)
    country.settle()


def noted(city: City, request: str) -> list[str]:
    """How the desk saw a recorded ending go on."""
    return [it.data["state"] for it in city.told(marriage.EndingNotedV1, request)]


def why(city: City, request: str) -> list[str]:
    """The codes of the reasons for which it was refused."""
    told = city.told(marriage.EndingNotedV1, request)
    return [reason["code"] for it in told for reason in it.personal["reasons"]]


def states(country: Country, *cities: str) -> list[str]:
    """Where every marriage of these cities stands."""
    return [row.state for row in married(country, *cities)]


def living(city: City) -> int:
    """How many persons have a spouse by the records of a city."""
    return sum(row.live for row in city.rows("marriage", tables.spouses))


# --- divorces ------------------------------------------------------------------------------------------------------------


def ask(country: Country, city: str = LANZHOU, he: Json = HE, she: Json = SHE, **answers: str) -> str:
    """A couple applies for a divorce; its case id. All settled."""
    said = {"certificate_no": FIRST} | answers
    facts = {"matter": "divorce-registration", "office": OFFICES[city], "answers": said, "materials": PAPERS}
    case_id = country.take_in(city, *couple(he, she), **facts)
    country.settle()
    return case_id


def divorce(country: Country, city: str, case_id: str) -> Kept:
    """The divorce as marriage keeps it."""
    with country[city].works["marriage"].begin() as work:
        found = store.find_divorce(work, case_id)
    assert found
    return found


def act(country: Country, city: str, contract: type[Contract], case_id: str, **changes: Any) -> None:
    """A clerk acts on the newest version of a divorce; all settled.

    `changes`: actor, office, approve, number, and what the sealed part says.
    """
    tell(country, city, contract, case_id, **changes)
    country.settle()


def tell(country: Country, city: str, contract: type[Contract], case_id: str, **changes: Any) -> None:
    """As `act`, but nothing moves yet."""
    who = clerk(changes.pop("actor", "registrar"), changes.pop("office", OFFICES[city]))
    data: Json = {"expected_version": divorce(country, city, case_id).version, "actor": who}
    if contract is marriage.WithdrawDivorceV1:
        country.say(city, contract, case_id, data, {"number": changes.pop("number", 1)})
        return
    data["approve"] = changes.pop("approve", True)
    country.say(city, contract, case_id, data, {"reasons": []} | SHOWN | changes)


def accept(country: Country, city: str = LANZHOU, **changes: Any) -> str:
    """A couple applies for a divorce, and it is accepted; its case id."""
    case_id = ask(country, city, **changes)
    act(country, city, marriage.ExamineDivorceV1, case_id)
    return case_id


def sign(country: Country, city: str, case_id: str, **changes: Any) -> None:
    """Both have come again; all settled."""
    act(country, city, marriage.RegisterDivorceV1, case_id, **changes)


def withdraw(country: Country, city: str, case_id: str, number: int = 1) -> None:
    """One of the two withdraws at the accepting office; all settled."""
    act(country, city, marriage.WithdrawDivorceV1, case_id, number=number)


def reserve_again(country: Country, city: str, case_id: str) -> None:
    """A clerk tries once more, in the first version of a divorce; all settled."""
    data = {"expected_version": 1, "actor": {"id": "registrar", "kind": "clerk", "office": OFFICES[city]}}
    country.say(city, marriage.ReserveAgainV1, case_id, data)
    country.settle()


def at_the_window(country: Country, hand: HandClock) -> str:
    """A divorce in 兰州 on the first day on which both may come again."""
    case_id = accept(country)
    day(country, hand, OPENS)
    run_timer(country, LANZHOU, "turn_days")
    return case_id


def state(country: Country, case_id: str, city: str = LANZHOU) -> str:
    """Where a divorce stands."""
    return str(divorce(country, city, case_id).divorce.state)


def notes(city: City, case_id: str) -> list[str]:
    """What the timeline of a case says in words."""
    return [step["note"] for step in city.story(case_id)["steps"] if step["note"]]


def outcome(city: City, case_id: str) -> str:
    """How a case ended, as intake sees it; empty while it has not."""
    return str(city.story(case_id)["outcome"].get("result", ""))


def judged(ground: str = "divorce_by_court", **changes: Any) -> Json:
    """A judgment's ending, as a clerk records it."""
    return ending(ground, document=JUDGMENT, **changes)


def withdrawn(**changes: Any) -> Json:
    """That a death was none, as a clerk records it."""
    return ending("", on="2025-10-12", document=ERROR) | changes


def certificate_states(country: Country, city: str = SANYA) -> list[str]:
    """What became of a city's certificates."""
    return [row.status for row in country[city].rows("certificate", certificates.certificates)]


def history(country: Country) -> list[str]:
    """What has happened to the one record of 三亚."""
    (row,) = married(country, SANYA)
    return [entry["what"] for entry in row.archive["history"]]
