"""The API as its callers know it: answers, receipts, files, tokens, channels, and the document that describes it."""

import json
import threading
from pathlib import Path

import marshmallow
import pytest
import yaml
from flask import Flask
from sqlalchemy import select

import contracts
from contracts import intake
from contracts.api import answered, reference
from contracts.api.asked import ACTS
from services.web import rules
from services.web.api.app import create_app, openapi_document
from services.web.api.auth import access_rules, allowed, guard
from shared import clock
from shared.audit import audit_rows
from shared.crypto.keys import public_keys
from shared.crypto.sealing import seal_for
from tests.builders import stop_clock
from tests.web.scene import (
    COUNTY,
    OTHER_NUMBER,
    PERSON,
    SECRETS,
    TAKEN_IN,
    TOWNSHIP,
    Scene,
    a_form,
    people,
    taken_in,
)

PURPOSE = {"X-Purpose": "handle_case"}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def faults(schema, body, path=""):
    """Where an answer is not what its schema says: missing or undocumented names, at any depth."""
    found = [f"{path}.{name} missing" for name, field in schema.fields.items() if field.required and name not in body]
    found += [f"{path}.{name} undocumented" for name in body if name not in schema.fields]
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, marshmallow.fields.List) else field
        if isinstance(inner, marshmallow.fields.Nested) and body.get(name) is not None:
            items = body[name] if isinstance(field, marshmallow.fields.List) else [body[name]]
            found += [fault for item in items for fault in faults(inner.schema, item, f"{path}.{name}")]
    return found


def accept(scene, case_id):
    """Intake takes the case in."""
    [command] = [m for m in scene.told() if m.subject == case_id and m.type == "intake.take_in_application.v1"]
    event = taken_in(case=command.data["case"])
    scene.hear(TAKEN_IN, case_id, event, people(), causation=command.id)
    return command


def refuse(scene, case_id, kind="Refused", code="duplicate_case"):
    [command] = [m for m in scene.told() if m.subject == case_id]
    told = {"kind": kind, "code": code, "message": "已有在办的办件", "basis": "一人一事", "field": "", "details": {}}
    scene.hear(intake.ActRefusedV1, case_id, told, causation=command.id)


def naming(scene, number=PERSON["id_number"]):
    [jwk] = [row["jwk"] for row in public_keys(scene.node.keys) if row["purpose"] == "seal"]
    named = json.dumps({"id_type": "citizen", "id_number": number})
    return {"X-Citizen": seal_for(jwk, named.encode())}


# --- taking in -------------------------------------------------------------------------------------------------------


def test_a_receipt_comes_at_once_though_nobody_answers(scene):
    answer = scene.ask("POST", "/cases", scene.token(), json=a_form())
    assert answer.status_code == 202
    assert faults(answered.TakenIn(), answer.json) == []
    receipt = answer.json["receipt"]
    assert receipt["state_name"] == "已收件,待受理"
    assert rules.is_case_no(receipt["case_no"])
    assert answer.headers["Location"] == answer.json["status_url"] == f"/api/v1/cases/{receipt['case_id']}"


def test_intakes_answer_makes_it_201(scene):
    scene.app.config["PATIENCE"] = 10.0
    token = scene.token()

    def intake_answers():
        while not scene.told():
            pass
        accept(scene, scene.told()[0].subject)

    thread = threading.Thread(target=intake_answers)
    thread.start()
    answer = scene.ask("POST", "/cases", token, json=a_form())
    thread.join()
    assert answer.status_code == 201
    assert faults(answered.TakenIn(), answer.json) == []
    assert answer.json["case"]["state"] == "taken_in"


WAITS = {"respond-async, wait=9": 60.0, 'foo="bar", wait=0': 60.0, "wait=60": 0.0, "wait=soon": 0.0, "=,;": 0.0}


@pytest.mark.parametrize(("preference", "patience"), WAITS.items())
def test_nobody_waits_longer_than_they_prefer_and_we_have_patience(scene, preference, patience):
    scene.app.config["PATIENCE"] = patience
    answer = scene.ask("POST", "/cases", scene.token(), json=a_form(), headers={"Prefer": preference})
    assert answer.status_code == 202


