"""`tongban` with one safeguard taken out: a run with any of these must fail, or the run proves nothing."""

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from types import SimpleNamespace
from typing import Any

from tests.chaos import misrule

LEFT_OPEN = "not ended"
SIGNS: Mapping[str, Mapping[str, str]] = {  # scenario -> what its judge says of a run without this safeguard
    "cases": {
        "inbox": "are not in the inbox",
        "early-ack": LEFT_OPEN,
        "no-confirms": LEFT_OPEN,
        "no-unique": "twins",
    },
    "weddings": {
        "inbox": "are not in the inbox",
        "early-ack": LEFT_OPEN,
        "no-confirms": LEFT_OPEN,
        "no-unique": "two live claims on one key",
        "issue-on-lease": "two marriages of one person",
        "unbound-release": "unguarded",
    },
}
DROPPED: Mapping[str, Mapping[str, str]] = {  # what is done to the databases, by scenario
    "no-unique": {
        "cases": "DROP INDEX intake.legs_one_open_case",
        "weddings": "DROP INDEX claims.claims_one_live",
    },
}


def unproven(scenario: str, sabotage: str, faults: Sequence[str], *, time_up: bool, fallen: int = 0) -> str | None:
    """Why the faults of a run without this safeguard do not show that it was missed; None when they do.

    What had not ended proves nothing if the time was up before all was at rest: a slow machine leaves that, too. Nor
    does anything where processes have `fallen` by themselves: who is dead keeps no other safeguard either.
    """
    sign = SIGNS[scenario][sabotage]
    if fallen:
        return f"{fallen} times a process ended by itself: this sabotage does more than it says"
    if not any(sign in fault for fault in faults):
        return f"not one fault of the kind “{sign}”"
    return "the time was up while things still came to their end" if time_up and sign == LEFT_OPEN else None


def sign_first(scenario: str, sabotage: str, faults: Sequence[str]) -> list[str]:
    """The faults by which this sabotage is known before those that follow from it."""
    return sorted(faults, key=lambda fault: SIGNS[scenario][sabotage] not in fault)


def without_inbox() -> None:
    """Every delivery takes effect, also the second of the same message."""
    from contextlib import contextmanager

    from shared.outbox import Works

    @contextmanager
    def once(works: Works, message: Any) -> Any:
        with works.begin(message) as work:
            yield work

    Works.once = once  # type: ignore[method-assign,assignment]


def with_early_ack() -> None:
    """A delivery is acknowledged before it is handled; whatever becomes of it, nothing else is answered."""
    from shared.runner import Mailbox

    take, mute = Mailbox.take, SimpleNamespace(basic_ack=_unheard, basic_reject=_unheard)

    def careless(mailbox: Mailbox, delivery: Any) -> None:
        mailbox._answer(delivery.channel.basic_ack, delivery)
        answered = copy(delivery)
        answered.channel = mute
        take(mailbox, answered)

    Mailbox.take = careless  # type: ignore[method-assign]


def _unheard(*_args: Any, **_named: Any) -> None:
    """An answer that nobody gets."""


def without_confirms() -> None:
    """The relay forgets a message as soon as it is given to the socket, and hears no answer."""
    from shared.relay import Row, Wire

    honest = Wire.send

    def send(wire: Wire, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        waited, wire.wait = wire.wait, lambda *_args: None  # type: ignore[method-assign,assignment]
        try:
            honest(wire, rows)
        finally:
            wire.wait = waited  # type: ignore[method-assign]
        wire.unconfirmed = {}
        return [(row, "") for row in rows]

    Wire.send = send  # type: ignore[method-assign]
    Wire._answer = _unheard  # type: ignore[method-assign,assignment]


BREAK: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "inbox": (without_inbox, ("serve",)),
    "early-ack": (with_early_ack, ("serve",)),
    "no-confirms": (without_confirms, ("relay",)),
    "no-unique": (misrule.without_lock, ("serve", "claims")),
    "issue-on-lease": (misrule.issue_on_lease, ("serve",)),
    "unbound-release": (misrule.unbound_release, ("serve", "claims")),
}


def main() -> None:
    """`python -m tests.chaos.sabotage KIND WORDS...`: as `tongban WORDS...`, KIND missing."""
    from services.main.cli import cli
    from shared.settings import before_imports

    kind, *words = sys.argv[1:]
    broken, where = BREAK.get(kind, (None, ()))
    if broken and words[:1] == [where[0]] and (words[1:] == ["all"] or words[1 : len(where)] == list(where[1:])):
        if words[0] == "serve":
            before_imports()
        broken()
    cli(words)


if __name__ == "__main__":
    main()
