"""A request's trace: taken from its traceparent or begun, told on, logged, and given back for the clerk to quote."""

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from services.web.api.app import create_app
from services.web.usecases import viewing
from shared.logs import trace_id, traceparent
from tests.web.scene import SECRETS, Scene, a_form
from tests.web.test_api import refuse

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
CASE = "/cases/01999999-0000-7000-8000-00000000abcd"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def take_in(scene, headers):
    return scene.ask("POST", "/cases", scene.token(), headers=headers, json=a_form())


def asked(scene, *request, **more):
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = scene.ask(*request, **more)
    return answer, [line for line in lines if line["event"] in ("problem", "request_failed")]


def test_a_request_goes_on_with_the_trace_it_names(scene):
    answer = take_in(scene, GIVEN)
    [command] = scene.told()
    assert trace_id(answer.headers["traceresponse"]) == trace_id(command.trace) == TRACE
    assert command.trace == answer.headers["traceresponse"] != GIVEN["traceparent"]


@pytest.mark.parametrize("header", [{}, {"traceparent": "990102197503120178"}, {"traceparent": "何守田"}])
def test_a_request_without_a_traceparent_begins_a_trace(scene, header):
    traces = {trace_id(take_in(scene, header).headers["traceresponse"]) for _ in range(2)}
    assert {trace_id(message.trace) for message in scene.told()} == traces
    assert len(traces - {""}) == 2
    assert not [secret for secret in SECRETS if secret in str([message.trace for message in scene.told()])]


@pytest.mark.parametrize("path", ["/health", "/cases", "/nowhere", CASE])
def test_every_answer_names_its_trace_and_so_does_the_log_of_a_problem(scene, path):
    answer, lines = asked(scene, "GET", path, headers=GIVEN)
    assert trace_id(answer.headers["traceresponse"]) == TRACE
    assert {line["trace"] for line in lines} == ({TRACE} if answer.status_code >= 400 else set())


def test_no_trace_is_left_behind_when_the_answer_is_given(scene):
    take_in(scene, GIVEN)
    assert trace_id(traceparent()) != TRACE
    assert "trace" not in structlog.contextvars.get_contextvars()


def test_a_problem_is_logged_with_its_code_and_the_case_in_its_address(scene):
    _, [line] = asked(scene, "GET", CASE, scene.token())
    assert (line["code"], line["case"]) == ("case_unknown", CASE.removeprefix("/cases/"))


def test_a_problem_about_no_case_names_none(scene):
    _, [line] = asked(scene, "GET", "/matters/none", scene.token())
    assert "case" not in line


def test_a_refused_application_is_logged_with_the_case_it_opened(scene):
    token, key = scene.token(), {"Idempotency-Key": "take-in-1"}
    request = {"headers": key, "json": a_form()}
    case = scene.ask("POST", "/cases", token, **request).json["receipt"]["case_id"]
    refuse(scene, case)
    _, [line] = asked(scene, "POST", "/cases", token, **request)
    assert (line["code"], line["case"]) == ("duplicate_case", case)


def test_a_bug_is_logged_with_its_case_and_trace(scene, monkeypatch):
    monkeypatch.setattr(viewing, "view_case", lambda *_args: 1 / 0)
    _, lines = asked(scene, "GET", CASE, scene.token(), headers=GIVEN)
    failed = next(line for line in lines if line["event"] == "request_failed")
    assert (failed["case"], failed["trace"]) == (CASE.removeprefix("/cases/"), TRACE)


def test_lines_of_a_request_say_which_process_wrote_them(scene):
    """Threads that answer start without the context of the thread that made the application."""
    with structlog.contextvars.bound_contextvars(node="620100", process="http"):
        scene.http = create_app(scene.works, scene.node).test_client()
    _, [line] = asked(scene, "GET", "/nowhere")
    assert (line["node"], line["process"]) == ("620100", "http")
