"""What messages about marriages are made of, all of it only ever sealed."""

from marshmallow import Schema, fields, validate

from contracts.case import Parties, Reason, Reasons
from contracts.envelope import Part, expect_day

GROUNDS = (  # why a marriage ended; the law of each stands in marriage's rules
    "divorce_registered",
    "divorce_by_court",
    "death",
    "declared_dead",
    *("bigamy", "kinship", "under_age"),  # 宣告无效
    *("coercion", "illness"),  # 撤销婚姻
    "impersonation",  # 撤销登记
)
KINSHIP = ("none", "lineal", "collateral")  # declared: 直系血亲, 三代以内的旁系血亲
CERTIFICATES_SHOWN = ("shown", "one_lost", "archive_copy", "missing")
TWO = validate.Length(equal=2)
NUMBER = validate.Length(min=1, max=40)


class Registered(Parties):
    """The sealed part of a registration: both persons, and the number on their certificates."""

    certificate_no = fields.String(required=True)


class Spouse(Part):
    """One of the two, by the document in the record."""

    name = fields.String(required=True)
    id_type = fields.String(required=True)
    id_number = fields.String(required=True)


class Couple(Schema):
    """Whose marriage, and a number of a certificate of it: the first, or one given out later."""

    certificate_no = fields.String(required=True, validate=NUMBER)
    persons = fields.List(fields.Nested(Spouse), required=True, validate=TWO)


class Document(Part):
    """On what an ending rests: a judgment, a death certificate, a divorce registration."""

    kind = fields.String(required=True, validate=validate.Length(min=1, max=60))
    issuer = fields.String(required=True, validate=validate.Length(min=1, max=100))
    number = fields.String(required=True, validate=validate.Length(min=1, max=80))
    on = fields.String(required=True, validate=expect_day)


class Ending(Couple):
    """Which marriage ended, why, on which day, by which document."""

    ground = fields.String(required=True, validate=validate.OneOf(GROUNDS))
    on = fields.String(required=True, validate=expect_day)
    document = fields.Nested(Document, required=True)


class Withdrawal(Couple):
    """A death that was none: by which document; `declined`: the spouse does not want the marriage back (民法典 51)."""

    on = fields.String(required=True, validate=expect_day)
    document = fields.Nested(Document, required=True)
    declined = fields.Boolean(load_default=False)


class Recorded(Withdrawal):
    """What a clerk records: an ending by its ground, or that one is withdrawn (`ground` empty)."""

    ground = fields.String(load_default="", validate=validate.OneOf(("", *GROUNDS)))


class Reissued(Couple):
    """Whose marriage, and under which number its certificate was given out anew."""

    reissued_as = fields.String(required=True, validate=NUMBER)
    on = fields.String(required=True, validate=expect_day)


class Correction(Couple):
    """Whose record, as it stands, and both persons as they should stand, by which document."""

    corrected = fields.List(fields.Nested(Spouse), required=True, validate=TWO)
    document = fields.Nested(Document, required=True)


class Pointer(Schema):
    """Where to ask instead, and for which number: who only gave a certificate out anew has not the record."""

    holder = fields.String(load_default="")  # a node; "": nowhere else
    certificate_no = fields.String(load_default="")  # the first


class Found(Pointer):
    """What the holder has on record of a marriage or a divorce; all else is empty where it has none."""

    found = fields.Boolean(required=True)
    marriage = fields.String(load_default="")  # its id: no other in the country has it, whatever old books number
    registered_on = fields.String(load_default="", validate=expect_day)
    standing = fields.String(load_default="")  # of a divorce: divorced
    words = fields.String(load_default="")  # why it is not valid, for people


class Finding(Part):
    """What the rules say of one ground; `eligible` null: not known yet."""

    ground = fields.String(required=True)
    eligible = fields.Boolean(required=True, allow_none=True)
    reasons = fields.List(fields.Nested(Reason), required=True)


class Findings(Schema):
    """What the rules say so far; sealed, for it is about persons."""

    findings = fields.List(fields.Nested(Finding), required=True)


class Copied(Schema):
    """What has become of whom, and since when: of the persons whose hukou lies with the receiver, of nobody else."""

    what = fields.String(required=True)
    on = fields.String(required=True, validate=expect_day)
    persons = fields.List(fields.Nested(Spouse), required=True, validate=validate.Length(min=1, max=2))


class Ended(Couple):
    """Whose marriage ended, why, and since when."""

    ground = fields.String(required=True)  # "" for other cities that did not ask for the end
    on = fields.String(required=True, validate=expect_day)


class Back(Couple):
    """Whose marriage was to come back, and whether it did."""

    restored = fields.Boolean(required=True)


