"""What may be asked of the JSON API about a person's own claims (占用), and what it answers."""

from marshmallow import Schema, fields, validate

from contracts.api.asked import PLAIN, Asked
from contracts.case import OfficeRef


class OwnDocument(Asked):
    """Whose claims: one's own document, or at a counter that of the person present."""

    id_type = fields.String(required=True, validate=[validate.Length(min=1, max=60), PLAIN])
    id_number = fields.String(required=True, validate=validate.Length(min=1, max=60))


class Drop(OwnDocument):
    """放弃预留: of which kind, as the look-up shows it."""

    kind = fields.String(required=True, validate=[validate.Length(min=1, max=40), PLAIN])


class ClaimView(Schema):
    """One live claim: where it stands, which office has it, and what can be done. Never who else it concerns."""

    kind = fields.String(required=True)
    kind_name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("held", "registering", "registered")))
    state_name = fields.String(required=True)
    office = fields.Nested(OfficeRef, required=True)
    since = fields.String(required=True)
    until = fields.String(required=True)  # by the authority's clock; empty of what has no end by itself
    may_be_dropped = fields.Boolean(required=True)
    advice = fields.String(required=True)


class ClaimsView(Schema):
    """What is held on a person. `complete` is false while the authority restores its ledger."""

    authority = fields.String(required=True)
    complete = fields.Boolean(required=True)
    claims = fields.List(fields.Nested(ClaimView), required=True)


class ClaimsAnswer(Schema):
    """`found` is null while the authority has not answered, and again a day after it has."""

    request_id = fields.String(required=True)
    note = fields.String(required=True)
    found = fields.Nested(ClaimsView, required=True, allow_none=True)


class DropAnswer(Schema):
    """`dropped` is false while the authority has not answered; what cannot be dropped is a problem."""

    request_id = fields.String(required=True)
    note = fields.String(required=True)
    dropped = fields.Boolean(required=True)
