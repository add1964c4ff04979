"""Robots at the registration offices of five cities: they take couples in, hear them, sign, refuse, and let them go."""

import contextlib
import hashlib
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared import clock
from tests.chaos.counters import Desk, GaveUp
from tests.chaos.couples import Couple
from tests.chaos.ledger import Ledger

HEARD = [{"number": place, "present": True, "declared": True, "willing": True, "apart": True} for place in (0, 1)]
HAS_SPOUSE = {"code": "has_spouse", "text": "一方已有配偶", "basis": "民法典 第一千零四十二条"}
BLOCKED = "persons_not_reserved"
SIGNED = ("", "late", "signed_already")  # what a registrar hears who has signed
UNDER_WAY = {"to_register", "national_registry", "claims_asked", "authority_away"}  # nothing to do for a registrar
NOT_LAWFUL = "ground_not_lawful"
PER_OFFICE = 3  # registrars: each waits for the answer to every act
LOOK_SECONDS = 1.0  # for tasks, where there were none
PAUSE_SECONDS = (2.0, 8.0)  # before a case that could not go on is looked at again; by chance, so that none keep step
LATE_SECONDS = 30.0
RESIGNED_SECONDS = (
    20.0,
    60.0,
)  # after nothing could be done for a couple that another office holds: it is tried by itself
FULL_HALL, PATIENCE_SECONDS = 40, 120.0  # tasks of an office, and how long a window lets nobody in for that
GIVES_UP = 0.3  # of those who hear that one of them is married: they withdraw instead of being refused
TRIES_AGAIN = 0.5  # of those whom another office has reserved; the others are refused, if it has registered them


@dataclass(frozen=True, slots=True)
class Wedding:
    """One acknowledged application of a couple."""

    case_id: str
    node: str
    office: str
    numbers: tuple[str, str]
    tangle: int
    whim: str


