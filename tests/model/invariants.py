"""What must be true in every state, and what must always be able to become true."""

from collections.abc import Iterator
from typing import Any

from tests.model.world import Setting

TWO_MARRIAGES = "somebody has two valid marriages"
REGISTERED_TWICE = "one application was registered twice"
TWO_CLAIMS = "somebody has two live claims at authorities in force"
NOT_LOCKED = "a valid marriage is not locked at the authority in force"
BLOCKED = "somebody is blocked for ever"

Views = tuple[Any, ...]  # projections of all cities, or of all authorities


def broken_in(setting: Setting, cities: Views, books: Views) -> Iterator[str]:
    """The promises that a state breaks."""
    married = [spouse for city in cities for _, records, _ in city for record in records for spouse in record]
    claims = [claim for in_force, lives in books if in_force for claim in lives]
    locked = {(person, token) for person, token, is_locked in claims if is_locked}
    if len(married) > len({person for person, _ in married}):
        yield TWO_MARRIAGES
    if any(issued > 1 for city in cities for _, _, issued in city):
        yield REGISTERED_TWICE
    if len(claims) > len({person for person, _, _ in claims}):
        yield TWO_CLAIMS
    guarded = _guarded(setting, books)
    if any(person in guarded and (person, token) not in locked for person, token in married):
        yield NOT_LOCKED


def is_settled(setting: Setting, cities: Views, books: Views) -> bool:
    """Every application is at its end, every prefix guarded, and everybody without a valid marriage free."""
    if not all(done for city in cities for done, _, _ in city):
        return False
    if _guarded(setting, books) != {person for _, persons in setting.guards for person in persons}:
        return False
    married = {person for city in cities for _, records, _ in city for record in records for person, _ in record}
    return all(person in married for in_force, lives in books if in_force for person, _, _ in lives)


def _guarded(setting: Setting, books: Views) -> set[str]:
    """The persons for whom an authority is in force."""
    persons = [persons for _, persons in setting.guards]
    persons += [persons[0]] if setting.successor else []
    return {person for (in_force, _), keys in zip(books, persons, strict=True) if in_force for person in keys}
