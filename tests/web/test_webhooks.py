"""Webhooks: every new state is told once or more, signed, under one id, and never leads anywhere else."""

import datetime
import http.server
import json
import socket
import threading
from functools import partial

import pytest
from sqlalchemy import select, update

from contracts import intake
from services.web import rules
from services.web.rules import Principal
from services.web.store.tables import cases, webhook_deliveries
from services.web.usecases import webhooks
from shared import clock
from shared.crypto.keys import public_keys
from shared.crypto.signing import verify_detached
from shared.errors import Refused
from tests.web.scene import HERE, SECRETS, TAKEN_IN, Scene, a_leg, a_step, people, taken_in

CASE = "01999999-0000-7000-8000-00000000abcd"
CHANNEL = Principal("h", "channel", "portal")
ADMIN = Principal("a", "clerk", "admin-1", office="620102", roles=frozenset({"admin"}))
HOOK = {"url": "https://portal.example.cn/hook", "label": "门户"}


over_http = partial(webhooks.post_once, HERE)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


class Portal:
    """Another portal: notes what it is sent, answers as it was told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def __call__(self, url, body, headers):
        self.got.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


def tell(scene, hook=HOOK, who=ADMIN):
    with scene.works.begin() as work:
        webhooks.add_webhook(work, who, hook, HERE)
    scene.hear(TAKEN_IN, CASE, taken_in(), people())


def deliveries(scene):
    with scene.works.begin() as work:
        return work.execute(select(webhook_deliveries)).all()


def make_due(scene):
    with scene.works.begin() as work:
        long_ago = clock.iso(work.now - datetime.timedelta(days=1))
        work.execute(update(webhook_deliveries).values(due_at=long_ago))


def test_a_new_state_is_told_signed_and_without_persons(scene):
    tell(scene)
    portal = Portal()
    assert webhooks.send_due(scene.works, portal) == 1
    [(url, body, headers)] = portal.got
    assert url == HOOK["url"]
    told = json.loads(body)
    assert set(told) == {"delivery_id", "case_no", "state", "at"}
    assert (told["case_no"], told["state"]) == (taken_in()["case"]["case_no"], "taken_in")
    assert not [secret for secret in SECRETS if secret in body.decode()]
    keys = {row["kid"]: row["jwk"] for row in public_keys(scene.node.keys) if row["purpose"] == "sign"}
    assert verify_detached(headers[webhooks.SIGNATURE], body, keys.get).startswith("620100#")


def test_what_was_taken_is_not_sent_again(scene):
    tell(scene)
    portal = Portal()
    webhooks.send_due(scene.works, portal)
    make_due(scene)
    assert webhooks.send_due(scene.works, portal) == 0
    assert len(portal.got) == 1


def test_the_same_state_is_not_told_twice(scene):
    tell(scene)
    scene.hear(intake.ApplicationTakenOverV1, CASE, {"leg": a_leg(2, 1, "accepted"), "step": a_step("take_over", 2)})
    scene.hear(intake.ApplicationTakenOverV1, CASE, {"leg": a_leg(2, 1, "accepted"), "step": a_step("take_over", 2)})
    assert [json.loads(row.body)["state"] for row in deliveries(scene)] == ["taken_in", "taken_over"]


@pytest.mark.parametrize("answer", [500, 301, 302, 404, OSError("down"), ValueError("odd"), TimeoutError()])
def test_what_was_not_taken_is_tried_again_later_under_the_same_id(scene, answer):
    tell(scene)
    portal = Portal(answer)
    assert webhooks.send_due(scene.works, portal) == 0
    assert webhooks.send_due(scene.works, portal) == 0, "not before its time"
    make_due(scene)
    assert webhooks.send_due(scene.works, portal) == 1
    first, second = (json.loads(body)["delivery_id"] for _, body, _ in portal.got)
    assert first == second


def test_an_attempt_is_the_last_one_some_day(scene):
    tell(scene)
    portal = Portal(*[503] * 50)
    for _ in range(len(rules.BACK_OFF) + 3):
        make_due(scene)
        webhooks.send_due(scene.works, portal)
    [row] = deliveries(scene)
    assert (row.state, row.answer, row.attempts) == ("failed", "503", len(rules.BACK_OFF) + 1)
    assert len(portal.got) == len(rules.BACK_OFF) + 1


def test_no_transaction_is_open_while_sending(scene):
    tell(scene)
    free = []

    def portal(_url, _body, _headers):
        thread = threading.Thread(target=lambda: free.append(bool(deliveries(scene))))
        thread.start()
        thread.join(5)
        return 200

    webhooks.send_due(scene.works, portal)
    assert free == [True]


def test_a_channel_hears_of_the_cases_it_took_in_only(scene):
    with scene.works.begin() as work:
        webhooks.add_webhook(work, CHANNEL, HOOK, HERE)
    scene.hear(TAKEN_IN, CASE, taken_in(), people())
    assert deliveries(scene) == []
    with scene.works.begin() as work:
        work.execute(update(cases).values(taken_in_by=CHANNEL.owner))
    told = {"leg": a_leg(2, 1, "accepted"), "step": a_step("take_over", 2)}
    scene.hear(intake.ApplicationTakenOverV1, CASE, told)
    assert [json.loads(row.body)["state"] for row in deliveries(scene)] == ["taken_over"]


def test_an_unsafe_address_is_never_kept(scene):
    with scene.works.begin() as work, pytest.raises(Refused, match="webhook_url_unsafe"):
        webhooks.add_webhook(work, CHANNEL, {"url": "http://portal.example.cn/", "label": ""}, HERE)
    with scene.works.begin() as work:
        assert webhooks.list_webhooks(work, CHANNEL) == []


@pytest.fixture
def listener():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers)))
            self.send_response(302 if self.path == "/moved" else 204)
            self.send_header("Location", "/hook")
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_delivery_arrives_over_http(scene, listener):
    address, got = listener
    tell(scene, HOOK | {"url": f"{address}/hook?from=tongban"})
    assert webhooks.send_due(scene.works, over_http) == 1
    [(path, body, headers)] = got
    assert path == "/hook?from=tongban"
    assert json.loads(body)["state"] == "taken_in"
    assert headers["Content-Type"] == "application/json"
    assert ".." in headers[webhooks.SIGNATURE]


def test_a_redirect_is_not_followed(scene, listener):
    address, got = listener
    tell(scene, HOOK | {"url": f"{address}/moved"})
    assert webhooks.send_due(scene.works, over_http) == 0
    assert [path for path, _, _ in got] == ["/moved"]
    assert deliveries(scene)[0].answer == "302"


def test_a_portal_that_is_away_breaks_nothing(scene):
    tell(scene, HOOK | {"url": "http://127.0.0.1:9/"})
    assert webhooks.send_due(scene.works, over_http) == 0
    assert deliveries(scene)[0].answer == "ConnectionRefusedError"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "::1", "fd00::1", "::ffff:192.168.0.1"]
)
def test_a_public_name_that_leads_inside_by_now_is_not_called(scene, monkeypatch, address):
    """Whoever owns a name can change where it leads after the webhook was set."""
    called = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [(0, 0, 0, "", (address, 443))])
    monkeypatch.setattr(socket, "create_connection", lambda where, *_more: called.append(where))
    tell(scene)
    assert webhooks.send_due(scene.works, over_http) == 0
    assert (deliveries(scene)[0].answer, called) == ("webhook_url_unsafe", [])


def test_one_inside_address_among_public_ones_is_enough_to_call_none(scene, monkeypatch):
    called = []
    rows = [(0, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "192.168.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: rows)
    monkeypatch.setattr(socket, "create_connection", lambda where, *_more: called.append(where))
    tell(scene)
    assert webhooks.send_due(scene.works, over_http) == 0
    assert called == []


def test_the_address_that_was_looked_at_is_the_one_that_is_called(scene, monkeypatch):
    called = []

    def connect(where, *_more):
        called.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [(0, 0, 0, "", ("93.184.216.34", 443))])
    monkeypatch.setattr(socket, "create_connection", connect)
    tell(scene)
    assert webhooks.send_due(scene.works, over_http) == 0
    assert (called, deliveries(scene)[0].answer) == ([("93.184.216.34", 443)], "ConnectionRefusedError")


def test_what_the_operator_no_longer_allows_is_no_longer_called(scene, listener):
    address, got = listener
    tell(scene, HOOK | {"url": f"{address}/hook"})
    assert webhooks.send_due(scene.works, partial(webhooks.post_once, ())) == 0
    assert (deliveries(scene)[0].answer, got) == ("webhook_url_unsafe", [])
