"""抄告户籍地: a change of the marital status, told to the cities of the persons' hukou where a clause in force lets it."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from contracts import marriage as said
from contracts.envelope import Json
from services.marriage import standards
from services.marriage.rules.copies import clause_for
from services.marriage.usecases import desk
from shared.errors import Refused
from shared.outbox import Work

Person = Mapping[str, Any]


def copy_status(work: Work, what: str, change: str, persons: Iterable[Person], on: datetime.date) -> None:
    """Tell each other city of its own persons, once: nothing of the other spouse, and nothing at all without a clause.

    `persons`: contracts.case.Party; `change`: the case or request that made it, by which a repetition is known.
    """
    clause = clause_for(what, work.today, standards.load(standards.COPIES))
    if clause is None:
        return
    for node, theirs in _by_city(work, persons).items():
        sealed = {"what": what, "on": on.isoformat(), "persons": theirs}
        work.tell(said.StatusCopiedV1, change, {"change": change, "basis": clause.basis}, sealed, to=node)


def _by_city(work: Work, persons: Iterable[Person]) -> dict[str, list[Json]]:
    """The persons of every other joined city; ours has heard of it, and nobody answers for one that has not joined."""
    cities: dict[str, list[Json]] = {}
    for person in persons:
        if (node := _city_of(work, person.get("hukou_division") or "")) not in ("", work.node.code):
            cities.setdefault(node, []).append(desk.named(person))
    return cities


def _city_of(work: Work, division: str) -> str:
    try:
        return work.node.directory.node_of(division)
    except Refused:
        return ""
