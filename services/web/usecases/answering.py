"""Waiting a moment for the answer to a command, so that most people learn it at once."""

import time

from services.web.rules import Command, Principal
from services.web.store import asking
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Works

PATIENCE = 2.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.05  # seconds between two looks
ERRORS = {error.__name__: error for error in (Refused, NotFound, OutOfStep, Denied)}


def await_answer(works: Works, who: Principal, key: str, patience: float = PATIENCE) -> Command:
    """The command asked under that key, answered unless patience ran out; no transaction is open while it waits.

    Raises the refusal when there was one.
    """
    end, pause = clock.monotonic() + patience, FIRST_PAUSE
    while True:
        with works.begin() as work:
            command = asking.find_command(work, who.owner, key)
        if command is None:
            raise NotFound("command_unknown", "没有这个请求")
        if command.outcome or clock.monotonic() >= end:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    if command.outcome in ERRORS:
        raise refusal(command)
    return command


def refusal(command: Command) -> Exception:
    """The refusal that another service told, as if it had been raised here."""
    told = command.answer
    return ERRORS[command.outcome](told["code"], told["message"], basis=told["basis"], field=told["field"])
