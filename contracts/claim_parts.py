"""What messages about claims are made of, all of it only ever sealed: subjects, claims found, rows of a ledger."""

from marshmallow import Schema, fields, validate

from contracts.case import OfficeRef
from contracts.envelope import CODE6, Part, expect_day

EVERY_SUBJECT = validate.Length(min=1, max=4)
UUID = validate.Length(equal=36)


class ClaimSubject(Part):
    """Whom (a person's document) or what (a marriage's first certificate) a claim is about; only ever sealed.

    Name, birth and sex tell a person with two documents; they are empty of a marriage.
    """

    id_type = fields.String(required=True)
    id_number = fields.String(required=True)
    name = fields.String(load_default="")
    born_on = fields.String(load_default="", validate=expect_day)
    sex = fields.String(load_default="", validate=validate.OneOf(("", "male", "female")))


class Subjects(Schema):
    """The sealed part of a wish for claims."""

    subjects = fields.List(fields.Nested(ClaimSubject), required=True, validate=EVERY_SUBJECT)


class OneSubject(Schema):
    """The sealed part of a wish to an authority."""

    subject = fields.Nested(ClaimSubject, required=True)


class LookedUp(OneSubject):
    """The sealed part of a look-up; `same_as`: is the subject linked to this document (关联), too."""

    same_as = fields.Nested(ClaimSubject, load_default=None, allow_none=True)


class Reference(Schema):
    """Sealed: a certificate's number leads whoever knows a little more to a person."""

    reference = fields.String(required=True, validate=validate.Length(max=80))


class FoundClaim(Part):
    """A live claim, as it may be told to the person it is on."""

    kind = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("held", "locked")))
    office = fields.Nested(OfficeRef, required=True)
    since = fields.String(required=True)
    until = fields.String(load_default="")  # of a held one
    issued = fields.Boolean(load_default=False)


class ClaimsFound(Schema):
    """Sealed: what somebody has going on is personal."""

    claims = fields.List(fields.Nested(FoundClaim), required=True)
    linked = fields.Boolean(load_default=False)  # the subject is linked to the document that was named


class LedgerRow(Part):
    """A claim or a tombstone on its way to another authority; only ever sealed."""

    claim_id = fields.String(required=True, validate=UUID)
    kind = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("held", "locked", "ended")))
    holder = fields.String(required=True, validate=CODE6)
    case_id = fields.String(required=True)
    office = fields.Nested(OfficeRef, load_default=None, allow_none=True)
    subject = fields.Nested(ClaimSubject, load_default=None, allow_none=True)  # none: ended before it was asked for
    until = fields.String(load_default="")
    renewals = fields.Integer(load_default=0)
    reference = fields.String(load_default="")
    issued = fields.Boolean(load_default=False)
    doubted = fields.Boolean(load_default=False)
    at = fields.String(required=True)
    why = fields.String(load_default="")  # it ended


class SameSubject(Part):
    """Two documents of one person, or a corrected number; only ever sealed. Claims are made on the canonical one."""

    subject = fields.Nested(ClaimSubject, required=True)
    canonical = fields.Nested(ClaimSubject, required=True)
    since = fields.String(required=True)


class LedgerRows(Schema):
    """The sealed part of a piece of a ledger."""

    rows = fields.List(fields.Nested(LedgerRow), required=True)
    aliases = fields.List(fields.Nested(SameSubject), load_default=list)
