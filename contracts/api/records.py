"""What may be asked of the JSON API about marriage records, and what it answers."""

from marshmallow import Schema, fields, validate

from contracts.api.asked import PLAIN, Asked, NewDocument, NewSpouse
from contracts.marriage_parts import Coverage, FoundRecord, NationalAnswer


class OwnSearch(Asked):
    """Whose: one's own document. `nationwide`: the national registry is asked, too."""

    id_type = fields.String(required=True, validate=[validate.Length(min=1, max=60), PLAIN])
    id_number = fields.String(required=True, validate=validate.Length(min=1, max=60))
    nationwide = fields.Boolean(load_default=False)


class RecordSearch(OwnSearch):
    """Whose; `department`: for which it is asked; `certificate`: of there being no record, where that is lawful."""

    department = fields.String(load_default="", validate=validate.Length(max=40))
    certificate = fields.Boolean(load_default=False)


class RecordsView(Schema):
    """What is on record, and of which years and places that is said."""

    records = fields.List(fields.Nested(FoundRecord), required=True)
    covers = fields.List(fields.Nested(Coverage), required=True)
    national = fields.Nested(NationalAnswer, required=True, allow_none=True)
    statement = fields.String(required=True)


class RecordAnswer(Schema):
    """`found` is null while it is sought, and again a day later."""

    request_id = fields.String(required=True)
    note = fields.String(required=True)
    found = fields.Nested(RecordsView, required=True, allow_none=True)


class NewCorrection(Asked):
    """更正: the record as it stands, both persons as they should stand, in the same order, and by which document."""

    certificate_no = fields.String(required=True, validate=validate.Length(min=1, max=40))
    persons = fields.List(fields.Nested(NewSpouse), required=True, validate=validate.Length(equal=2))
    corrected = fields.List(fields.Nested(NewSpouse), required=True, validate=validate.Length(equal=2))
    document = fields.Nested(NewDocument, required=True)


class RecordedCorrection(Schema):
    """A correction that was recorded; how it goes on stands in the notices."""

    correction_id = fields.String(required=True)
