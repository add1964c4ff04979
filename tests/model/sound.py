"""What the machinery promises to the rules; each is one line, and each has a variant in which it is broken."""

from typing import Any


def token(attempt: str, person: str) -> str:
    """A claim's token belongs to one attempt and one person for ever."""
    return f"{attempt}/{person}"


def seen(inbox: frozenset[Any], message: Any) -> bool:
    """The inbox knows what has been handled."""
    return message in inbox


def commits(effect: Any, whole: Any) -> tuple[Any, ...]:
    """What may be left in the database after a handler: all of its work. (`effect`: the certificate alone.)"""
    del effect
    return (whole,)
