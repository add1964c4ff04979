"""The Flask application of the JSON API, and the OpenAPI document it is described by."""

import io
from collections.abc import Callable, Collection, Iterable
from typing import IO, Any

import structlog
from flask import Flask, Request, Response
from flask_smorest import Api

from contracts.api.answered import Problem
from services.web.api import problems
from services.web.api.administration import administration
from services.web.api.appointments import appointments
from services.web.api.auth import guard
from services.web.api.cases import cases
from services.web.api.claims import claims
from services.web.api.endings import marriages
from services.web.api.files import materials
from services.web.api.records import records
from services.web.api.reference import public
from services.web.api.routes import PROBLEM
from services.web.usecases.answering import PATIENCE, Answers
from shared.directory import Node
from shared.logs import about, continued, traceparent
from shared.outbox import Works

PREFIX = "/api/v1"
LARGEST_BODY = 256 << 10  # bytes of JSON
TRACE = "traceresponse"  # W3C Trace Context, level 2
TRACED = {
    "description": "每个应答都有:本次请求的链路编号(可由请求头 traceparent 给出),报修时请一并提供",
    "schema": {"type": "string", "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "citizen": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Citizen",
        "description": "渠道令牌必填:用本节点加密公钥(见 /keys)加密的 JWE,内容为 id_type 和 id_number",
    },
}


Wsgi = Callable[[Any, Any], Iterable[bytes]]


class InMemory(Request):
    """Uploads stay in memory: what lies on the disk is sealed."""

    def _get_file_stream(self, *_args: Any, **_kwargs: Any) -> IO[bytes]:
        return io.BytesIO()


def create_app(works: Works, node: Node, webhook_hosts: Collection[str] = ()) -> Flask:
    """The application of one node. `works` must be those of the service `web`, its tables migrated.

    `webhook_hosts`: where webhooks may lead inside.
    """
    app, api = _described()
    app.config["WEBHOOK_HOSTS"] = webhook_hosts
    if works.node is not node:
        raise ValueError("the transactions belong to another node")
    app.extensions |= {"tongban": works, "tongban.answers": Answers(works), "tongban.seen": {}}
    app.extensions["tongban.openapi"] = api.spec.to_dict()
    app.before_request(guard)
    app.after_request(_careful)
    problems.register(app)
    app.wsgi_app = _traced(app.wsgi_app)  # type: ignore[assignment, method-assign]  # as Flask says to do
    return app


def _traced(answer: Wsgi) -> Wsgi:
    """Everything logged and told for a request belongs to the trace its traceparent names, or to a new one."""
    always = structlog.contextvars.get_contextvars()  # threads start without

    def answer_traced(environ: Any, start_response: Any) -> Iterable[bytes]:
        with about(continued(environ.get("HTTP_TRACEPARENT", "")), **always):
            return answer(environ, start_response)

    return answer_traced


def openapi_document() -> dict[str, Any]:
    """The API as OpenAPI 3; committed as contracts/openapi.yaml."""
    app, api = _described()
    document: dict[str, Any] = app.json.loads(app.json.dumps(api.spec.to_dict()))
    return document


def _described() -> tuple[Flask, Any]:
    app = Flask(__name__, static_folder=None)
    app.request_class = InMemory
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config |= {
        "API_TITLE": "通办 tongban",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.0.3",
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "PATIENCE": PATIENCE,
    }
    api = Api()
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # every route names ours
    api.init_app(app)
    for name, scheme in SECURITY.items():
        api.spec.components.security_scheme(name, scheme)
    content = {problems.MEDIA_TYPE: {"schema": Problem}}
    api.spec.components.response(PROBLEM, {"description": "RFC 9457", "content": content, "headers": {TRACE: TRACED}})
    for group in (cases, marriages, records, claims, materials, appointments, public, administration):
        api.register_blueprint(group, url_prefix=PREFIX)
    return app, api


def _careful(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers[TRACE] = traceparent()
    return response
