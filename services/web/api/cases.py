"""Cases over HTTP: take in, read, search, act, and what waits to be done."""

from typing import Any

from flask import current_app, g, url_for

from contracts.api import answered, asked
from services.web.api.auth import allowed, principal, works
from services.web.api.routes import (
    IDEMPOTENCY_KEY,
    PREFER,
    PURPOSE,
    blueprint,
    headers,
    idempotency_key,
    preferred_wait,
    purpose,
    route,
)
from services.web.rules import Command
from services.web.usecases import acting, taking_in, viewing, work_items
from services.web.usecases.answering import Answers

cases = blueprint("cases", "办件")

COMMAND_HEADERS = {
    IDEMPOTENCY_KEY: "同一请求重试时不变",
    PREFER: "RFC 7240:`respond-async` 不等办理结果,立即得到 202;`wait=N` 最多等 N 秒",
}
Answer = tuple[dict[str, Any], int, dict[str, str]]


def await_answer(key: str) -> Command:
    """The command asked under that key; its answer is waited for as long as the asker prefers and we have patience."""
    answers: Answers = current_app.extensions["tongban.answers"]
    return answers.wait(principal(), key, _patience())


def _patience() -> float:
    return preferred_wait(current_app.config["PATIENCE"])


def status_url(case_id: str) -> str:
    """Where the case can be looked at."""
    return url_for("cases.get_case", case_id=case_id)


@route(cases, "POST /cases", takes=asked.NewCase, gives={201: answered.TakenIn, 202: answered.TakenIn})
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk", "citizen", "channel")
def take_in(body: dict[str, Any]) -> Answer:
    """收件: 201 with the case when intake has taken it in, 202 with the receipt when its answer is still to come."""
    who, key = principal(), idempotency_key()
    with works().begin() as work:
        case_id = taking_in.take_in(work, who, body, key, _patience())
    g.case = case_id
    command = await_answer(key)
    with works().begin() as work:
        case = viewing.view_case(work, who, case_id) if command.outcome else None
        receipt = viewing.receipt(work, who, case_id)
    url = status_url(case_id)
    answer = {"receipt": receipt, "status_url": url, "case": case}
    return answer, 201 if command.outcome else 202, {"Location": url}


@route(cases, "GET /cases", query=asked.CaseFilter, gives={200: answered.CasePage})
@allowed("clerk", "citizen", "channel")
def list_cases(query: dict[str, Any]) -> dict[str, Any]:
    """One page of the cases one may see, newest first, without persons."""
    with works().begin() as work:
        return viewing.list_cases(work, principal(), query)


@route(cases, "POST /cases/search", takes=asked.Search, gives={200: answered.CasePage})
@headers({PURPOSE: "按证件号码查询时必填"})
@allowed("clerk", "citizen", "channel")
def search(body: dict[str, Any]) -> dict[str, Any]:
    """Cases by case number, or for clerks by a person's number: with a purpose, and on record."""
    with works().begin() as work:
        return viewing.search(work, principal(), body, purpose())


@route(cases, "GET /cases/<uuid:case_id>", gives={200: answered.CaseView})
@headers({PURPOSE: "工作人员查看个人信息时必填,并记录在案"})
@allowed("clerk", "citizen", "channel")
def get_case(case_id: object) -> dict[str, Any]:
    """A case with its legs, clocks, timeline and task; its persons only with X-Purpose."""
    with works().begin() as work:
        return viewing.view_case(work, principal(), str(case_id), purpose())


@route(cases, "GET /cases/<uuid:case_id>/receipt", gives={200: answered.Receipt})
@allowed("clerk", "citizen", "channel")
def get_receipt(case_id: object) -> dict[str, Any]:
    """收件回执."""
    with works().begin() as work:
        return viewing.receipt(work, principal(), str(case_id))


@route(cases, "POST /cases/<uuid:case_id>/acts", takes=asked.Act, gives={200: answered.Done, 202: answered.Done})
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk", "citizen", "channel")
def act(body: dict[str, Any], case_id: object) -> Answer:
    """An act on a case: 200 with its new state, 409 when somebody was faster, 202 when the answer is still to come."""
    who, key, case = principal(), idempotency_key(), str(case_id)
    with works().begin() as work:
        acting.act(work, who, case, body, key)
    command = await_answer(key)
    url = status_url(case)
    if not command.outcome:
        return {"status_url": url, "case": None}, 202, {"Location": url}
    with works().begin() as work:
        return {"status_url": url, "case": viewing.view_case(work, who, case)}, 200, {}


@route(cases, "GET /work-items", query=asked.WorkItemFilter, gives={200: answered.WorkItemPage})
@allowed("clerk")
def list_work_items(query: dict[str, Any]) -> dict[str, Any]:
    """待人工处理: what a person must look at, the oldest first; of the clerk's own office, or of the whole node."""
    with works().begin() as work:
        return work_items.list_items(work, principal(), query)


@route(
    cases,
    "POST /work-items/<uuid:item_id>/acts",
    takes=asked.WorkItemAct,
    gives={200: answered.WorkItem, 202: answered.WorkItem},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def act_on_work_item(body: dict[str, Any], item_id: object) -> Answer:
    """销项: 200 with the item closed, 202 when the answer is still to come."""
    who, key, item = principal(), idempotency_key(), str(item_id)
    with works().begin() as work:
        work_items.close(work, who, item, body, key)
    command = await_answer(key)
    with works().begin() as work:
        return work_items.get_item(work, item), 200 if command.outcome else 202, {}


@route(cases, "GET /tasks", gives={200: answered.TaskList})
@allowed("clerk")
def list_tasks() -> dict[str, Any]:
    """待办: what waits for the clerk's own office, the most urgent first."""
    with works().begin() as work:
        return viewing.list_tasks(work, principal())
