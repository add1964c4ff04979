"""A certificate that was given out anew here, of a record held elsewhere: who asks by its number is told where to ask."""

from contracts.envelope import Json
from services.marriage.rules.reissue import State
from services.marriage.store import reissues
from services.marriage.usecases import case
from services.marriage.usecases.beginning import with_number
from shared.outbox import Work


def find_pointer(work: Work, couple: Json) -> Json:
    """The holder and the first number, as contracts.marriage_parts.Pointer; empty unless these two got it here."""
    kept = reissues.find_reissued(work, couple["certificate_no"].strip())
    if kept is None or kept.state is not State.REISSUED or not kept.found or kept.holder == work.node.code:
        return {}
    if _indexes(work, couple["persons"]) != _indexes(work, case.persons_of(kept.personal)):
        return {}
    return {"holder": kept.holder, "certificate_no": kept.found["certificate_no"]}


def _indexes(work: Work, persons: list[Json]) -> set[str]:
    return {case.person_index(work, with_number(work, person)) for person in persons}
