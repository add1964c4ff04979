"""What may be asked of the JSON API."""

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from contracts.case import SOURCES, Party
from contracts.marriage_parts import CERTIFICATES_SHOWN, GROUNDS, KINSHIP
from contracts.subsidy import AREAS, LOW_INCOMES

ACTS = (
    *("check", "review", "decide", "request_supplement", "redirect"),  # of subsidies
    *("examine", "register", "reserve_again"),  # of the registration of marriages and divorces
    "withdraw_divorce",
    *("supplement", "withdraw", "forward", "tell"),  # of every matter
)
DIVISION = validate.Regexp(r"^(\d{6}(\d{3}){0,2})?$", error="区划代码应为 6、9 或 12 位数字")
PLAIN = validate.Regexp(r"^[0-9A-Za-z_.:-]*$", error="只能用字母、数字和 _ . : -")
UUID = validate.Regexp(r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$", error="应为小写的 UUID")
VERSION = validate.Range(1, 2**31 - 1)


class Asked(Schema):
    """A request: a misspelt field is an error, not silence."""

    class Meta:
        """Unknown fields are refused."""

        unknown = RAISE


def _words(longest: int) -> fields.String:
    return fields.String(load_default="", validate=validate.Length(max=longest))


def _code(longest: int = 60, *, required: bool = False) -> fields.String:
    rules = [validate.Length(max=longest), PLAIN]
    if required:
        return fields.String(required=True, validate=[validate.Length(min=1), *rules])
    return fields.String(load_default="", validate=rules)


def _answer(value: object) -> None:
    """A form field holds a scalar, several, or several rows of scalars."""
    items = value if isinstance(value, list) else [value]
    inner = [part for item in items for part in (item.values() if isinstance(item, dict) else (item,))]
    short = len(inner) <= 50 and all(len(part) <= 2000 for part in inner if isinstance(part, str))
    if not short or not all(part is None or isinstance(part, str | int | float) for part in inner):
        raise ValidationError("应为一个值或若干个值,每个不超过 2000 字")


def _answers() -> fields.Dict:
    """Answers to the matter's own questions; which values they may have stands in the matter."""
    return fields.Dict(
        keys=fields.String(validate=[validate.Length(max=60), PLAIN]),
        values=fields.Raw(allow_none=True, validate=_answer),
        load_default=dict,
        validate=validate.Length(max=60),
    )


class NewParty(Party):
    """A person in a role, with what a form may hold."""

    class Meta:
        """Unknown fields are refused."""

        unknown = RAISE

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    id_type = _code(required=True)
    id_number = fields.String(required=True, validate=validate.Length(min=1, max=60))
    phone = _words(40)
    hukou_division = fields.String(load_default="", validate=DIVISION)
    residence_division = fields.String(load_default="", validate=DIVISION)
    address = _words(200)
    basis = _words(200)
    expires_on = _words(10)


class NewMaterial(Asked):
    """A material that is brought; `file_id` of a file uploaded before, or `seen` by a clerk at the counter."""

    code = _code(required=True)
    source = fields.String(required=True, validate=validate.OneOf(SOURCES))
    file_id = fields.String(load_default="", validate=UUID)
    seen = fields.String(load_default="", validate=validate.OneOf(("", "original")))


class NewCase(Asked):
    """收件: an application as it comes to the counter, the portal or another portal."""

    matter = _code(required=True)
    office = _code()
    channel = _code(10)
    parties = fields.List(fields.Nested(NewParty), required=True, validate=validate.Length(min=1, max=10))
    answers = _answers()
    materials = fields.List(fields.Nested(NewMaterial), load_default=list, validate=validate.Length(max=50))
    place_division = fields.String(load_default="", validate=DIVISION)
    consents = fields.List(
        fields.String(validate=validate.OneOf(("notice_shown", "checks", "guardian"))),
        load_default=list,
        validate=validate.Length(max=3),
    )


class NewReason(Asked):
    """Why not, or what is missing."""

    code = _code(required=True)
    text = fields.String(required=True, validate=validate.Length(min=1, max=400))
    basis = fields.String(required=True, validate=validate.Length(min=1, max=200))


class NewShown(Asked):
    """What a brought paper shows (check, review, decide), where a registry did not answer; empty: it shows nothing."""

    card_no = _words(30)
    card_components = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, 6)), load_default=list, validate=validate.Length(max=6)
    )
    low_income = fields.String(load_default="", validate=validate.OneOf(("", *LOW_INCOMES)))
    hukou_division = fields.String(load_default="", validate=DIVISION)
    area = fields.String(load_default="", validate=validate.OneOf(("", *AREAS)))


class NewHeard(Asked):
    """What the registrar saw and heard of one of the two (examine; register, when heard again); `number`: 0 the applicant."""

    number = fields.Integer(required=True, strict=True, validate=validate.OneOf((0, 1)))
    present = fields.Boolean(required=True)
    declared = fields.Boolean(required=True)
    willing = fields.Boolean(required=True)
    apart = fields.Boolean(required=True)


def _of_both(heard: list[dict[str, object]]) -> None:
    if heard and sorted(str(one["number"]) for one in heard) != ["0", "1"]:
        raise ValidationError("应为双方各一条,number 分别为 0 和 1")


