"""How a route is declared: its access rule, what it takes and what it gives, documented by the same words."""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from flask import request
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.http import parse_dict_header

from services.web.api.auth import PUBLIC, Access, View
from shared.errors import Refused

PROBLEM = "PROBLEM"  # the name of the one error response in the OpenAPI document
IDEMPOTENCY_KEY = "Idempotency-Key"
PURPOSE = "X-Purpose"
PREFER = "Prefer"
_KEY = re.compile(r"[0-9A-Za-z_.:-]{8,100}", re.ASCII)
_AWKWARD = re.compile(r"\\u(0000|d[89a-f])", re.ASCII | re.IGNORECASE)  # NUL, and halves of characters


class StrictParser(FlaskParser):
    """JSON bodies as RFC 8259 has them, in UTF-8 and without what databases cannot keep."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(("json", "query"))  # each schema says so itself

    def load_json(self, req: Any, schema: Any) -> Any:
        """The body. Raises UnsupportedMediaType or BadRequest."""
        if not req.is_json:
            raise UnsupportedMediaType
        try:
            text = req.get_data(cache=False).decode("utf-8")
            found = json.loads(text, parse_constant=_no_number)
            if _AWKWARD.search(text):
                _expect_storable(found)
        except (ValueError, RecursionError) as error:
            raise BadRequest from error
        return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _expect_storable(found: Any) -> None:
    """ValueError for a NUL or half a character anywhere."""
    if b"\x00" in json.dumps(found, ensure_ascii=False).replace("\\u0000", "\x00").encode():
        raise ValueError("NUL")


def blueprint(name: str, description: str) -> Any:
    """A group of routes."""
    made = Blueprint(name, __name__, description=description)
    made.ARGUMENTS_PARSER = StrictParser()
    return made


def route(
    group: Any, rule: str, *, gives: Mapping[int, Any], takes: Any = None, query: Any = None
) -> Callable[[View], View]:
    """Register a view with an access rule. `rule`: method and path; `takes`: schema of the body, `query` of the URL."""
    method, _, path = rule.partition(" ")

    def registered(view: View) -> View:
        access: Access = view.__dict__["access"]
        made = group.doc(security=_security(access), responses={"default": PROBLEM})(view)
        for status, schema in gives.items():
            made = group.alt_response(status, schema=schema, description=HTTPStatus(status).phrase, success=True)(made)
        if takes is not None:
            made = group.arguments(takes)(made)
        if query is not None:
            made = group.arguments(query, location="query")(made)
        if takes is not None or query is not None:
            made = group.doc(responses={"422": PROBLEM})(made)
        group.route(path, methods=[method])(made)
        return view

    return registered


def _security(access: Access) -> list[dict[str, list[str]]]:
    if PUBLIC in access.kinds:
        return []
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"bearer": [], "citizen": []}]
    return ways if "channel" in access.kinds and access.names_citizen else ways[:1]


def headers(described: Mapping[str, str], *required: str) -> Callable[[View], View]:
    """Document the request headers by name, and which of them it may not lack."""
    kind = {"type": "string"}
    return documented(
        parameters=[
            {"in": "header", "name": name, "description": words, "required": name in required, "schema": kind}
            for name, words in described.items()
        ]
    )


def documented(**operation: Any) -> Callable[[View], View]:
    """Add to the OpenAPI operation what the schemas do not say."""
    added: Callable[[View], View] = Blueprint.doc(**operation)
    return added


def preferred_wait(most: float) -> float:
    """Seconds that the asker wants to wait (RFC 7240), at most `most`; what we do not understand is no preference."""
    preferences = parse_dict_header(request.headers.get(PREFER, ""))
    if "respond-async" in preferences:
        return 0.0
    wait = preferences.get("wait") or ""
    return min(float(wait), most) if wait.isascii() and wait.isdigit() else most


def idempotency_key() -> str:
    """The request's key. Refused `idempotency_key_missing`."""
    key = request.headers.get(IDEMPOTENCY_KEY, "")
    if not _KEY.fullmatch(key):
        message = "请在 Idempotency-Key 中给出 8 至 100 个字母、数字或 - _ . : 组成的键"
        raise Refused("idempotency_key_missing", message, field=IDEMPOTENCY_KEY)
    return key


def purpose() -> str:
    """Why the clerk looks at persons; "" when they do not want to see any."""
    return request.headers.get(PURPOSE, "")