class EndingRefusal(Pointer):
    """Why nothing was ended or restored; `ended_on`: it had ended otherwise, since then."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    basis = fields.String(load_default="")
    ended_on = fields.String(load_default="", validate=expect_day)


class Death(Schema):
    """Who died, when, by which document."""

    person = fields.Nested(Spouse, required=True)
    on = fields.String(required=True, validate=expect_day)
    document = fields.Nested(Document, required=True)


class PartyHeard(Part):
    """What was seen and heard of one of the two; `number`: its place, 0 the applicant, 1 the spouse."""

    number = fields.Integer(required=True, validate=validate.OneOf((0, 1)))
    present = fields.Boolean(required=True)
    willing = fields.Boolean(required=True, allow_none=True)  # null: not asked
    capable = fields.Boolean(required=True)  # 完全民事行为能力


class Agreed(Part):
    """The written agreement: signed by both, and all three matters settled, also where there is nothing to settle."""

    signed = fields.Boolean(required=True)
    children = fields.Boolean(required=True)
    property = fields.Boolean(required=True)
    debts = fields.Boolean(required=True)


class DivorcePapers(Reasons):
    """The sealed part of an act in a divorce: who came, what they said and brought."""

    heard = fields.List(fields.Nested(PartyHeard), required=True, validate=TWO)
    agreement = fields.Nested(Agreed, required=True)
    certificate = fields.String(required=True, validate=validate.OneOf(CERTIFICATES_SHOWN))
    registered_in_mainland = fields.Boolean(load_default=True)


class Withdrawing(Schema):
    """Which of the two withdraws: 0 the applicant, 1 the spouse."""

    number = fields.Integer(required=True, validate=validate.OneOf((0, 1)))


# --- 审查, 登记 ------------------------------------------------------------------------------------------------------------


class Heard(Part):
    """What the registrar saw and heard of one of the two; `number`: its place, 0 or 1."""

    number = fields.Integer(required=True, validate=validate.OneOf((0, 1)))
    present = fields.Boolean(required=True)  # in person, with their own document (民法典 第一千零四十九条)
    declared = fields.Boolean(required=True)  # signed the own declaration before the registrar
    willing = fields.Boolean(required=True)  # fully (民法典 第一千零四十六条)
    apart = fields.Boolean(required=True)  # asked while the other one was not there


class Examination(Reasons):
    """The sealed part of 审查."""

    heard = fields.List(fields.Nested(Heard), required=True, validate=validate.Length(equal=2))
    kinship = fields.String(required=True, validate=validate.OneOf(KINSHIP))


class Signing(Reasons):
    """The sealed part of 登记; `heard`: both were heard again, which counts instead of what they said before."""

    heard = fields.List(fields.Nested(Heard), load_default=list, validate=validate.Length(max=2))


# --- records looked up ----------------------------------------------------------------------------------------------------


class IdDocument(Part):
    """A person by a document."""

    id_type = fields.String(required=True)
    id_number = fields.String(required=True)


class Whose(Schema):
    """Whose records are looked up."""

    person = fields.Nested(IdDocument, required=True)


class FoundRecord(Part):
    """A registration on record, without the other person: who asks about one of the two learns of that one only."""

    kind = fields.String(required=True, validate=validate.OneOf(("marriage", "divorce")))
    office = fields.String(required=True)  # its name
    registered_on = fields.String(required=True, validate=expect_day)
    effective_from = fields.String(load_default="", validate=expect_day)  # of a marriage; 补办: as the couple stated it
    certificate_no = fields.String(required=True)
    standing = fields.String(required=True)  # valid, or what it has become; of a divorce: divorced
    words = fields.String(load_default="")  # how it ended
    ended_on = fields.String(load_default="", validate=expect_day)
    late = fields.Boolean(load_default=False)  # 补办
    back_entered = fields.Boolean(load_default=False)  # 补录


class NationalAnswer(Part):
    """What the national registry says of the person; `married` null: it did not answer."""

    married = fields.Boolean(required=True, allow_none=True)
    office = fields.String(load_default="")
    number = fields.String(load_default="")
    as_of = fields.String(required=True)


class FoundRecords(Schema):
    """What was found. `statement`: what may be certified, where that is lawful."""

    records = fields.List(fields.Nested(FoundRecord), required=True)
    national = fields.Nested(NationalAnswer, load_default=None, allow_none=True)
    statement = fields.String(load_default="")


class Coverage(Part):
    """Years of an office's registrations that this node has; "no record" says nothing of any other."""

    office = fields.String(required=True)
    name = fields.String(required=True)
    from_year = fields.Integer(required=True)
    from_on = fields.String(load_default="", validate=expect_day)  # the day in that first year; "": all of it
    until_year = fields.Integer(required=True, allow_none=True)  # null: until today
    complete = fields.Boolean(required=True)