class NewPartyHeard(Asked):
    """What was seen and heard of one of the two in a divorce; `number`: 0 the applicant, 1 the spouse."""

    number = fields.Integer(required=True, strict=True, validate=validate.OneOf((0, 1)))
    present = fields.Boolean(required=True)
    willing = fields.Boolean(required=True, allow_none=True)  # null: not asked
    capable = fields.Boolean(required=True)


class NewAgreement(Asked):
    """The written divorce agreement: signed by both, and what it settles."""

    signed = fields.Boolean(required=True)
    children = fields.Boolean(required=True)
    property = fields.Boolean(required=True)
    debts = fields.Boolean(required=True)


class NewPapers(Asked):
    """What the clerk found at the counter in a divorce (examine, register)."""

    heard = fields.List(fields.Nested(NewPartyHeard), required=True, validate=_of_both)
    agreement = fields.Nested(NewAgreement, required=True)
    certificate = fields.String(required=True, validate=validate.OneOf(CERTIFICATES_SHOWN))
    registered_in_mainland = fields.Boolean(load_default=True)


class Act(Asked):
    """One act on a case; which of the optional fields are needed depends on the act."""

    act = fields.String(required=True, validate=validate.OneOf(ACTS))
    expected_version = fields.Integer(required=True, strict=True, validate=VERSION)
    approve = fields.Boolean(load_default=None, allow_none=True)
    reasons = fields.List(fields.Nested(NewReason), load_default=list, validate=validate.Length(max=20))
    missing = fields.List(fields.Nested(NewReason), load_default=list, validate=validate.Length(max=20))
    materials = fields.List(fields.Nested(NewMaterial), load_default=list, validate=validate.Length(max=50))
    answers = _answers()
    shown = fields.Nested(NewShown, load_default=None, allow_none=True)
    heard = fields.List(fields.Nested(NewHeard), load_default=list, validate=_of_both)  # examine; register: heard again
    kinship = fields.String(load_default="", validate=validate.OneOf(("", *KINSHIP)))  # examine
    papers = fields.Nested(NewPapers, load_default=None, allow_none=True)  # examine, register, of a divorce
    number = fields.Integer(load_default=None, allow_none=True, validate=validate.OneOf((0, 1)))  # withdraw_divorce
    to_division = fields.String(load_default="", validate=DIVISION)
    reason = _words(400)
    supplement_lapsed = fields.Boolean(load_default=False)  # withdraw, by a clerk: nothing was brought in time


class NewSpouse(Asked):
    """One of the two, as the record has them."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    id_type = _code(required=True)
    id_number = fields.String(required=True, validate=validate.Length(min=1, max=60))


class NewDocument(Asked):
    """On what an ending rests."""

    kind = fields.String(required=True, validate=validate.Length(min=1, max=60))
    issuer = fields.String(required=True, validate=validate.Length(min=1, max=100))
    number = fields.String(required=True, validate=validate.Length(min=1, max=80))
    on = fields.Date(required=True)


class NewEnding(Asked):
    """登记终止: a marriage ended by a death or a court (`ground`), or such an end was none (`ground` empty)."""

    certificate_no = fields.String(required=True, validate=validate.Length(min=1, max=40))
    registering_division = fields.String(load_default="", validate=DIVISION)
    persons = fields.List(fields.Nested(NewSpouse), required=True, validate=validate.Length(equal=2))
    ground = fields.String(load_default="", validate=validate.OneOf(("", *GROUNDS)))
    on = fields.Date(required=True)
    document = fields.Nested(NewDocument, required=True)
    declined = fields.Boolean(load_default=False)  # after a declaration of death: the spouse does not want it back


class EndingAct(Asked):
    """复核: a second clerk has compared the document."""

    act = fields.String(required=True, validate=validate.OneOf(("confirm",)))
    approve = fields.Boolean(required=True)


class CaseFilter(Asked):
    """Which page of which cases."""

    state = _code()
    matter = _code()
    office = _code()
    cursor = fields.String(load_default="", validate=UUID)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100))


class WorkItemFilter(Asked):
    """Which page of which work items; `scope`: those of one's own office and of any office, or the whole node's."""

    kind = _code(40)
    state = fields.String(load_default="open", validate=validate.OneOf(("open", "closed")))
    scope = fields.String(load_default="office", validate=validate.OneOf(("office", "node")))
    cursor = fields.String(load_default="", validate=UUID)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100))


class WorkItemAct(Asked):
    """A clerk has seen to a work item; the note says how, and is kept sealed."""

    act = fields.String(required=True, validate=validate.OneOf(("close",)))
    note = fields.String(required=True, validate=validate.Length(min=1, max=400))


class NoticeFilter(Asked):
    """Which page of the notices."""

    cursor = fields.String(load_default="", validate=UUID)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100))


class Search(Asked):
    """By case number, or (clerks) by a person's number; never in a URL."""

    case_no = _code(80)
    id_type = _code()
    id_number = fields.String(load_default="", validate=validate.Length(max=60))


class NewWebhook(Asked):
    """Where to send states."""

    url = fields.String(required=True, validate=validate.Length(min=1, max=500))
    label = _words(100)


class DivisionFilter(Asked):
    """Which divisions, as of which day (YYYY-MM-DD, today without it)."""

    parent = fields.String(load_default="", validate=DIVISION)
    as_of = fields.Date(load_default=None)


class DayFilter(Asked):
    """As of which day (YYYY-MM-DD, today without it)."""

    as_of = fields.Date(load_default=None)
