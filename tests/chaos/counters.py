"""Robots at the counters and desks of five cities: they hand in, look for tasks, act, and never lose patience."""

import hashlib
import http.client
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.main.journey import application
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.people import HUKOU, Person

RETRY_SECONDS = 0.5
ATTEMPT_SECONDS = 20
LOOK_SECONDS = 0.5  # for tasks, where there were none


class GaveUp(Exception):
    """An answer no repetition can change."""


@dataclass
class Desk:
    """One clerk's token at one city's API."""

    url: str
    token: str
    stop: threading.Event
    in_flight: "Meter"

    def ask(
        self, method: str, path: str, body: Any = None, key: str = "", prefer: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The status and the answer; repeats the same request, with the same key, while the city is away."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers |= {name: value for name, value in {"Idempotency-Key": key, "Prefer": prefer}.items() if value}
        while not self.stop.is_set():
            request = urllib.request.Request(f"{self.url}/api/v1{path}", content, headers, method=method)
            try:
                status, body = self._attempt(request)
                if status < 500 and status != 429:
                    return status, json.loads(body or b"{}")
            except (OSError, ValueError, http.client.HTTPException):
                pass  # away, or cut off in the middle of an answer: ask again
            self.stop.wait(RETRY_SECONDS)
        raise GaveUp

    def _attempt(self, request: urllib.request.Request) -> tuple[int, bytes]:
        with self.in_flight:
            try:
                with urllib.request.urlopen(request, timeout=ATTEMPT_SECONDS) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()


@dataclass
class Meter:
    """How many requests are on their way to a city right now."""

    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> None:
        with self.lock:
            self.count += 1

    def __exit__(self, *_error: object) -> None:
        with self.lock:
            self.count -= 1


@dataclass
class Town:
    """A city as its counters see it."""

    node: str
    window: Desk
    desks: Mapping[str, Desk]  # verb -> the clerk whose task it is


@dataclass
class Crew:
    """All robots of a run."""

    towns: Mapping[str, Town]
    ledger: Ledger
    twins_may_be_decided: threading.Event
    stop: threading.Event
    errors: list[str] = field(default_factory=list)
    twin_cases: set[str] = field(default_factory=set)

    def hand_in(self, work: "queue.SimpleQueue[tuple[Person, str, bool]]", pace: Callable[[], None]) -> None:
        """A counter's thread: hand in until nothing is left."""
        while True:
            try:
                person, node, twin = work.get_nowait()
            except queue.Empty:
                return
            pace()
            self._hand_in(person, node, twin)

    def _hand_in(self, person: Person, node: str, twin: bool) -> None:
        key = f"{hashlib.sha256(person.number.encode()).hexdigest()[:16]}-{node}-hand-in"
        try:
            status, answer = self.towns[node].window.ask("POST", "/cases", application([person.party()]), key)
        except GaveUp:
            return
        if status in (201, 202):
            case_id = answer["receipt"]["case_id"]
            if twin:
                self.twin_cases.add(case_id)
            self.ledger.acknowledged(Entry(case_id, person.number, node, person.home, twin))
        else:
            self.errors.append(f"hand in at {node}: {status} {answer.get('code')}")

    def attend(self, node: str, verb: str) -> None:
        """A clerk's thread: do every task that waits for the office, again and again."""
        desk = self.towns[node].desks[verb]
        while not self.stop.is_set():
            try:
                _, answer = desk.ask("GET", "/tasks")
                busy = [self._act(desk, verb, task) for task in answer.get("tasks", ()) if task["verb"] == verb]
            except GaveUp:
                return
            if not any(busy):
                time.sleep(LOOK_SECONDS)

    def _act(self, desk: Desk, verb: str, task: dict[str, Any]) -> bool:
        case_id = task["case_id"]
        if verb == "decide" and case_id in self.twin_cases and not self.twins_may_be_decided.is_set():
            return False
        body = {"act": verb, "approve": True, "expected_version": task["version"]}
        status, _answer = desk.ask("POST", f"/cases/{case_id}/acts", body, f"{case_id}-{verb}-{task['version']}")
        if status == 200:
            self.ledger.done(case_id, verb)
        return status in (200, 202)


def offices_of(node: str) -> dict[str, str]:
    """The offices whose clerks act in the county of this city's people: verb -> office."""
    street = HUKOU[node]
    return {"check": street, "review": f"{street[:6]}-dpf", "decide": street[:6]}
