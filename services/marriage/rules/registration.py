"""结婚登记: where an application stands, and how it moves with the claims on both persons.

accepted ─ 审查 ─► examined ─ 登记 ─► registering ─► registered. Beside it runs the hold on both persons:
none ─► asked ─► held ─► confirming ─► locked. A certificate exists only when both are at their end, in one commit.
"""

import dataclasses
import enum
from dataclasses import dataclass

from shared.errors import OutOfStep


class State(enum.StrEnum):
    """Where an application stands."""

    ACCEPTED = "accepted"
    EXAMINED = "examined"
    REGISTERING = "registering"  # the registrar has signed; the national registry and the locks are awaited
    REGISTERED = "registered"
    REFUSED = "refused"
    DROPPED = "dropped"


class Hold(enum.StrEnum):
    """Where the claims on both persons stand, as far as this application has heard."""

    NONE = "none"
    ASKED = "asked"
    HELD = "held"
    CONFIRMING = "confirming"
    LOCKED = "locked"


OPEN = frozenset({State.ACCEPTED, State.EXAMINED, State.REGISTERING})


class Wish(enum.StrEnum):
    """What must be told to claims by the move."""

    RESERVE = "reserve"
    CONFIRM = "confirm"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Registration:
    """An application for a marriage registration, as far as its moves depend on it."""

    state: State
    hold: Hold
    attempt: str  # the newest attempt to hold both persons; never used again once it is over
    cleared: bool = False  # the national registry has said "none" of both since the registrar signed


@dataclass(frozen=True, slots=True)
class Move:
    """The application afterwards, and the wish to claims that goes with it in the same commit."""

    after: Registration
    wish: Wish | None = None


def begin(attempt: str) -> Move:
    """受理: both persons are identified, so both are reserved."""
    return Move(Registration(State.ACCEPTED, Hold.ASKED, attempt), Wish.RESERVE)


def reserve_again(now: Registration, attempt: str) -> Move:
    """再次预留, under a new attempt, for which the registry is asked anew. OutOfStep while one lives, or when all is over."""
    if now.state not in OPEN or attempt == now.attempt:
        raise _stale()
    if now.hold is not Hold.NONE:
        raise OutOfStep("hold_lives", "双方已预留或正在预留,不用再次预留,请刷新后查看")
    return Move(dataclasses.replace(now, hold=Hold.ASKED, attempt=attempt, cleared=False), Wish.RESERVE)


def note_held(now: Registration, attempt: str) -> Move:
    """已预留. OutOfStep for an attempt that is not ours any more."""
    _expect(now, attempt, Hold.ASKED, Hold.HELD)
    return _confirmed_if_ready(dataclasses.replace(now, hold=Hold.HELD))


def note_lost(now: Registration, attempt: str) -> Move:
    """未能预留, or lost before it was locked: the attempt is over. What the registry said of it counts no more."""
    _expect(now, attempt, Hold.ASKED, Hold.HELD, Hold.CONFIRMING)
    return Move(dataclasses.replace(now, hold=Hold.NONE, cleared=False))


def examine(now: Registration) -> Move:
    """审查: both are free to marry and will it."""
    if now.state is not State.ACCEPTED:
        raise _stale()
    return Move(dataclasses.replace(now, state=State.EXAMINED))


def register(now: Registration) -> Move:
    """登记: the registrar has signed; what is missing now are the national registry's word and the locks."""
    if now.state is State.REGISTERING:
        raise OutOfStep("signed_already", "登记员已签字,系统正在完成登记,请刷新后查看")
    if now.state is not State.EXAMINED:
        raise _stale()
    return Move(dataclasses.replace(now, state=State.REGISTERING))


def clear(now: Registration, attempt: str) -> Move:
    """全国婚姻登记库无记录: the only answer with which it goes on. OutOfStep unless it was asked for this attempt."""
    if now.state is not State.REGISTERING or now.attempt != attempt:
        raise _stale()
    return _confirmed_if_ready(dataclasses.replace(now, cleared=True))


def note_spouse(now: Registration) -> Move:
    """已有配偶: the signature is void, so that the registrar can refuse, or sign anew once the record is put right.

    OutOfStep when the locks are asked for already: then the registry had said "none".
    """
    if now.state not in OPEN or now.hold is Hold.CONFIRMING:
        raise _stale()
    state = State.EXAMINED if now.state is State.REGISTERING else now.state
    return Move(dataclasses.replace(now, state=state, cleared=False))


def note_locked(now: Registration, attempt: str) -> Move:
    """已锁定: registered, in this very commit. OutOfStep when the attempt was given up meanwhile."""
    _expect(now, attempt, Hold.CONFIRMING)
    if now.state is not State.REGISTERING:
        raise _stale()
    return Move(dataclasses.replace(now, state=State.REGISTERED, hold=Hold.LOCKED))


def end(now: Registration, state: State) -> Move:
    """不予登记 or 终止: the persons are free again. OutOfStep once registered, or over."""
    if now.state not in OPEN:
        raise OutOfStep("application_ended", "此办件已办结或终止,不能再办")
    wish = None if now.hold is Hold.NONE else Wish.RELEASE
    return Move(dataclasses.replace(now, state=state, hold=Hold.NONE), wish)


def _confirmed_if_ready(now: Registration) -> Move:
    if now.state is State.REGISTERING and now.cleared and now.hold is Hold.HELD:
        return Move(dataclasses.replace(now, hold=Hold.CONFIRMING), Wish.CONFIRM)
    return Move(now)


def _expect(now: Registration, attempt: str, *holds: Hold) -> None:
    if now.state not in OPEN or now.attempt != attempt or now.hold not in holds:
        raise _stale()


def _stale() -> OutOfStep:
    return OutOfStep("stale", "过时的消息")
