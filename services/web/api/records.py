"""Marriage records over HTTP: looked up by departments for a purpose, and by a person; numbers only in the body."""

from typing import Any

from contracts.api import asked
from contracts.api import records as shapes
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
from services.web.usecases import correcting
from services.web.usecases import records as usecases

records = blueprint("records", "婚姻登记记录")
GIVES = {200: shapes.RecordAnswer, 202: shapes.RecordAnswer}
Answer = tuple[dict[str, Any], int]


@route(records, "POST /marriages/search", takes=shapes.RecordSearch, gives=GIVES)
@headers(COMMAND_HEADERS | {PURPOSE: "查询目的,并记录在案"}, IDEMPOTENCY_KEY, PURPOSE)
@allowed("clerk")
def search(body: dict[str, Any]) -> Answer:
    """A person's marriages and divorces on record here: 200 with them, 202 (ask again, same key) while they are sought."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.search(work, principal(), body, purpose(), key)
    return _answer(request_id, key)


@route(records, "POST /marriages/mine", takes=shapes.OwnSearch, gives=GIVES)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("citizen", "channel")
def search_own(body: dict[str, Any]) -> Answer:
    """One's own marriages and divorces on record here: 200 with them, 202 (ask again, same key) while they are sought."""
    key = idempotency_key()
    with works().begin() as work:
        request_id = usecases.search_own(work, principal(), body, key)
    return _answer(request_id, key)


def _answer(request_id: str, key: str) -> Answer:
    command = await_answer(key)
    with works().begin() as work:
        return usecases.answer_of(work, request_id), 200 if command.outcome else 202


@route(
    records,
    "POST /marriages/corrections",
    takes=shapes.NewCorrection,
    gives={201: shapes.RecordedCorrection, 202: shapes.RecordedCorrection},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def record_correction(body: dict[str, Any]) -> Answer:
    """更正 of a record held here: 201 when it is recorded, 202 when the answer is still to come; another clerk confirms."""
    key = idempotency_key()
    with works().begin() as work:
        correction_id = correcting.record(work, principal(), body, key)
    command = await_answer(key)
    return {"correction_id": correction_id}, 201 if command.outcome else 202


@route(
    records,
    "POST /marriages/corrections/<uuid:correction_id>/acts",
    takes=asked.EndingAct,
    gives={200: shapes.RecordedCorrection, 202: shapes.RecordedCorrection},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def act_on_correction(body: dict[str, Any], correction_id: object) -> Answer:
    """复核, by another clerk: 200 when it is confirmed or rejected, 202 when the answer is still to come."""
    key, about = idempotency_key(), str(correction_id)
    with works().begin() as work:
        correcting.confirm(work, principal(), about, body, key)
    command = await_answer(key)
    return {"correction_id": about}, 200 if command.outcome else 202
