"""A web desk for tests: one node, tokens for every kind of asker, an application form, and events as they come."""

import atexit
import dataclasses
import itertools
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, select

from contracts import intake
from contracts.envelope import Contract, Message, decode, encode, written
from services.web.api.app import create_app
from services.web.service import doors
from services.web.store import writing
from services.web.store.tables import metadata
from services.web.usecases import tokens
from services.web.usecases.tokens import NewToken
from shared import clock
from shared.audit import audit_metadata
from shared.crypto.personal import seal_personal
from shared.directory import Node
from shared.embedded import sqlite_engine
from shared.outbox import Work, Works, outbox
from tests.builders import ANSWERS, make_node, make_works

NODE = "620100"
TOWNSHIP, COUNTY, DPF, CITY = "620102001", "620102", "620102-dpf", "620100"
PERSON = {"role": "applicant", "name": "何守田", "id_type": "citizen", "id_number": "990102197503120178"}
PERSON |= {"phone": "13912345678", "hukou_division": "620102"}
OTHER_NUMBER = "99010419880704022X"
SECRETS = ("何守田", "990102197503120178", "13912345678", OTHER_NUMBER)

HERE = frozenset({"127.0.0.1"})  # where webhooks may lead inside

_keys = itertools.count(10_000_000)


def a_form(**changes: Any) -> dict[str, Any]:
    form = {
        "matter": "disability-subsidies",
        "parties": [PERSON],
        "answers": ANSWERS,
        "materials": [{"code": "disability-card", "source": "registry"}],
        "consents": ["notice_shown", "checks"],
    }
    return form | changes


@cache
def _blank_home(code: str) -> Path:
    """A node's home with empty tables, made once and copied for every test."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    node = make_node(folder, code)
    make_works(node, "web", metadata, audit_metadata).engine.dispose()
    return node.home


def _quick(engine: Engine) -> Engine:
    """No test pulls the plug: it need not wait for the disk."""

    @event.listens_for(engine, "connect")
    def _hurry(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return engine


class Scene:
    """The desk of one node and everything a test does to it."""

    def __init__(self, folder: Any, code: str = NODE, engine: Engine | None = None) -> None:
        home = Path(folder) / code
        shutil.copytree(_blank_home(code), home)
        self.node = Node(code, home)
        self.works = Works(self.node, "web", engine or _quick(sqlite_engine(home / "web.db")))
        self.app = create_app(self.works, self.node, HERE)
        self.app.config["PATIENCE"] = 0.0
        self.doors = doors(HERE)
        self.http = self.app.test_client()

    def token(self, kind: str = "clerk", actor: str = "clerk-1", **more: Any) -> str:
        more |= {"office": TOWNSHIP} if kind == "clerk" and "office" not in more else {}
        more |= {"id_number": PERSON["id_number"]} if kind == "citizen" and "id_number" not in more else {}
        with self.works.begin() as work:
            return tokens.create_token(work, NewToken(kind, actor, "test", **more))

    def ask(self, method: str, path: str, token: str = "", **more: Any) -> Any:
        headers = dict(more.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if method == "POST" and "Idempotency-Key" not in headers:
            headers["Idempotency-Key"] = str(next(_keys))
        return self.http.open(f"/api/v1{path}", method=method, headers=headers, **more)

    def take_in(self, token: str, **changes: Any) -> dict[str, Any]:
        answer = self.ask("POST", "/cases", token, json=a_form(**changes))
        assert answer.status_code in (201, 202), answer.text
        return answer.json["receipt"]

    def told(self) -> list[Message]:
        """What stands in the outbox."""
        with self.works.begin() as work:
            return [decode(body) for body in work.execute(select(outbox.c.body).order_by(outbox.c.position)).scalars()]

    def hear(
        self, contract: type[Contract], subject: str, data: dict, personal: dict | None = None, **more: str
    ) -> str:
        """Let the projector take in an event; its outcome. `more`: attributes of the message."""
        return self.doors.handle(self.works, self.event(contract, subject, data, personal, **more))

    def event(
        self, contract: type[Contract], subject: str, data: dict, personal: dict | None = None, **more: str
    ) -> str:
        plain, private = written(contract, data, personal)
        message_id = more.pop("id", clock.new_id())
        sealed = None if private is None else seal_personal(self.node, contract.type, message_id, private)
        message = Message(message_id, contract.type, self.node.code, subject, clock.iso(clock.now()), plain, sealed)
        return encode(dataclasses.replace(message, **more))


def office(code: str = TOWNSHIP, node: str = NODE) -> dict[str, str]:
    return {"code": code, "name": "酒泉路街道便民服务中心", "node": node, "phone": "0000-12345"}


def a_leg(leg_no: int = 1, version: int = 1, state: str = "taken_in", **more: Any) -> dict[str, Any]:
    role = "accepting" if leg_no == 1 else "competent"
    return {"leg_no": leg_no, "role": role, "node": NODE, "state": state, "version": version, "clocks": []} | more


def show_first_versions(work: Work, case_id: str) -> None:
    """What everybody sees once a case is under way: our leg and its first task."""
    writing.keep_leg(work, case_id, a_leg())
    writing.keep_task(work, case_id, (2, 1, "2025-09-24T01:02:03.000004Z"), {"verb": "check", "tier": "township"})


def a_clock(due_on: str, **more: Any) -> dict[str, Any]:
    tolled = {"name": "decide", "started_on": "2025-09-01", "due_on": due_on, "days": 10, "basis": "通知"}
    return tolled | {"provisional": False, "paused_on": "", "ended_on": ""} | more


def a_step(verb: str, leg_no: int = 1, at: str = "2025-09-24T01:02:03.000004Z") -> dict[str, Any]:
    return {"verb": verb, "office": office(), "at": at, "leg_no": leg_no, "note": ""}


def facts(case_no: str = "620102001-20250924-0001-X", **more: Any) -> dict[str, Any]:
    plain = {"case_no": case_no, "matter": "disability-subsidies", "matter_version": 1, "channel": "counter"}
    plain |= {"accepting_office": office(), "applied_on": "2025-09-24", "taken_in_at": "2025-09-24T01:02:03.000004Z"}
    return plain | {"materials": [], "consents": ["notice_shown"]} | more


def taken_in(case: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    told = {"case": case or facts(), "leg": a_leg(), "steps": [a_step("take_in")], "missing": []}
    return told | {"competent_node": NODE, "division": "620102"} | more


def people(**changes: Any) -> dict[str, Any]:
    return {"parties": [PERSON | changes], "answers": {}}


TAKEN_IN = intake.ApplicationTakenInV1