@dataclass
class Registrars:
    """All robots of a run, and what they were told."""

    desks: Mapping[str, Desk]  # by office
    ledger: Ledger
    dice: random.Random
    stop: threading.Event
    begun: float = 0.0
    errors: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)  # verb and code -> how often
    couples: dict[str, Couple] = field(default_factory=dict)  # by case
    tries: Counter[str] = field(default_factory=Counter)  # by case: no two acts have the same key
    not_before: dict[str, float] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)  # cases, as far as registrars know
    tasks: dict[str, int] = field(default_factory=dict)  # how many wait, by office

    def take_in(self, waiting: "queue.SimpleQueue[Couple]", seconds: float, hurry: threading.Event) -> None:
        """A window's thread: couples come in their time, `seconds` long in all, until nobody is left to come."""
        self.begun = self.begun or clock.monotonic()
        while not self.stop.is_set():
            try:
                couple = waiting.get_nowait()
            except queue.Empty:
                return
            hurry.wait(max(0.0, self.begun + couple.at * seconds - clock.monotonic()))
            self._let_in(couple.office)
            self.come(couple)

    def _let_in(self, office: str) -> None:
        """Wait until the hall has room, as people do: a flood would only show how long a queue can be."""
        end = clock.monotonic() + PATIENCE_SECONDS
        while self.tasks.get(office, 0) > FULL_HALL and clock.monotonic() < end and not self.stop.is_set():
            time.sleep(LOOK_SECONDS)

    def come(self, couple: Couple) -> None:
        """A couple at the window of its office."""
        with contextlib.suppress(GaveUp):
            self._take_in(couple)

    def _take_in(self, couple: Couple) -> None:
        key = hashlib.sha256(f"{couple.node}{couple.numbers}".encode()).hexdigest()
        status, answer = self.desks[couple.office].ask("POST", "/cases", couple.application(), key)
        if status not in (201, 202):
            self.errors.append(f"taken in at {couple.node}: {status} {answer.get('code')} {answer.get('field')}")
            return
        case_id = answer["receipt"]["case_id"]
        self.couples[case_id] = couple
        about = (couple.node, couple.office, couple.numbers, couple.tangle, couple.whim)
        self.ledger.acknowledged(Wedding(case_id, *about))
        if couple.whim == "taken_in":
            self._withdraw(self.desks[couple.office], case_id)

    def attend(self, office: str, place: int) -> None:
        """A registrar's thread: every task that waits for the office and is for this one of its desks, again and again."""
        desk = self.desks[office]
        while not self.stop.is_set():
            try:
                _, answer = desk.ask("GET", "/tasks")
                tasks = answer.get("tasks", ())
                self.tasks[office] = len(tasks)
                mine = [task for task in tasks if int(task["case_id"][-2:], 16) % PER_OFFICE == place]
                busy = [self._do(desk, task) for task in mine]
            except GaveUp:
                return
            if not any(busy):
                time.sleep(LOOK_SECONDS)

    def _do(self, desk: Desk, task: Mapping[str, Any]) -> bool:
        """Whether there was something to do for this case now."""
        case_id, verb = task["case_id"], task["verb"]
        couple = self.couples.get(case_id)
        if couple is None or self.not_before.get(case_id, 0.0) > clock.monotonic():
            return False
        self._wait(case_id)
        if couple.whim == "taken_in" or (couple.whim == "examined" and verb == "register"):
            self._withdraw(desk, case_id)
        elif missing := case_id in self.signed and {fact["code"] for fact in task["missing_facts"]}:
            if not missing & UNDER_WAY:
                self._unblock(desk, task, verb, BLOCKED)
        else:
            self._go_on(desk, task, verb, couple.whim)
        return True

    def _go_on(self, desk: Desk, task: Mapping[str, Any], verb: str, whim: str) -> None:
        """Examine or sign; where that cannot be, what is right instead."""
        case_id = task["case_id"]
        code = self._act(desk, task, verb, approve=True)
        if verb == "register" and code in SIGNED:
            self.signed.add(case_id)
        if verb == "examine" and not code:
            self.not_before.pop(case_id, None)
        elif (verb == "register" and whim == "signed" and code in SIGNED) or self._gives_up(code):
            self._withdraw(desk, case_id)
        elif code in (HAS_SPOUSE["code"], BLOCKED):
            self._unblock(desk, task, verb, code)

    def _gives_up(self, code: str) -> bool:
        return code == HAS_SPOUSE["code"] and self.dice.random() < GIVES_UP

    def _unblock(self, desk: Desk, task: Mapping[str, Any], verb: str, code: str) -> None:
        """Refuse, which holds only where one of the two is married by now; or try to have both again."""
        again = code == BLOCKED and self.dice.random() < TRIES_AGAIN
        if not again:
            again = self._act(desk, task, verb, "refuse", approve=False, reasons=[HAS_SPOUSE]) == NOT_LAWFUL
        if again:
            self._act(desk, task, "reserve_again")
            self._wait(task["case_id"], RESIGNED_SECONDS)

    def _act(self, desk: Desk, task: Mapping[str, Any], verb: str, name: str = "", **said: Any) -> str:
        """The code of whatever keeps the act from being done; empty when it was done, `late` when nobody knows yet."""
        body = {"act": verb, "expected_version": task["version"], **said}
        if verb == "examine":
            body |= {"heard": HEARD, "kinship": "none"}
        return self._say(desk, task["case_id"], name or verb, body)

    def _say(self, desk: Desk, case_id: str, name: str, body: Mapping[str, Any]) -> str:
        self.tries[case_id] += 1
        status, answer = desk.ask("POST", f"/cases/{case_id}/acts", body, f"{case_id}-{self.tries[case_id]}")
        code = {200: "", 202: "late"}.get(status, str(answer.get("code")))
        self.told[f"{name} {code or 'done'}"] += 1
        if not code:
            self.ledger.done(case_id, name)
        if code == "late":  # the answer is still to come: to ask for the same again would only make it later
            self.not_before[case_id] = clock.monotonic() + LATE_SECONDS
        return code

    def _withdraw(self, desk: Desk, case_id: str) -> None:
        """撤回, by the version of the case that is shown now."""
        _, case = desk.ask("GET", f"/cases/{case_id}")
        version = (case.get("versions") or {}).get("accepting")
        if version is not None:
            self._say(desk, case_id, "withdraw", {"act": "withdraw", "expected_version": version, "reason": "改日再来"})

    def _wait(self, case_id: str, pause: tuple[float, float] = PAUSE_SECONDS) -> None:
        self.not_before[case_id] = clock.monotonic() + self.dice.uniform(*pause)
