"""Appointments over HTTP: which slots there are, book one, cancel, come, and what an office publishes."""

from typing import Any

from flask import Response, g, url_for

from contracts.api import appointments as shapes
from services.web.api import problems
from services.web.api.auth import PUBLIC, allowed, principal, works
from services.web.api.cases import COMMAND_HEADERS, Answer, await_answer
from services.web.api.routes import (
    IDEMPOTENCY_KEY,
    PURPOSE,
    blueprint,
    documented,
    headers,
    idempotency_key,
    purpose,
    route,
)
from services.web.usecases import appointments as usecases
from shared.errors import TongbanError

appointments = blueprint("appointments", "预约")
NO_PLACE = {"description": "没有号位", "content": {problems.MEDIA_TYPE: {"schema": shapes.NoPlace}}}


@route(appointments, "GET /slots", query=shapes.SlotFilter, gives={200: shapes.SlotList})
@allowed(PUBLIC)
def list_slots(query: dict[str, Any]) -> dict[str, Any]:
    """Open slots still to come and their free places, of an office or for a matter, weekends and special sites too."""
    with works().begin() as work:
        return usecases.list_slots(work, query)


@route(
    appointments,
    "POST /offices/<code>/slots",
    takes=shapes.NewSchedule,
    gives={201: shapes.SlotsChanged, 202: shapes.SlotsChanged},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def open_slots(body: dict[str, Any], code: str) -> Answer:
    """放号, by a clerk of that office: 201 when they are open, 202 when the answer is still to come."""
    key = idempotency_key()
    with works().begin() as work:
        usecases.open_slots(work, principal(), code, body, key)
    return _slots_changed(code, key, 201)


@route(
    appointments,
    "POST /offices/<code>/slots/close",
    takes=shapes.SlotClosing,
    gives={200: shapes.SlotsChanged, 202: shapes.SlotsChanged},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk")
def close_slots(body: dict[str, Any], code: str) -> Answer:
    """停号, by a clerk of that office: no further bookings; those made are served."""
    key = idempotency_key()
    with works().begin() as work:
        usecases.close_slots(work, principal(), code, body, key)
    return _slots_changed(code, key, 200)


def _slots_changed(office: str, key: str, done: int) -> Answer:
    command = await_answer(key)
    url = url_for("appointments.list_slots", office=office)
    return {"slots_url": url}, done if command.outcome else 202, {"Location": url}


@route(
    appointments,
    "POST /appointments",
    takes=shapes.NewAppointment,
    gives={201: shapes.AppointmentAnswer, 202: shapes.AppointmentAnswer},
)
@documented(responses={"409": NO_PLACE, "422": NO_PLACE})
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk", "citizen", "channel")
def book(body: dict[str, Any]) -> Answer | Response:
    """预约: 201 with the booking; refused with the nearest free slots; 202 when the answer is still to come."""
    key = idempotency_key()
    with works().begin() as work:
        appointment_id = usecases.book(work, principal(), body, key)
    g.case = appointment_id
    try:
        return _answer(appointment_id, key, 201)
    except TongbanError as error:
        if "nearest" not in error.details:
            raise
        with works().begin() as work:
            free = usecases.nearest(work, str(error.details["nearest"]).split())
        return problems.from_refusal(error, nearest=free)


@route(appointments, "GET /appointments", query=shapes.AppointmentFilter, gives={200: shapes.AppointmentList})
@allowed("clerk", "citizen", "channel")
def list_appointments(query: dict[str, Any]) -> dict[str, Any]:
    """One's own bookings; for clerks those of their office on a day, without persons."""
    with works().begin() as work:
        return usecases.list_appointments(work, principal(), query["on"])


@route(appointments, "GET /appointments/<uuid:appointment_id>", gives={200: shapes.AppointmentView})
@headers({PURPOSE: "工作人员查看个人信息时必填,并记录在案"})
@allowed("clerk", "citizen", "channel")
def get_appointment(appointment_id: object) -> dict[str, Any]:
    """A booking; for clerks its persons only with X-Purpose."""
    with works().begin() as work:
        return usecases.view_appointment(work, principal(), str(appointment_id), purpose())


@route(
    appointments,
    "POST /appointments/<uuid:appointment_id>/acts",
    takes=shapes.AppointmentAct,
    gives={200: shapes.AppointmentAnswer, 202: shapes.AppointmentAnswer},
)
@headers(COMMAND_HEADERS, IDEMPOTENCY_KEY)
@allowed("clerk", "citizen", "channel")
def act_on_appointment(body: dict[str, Any], appointment_id: object) -> Answer:
    """取消 by whom it is for, or a clerk of the office; 签到 and 记未到 by a clerk of the office."""
    key = idempotency_key()
    with works().begin() as work:
        usecases.act(work, principal(), str(appointment_id), body["act"], key)
    return _answer(str(appointment_id), key, 200)


def _answer(appointment_id: str, key: str, done: int) -> Answer:
    """The booking as it is once the command has been answered, or while it is on its way."""
    command = await_answer(key)
    url = url_for("appointments.get_appointment", appointment_id=appointment_id)
    with works().begin() as work:
        shown = usecases.view_appointment(work, principal(), appointment_id)
    return {"status_url": url, "appointment": shown}, done if command.outcome else 202, {"Location": url}
