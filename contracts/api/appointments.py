"""What may be asked of the JSON API about appointments (预约), and what it answers."""

from marshmallow import Schema, fields, validate

from contracts.api.answered import Problem, Refusal
from contracts.api.asked import PLAIN, UUID, Asked
from contracts.appointment import CLOCK, CODE, KINDS, ONE_COMMAND
from contracts.case import Reason

APPOINTMENT_ACTS = ("cancel", "arrive", "no_show")
SLOT_ID = (validate.Length(equal=36), UUID)


class NewVisitor(Asked):
    """Who is to come."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    id_type = fields.String(required=True, validate=[validate.Length(min=1, max=60), PLAIN])
    id_number = fields.String(required=True, validate=validate.Length(min=1, max=60))
    phone = fields.String(load_default="", validate=validate.Length(max=40))


class NewAppointment(Asked):
    """预约: a place at a time, and nothing else. `other`: the other one of a couple, who need not be named."""

    slot_id = fields.String(required=True, validate=SLOT_ID)
    matter = fields.String(required=True, validate=CODE)
    person = fields.Nested(NewVisitor, required=True)
    other = fields.Nested(NewVisitor, load_default=None, allow_none=True)


class AppointmentAct(Asked):
    """取消、签到、记未到."""

    act = fields.String(required=True, validate=validate.OneOf(APPOINTMENT_ACTS))


class NewSchedule(Asked):
    """放号: which slots an office opens; `weekdays` from 1 (Monday) to 7, times of Shanghai, `until_on` included."""

    matters = fields.List(fields.String(validate=CODE), required=True, validate=validate.Length(min=1, max=6))
    kind = fields.String(load_default="regular", validate=validate.OneOf(KINDS))
    site = fields.String(load_default="", validate=validate.Length(max=60))
    from_on = fields.Date(required=True)
    until_on = fields.Date(required=True)
    weekdays = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, 7)),
        required=True,
        validate=validate.Length(min=1, max=7),
    )
    opens = fields.String(required=True, validate=CLOCK)
    closes = fields.String(required=True, validate=CLOCK)
    minutes = fields.Integer(required=True, strict=True, validate=validate.Range(5, 480))
    capacity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 500))


class SlotClosing(Asked):
    """停号: no further bookings in these slots."""

    slot_ids = fields.List(
        fields.String(validate=SLOT_ID), required=True, validate=validate.Length(min=1, max=ONE_COMMAND)
    )


class SlotFilter(Asked):
    """Which slots: of an office, for a matter, from a day (today) to another one (two weeks later), both included."""

    office = fields.String(load_default="", validate=[validate.Length(max=60), PLAIN])
    matter = fields.String(load_default="", validate=[validate.Length(max=60), PLAIN])
    from_on = fields.Date(load_default=None, data_key="from")
    until_on = fields.Date(load_default=None, data_key="to")


class AppointmentFilter(Asked):
    """Clerks: of which day (today without it); others see all their own."""

    on = fields.Date(load_default=None)


class SlotView(Schema):
    """A slot to come; `free` 0: it is full."""

    slot_id = fields.String(required=True)
    office = fields.String(required=True)
    office_name = fields.String(required=True)
    matters = fields.List(fields.String(), required=True)
    kind = fields.String(required=True)  # regular, weekend, special
    kind_name = fields.String(required=True)
    site = fields.String(required=True)  # "": the office itself
    on = fields.String(required=True)  # day and times of Shanghai
    starts = fields.String(required=True)
    ends = fields.String(required=True)
    starts_at = fields.String(required=True)
    ends_at = fields.String(required=True)
    capacity = fields.Integer(required=True)
    free = fields.Integer(required=True)


class SlotList(Schema):
    """Slots in the order of time; `truncated`: there are more, ask for fewer days."""

    slots = fields.List(fields.Nested(SlotView), required=True)
    truncated = fields.Boolean(required=True)


class SlotsChanged(Schema):
    """The answer to an opening or closing of slots, and where they can be seen."""

    slots_url = fields.String(required=True)


class VisitorView(Schema):
    """Who is to come; masked but for clerks of the office with a purpose."""

    name = fields.String(required=True)
    id_type = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(required=True)


class VisitView(Schema):
    """The persons of a booking, and what they had better know; a warning refuses nothing."""

    person = fields.Nested(VisitorView, required=True)
    other = fields.Nested(VisitorView, required=True, allow_none=True)
    warnings = fields.List(fields.Nested(Reason), required=True)


class AppointmentOutline(Schema):
    """A booking without persons."""

    appointment_id = fields.String(required=True)
    matter = fields.String(required=True)
    matter_name = fields.String(required=True)
    state = fields.String(required=True)  # asked, not_booked, booked, cancelled, arrived, no_show
    state_name = fields.String(required=True)
    number = fields.String(required=True)  # 预约号
    arrive_until = fields.String(required=True)  # the place is kept until then
    slot = fields.Nested(SlotView, required=True)


class AppointmentList(Schema):
    """Bookings in the order of time; `truncated`: there are more."""

    appointments = fields.List(fields.Nested(AppointmentOutline), required=True)
    truncated = fields.Boolean(required=True)


class AppointmentView(AppointmentOutline):
    """A booking as the one who asks may see it."""

    note = fields.String(required=True)
    refusal = fields.Nested(Refusal, required=True, allow_none=True)
    personal = fields.Nested(VisitView, required=True, allow_none=True)


class AppointmentAnswer(Schema):
    """The answer to a booking or an act on it; `asked`: it is still on its way."""

    status_url = fields.String(required=True)
    appointment = fields.Nested(AppointmentView, required=True)


class NoPlace(Problem):
    """Why there is no place, and the free slots of the same office that are nearest."""

    nearest = fields.List(fields.Nested(SlotView))