def test_the_same_key_gets_the_same_answer_after_a_restart(scene):
    token, key = scene.token(), {"Idempotency-Key": "counter-7/1".replace("/", "-")}
    first = scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    accept(scene, first.json["receipt"]["case_id"])
    second = scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    scene.app = create_app(scene.works, scene.node)
    scene.app.config["PATIENCE"] = 0.0
    scene.http = scene.app.test_client()
    third = scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    assert (first.status_code, second.status_code, third.status_code) == (202, 201, 201)
    assert first.json["receipt"] == second.json["receipt"]
    assert second.json == third.json
    assert len(scene.told()) == 1


def test_the_same_key_with_another_body_is_refused(scene):
    token, key = scene.token(), {"Idempotency-Key": "counter-7-1"}
    scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    answer = scene.ask("POST", "/cases", token, json=a_form(consents=[]), headers=key)
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "short", "x" * 101, "with blank", "键键键键键键键键".encode().decode("latin-1")])
def test_a_key_is_needed_and_has_a_shape(scene, key):
    answer = scene.ask("POST", "/cases", scene.token(), json=a_form(), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_missing")


@pytest.mark.parametrize(("kind", "status"), [("Refused", 422), ("OutOfStep", 409), ("Denied", 403), ("NotFound", 404)])
def test_intakes_refusal_is_answered_in_its_own_words(scene, kind, status):
    token, key = scene.token(), {"Idempotency-Key": "counter-7-1"}
    first = scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    refuse(scene, first.json["receipt"]["case_id"], kind)
    answer = scene.ask("POST", "/cases", token, json=a_form(), headers=key)
    assert (answer.status_code, answer.json["code"], answer.json["basis"]) == (status, "duplicate_case", "一人一事")
    assert answer.json["detail"] == "已有在办的办件"
    case = scene.ask("GET", first.json["status_url"].removeprefix("/api/v1"), token).json
    assert faults(answered.CaseView(), case) == []
    assert (case["state"], case["refusal"]["message"]) == ("not_taken_in", "已有在办的办件")


# --- reading ---------------------------------------------------------------------------------------------------------


def test_every_answer_is_what_its_schema_says(scene):
    token, admin = scene.token(), scene.token(actor="admin-1", office=COUNTY, roles=("admin",))
    case_id = scene.take_in(token)["case_id"]
    accept(scene, case_id)
    hook = scene.ask("POST", "/webhooks", admin, json={"url": "https://portal.example.cn/"})
    assert faults(answered.Webhook(), hook.json) == []
    for path, who, schema in (
        (f"/cases/{case_id}", token, answered.CaseView),
        (f"/cases/{case_id}/receipt", token, answered.Receipt),
        ("/cases", token, answered.CasePage),
        ("/tasks", token, answered.TaskList),
        ("/notices", token, answered.NoticeList),
        ("/webhooks", admin, answered.WebhookList),
        ("/tokens", admin, answered.TokenList),
        ("/matters", "", reference.MatterList),
        ("/matters/disability-subsidies", "", reference.MatterView),
        ("/guides/620102/disability-subsidies", "", reference.Guide),
        ("/divisions", "", reference.DivisionList),
        ("/divisions/620102?as_of=2020-01-01", "", reference.DivisionDetail),
        ("/offices", "", reference.OfficeList),
        (f"/offices/{TOWNSHIP}", "", reference.OfficeView),
        ("/keys", "", reference.KeyList),
        ("/health", "", reference.Health),
    ):
        answer = scene.ask("GET", path, who, headers=PURPOSE)
        assert answer.status_code == 200, (path, answer.text)
        assert faults(schema(), answer.json) == [], path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_persons_are_shown_for_a_purpose_only_and_on_record(scene):
    token = scene.token()
    case_id = scene.take_in(token)["case_id"]
    plain, open_ = (scene.ask("GET", f"/cases/{case_id}", token, headers=more) for more in ({}, PURPOSE))
    assert not [secret for secret in SECRETS if secret in plain.text]
    assert open_.json["personal"]["parties"][0]["id_number"] == PERSON["id_number"]
    with scene.works.begin() as work:
        assert [row.act for row in work.execute(select(audit_rows))] == ["view_case"]


def test_a_search_names_the_person_in_the_body_only(scene):
    token = scene.token()
    case_id = scene.take_in(token)["case_id"]
    asked = {"id_type": "citizen", "id_number": PERSON["id_number"]}
    found = scene.ask("POST", "/cases/search", token, json=asked, headers=PURPOSE)
    assert [case["case_id"] for case in found.json["cases"]] == [case_id]
    assert scene.ask("POST", "/cases/search", token, json=asked).json["code"] == "purpose_missing"


def test_figures_and_the_document_are_public(scene):
    samples = [line for line in scene.ask("GET", "/metrics").text.splitlines() if not line.startswith("#")]
    [memory] = [line.split() for line in samples if line.startswith("process_resident_memory_bytes")]
    assert float(memory[1]) > 1 << 20
    document = scene.ask("GET", "/openapi.json").json
    assert document == openapi_document()


def test_health_says_when_the_read_model_is_behind(scene):
    scene.take_in(scene.token())
    heard = scene.ask("GET", "/health").json
    assert (heard["status"], heard["read_model"]["waiting"]) == ("ok", 1)


# --- citizens and channels -------------------------------------------------------------------------------------------


def test_a_citizen_sees_the_own_cases_and_no_others(scene):
    citizen, other = scene.token("citizen", "c-1"), scene.token("citizen", "c-2", id_number=OTHER_NUMBER)
    case_id = scene.take_in(citizen, office=TOWNSHIP)["case_id"]
    assert len(scene.ask("GET", "/cases", citizen).json["cases"]) == 1
    assert scene.ask("GET", "/cases", other).json["cases"] == []
    assert scene.ask("GET", f"/cases/{case_id}", citizen).status_code == 200
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/receipt"):
        assert scene.ask("GET", path, other).status_code == 404
    assert scene.ask("GET", "/tasks", citizen).status_code == 403


def test_a_channel_names_its_citizen_sealed(scene):
    channel = scene.token("channel", "portal")
    form = a_form(office=TOWNSHIP)
    assert scene.ask("POST", "/cases", channel, json=form).json["code"] == "citizen_not_named"
    other = scene.ask("POST", "/cases", channel, json=form, headers=naming(scene, OTHER_NUMBER))
    assert other.json["code"] == "not_your_application"
    taken = scene.ask("POST", "/cases", channel, json=form, headers=naming(scene))
    assert taken.status_code == 202
    path = taken.json["status_url"].removeprefix("/api/v1")
    assert scene.ask("GET", path, channel, headers=naming(scene)).status_code == 200
    assert scene.ask("GET", path, channel, headers=naming(scene, OTHER_NUMBER)).status_code == 404
    elsewhere = scene.token("channel", "another-portal")
    assert scene.ask("GET", path, elsewhere, headers=naming(scene)).status_code == 404


@pytest.mark.parametrize("named", ["x", "a.b.c.d.e"])
def test_what_does_not_open_names_nobody(scene, named):
    answer = scene.ask("GET", "/cases", scene.token("channel", "portal"), headers={"X-Citizen": named})
    assert (answer.status_code, answer.json["code"]) == (403, "seal_broken")


@pytest.mark.parametrize("content", [b"[]", b"{}", b"x", b'{"id_type": "citizen"}'])
def test_what_opens_to_no_document_names_nobody(scene, content):
    [jwk] = [row["jwk"] for row in public_keys(scene.node.keys) if row["purpose"] == "seal"]
    answer = scene.ask("GET", "/cases", scene.token("channel", "portal"), headers={"X-Citizen": seal_for(jwk, content)})
    assert (answer.status_code, answer.json["code"]) == (422, "citizen_malformed")


# --- access ----------------------------------------------------------------------------------------------------------


def test_every_route_has_an_access_rule(scene):
    assert len(access_rules(scene.app)) >= 25
    assert [route for route, rule in access_rules(scene.app).items() if rule is None] == []


def test_a_route_without_a_rule_lets_nobody_in(scene):
    app = Flask("bare")
    app.extensions |= scene.app.extensions
    app.add_url_rule("/open", view_func=lambda: "secret", endpoint="open")
    app.before_request(guard)
    app.testing = True
    assert access_rules(app)["GET /open"] is None
    with pytest.raises(Exception, match="kind_not_allowed"):
        app.test_client().get("/open", headers={"Authorization": f"Bearer {scene.token()}"})


def test_a_rule_stays_with_its_view():
    assert allowed("clerk", role="admin")(lambda: None).access.role == "admin"


def test_every_protected_route_asks_for_a_token(scene):
    for route, rule in access_rules(scene.app).items():
        method, path = route.split(" ")
        if "public" not in rule.kinds:
            concrete = path.removeprefix("/api/v1").replace("<uuid:case_id>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12)
            if "<" not in concrete:
                answer = scene.ask(method, concrete)
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), route


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic YTpi", "bearer tongban_x"])
def test_no_other_token_will_do(scene, header):
    assert scene.ask("GET", "/cases", headers={"Authorization": header}).status_code == 401


def test_only_administrators_manage_tokens_and_the_nodes_webhooks(scene):
    clerk, admin = scene.token(), scene.token(actor="admin-1", roles=("admin",))
    hook = {"url": "https://portal.example.cn/"}
    for method, path, more in (("GET", "/tokens", {}), ("POST", "/webhooks", {"json": hook}), ("GET", "/webhooks", {})):
        assert scene.ask(method, path, clerk, **more).status_code == 403
        assert scene.ask(method, path, admin, **more).status_code in (200, 201)


def test_a_revoked_token_is_out_when_it_is_no_longer_remembered(scene):
    clerk, admin = scene.token(), scene.token(actor="admin-1", roles=("admin",))
    assert scene.ask("GET", "/tasks", clerk).status_code == 200
    rows = scene.ask("GET", "/tokens", admin).json["tokens"]
    [row] = [row for row in rows if row["actor"] == "clerk-1"]
    assert scene.ask("DELETE", f"/tokens/{row['token_id']}", admin).status_code == 204
    scene.app.extensions["tongban.seen"].clear()
    assert scene.ask("GET", "/tasks", clerk).status_code == 401
    assert scene.ask("DELETE", f"/tokens/{row['token_id']}", admin).status_code == 404


def test_an_expired_token_is_out_remembered_or_not(scene, monkeypatch):
    hand = stop_clock(monkeypatch, "2025-09-24T01:00:00Z")
    tokens = [scene.token(actor=f"clerk-{number}", days=1) for number in range(2)]
    hand.set("2025-09-25T00:59:59Z")
    assert [scene.ask("GET", "/tasks", token).status_code for token in tokens] == [200, 200]
    hand.set("2025-09-25T01:00:01Z")
    monkeypatch.setattr(clock, "monotonic", lambda: 0.0)  # no second has passed for what is remembered
    assert scene.ask("GET", "/tasks", tokens[0]).json["code"] == "token_invalid"
    scene.app.extensions["tongban.seen"].clear()
    assert scene.ask("GET", "/tasks", tokens[1]).status_code == 401


def test_a_channel_keeps_its_own_webhooks(scene):
    channel, other = scene.token("channel", "portal"), scene.token("channel", "other")
    hook = scene.ask("POST", "/webhooks", channel, json={"url": "https://portal.example.cn/"}).json
    assert [row["webhook_id"] for row in scene.ask("GET", "/webhooks", channel).json["webhooks"]] == [
        hook["webhook_id"]
    ]
    path = f"/webhooks/{hook['webhook_id']}"
    assert [scene.ask("DELETE", path, who).status_code for who in (other, channel, channel)] == [404, 204, 404]


# --- the document ----------------------------------------------------------------------------------------------------


def test_the_committed_document_describes_this_api():
    committed = Path(contracts.__path__[0]) / "openapi.yaml"
    assert yaml.safe_load(committed.read_text("utf-8")) == openapi_document(), "run `make contracts`"


def test_every_route_is_described(scene):
    described = {
        (method.upper(), path) for path, operations in openapi_document()["paths"].items() for method in operations
    } - {("PARAMETERS", path) for path in openapi_document()["paths"]}
    routed = {
        (route.split(" ")[0], route.split(" ")[1].replace("<uuid:", "{").replace("<", "{").replace(">", "}"))
        for route in access_rules(scene.app)
    }
    assert described == routed


def test_every_act_of_the_contract_is_known():
    assert set(ACTS) == set(rules.ACTS)
