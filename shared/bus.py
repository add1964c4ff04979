"""Doors: which message of a service leads to which use-case, and what becomes of each delivery."""

import enum
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from contracts.envelope import Contract, Message, Unreadable, decode
from shared import metrics
from shared.errors import OutOfStep, TongbanError
from shared.logs import about, where
from shared.outbox import AlreadyDone, Work, Works

log = structlog.get_logger()
Item = TypeVar("Item")

AT_ONCE = 10  # deliveries in hand, per service; its connection pool has a few more
RETRY_DELAYS = (1, 5, 30, 300)  # seconds before the 2nd, 3rd, ... attempt; then the dead-letter queue
PARKED_TOO_LONG = 3600  # seconds after which a parked message is a work item
INBOX_DAYS = 60  # longer than a message may lie in any queue before somebody lets it be tried again
DAY_SECONDS = 86400


class Outcome(enum.StrEnum):
    """What became of a delivery; each of them is acknowledged."""

    DONE = "done"
    DUPLICATE = "duplicate"
    STALE = "stale"
    REFUSED = "refused"


class Rejected(Exception):
    """No attempt will ever succeed: straight to the dead-letter queue. `code`: of a refusal, else empty."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


UseCase = Callable[[Work], None]
Ask = Callable[[Works, Message], Any]


@dataclass(frozen=True, slots=True)
class Door:
    """One way in: a message version, its use-case, and what must be asked of the outside world beforehand."""

    contract: type[Contract]
    act: UseCase
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """Work that is due again and again; only the holder of its lease does it."""

    name: str
    seconds: int
    act: Callable[[Works], None]


def prune_inbox(works: Works) -> None:
    """Forget what was handled so long ago that nobody can deliver it again."""
    works.prune(INBOX_DAYS)


@dataclass(slots=True)
class Doors:
    """All ways into one service: its queue's dispatch table and its timers."""

    service: str
    retry_delays: tuple[int, ...] = RETRY_DELAYS
    by_type: dict[str, Door] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list, init=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    at_once: int = AT_ONCE  # deliveries in hand; few where newcomers and onlookers wait, who must not hold up the rest

    def __post_init__(self) -> None:
        """Whoever has an inbox clears it."""
        self.every(DAY_SECONDS)(prune_inbox)

    def listen(self, contract: type[Contract], *, ask: Ask | None = None) -> Callable[[UseCase], UseCase]:
        """Lead `contract` to the decorated use-case.

        `ask(works, message)` runs before the transaction and may be slow or repeated: questions only, never effects
        that cannot bear a repetition. The use-case finds its answer in `work.answer`.
        """

        def entered(act: UseCase) -> UseCase:
            if contract.type in self.by_type:
                raise ValueError(f"{self.service} already listens to {contract.type}")
            self.by_type[contract.type] = Door(contract, act, ask)
            return act

        return entered

    def every(self, seconds: int) -> Callable[[Callable[[Works], None]], Callable[[Works], None]]:
        """Call the decorated `(works)` every `seconds`, in one replica at a time."""

        def entered(act: Callable[[Works], None]) -> Callable[[Works], None]:
            self.timers.append(Timer(f"{self.service}.{act.__name__}", seconds, act))
            return act

        return entered

    def handle(self, works: Works, body: bytes | str) -> Outcome:
        """Let one delivery take effect at most once.

        Raises Rejected for what no retry can mend; any other exception asks for a delayed retry.
        """
        try:
            message = decode(body)
        except Unreadable as error:
            raise Rejected(str(error)) from error
        with naming(message):
            outcome, code = self._pass(works, message)
            log.info("message_handled", service=self.service, outcome=outcome, **({"code": code} if code else {}))
        return outcome

    def _pass(self, works: Works, message: Message) -> tuple[Outcome, str]:
        door = self.by_type.get(message.type)
        if door is None:
            raise Rejected(f"{self.service} has no door for {message.type}")
        try:
            with metrics.handling(self.service, message.type):
                return _lead(works, door, message)
        except AlreadyDone:
            return Outcome.DUPLICATE, ""
        except Unreadable as error:
            raise Rejected(str(error)) from error

    def run_timer(self, works: Works, timer: Timer, holder: str) -> bool:
        """Do a timer's work if its lease is free; whether it was done. What it raises is logged, and raised."""
        with about(timer=timer.name):
            try:
                with works.begin() as work:
                    mine = work.lease(f"timer.{timer.name}", holder, timer.seconds)
                if mine:
                    timer.act(works)
            except Exception as error:
                log.error("timer_failed", error=type(error).__name__, where=where(error))
                raise
        return mine


def one_by_one(items: Iterable[Item], act: Callable[[Item], None], about_what: Callable[[Item], str] = str) -> None:
    """What a timer does with each of many, by itself: one that cannot go on keeps no other from it."""
    for item in items:
        with about(case=about_what(item)):
            try:
                act(item)
            except OutOfStep:  # it went on meanwhile
                continue
            except Exception as error:
                log.error("case_failed", error=type(error).__name__, where=where(error))


def naming(message: Message) -> AbstractContextManager[None]:
    """Log lines of the block name the message, its case and its trace."""
    return about(message.trace, case=message.subject, message=message.id, type=message.type)


@contextmanager
def named(body: bytes | str, message_id: str = "") -> Iterator[None]:
    """Log lines of the block name the message in `body`, its case and its trace; `message_id` where nobody can read it."""
    try:
        block = naming(decode(body))
    except Unreadable:
        block = structlog.contextvars.bound_contextvars(message=message_id)
    with block:
        yield


def _lead(works: Works, door: Door, message: Message) -> tuple[Outcome, str]:
    """What became of the message, and the code of its refusal."""
    try:
        return _enter(works, door, message), ""
    except OutOfStep as error:
        return _answer(works, door, message, error, Outcome.STALE)
    except TongbanError as error:
        if door.contract.answers is None:
            raise Rejected(f"{type(error).__name__} {error.code}", error.code) from error
        return _answer(works, door, message, error, Outcome.REFUSED)


def _enter(works: Works, door: Door, message: Message) -> Outcome:
    answer = door.ask(works, message) if door.ask else None
    with works.once(message) as work:
        work.answer = answer
        door.act(work)
    return Outcome.DONE


def _answer(works: Works, door: Door, message: Message, error: TongbanError, outcome: Outcome) -> tuple[Outcome, str]:
    """The use-case was undone; a command is answered by its refusal event, a fact is only remembered as read."""
    with works.once(message) as work:
        if door.contract.answers is not None:
            work.tell(door.contract.answers, message.subject, refusal(error))
    return outcome, error.code


def refusal(error: TongbanError) -> dict[str, Any]:
    """The body of every refusal event: which of the four errors, its code, its words, its clause, its field."""
    return {
        "kind": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "basis": error.basis,
        "field": error.field,
        "details": {name: str(value) for name, value in error.details.items()},
    }
