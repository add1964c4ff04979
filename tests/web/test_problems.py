"""Whatever is wrong with a request, the answer is a problem in Chinese and English, and never repeats what was sent."""

import json

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.api.answered import Problem
from services.web.api.problems import HTTP, MEDIA_TYPE, STATUS, TITLES
from services.web.usecases import viewing
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused
from tests.web.scene import OTHER_NUMBER, PERSON, SECRETS, TAKEN_IN, Scene, a_form, facts, people, taken_in

JSON = "application/json"
CASE = "/cases/01999999-0000-7000-8000-00000000abcd"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def is_problem(answer, status=None, code=None):
    assert answer.mimetype == MEDIA_TYPE, answer.text
    body = answer.json
    assert set(Problem().fields) - {"errors"} <= set(body)
    assert body["type"] == f"urn:tongban:problem:{body['code']}"
    assert body["status"] == answer.status_code
    assert body["instance"].startswith("urn:uuid:")
    assert all(body[name] for name in ("title", "title_en", "detail", "detail_en"))
    assert any("\u4e00" <= character <= "\u9fff" for character in body["detail"])
    assert "Traceback" not in answer.text
    assert status in (None, answer.status_code)
    assert code in (None, body["code"])
    return body


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "route_unknown"),
        ("GET", "/cases/not-a-uuid", {}, 404, "route_unknown"),
        ("DELETE", "/cases", {}, 405, "method_not_allowed"),
        ("POST", "/cases", {"data": b"{}", "content_type": "text/plain"}, 415, "media_type_not_supported"),
        ("POST", "/cases", {"data": b"{", "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b"\xff", "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b'{"matter": NaN}', "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b'{"matter": "\\u0000"}', "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b'{"matter": "\\ud800"}', "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b"[" * 100_000, "content_type": JSON}, 400, "request_malformed"),
        ("POST", "/cases", {"data": b" " * 300_000, "content_type": JSON}, 413, "body_too_large"),
        ("POST", "/cases", {"json": []}, 422, "fields_invalid"),
        ("POST", "/cases", {"json": {}}, 422, "fields_invalid"),
        ("POST", "/cases", {"data": b"", "content_type": JSON}, 400, "request_malformed"),
        ("GET", CASE, {}, 404, "case_unknown"),
        ("GET", f"{CASE}/receipt", {}, 404, "case_unknown"),
        ("POST", f"{CASE}/acts", {"json": {"act": "withdraw", "expected_version": 1}}, 404, "case_unknown"),
        ("GET", "/cases?limit=0", {}, 422, "fields_invalid"),
        ("GET", "/cases?limit=x", {}, 422, "fields_invalid"),
        ("GET", "/cases?colour=blue", {}, 422, "fields_invalid"),
        ("GET", "/cases?cursor=%00", {}, 422, "fields_invalid"),
        ("GET", "/cases?state=%00", {}, 422, "fields_invalid"),
        ("GET", "/divisions?as_of=yesterday", {}, 422, "fields_invalid"),
        ("GET", "/divisions/999999", {}, 422, "division_unknown"),
        ("GET", "/divisions/x", {}, 404, "division_unknown"),
        ("GET", "/divisions/620102?as_of=0001-01-01", {}, None, None),
        ("GET", "/matters/none", {}, 404, "matter_unknown"),
        ("GET", "/offices/none", {}, 404, "office_unknown"),
        ("GET", "/guides/620102/none", {}, 404, "matter_unknown"),
        ("GET", "/guides/none/disability-subsidies", {}, 404, "division_unknown"),
        ("POST", "/files", {"data": b"x", "content_type": "text/html"}, 422, "file_type_not_allowed"),
        ("POST", "/files", {"data": {"other": "x"}, "content_type": "multipart/form-data"}, 400, "request_malformed"),
        ("GET", "/tokens", {}, 403, "kind_not_allowed"),
    ],
)
def test_every_error_is_a_problem(scene, method, path, more, status, code):
    answer = scene.ask(method, path, scene.token(), **more)
    if status is not None or answer.status_code >= 400:
        is_problem(answer, status, code)


def test_a_missing_token_is_a_problem(scene):
    assert is_problem(scene.ask("GET", "/cases"), 401, "token_invalid")


def test_a_problem_names_the_methods_that_would_do(scene):
    assert "POST" in scene.ask("DELETE", "/cases").headers["Allow"]


def test_every_faulty_field_is_named_at_once(scene):
    form = a_form(parties=[{"role": "king", "name": PERSON["name"]}], consents="yes", colour="blue")
    body = is_problem(scene.ask("POST", "/cases", scene.token(), json=form), 422, "fields_invalid")
    assert {fault["field"] for fault in body["errors"]} >= {
        "parties.0.role",
        "parties.0.id_type",
        "parties.0.id_number",
        "consents",
        "colour",
    }
    assert all(any("\u4e00" <= c <= "\u9fff" for c in fault["detail"]) for fault in body["errors"])


def test_a_bug_is_answered_without_a_word_of_what_was_sent(scene, monkeypatch):
    def broken(*_args):
        raise RuntimeError(f"could not read {PERSON['id_number']}")

    monkeypatch.setattr(viewing, "list_cases", broken)
    with structlog.testing.capture_logs() as logs:
        answer = scene.ask("GET", "/cases", scene.token())
    body = is_problem(answer, 500, "internal_error")
    [logged] = [line for line in logs if line["event"] == "request_failed"]
    assert (logged["instance"], logged["error"]) == (body["instance"], "RuntimeError")
    assert any("cases.py" in place for place in logged["where"])
    assert PERSON["id_number"] not in answer.text + str(logs)


PERSONAL_PLACES = [
    ("matter", lambda secret: a_form(matter=secret)),
    ("office", lambda secret: a_form(office=secret)),
    ("channel", lambda secret: a_form(channel=secret)),
    ("role", lambda secret: a_form(parties=[PERSON | {"role": secret}])),
    ("name", lambda secret: a_form(parties=[PERSON | {"name": secret + "1"}])),
    ("number", lambda secret: a_form(parties=[PERSON | {"id_number": secret + "1"}])),
    ("division", lambda secret: a_form(parties=[PERSON | {"hukou_division": secret}])),
    ("phone", lambda secret: a_form(parties=[PERSON | {"phone": secret + "1"}])),
    ("date", lambda secret: a_form(parties=[PERSON | {"expires_on": secret[:10]}])),
    ("material", lambda secret: a_form(materials=[{"code": secret, "source": secret, "file_id": secret}])),
    ("answer", lambda secret: a_form(answers={secret: secret})),
    ("field", lambda secret: a_form(**{secret: secret})),
    ("consent", lambda secret: a_form(consents=[secret])),
    ("place", lambda secret: a_form(place_division=secret)),
]


@pytest.mark.parametrize("secret", ["何守田", "990102197503120178", "13912345678"])
@pytest.mark.parametrize("build", [build for _, build in PERSONAL_PLACES], ids=[name for name, _ in PERSONAL_PLACES])
def test_no_problem_and_no_log_repeats_what_was_sent(scene, build, secret):
    with structlog.testing.capture_logs() as logs:
        answer = scene.ask("POST", "/cases", scene.token(), json=build(secret))
    is_problem(answer)
    for written in (answer.text, str(answer.headers), str(logs)):
        assert not [known for known in (secret, *SECRETS) if known in written]


@pytest.mark.parametrize("path", ["/cases/{}", "/divisions/{}", "/offices/{}", "/matters/{}", "/{}", "/cases?limit={}"])
def test_no_problem_repeats_the_address(scene, path):
    with structlog.testing.capture_logs() as logs:
        answer = scene.ask("GET", path.format(OTHER_NUMBER), scene.token())
    is_problem(answer)
    assert OTHER_NUMBER not in answer.text + str(logs)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
PATHS = ["/cases", f"{CASE}/acts", "/cases/search", "/webhooks"]
NAMES = [*a_form(), "act", "expected_version", "case_no", "id_type", "id_number", "url", "label", "office", "answers"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_no_body_is_a_bug(scene, path, body):
    if "token" not in scene.__dict__.setdefault("kept", {}):
        scene.kept["token"] = scene.token(actor="fuzz", roles=("admin",))
    answer = scene.ask("POST", path, scene.kept["token"], data=json.dumps(body), content_type=JSON)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        is_problem(answer)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*a_form(), "answers", "place_division", "office"]), value=VALUES)
def test_no_field_of_a_form_is_a_bug(scene, name, value):
    if "token" not in scene.__dict__.setdefault("kept", {}):
        scene.kept["token"] = scene.token(actor="fuzz")
    answer = scene.ask("POST", "/cases", scene.kept["token"], json=a_form(**{name: value}))
    assert answer.status_code < 500
    if answer.status_code >= 400:
        is_problem(answer)


def test_the_four_errors_have_their_status_and_every_status_its_words():
    assert {Refused: 422, NotFound: 404, OutOfStep: 409, Denied: 403} == STATUS
    assert set(STATUS.values()) | set(HTTP) <= set(TITLES)


def test_a_file_that_is_still_on_its_way_from_the_other_city_has_an_answer_of_its_own(scene):
    case_id, file_id = clock.new_id(), clock.new_id()
    paper = {"code": "disability-card", "source": "applicant", "file_id": file_id, "provided_at": "2025-09-24"}
    scene.hear(TAKEN_IN, case_id, taken_in(facts(materials=[paper])), people())
    answer = scene.ask("GET", f"/files/{file_id}", scene.token(), headers={"X-Purpose": "handle_case"})
    assert "没有从收件地传全" in is_problem(answer, 409, "file_arriving")["detail"]
