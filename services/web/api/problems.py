"""Every refusal and error as application/problem+json (RFC 9457): what is wrong and what to do, never what was sent."""

import json
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from services.web.api.english import ENGLISH
from shared import clock
from shared.errors import Denied, NotFound, OutOfStep, Refused, TongbanError
from shared.logs import masked
from shared.outbox import is_away

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[TongbanError], int] = {Refused: 422, NotFound: 404, OutOfStep: 409, Denied: 403}
TITLES: Mapping[int, tuple[str, str]] = {
    400: ("请求无法读取", "The request cannot be read"),
    401: ("没有有效的令牌", "No valid token"),
    403: ("无权操作", "Not allowed"),
    404: ("没有找到", "Not found"),
    405: ("不支持的方法", "Method not allowed"),
    409: ("内容已变化", "Out of step"),
    413: ("内容过大", "Too large"),
    415: ("不支持的内容类型", "Media type not supported"),
    422: ("不能办理", "Refused"),
    500: ("系统内部错误", "Internal error"),
    503: ("系统暂时不可用", "Unavailable"),
}
HTTP: Mapping[int, tuple[str, str, str]] = {  # status -> code, what to do
    400: (
        "request_malformed",
        "请求体不是有效的 JSON,请检查后重新提交",
        "The body cannot be read; send valid JSON in UTF-8.",
    ),
    401: (
        "token_invalid",
        "请在 Authorization 中给出有效的 Bearer 令牌",
        "There is no valid token; send one as `Authorization: Bearer`.",
    ),
    404: ("route_unknown", "没有这个地址,请对照接口文档", "There is no such address; see openapi.json."),
    405: (
        "method_not_allowed",
        "此地址不支持这种方法,请对照接口文档",
        "The address does not take this method; see openapi.json.",
    ),
    413: ("body_too_large", "提交的内容过大,请压缩或分开提交", "The body is too large; send less at once."),
    415: (
        "media_type_not_supported",
        "内容类型不受支持,请对照接口文档",
        "The content type is not accepted; see openapi.json.",
    ),
    500: (
        "internal_error",
        "系统出现故障,已记录;请稍后重试,并提供 instance",
        "A fault of ours; try again later and quote `instance`.",
    ),
    503: (
        "database_away",
        "系统正在恢复,没有收到本次提交;请稍后用同一请求重试",
        "We are recovering and have not taken this in; repeat the same request in a moment.",
    ),
}
WORDS: Mapping[str, str] = {  # marshmallow's words, which never hold a value, in Chinese
    "Missing data for required field.": "缺少必填项",
    "Field may not be null.": "不能为空",
    "Unknown field.": "没有这个字段",
    "Not a valid string.": "应为文字",
    "Not a valid integer.": "应为整数",
    "Not a valid boolean.": "应为 true 或 false",
    "Not a valid list.": "应为列表",
    "Not a valid mapping type.": "应为对象",
    "Not a valid date.": "日期应写成 YYYY-MM-DD",
    "Invalid input type.": "应为对象",
}
LATER = (
    "`code` is newer than this node; `detail` says in Chinese what to do."  # a case keeps its refusals over releases
)
_NAME = re.compile(r"[a-z_]{1,40}|\d{1,3}", re.ASCII)


def register(app: Flask) -> None:
    """Answer everything that goes wrong in this application in our own words."""
    app.register_error_handler(TongbanError, from_refusal)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _from_fault)


def problem(status: int, code: str, detail: str, detail_en: str, **more: Any) -> Response:
    """The response; `more`: field, basis, errors, instance. The log has the instance, too."""
    title, title_en = TITLES.get(status, TITLES[400])
    instance = more.pop("instance", None) or new_instance()
    body = {
        "type": f"urn:tongban:problem:{code}",
        "title": title,
        "title_en": title_en,
        "status": status,
        "code": code,
        "detail": masked(detail),
        "detail_en": detail_en,
        "field": "",
        "basis": "",
        "instance": instance,
    }
    log.info("problem", status=status, code=code, instance=instance, **_known_case())
    return Response(json.dumps(body | more, ensure_ascii=False), status, mimetype=MEDIA_TYPE)


def _known_case() -> dict[str, str]:
    """The case the request is about: named by its address, or opened by it."""
    case = g.get("case") or (request.view_args or {}).get("case_id")
    return {"case": str(case)} if case else {}


def new_instance() -> str:
    """The name of one occurrence of a problem."""
    return f"urn:uuid:{clock.new_id()}"


def from_refusal(error: TongbanError, **more: Any) -> Response:
    """The problem of a refusal; `more`: what it says beyond its words."""
    status = STATUS[type(error)]
    english = ENGLISH.get(error.code, LATER)
    return problem(status, error.code, error.message, english, field=error.field, basis=error.basis, **more)


def _from_http(error: HTTPException) -> Response:
    status = error.code or 500
    messages = getattr(error, "data", {}).get("messages")
    if messages is not None:
        return _from_fields(messages)
    code, detail, english = HTTP.get(status, HTTP[500 if status >= 500 else 400])
    response = problem(status, code, detail, english)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 405:
        response.headers.extend({name: value for name, value in error.get_headers() if name == "Allow"})
    return response


def _from_fields(messages: Mapping[str, Any]) -> Response:
    errors = [{"field": path, "detail": detail} for path, detail in _faults(messages, ())][:50]
    first = errors[0] if errors else {"field": "", "detail": ""}
    detail = f"请更正:{first['field'] or '请求体'}{first['detail']}"
    english = ENGLISH["fields_invalid"]
    return problem(422, "fields_invalid", detail, english, field=first["field"], errors=errors)


def _faults(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Fields by path with what is wrong; names that only the sender knows are left out, for they could be anything."""
    if not isinstance(messages, Mapping):
        words = messages if isinstance(messages, list) else [messages]
        yield ".".join(path), ";".join(WORDS.get(str(word), _own(str(word))) for word in words)
        return
    for name, below in messages.items():
        known = _NAME.fullmatch(str(name)) and name not in ("json", "query", "_schema", "key", "value")
        yield from _faults(below, (*path, str(name)) if known else path)


def _own(word: str) -> str:
    """Our own words are Chinese already; marshmallow's other ones speak of limits."""
    return word if any("\u4e00" <= character <= "\u9fff" for character in word) else "格式或长度不符合要求"


def _from_fault(error: Exception) -> Response:
    """The database away, or a bug: its place goes to the log, its words to nobody, for they may hold what was sent."""
    if is_away(error):
        log.warning("database_away", error=type(error).__name__)
        response = problem(503, *HTTP[503])
        response.headers["Retry-After"] = "5"
        return response
    code, detail, english = HTTP[500]
    instance = new_instance()
    where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("request_failed", error=type(error).__name__, where=where[-8:], instance=instance, **_known_case())
    return problem(500, code, detail, english, instance=instance)
