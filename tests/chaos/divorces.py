"""A court divorces a couple: one clerk records the judgment, another one compares it, in any city."""

from contracts import marriage
from shared import clock
from tests.chaos.couples import REGISTRIES, Couple, Spouse
from tests.chaos.endings import Way
from tests.chaos.stage import CODES, Stage
from tests.chaos.wedlock import Record


def ask(stage: Stage, record: Record, couple: Couple, request: str) -> None:
    """Both words, in whatever order they come: what came too early is said again."""
    node = CODES[int(request[-2:], 16) % len(CODES)]
    office = REGISTRIES[node][0]
    clerks = [{"id": f"robot-{name}", "kind": "clerk", "office": office} for name in ("records", "compares")]
    judgment = {"kind": "民事判决书", "issuer": "某人民法院", "number": f"({request[:8]})民初1号", "on": today()}
    wish = {"certificate_no": record.number, "persons": [spouse(couple.he), spouse(couple.she)], "on": today()}
    with stage.country.works(node, "web").begin() as work:
        told = wish | {"document": judgment, "ground": "divorce_by_court"}
        work.tell(marriage.RecordEndingV1, request, {"actor": clerks[0]}, told)
        work.tell(marriage.ConfirmEndingV1, request, {"actor": clerks[1], "approve": True})


def today() -> str:
    """The legal day."""
    return clock.today().isoformat()


def spouse(person: Spouse) -> dict[str, str]:
    """As messages about endings name one."""
    return {"name": person.name, "id_type": "citizen", "id_number": person.number}


BY_COURT = Way("a court's divorce", ask, ("he", "she"))
