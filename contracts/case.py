"""What every message about a case is made of: offices, people, papers, steps, clocks, legs, reasons."""

from marshmallow import Schema, fields, validate

from contracts.envelope import CODE6, Part, expect_day

ROLES = ("applicant", "beneficiary", "agent", "spouse", "guardian")
CHANNELS = ("counter", "online", "channel")
SOURCES = ("registry", "e-certificate", "applicant", "promise")


class OfficeRef(Part):
    """An office as other cities need to know it."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    node = fields.String(required=True, validate=CODE6)
    phone = fields.String(load_default="")


class Actor(Part):
    """Who acted: the token's user, never a person's name or number."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(("clerk", "citizen", "channel", "system")))
    office = fields.String(load_default="")  # empty for citizens and the system


class Material(Part):
    """One material of a case; its bytes travel on the file lane."""

    code = fields.String(required=True)
    source = fields.String(required=True, validate=validate.OneOf(SOURCES))
    file_id = fields.String(load_default="")
    sha256 = fields.String(load_default="")
    size = fields.Integer(load_default=0)
    media_type = fields.String(load_default="")
    provided_at = fields.String(required=True)
    seen = fields.String(load_default="", validate=validate.OneOf(("", "original")))  # shown at a counter, no file
    seen_by = fields.String(load_default="")  # the actor who saw it, at `provided_at`


class Party(Part):
    """A person in a role; only ever inside a sealed part."""

    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    name = fields.String(required=True)
    id_type = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(load_default="")
    hukou_division = fields.String(load_default="")
    residence_division = fields.String(load_default="")
    address = fields.String(load_default="")
    basis = fields.String(load_default="")  # why an agent or guardian may act
    expires_on = fields.String(load_default="")
    sex = fields.String(load_default="", validate=validate.OneOf(("", "male", "female")))  # where no number says it
    born_on = fields.String(load_default="", validate=expect_day)


class Parties(Schema):
    """The sealed part of a case."""

    parties = fields.List(fields.Nested(Party), required=True, validate=validate.Length(min=1, max=10))
    answers = fields.Dict(keys=fields.String(), load_default=dict)  # the matter's own questions (form fields)


class Answers(Schema):
    """The sealed part of a supplement: answers to the matter's own questions, which replace earlier ones."""

    answers = fields.Dict(keys=fields.String(), load_default=dict)


class Reason(Part):
    """Why: a code for machines, a sentence for the applicant, the clause it rests on."""

    code = fields.String(required=True)
    text = fields.String(required=True)
    basis = fields.String(required=True)


class Step(Part):
    """One thing that was done: by which office, when. The timeline of a case is a list of these.

    `note` is the house's own words or a certificate's number, never what a person typed.
    """

    verb = fields.String(required=True, validate=validate.Length(max=40))
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True, validate=validate.Length(max=27))
    leg_no = fields.Integer(required=True)
    note = fields.String(load_default="", validate=validate.Length(max=400))


class Pause(Part):
    """When a clock stood still: from the day on which the applicant was asked, until the supplement was there."""

    from_on = fields.String(required=True)
    until_on = fields.String(required=True)


class Clock(Part):
    """A legal clock of one leg: dates are legal dates, limits are working days."""

    name = fields.String(required=True)
    started_on = fields.String(required=True)
    due_on = fields.String(required=True)
    days = fields.Integer(required=True)
    provisional = fields.Boolean(load_default=False)
    pauses = fields.List(fields.Nested(Pause), load_default=list)
    paused_on = fields.String(load_default="")
    ended_on = fields.String(load_default="")
    basis = fields.String(load_default="")


class Leg(Part):
    """One node's part of a case, as the others see it."""

    leg_no = fields.Integer(required=True)
    role = fields.String(required=True, validate=validate.OneOf(("accepting", "competent")))
    node = fields.String(required=True, validate=CODE6)
    state = fields.String(required=True)
    version = fields.Integer(required=True)
    clocks = fields.List(fields.Nested(Clock), required=True)


class CaseFacts(Part):
    """What everybody may know of a case."""

    case_no = fields.String(required=True)
    matter = fields.String(required=True)
    matter_version = fields.Integer(required=True)
    channel = fields.String(required=True, validate=validate.OneOf(CHANNELS))
    accepting_office = fields.Nested(OfficeRef, required=True)
    applied_on = fields.String(required=True)
    taken_in_at = fields.String(required=True)
    materials = fields.List(fields.Nested(Material), required=True)
    consents = fields.List(fields.String(), load_default=list)  # notice_shown, guardian; checks: on record only


class Reasons(Schema):
    """The sealed part of whatever gives reasons: they tell of a person's health and means."""

    reasons = fields.List(fields.Nested(Reason), required=True)


class Missing(Schema):
    """The sealed part of whatever says what is missing."""

    missing = fields.List(fields.Nested(Reason), required=True, validate=validate.Length(min=1))


class Why(Schema):
    """The sealed part of whatever a person gave a reason for in words of their own."""

    reason = fields.String(load_default="")
