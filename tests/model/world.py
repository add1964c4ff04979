"""What the model adds to the real rules: databases, messages, and what may happen around them.

A **place** is one database: a city's (its marriage and its claims service) or an authority's ledger of one prefix.
Every step is one commit at one place: its new contents, and the messages that leave with it. Nothing else is shared,
so a place's steps depend on its own contents and one message alone.
"""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.claims.rules import guard, ledger, recovery
from services.marriage.rules import registration
from tests.model import sound

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(days=1)  # a lease that runs …
PASSED = NOW - datetime.timedelta(days=1)  # … and one the authority's clock has passed: there is no other time here


ALWAYS, PUT_OFF, NEVER = "always", "put off", "never"  # put off: what was put off stays on its way, and no more


class EarlyError(Exception):
    """The message overtook its predecessor: it is parked, and comes again."""


class Message(NamedTuple):
    """One message between two places; `about`: a claim (token), an attempt or an application."""

    word: str  # the type's name in contracts/
    source: str
    to: str
    about: str
    key: str = ""  # the person a claim is on
    epoch: int = 0
    rest: tuple[Any, ...] = ()

    def __str__(self) -> str:
        epoch = f" epoch {self.epoch}" if self.epoch > 1 else ""
        return f"{self.word} {self.about}{epoch}, {self.source} to {self.to}"


class Commit(NamedTuple):
    """What one transaction leaves behind; `crash`: it was the first of two, the second never came."""

    after: Any
    says: tuple[Message, ...] = ()
    crash: bool = False


@dataclass(frozen=True)
class Application:
    """A couple that goes to an office (one person alone stands for any thing there may be one of)."""

    name: str
    office: str
    persons: str  # a letter each
    attempts: int = 1
    after: str = ""  # this office takes it in only when that one is no longer open


@dataclass(frozen=True)
class Setting:
    """One closed world: who may do what how often. All else happens at any moment, or never."""

    name: str
    applications: tuple[Application, ...]
    guards: tuple[tuple[str, str], ...] = (("X", "ABC"),)  # authority, the persons of its prefix
    once: bool = False  # every message is handled once, as the real inbox has it; else again and again
    timer: str = ALWAYS  # when unanswered words are said again
    prompt: bool = False  # inside a city messages come at once
    brisk: bool = False  # the registrar's acts and the national registry's "none" come at once, at the intake
    endings: tuple[tuple[str, str], ...] = ()  # application, and what may end its marriage: divorce, or a death
    notes: bool = False  # what is registered is noted at its authorities
    drops: bool = False  # persons drop their reservations at any counter
    renews: int = 0
    successor: str = ""  # the authority to whom the first one hands over
    restores: bool = False  # the first authority's disk is lost once, and restored from a copy of any moment before

    def cities(self) -> tuple[str, ...]:
        """Every office's node."""
        return tuple(sorted({each.office for each in self.applications}))

    def registries(self) -> tuple[str, ...]:
        """Every node that guards a prefix, or may one day."""
        return (*(node for node, _ in self.guards), *((self.successor,) if self.successor else ()))

    def application(self, name: str) -> Application:
        """By its name."""
        return next(each for each in self.applications if each.name == name)

    def first_authority(self, person: str) -> guard.Authority:
        """The directory's row of a person's prefix before any hand-over."""
        return next(guard.Authority(node, node, guard.FIRST_EPOCH) for node, keys in self.guards if person in keys)

    def listings(self, first: guard.Authority) -> tuple[guard.Authority, ...]:
        """What a directory may say of a prefix at any moment, old or new: nobody hears of it in time."""
        if self.successor and first.node == self.guards[0][0]:
            return (first, guard.Authority(first.prefix, self.successor, first.epoch + 1, before=first.node))
        return (first,)


@dataclass(frozen=True)
class Rules:
    """The functions under test, and the three promises of the machinery. A known-bad variant swaps one of them."""

    reserve: Callable[..., ledger.Ruling] = ledger.reserve
    confirm: Callable[..., ledger.Ruling] = ledger.confirm
    release: Callable[..., ledger.Ruling] = ledger.release
    meet: Callable[..., guard.Meeting] = guard.meet
    may_end_unasked: Callable[..., bool] = guard.may_end_unasked
    recover: Callable[..., guard.Guard] = guard.begin_recovery
    restate: Callable[..., recovery.Restatement] = recovery.restate
    note_held: Callable[..., registration.Move] = registration.note_held
    token: Callable[[str, str], str] = sound.token
    seen: Callable[[frozenset[Message], Message], bool] = sound.seen
    commits: Callable[[Any, Any], tuple[Any, ...]] = sound.commits


@dataclass(frozen=True)
class World:
    """A setting under some rules."""

    setting: Setting
    rules: Rules = field(default_factory=Rules)


Happening = tuple[str, Commit]  # what a person, a clock or a timer does, and what it leaves behind
Happenings = Iterator[Happening]
