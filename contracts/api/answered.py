"""What the JSON API answers, and how every refusal looks."""

from marshmallow import Schema, fields

from contracts.case import Clock, Leg, Material, OfficeRef, Parties, Reason, Step
from contracts.certificate import CertificateFace
from contracts.deciding import Decided


class Fault(Schema):
    """One faulty field."""

    field = fields.String(required=True)
    detail = fields.String(required=True)


class Problem(Schema):
    """Every refusal and error (RFC 9457); never repeats what was submitted."""

    type = fields.String(required=True)  # urn:tongban:problem:<code>
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)  # what to do
    detail_en = fields.String(required=True)
    field = fields.String(required=True)
    basis = fields.String(required=True)  # 依据
    instance = fields.String(required=True)  # this one occurrence, as it stands in the logs
    errors = fields.List(fields.Nested(Fault))


class CaseOutline(Schema):
    """A case in one line, without persons."""

    case_id = fields.String(required=True)
    case_no = fields.String(required=True)
    matter = fields.String(required=True)
    matter_name = fields.String(required=True)
    state = fields.String(required=True)
    state_name = fields.String(required=True)
    office = fields.String(required=True)
    office_name = fields.String(required=True)
    applied_on = fields.String(required=True)
    updated_at = fields.String(required=True)
    due_on = fields.String(required=True)
    overdue = fields.Boolean(required=True)


class CasePage(Schema):
    """A page of cases."""

    cases = fields.List(fields.Nested(CaseOutline), required=True)
    next_cursor = fields.String(required=True)


class CaseClock(Clock):
    """A legal clock, and how much of it is left (working days; negative: over by so many)."""

    title = fields.String(required=True)
    days_left = fields.Integer(required=True, allow_none=True)
    overdue = fields.Boolean(required=True)


class CaseLeg(Leg):
    """One node's part of a case."""

    node_name = fields.String(required=True)
    clocks = fields.List(fields.Nested(CaseClock), required=True)


class MissingFact(Schema):
    """A fact that is not known yet, in plain words: what it is, and what the office can do about it."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    advice = fields.String(required=True)


class Task(Schema):
    """What is to be done next."""

    verb = fields.String(required=True)
    verb_name = fields.String(required=True)
    tier = fields.String(required=True)
    offices = fields.List(fields.String(), required=True)
    ask_office = fields.Nested(OfficeRef, required=True, allow_none=True)  # where a person is held up: never who
    version = fields.Integer(required=True)
    missing_facts = fields.List(fields.Nested(MissingFact), required=True)
    opened_at = fields.String(required=True)


class Result(Schema):
    """The result as the accepting office tells it."""

    result = fields.String(required=True)
    remedies = fields.List(fields.String())
    certificate_id = fields.String()
    certificate_name = fields.String()
    ask_office = fields.Nested(OfficeRef)


class Refusal(Schema):
    """Why intake did not take the case in."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    basis = fields.String(required=True)
    field = fields.String(required=True)


class Notice(Schema):
    """Something the people of this node should know of."""

    kind = fields.String(required=True)
    case_id = fields.String(required=True)
    data = fields.Dict(required=True)
    at = fields.String(required=True)


class NoticeList(Schema):
    """A page of notices, newest first."""

    notices = fields.List(fields.Nested(Notice), required=True)
    next_cursor = fields.String(required=True)


class WorkItem(Schema):
    """Something a person must look at (待人工处理); names a case, never a person."""

    item_id = fields.String(required=True)
    case_id = fields.String(required=True)
    kind = fields.String(required=True)
    office = fields.String(required=True)  # whose it is; "": any of this node
    text = fields.String(required=True)
    state = fields.String(required=True)  # open, closed
    opened_at = fields.String(required=True)
    closed_at = fields.String(required=True)
    closed_by = fields.String(required=True)  # "system": its case went on


class RecordedEnding(Schema):
    """An ending that was recorded; how it goes on stands in the notices, and here for a purpose."""

    ending_id = fields.String(required=True)


class EndingView(RecordedEnding):
    """How far a recorded ending is, and why it was refused."""

    state = fields.String(required=True)  # recorded, sent, ended, restored, refused, rejected
    reasons = fields.List(fields.Nested(Reason), required=True)


class WorkItemPage(Schema):
    """A page of work items, the oldest first."""

    work_items = fields.List(fields.Nested(WorkItem), required=True)
    next_cursor = fields.String(required=True)


class Versions(Schema):
    """What `expected_version` must be: `accepting` for supplement, withdraw, forward and tell, else `task`."""

    accepting = fields.Integer(required=True, allow_none=True)
    competent = fields.Integer(required=True, allow_none=True)
    task = fields.Integer(required=True, allow_none=True)


class Finding(Schema):
    """What the rules say: of a `benefit` with its `monthly_amount` (分), or of a `ground` against a registration."""

    benefit = fields.String()
    monthly_amount = fields.Integer()
    ground = fields.String()
    eligible = fields.Boolean(required=True, allow_none=True)  # null: not known yet
    reasons = fields.List(fields.Nested(Reason), required=True)


