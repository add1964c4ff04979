"""The tables of web: who may ask, what was asked, and the read model of cases."""

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from shared.crypto.sealing import Sealed
from shared.outbox import BigId

metadata = MetaData()

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("label", String(100), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("actor", String(60), nullable=False),
    Column("office", String(40), nullable=False),
    Column("roles", String(200), nullable=False),  # separated by blanks
    Column("person_index", String(32), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("expires_at", String(27), nullable=False),
    Column("revoked_at", String(27), nullable=False),
)
series = Table(
    "series",
    metadata,
    Column("name", String(80), primary_key=True),  # <office>/<yyyymmdd>
    Column("last", Integer, nullable=False),
)
commands = Table(
    "commands",
    metadata,
    Column("owner", String(80), primary_key=True),
    Column("idempotency_key", String(100), primary_key=True),
    Column("body_index", String(32), nullable=False),  # keyed: nobody can guess a person's data from it
    Column("command_id", String(36), nullable=False, unique=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("kind", String(80), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("awaited_until", String(27), nullable=False),  # then the asker has left, with a receipt only
    Column("outcome", String(12), nullable=False),  # "" until answered, "done", or the name of one of the four errors
    Column("answer", JSON, nullable=False),  # code, message, basis, field of a refusal
    Column("answered_at", String(27), nullable=False),
    Index("commands_waiting", "answered_at", "created_at"),
)
files = Table(
    "files",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("person_index", String(32), nullable=False),
    Column("created_at", String(27), nullable=False),
)
cases = Table(
    "cases",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("case_no", String(80), nullable=False, index=True),
    Column("matter", String(60), nullable=False),
    Column("office", String(60), nullable=False),  # which took it in
    Column("node", String(6), nullable=False),  # of that office
    Column("facts", JSON, nullable=False),  # contracts.case.CaseFacts without its materials
    Column("division", String(12), nullable=False),
    Column("division_leg", Integer, nullable=False),  # the leg that was opened for this division
    Column("competent_node", String(6), nullable=False),
    Column("taken_in_by", String(80), nullable=False),  # the owner of the token; "" where another node took it in
    Column("missing", JSON, nullable=False),  # codes of materials that were missing at the counter
    Column("state", String(24), nullable=False),
    Column("due_on", String(10), nullable=False),  # the first limit that runs out; "" when none is running
    Column("updated_at", String(27), nullable=False),
    Column("personal", Sealed("web.cases.personal"), nullable=True),
    Index("cases_by_state", "state", "case_id"),
    Index("cases_by_office", "office", "case_id"),
)
case_people = Table(
    "case_people",
    metadata,
    Column("person_index", String(32), primary_key=True),
    Column("case_id", String(36), primary_key=True, index=True),
    Column("role", String(12), primary_key=True),
)
materials = Table(
    "materials",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("code", String(60), primary_key=True),
    Column("provided_at", String(27), primary_key=True),
    Column("file_id", String(36), primary_key=True, index=True),
    Column("material", JSON, nullable=False),  # contracts.case.Material
)
legs = Table(
    "legs",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("leg", JSON, nullable=False),  # contracts.case.Leg
)
marks = Table(
    "marks",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
)
timeline = Table(
    "timeline",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),  # sorts what was done at one instant
    Column("case_id", String(36), nullable=False),
    Column("leg_no", Integer, nullable=False),
    Column("verb", String(40), nullable=False),
    Column("at", String(27), nullable=False),
    Column("office", JSON, nullable=False),  # contracts.case.OfficeRef
    Column("note", Text, nullable=False),
    UniqueConstraint("case_id", "leg_no", "verb", "at"),
)
tasks = Table(
    "tasks",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("version", Integer, nullable=False),  # the deciding service's, to be expected by the next act
    Column("task", JSON, nullable=False),  # contracts.deciding.Task and ask_office; {} when nothing is to be done
    Column("findings", Sealed("web.tasks.findings"), nullable=True),  # the Finding of whichever service decides
    Column("missing_facts", JSON, nullable=False),
    Column("opened_at", String(27), nullable=False),
)
task_offices = Table(
    "task_offices",
    metadata,
    Column("office", String(60), primary_key=True),
    Column("case_id", String(36), primary_key=True, index=True),
)
decisions = Table(
    "decisions",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("decision", JSON, nullable=False),  # contracts.deciding.Decided
)
results = Table(
    "results",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("result", JSON, nullable=False),  # result, remedies, certificate, office to ask
)
words = Table(  # reasons and statements: they tell of a person's health and means
    "words",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("kind", String(40), primary_key=True),  # missing, result, decision, answers.<version>, checked.<fact>
    Column("leg_no", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("words", Sealed("web.words.words"), nullable=False),
)
found_records = Table(  # marriage records that somebody looked up: for whoever asked, and for a day
    "found_records",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("kept_at", String(27), nullable=False),
    Column("covers", JSON, nullable=False),  # contracts.marriage_parts.Coverage
    Column("found", Sealed("web.found_records.found"), nullable=False),  # contracts.marriage_parts.FoundRecords
)
found_claims = Table(  # what is held on a person, for whoever asked, and for a day
    "found_claims",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("kept_at", String(27), nullable=False),
    Column("found", Sealed("web.found_claims.found"), nullable=False),  # authority, complete, FoundClaim
)
certificates = Table(
    "certificates",
    metadata,
    Column("certificate_id", String(100), primary_key=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("status_at", String(27), nullable=False),
    Column("face", JSON, nullable=False),  # contracts.certificate.CertificateFace
)
notices = Table(
    "notices",
    metadata,
    Column("message_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False, index=True),  # or whatever else it is about
    Column("kind", String(80), nullable=False),  # the message's type
    Column("data", JSON, nullable=False),
    Column("at", String(27), nullable=False),
)
work_items = Table(
    "work_items",
    metadata,
    Column("item_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("office", String(60), nullable=False),  # "": any of this node
    Column("text", String(400), nullable=False),
    Column("opened_at", String(27), nullable=False),
    Column("closed_at", String(27), nullable=False),
    Column("closed_by", String(80), nullable=False),
    Index("work_items_open", "closed_at", "item_id"),
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", String(36), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("whole_node", Boolean, nullable=False),  # else only the cases its owner took in
    Column("url", String(500), nullable=False),
    Column("label", String(100), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("removed_at", String(27), nullable=False),
)
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("webhook_id", String(36), nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, sent, failed
    Column("due_at", String(27), nullable=False),
    Column("answer", String(80), nullable=False),  # the last status, or why there was none
    Index("webhook_deliveries_due", "state", "due_at"),
)
