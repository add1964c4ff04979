"""A person's own claims over HTTP: looked up and given up, at a counter or by themselves; numbers only in the body."""

from typing import Any

from contracts.api import claims as shapes
from services.web.api.auth import allowed, principal, works
from services.web.api.cases import COMMAND_HEADERS, await_answer
from services.web.api.routes import (
    IDEMPOTENCY_KEY,
    PURPOSE,
    blueprint,
    headers,
    idempotency_key,
    purpose,
    route,
)
from services.web.usecases import claims as usecases

claims = blueprint("claims", "占用(一人一事)")
FOUND = {200: shapes.ClaimsAnswer, 202: shapes.ClaimsAnswer}
DROPPED = {200: shapes.DropAnswer, 202: shapes.DropAnswer}
AT_COUNTER = COMMAND_HEADERS | {PURPOSE: "查询目的,并记录在案;到场的本人请求时为 own_at_counter"}
Answer = tuple[dict[str, Any], int]


@route(claims, "POST /claims/search", takes=shapes.OwnDocument, gives=FOUND)
@headers(AT_COUNTER, IDEMPOTENCY_KEY, PURPOSE)
@allowed("clerk")
def search(body: dict[str, Any]) -> Answer:
    """What is held on the person at the counter, by which office: 200, or 202 (ask again, same key) while it is sought."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.search(work, principal(), body, purpose(), key)
    return _found(request_id, key)


@route(claims, "POST /claims/mine", takes=shapes.OwnDocument, gives=FOUND)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("citizen", "channel")
def search_own(body: dict[str, Any]) -> Answer:
    """What is held on oneself, by which office: 200, or 202 (ask again, same key) while it is sought."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.search_own(work, principal(), body, key)
    return _found(request_id, key)


@route(claims, "POST /claims/drops", takes=shapes.Drop, gives=DROPPED)
@headers(AT_COUNTER, IDEMPOTENCY_KEY, PURPOSE)
@allowed("clerk")
def drop(body: dict[str, Any]) -> Answer:
    """放弃预留 for the person at the counter: 200 when it has ended, 422 when it is locked, 202 without an answer yet."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.drop(work, principal(), body, purpose(), key)
    return _dropped(request_id, key)


@route(claims, "POST /claims/mine/drops", takes=shapes.Drop, gives=DROPPED)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("citizen", "channel")
def drop_own(body: dict[str, Any]) -> Answer:
    """放弃预留 of one's own: 200 when it has ended, 422 when it is locked, 202 without an answer yet."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.drop_own(work, principal(), body, key)
    return _dropped(request_id, key)


def _found(request_id: str, key: str) -> Answer:
    answered = bool(await_answer(key).outcome)
    with works().begin() as work:
        return usecases.answer_of(work, request_id, answered=answered), 200 if answered else 202


def _dropped(request_id: str, key: str) -> Answer:
    answered = bool(await_answer(key).outcome)
    return usecases.drop_answer(request_id, answered=answered), 200 if answered else 202
