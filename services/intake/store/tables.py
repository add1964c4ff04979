"""The tables of intake: cases with their legs, papers and steps; what applicants are told; what waits for a person."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.crypto.sealing import Sealed
from shared.outbox import BigId

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("facts", JSON, nullable=False),  # contracts.case.CaseFacts without its materials
    Column("division", String(12), nullable=False),
    Column("personal", Sealed("intake.cases.personal"), nullable=False),
    Column("outcome", JSON, nullable=False),  # result, remedies, certificate; {} until decided
    Column("reasons", Sealed("intake.cases.reasons"), nullable=False),  # why, in sealed words; [] until decided
)
legs = Table(
    "legs",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
    Column("role", String(12), nullable=False),
    Column("node", String(6), nullable=False),
    Column("state", String(24), nullable=False),
    Column("version", Integer, nullable=False),
    Column("clocks", JSON, nullable=False),
    Column("redirects", Integer, nullable=False),
    Column("peer_node", String(6), nullable=False),
    Column("peer_leg_no", Integer, nullable=False),
    Column("peer_version", Integer, nullable=False),
    Column("decider_version", Integer, nullable=False),
    Column("supplement_until", Date),
    Column("ours", Boolean, nullable=False),  # else: what another city's node last said of its leg
    Column("open", Boolean, nullable=False),
    Column("provisional", Boolean, nullable=False),  # some clock must be counted again with a longer calendar
    Column("matter", String(60), nullable=False),
    Column("person_index", String(32), nullable=False),
    # one open case per person and matter: what two counters in one minute cannot break
    Index(
        "legs_one_open_case",
        "role",
        "matter",
        "person_index",
        unique=True,
        postgresql_where=text("open AND ours"),
        sqlite_where=text("open AND ours"),
    ),
)
materials = Table(
    "materials",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("material", JSON, nullable=False),  # contracts.case.Material
)
steps = Table(
    "steps",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("leg_no", Integer, nullable=False),
    Column("verb", String(40), nullable=False),
    Column("at", String(27), nullable=False),
    Column("office", JSON, nullable=False),  # contracts.case.OfficeRef
    Column("note", String(400), nullable=False),
    Column("actor", String(80), nullable=False),
    UniqueConstraint("case_id", "leg_no", "verb", "at"),
)
notices = Table(
    "notices",
    metadata,
    Column("notice_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False),
    Column("event", String(40), nullable=False),
    Column("phone", Sealed("intake.notices.phone"), nullable=False),
    Column("text", Text, nullable=False),
    Column("office", String(60), nullable=False),  # who tells in person when no message can
    Column("state", String(12), nullable=False),  # services.intake.rules.legs.Sending
    Column("created_at", String(27), nullable=False),
    Column("tried_at", String(27), nullable=False),  # the last time in vain; as created_at until then
    Column("sent_at", String(27), nullable=False),
    UniqueConstraint("case_id", "event"),  # told once per event
    Index("notices_to_send", "state", "tried_at"),
)
chunks = Table(
    "chunks",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("chunk", Sealed("intake.chunks.chunk"), nullable=False),
)
awaited_files = Table(
    "awaited_files",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False),
    Column("moved_at", String(27), nullable=False),  # its last piece came; before the first: it began to be awaited
    Column("asked_at", String(27), nullable=False),  # when the accepting city was asked to send it again
)
work_items = Table(
    "work_items",
    metadata,
    Column("item_id", String(36), primary_key=True),
    Column("case_id", String(36), nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("about", String(40), nullable=False),  # the file, message, notice or last day; "": the case as a whole
    Column("office", String(60), nullable=False),  # whose it is; "": any of this node
    Column("text", String(400), nullable=False),
    Column("opened_at", String(27), nullable=False),
    Column("closed_at", String(27), nullable=False),
    Column("closed_by", String(80), nullable=False),
    Column("note", Sealed("intake.work_items.note"), nullable=False),  # what the clerk wrote
    # said once as long as it is open
    Index(
        "work_items_one_open",
        "case_id",
        "kind",
        "about",
        unique=True,
        postgresql_where=text("closed_at = ''"),
        sqlite_where=text("closed_at = ''"),
    ),
)
