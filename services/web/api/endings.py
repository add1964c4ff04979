"""Marriages that end without an application, over HTTP: recorded by one clerk, confirmed by another."""

from typing import Any

from contracts.api import answered, asked
from services.web.api.auth import allowed, principal, works
from services.web.api.cases import COMMAND_HEADERS, await_answer
from services.web.api.routes import IDEMPOTENCY_KEY, PURPOSE, blueprint, headers, idempotency_key, purpose, route
from services.web.usecases import ending

marriages = blueprint("marriages", "婚姻终止")
Answer = tuple[dict[str, Any], int]


@route(
    marriages,
    "POST /marriages/endings",
    takes=asked.NewEnding,
    gives={201: answered.RecordedEnding, 202: answered.RecordedEnding},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def record_ending(body: dict[str, Any]) -> Answer:
    """登记终止: 201 when it is on record, 202 when the answer is still to come; a notice says how it goes on."""
    who, key = principal(), idempotency_key()
    with works().begin() as work:
        ending_id = ending.record(work, who, body, key)
    command = await_answer(key)
    return {"ending_id": ending_id}, 201 if command.outcome else 202


@route(marriages, "GET /marriages/endings/<uuid:ending_id>", gives={200: answered.EndingView})
@headers({PURPOSE: "必填,并记录在案"}, PURPOSE)
@allowed("clerk")
def get_ending(ending_id: object) -> dict[str, Any]:
    """How far an ending is that one's own office has recorded, and why it was refused."""
    with works().begin() as work:
        return ending.view(work, principal(), str(ending_id), purpose())


@route(
    marriages,
    "POST /marriages/endings/<uuid:ending_id>/acts",
    takes=asked.EndingAct,
    gives={200: answered.RecordedEnding, 202: answered.RecordedEnding},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def act_on_ending(body: dict[str, Any], ending_id: object) -> Answer:
    """复核, by another clerk: 200 when it is confirmed or rejected, 202 when the answer is still to come."""
    who, key, about = principal(), idempotency_key(), str(ending_id)
    with works().begin() as work:
        ending.confirm(work, who, about, body, key)
    command = await_answer(key)
    return {"ending_id": about}, 200 if command.outcome else 202
