"""What must be true in every state, and what must always be able to become true."""

from typing import Any

from tests.model.world import Setting

Views = tuple[Any, ...]  # projections of all cities, or of all authorities


def broken_in(setting: Setting, cities: Views, books: Views) -> str:
    """The first promise that a state breaks, in words; empty where it keeps them all."""
    married = [spouse for city in cities for _, records, _ in city for record in records for spouse in record]
    if len(married) > len({person for person, _ in married}):
        return "somebody has two valid marriages"
    if any(issued > 1 for city in cities for _, _, issued in city):
        return "one application was registered twice"
    claims = [claim for in_force, lives in books if in_force for claim in lives]
    if len(claims) > len({person for person, _, _ in claims}):
        return "somebody has two live claims at authorities in force"
    locked = {(person, token) for person, token, is_locked in claims if is_locked}
    guarded = _guarded(setting, books)
    if any(person in guarded and (person, token) not in locked for person, token in married):
        return "a valid marriage without its lock at the authority in force"
    return ""


def blocked_in(setting: Setting, cities: Views, books: Views) -> bool:
    """Whether an application is still open, nobody in force, or somebody without a valid marriage not free."""
    if not all(done for city in cities for done, _, _ in city):
        return True
    if _guarded(setting, books) != set("".join(persons for _, persons in setting.guards)):
        return True
    married = {person for city in cities for _, records, _ in city for record in records for person, _ in record}
    return any(person not in married for in_force, lives in books if in_force for person, _, _ in lives)


def _guarded(setting: Setting, books: Views) -> set[str]:
    """The persons for whom an authority is in force."""
    persons = [persons for _, persons in setting.guards]
    persons += [persons[0]] if setting.successor else []
    return {person for (in_force, _), keys in zip(books, persons, strict=True) if in_force for person in keys}
