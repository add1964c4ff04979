"""What appointment (预约) is asked and what it says: slots of an office, and places held in them. Nothing leaves a city.

A booking holds a place at a time and nothing else: no claim, no case. Its subject is the appointment; that of slots is
whatever their opening or closing was called.
"""

from marshmallow import Schema, fields, validate

from contracts import deciding
from contracts.case import Actor, Reason
from contracts.envelope import Contract, Part, expect_day

KINDS = ("regular", "weekend", "special")  # 工作日, 天天办, 特色办
STATES = ("booked", "cancelled", "arrived", "no_show")
ONE_COMMAND = 500  # slots that may be opened or closed at once
CLOCK = validate.Regexp(r"^([01]\d|2[0-3]):[0-5]\d$", error="时间应写成 09:30")
DAY = validate.And(validate.Length(equal=10), expect_day)
CODE = validate.Regexp(r"^[0-9A-Za-z-]{1,60}$")


class ActRefusedV1(deciding.Refusal):
    """不能办: the answer to a command appointment cannot carry out.

    Of a full or past slot, `details.nearest` names the free slots of the office that are nearest, separated by blanks.
    """

    type = "appointment.act_refused.v1"
    consumers = ("web",)


class Asked(Contract):
    """A command to appointment."""

    consumers = ("appointment",)
    answers = ActRefusedV1
    actor = fields.Nested(Actor, required=True)


class OpenSlotsV1(Asked):
    """放号: an office publishes when it serves which matters."""

    type = "appointment.open_slots.v1"
    office = fields.String(required=True, validate=CODE)
    matters = fields.List(fields.String(validate=CODE), required=True, validate=validate.Length(min=1, max=6))
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    site = fields.String(
        load_default="", validate=validate.Length(max=60)
    )  # "": the office itself; else e.g. 景区颁证点
    from_on = fields.String(required=True, validate=DAY)
    until_on = fields.String(required=True, validate=DAY)  # included
    weekdays = fields.List(
        fields.Integer(validate=validate.Range(1, 7)), required=True, validate=validate.Length(min=1, max=7)
    )  # 1 Monday to 7 Sunday
    opens = fields.String(required=True, validate=CLOCK)  # of a day, Shanghai
    closes = fields.String(required=True, validate=CLOCK)
    minutes = fields.Integer(required=True, validate=validate.Range(5, 480))  # of one slot
    capacity = fields.Integer(required=True, validate=validate.Range(1, 500))  # bookings in one slot


class CloseSlotsV1(Asked):
    """停号: no further bookings in these slots; those made are served."""

    type = "appointment.close_slots.v1"
    office = fields.String(required=True, validate=CODE)
    slot_ids = fields.List(
        fields.String(validate=validate.Length(equal=36)),
        required=True,
        validate=validate.Length(min=1, max=ONE_COMMAND),
    )


class Visitor(Part):
    """A person who is to come; only ever inside a sealed part."""

    name = fields.String(required=True)
    id_type = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(load_default="")


class Visit(Schema):
    """The sealed part of a booking: who booked, perhaps who comes along, and for whom the asker's token speaks."""

    person = fields.Nested(Visitor, required=True)
    other = fields.Nested(Visitor, load_default=None, allow_none=True)  # the other one of a couple
    asked_for = fields.String(load_default="")  # the blind index of the asker's person; "" for clerks


class Owner(Schema):
    """The sealed part of an act on a booking: for whom the asker's token speaks."""

    asked_for = fields.String(load_default="")


class BookAppointmentV1(Asked):
    """预约: hold one place in a slot."""

    type = "appointment.book_appointment.v1"
    Personal = Visit
    slot_id = fields.String(required=True)
    matter = fields.String(required=True)


class CancelAppointmentV1(Asked):
    """取消预约."""

    type = "appointment.cancel_appointment.v1"
    Personal = Owner


class NoteArrivalV1(Asked):
    """签到."""

    type = "appointment.note_arrival.v1"


class NoteNoShowV1(Asked):
    """记爽约: nobody came while the place was kept."""

    type = "appointment.note_no_show.v1"


class Slot(Part):
    """A slot as anyone may see it; the highest version is the newest."""

    slot_id = fields.String(required=True)
    office = fields.String(required=True)
    matters = fields.List(fields.String(), required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    site = fields.String(required=True)
    starts_at = fields.String(required=True)
    ends_at = fields.String(required=True)
    capacity = fields.Integer(required=True)
    free = fields.Integer(required=True)
    is_open = fields.Boolean(required=True)
    version = fields.Integer(required=True)


class SlotsOpenedV1(Contract):
    """已放号."""

    type = "appointment.slots_opened.v1"
    consumers = ("web",)
    slots = fields.List(fields.Nested(Slot), required=True)


class SlotsClosedV1(Contract):
    """已停号."""

    type = "appointment.slots_closed.v1"
    consumers = ("web",)
    slots = fields.List(fields.Nested(Slot), required=True)


class Appointment(Part):
    """A booking without its person; the highest version is the newest."""

    matter = fields.String(required=True)
    number = fields.String(required=True)  # 预约号: its office calls it up by this, e.g. 0930-02
    arrive_until = fields.String(required=True)  # the place is kept until then
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    version = fields.Integer(required=True)


class Told(Contract):
    """What became of a booking; the slot as it is now."""

    consumers = ("web",)
    appointment = fields.Nested(Appointment, required=True)
    slot = fields.Nested(Slot, required=True)
    actor = fields.Nested(Actor, required=True)
    at = fields.String(required=True)


class AppointmentBookedV1(Told):
    """已预约. Warnings refuse nothing: the counter decides when both have come."""

    type = "appointment.appointment_booked.v1"

    class Personal(Schema):
        """Who is to come, and what they had better know before: it may tell of their age."""

        person = fields.Nested(Visitor, required=True)
        other = fields.Nested(Visitor, required=True, allow_none=True)
        warnings = fields.List(fields.Nested(Reason), required=True)


class AppointmentCancelledV1(Told):
    """已取消: the place is free again."""

    type = "appointment.appointment_cancelled.v1"


class ArrivalNotedV1(Told):
    """已签到; `late`: after the time for which the place was kept."""

    type = "appointment.arrival_noted.v1"
    late = fields.Boolean(required=True)


class NoShowNotedV1(Told):
    """爽约."""

    type = "appointment.no_show_noted.v1"
