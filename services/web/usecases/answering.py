"""Waiting a moment for the answer to a command, so that most people learn it at once."""

import time
from collections.abc import Mapping

from services.web.rules import Command, Principal
from services.web.store import asking
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused
from shared.outbox import Works

PATIENCE = 2.0  # seconds
FIRST_PAUSE, PAUSE = 0.01, 0.03  # seconds between two looks
EARLIER, SLOWLY = 0.8, 0.2
ERRORS = {error.__name__: error for error in (Refused, NotFound, OutOfStep, Denied)}


class Answers:
    """Waits for answers to commands. It first looks when most have come of late: every look in vain delays the answers."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self.usual = FIRST_PAUSE  # seconds; threads may overwrite each other's estimate

    def wait(self, who: Principal, key: str, patience: float = PATIENCE) -> Command:
        """The command asked under that key, answered unless patience ran out; no transaction is open while it waits.

        Raises the refusal when there was one.
        """
        began, pauses = clock.monotonic(), 0
        command = self._look(who, key)
        while not command.outcome and (left := began + patience - clock.monotonic()) > 0:
            pause = PAUSE if pauses else max(self.usual * EARLIER, FIRST_PAUSE)
            time.sleep(min(pause, left))
            pauses += 1
            command = self._look(who, key)
        if pauses:
            took = clock.monotonic() - began
            there = pauses == 1 and command.outcome  # nobody knows since when
            self.usual = self.usual * EARLIER if there else self.usual + (took - self.usual) * SLOWLY
        if command.outcome in ERRORS:
            raise refusal(command)
        return command

    def _look(self, who: Principal, key: str) -> Command:
        with self.works.begin() as work:
            command = asking.find_command(work, who.owner, key)
        if command is None:
            raise NotFound("command_unknown", "没有这个请求")
        return command


def refusal(command: Command) -> Exception:
    """The refusal that another service told, as if it had been raised here."""
    told = command.answer
    details: Mapping[str, str] = told.get("details", {})
    return ERRORS[command.outcome](told["code"], told["message"], basis=told["basis"], field=told["field"], **details)