class Decision(Decided):
    """The decision, of whichever deciding service."""

    first_month = fields.String()  # YYYY-MM, the month of application; subsidies only


class Checked(Schema):
    """Whether a registry bore out what was promised or what a paper showed."""

    fact = fields.String(required=True)
    name = fields.String(required=True)  # in plain words
    kept = fields.Boolean(required=True)
    source = fields.String(required=True)  # promise, document


class Personal(Parties):
    """The persons of a case, and the reasons and findings that may only reach them."""

    statement = fields.String(required=True)
    certificate_no = fields.String(required=True)  # printed on the paper certificate; "" where there is none
    reasons = fields.List(fields.Nested(Reason), required=True)
    missing = fields.List(fields.Nested(Reason), required=True)
    findings = fields.List(fields.Nested(Finding), required=True)
    checked = fields.List(fields.Nested(Checked), required=True)  # for clerks only


class CaseView(CaseOutline):
    """Everything of a case that the one who asks may see."""

    matter_version = fields.Integer(required=True)
    channel = fields.String(required=True)
    accepting_office = fields.Nested(OfficeRef, required=True)
    taken_in_at = fields.String(required=True)
    competent_node = fields.String(required=True)
    competent_node_name = fields.String(required=True)
    division = fields.String(required=True)
    consents = fields.List(fields.String(), required=True)
    legs = fields.List(fields.Nested(CaseLeg), required=True)
    timeline = fields.List(fields.Nested(Step), required=True)
    task = fields.Nested(Task, required=True, allow_none=True)
    materials = fields.List(fields.Nested(Material), required=True)
    missing = fields.List(fields.String(), required=True)
    refusal = fields.Nested(Refusal, required=True, allow_none=True)
    result = fields.Nested(Result, required=True, allow_none=True)
    decision = fields.Nested(Decision, required=True, allow_none=True)
    certificate = fields.Nested(CertificateFace, required=True, allow_none=True)
    notices = fields.List(fields.Nested(Notice), required=True)
    work_items = fields.List(fields.Nested(WorkItem), required=True)
    versions = fields.Nested(Versions, required=True)
    personal = fields.Nested(Personal, required=True, allow_none=True)


class ReceivedMaterial(Schema):
    """A line of the receipt."""

    code = fields.String(required=True)
    name = fields.String(required=True)


class Receipt(Schema):
    """收件回执."""

    case_id = fields.String(required=True)
    case_no = fields.String(required=True)
    matter = fields.String(required=True)
    matter_name = fields.String(required=True)
    office = fields.Nested(OfficeRef, required=True)
    received_at = fields.String(required=True)
    received_on = fields.String(required=True)
    materials = fields.List(fields.Nested(ReceivedMaterial), required=True)
    state_name = fields.String(required=True)
    note = fields.String(required=True)


class TakenIn(Schema):
    """The answer to a new case: the receipt always; the case once intake has taken it in."""

    receipt = fields.Nested(Receipt, required=True)
    status_url = fields.String(required=True)
    case = fields.Nested(CaseView, required=True, allow_none=True)


class Done(Schema):
    """The answer to an act: the case as it is now, or null while the act is still on its way."""

    status_url = fields.String(required=True)
    case = fields.Nested(CaseView, required=True, allow_none=True)


class TaskRow(CaseOutline):
    """A task in one line."""

    verb = fields.String(required=True)
    verb_name = fields.String(required=True)
    tier = fields.String(required=True)
    version = fields.Integer(required=True)
    opened_at = fields.String(required=True)
    division = fields.String(required=True)
    missing_facts = fields.List(fields.Nested(MissingFact), required=True)  # what is awaited


class TaskList(Schema):
    """待办, the most urgent first."""

    tasks = fields.List(fields.Nested(TaskRow), required=True)


class StoredFile(Schema):
    """A file that was uploaded."""

    file_id = fields.String(required=True)
    sha256 = fields.String(required=True)
    size = fields.Integer(required=True)
    media_type = fields.String(required=True)


class Webhook(Schema):
    """Where states are sent."""

    webhook_id = fields.String(required=True)
    url = fields.String(required=True)
    label = fields.String(required=True)
    created_at = fields.String(required=True)


class WebhookList(Schema):
    """One's own webhooks."""

    webhooks = fields.List(fields.Nested(Webhook), required=True)


class Token(Schema):
    """A token, without what would let anyone use it."""

    token_id = fields.String(required=True)
    label = fields.String(required=True)
    kind = fields.String(required=True)
    actor = fields.String(required=True)
    office = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    created_at = fields.String(required=True)
    expires_at = fields.String(required=True)
    revoked_at = fields.String(required=True)


class TokenList(Schema):
    """Every token, newest first."""

    tokens = fields.List(fields.Nested(Token), required=True)
