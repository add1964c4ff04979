"""Marriage's tables."""

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
    UniqueConstraint,
    text,
)

from shared.crypto.sealing import Sealed

metadata = MetaData()
LIVE = text("live")

applications = Table(
    "applications",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("office", String(40), nullable=False),  # which took the case in, and alone may register
    Column("division", String(12), nullable=False),
    Column("state", String(20), nullable=False),
    Column("hold", String(20), nullable=False),
    Column("attempt", String(36), nullable=False),
    Column("cleared", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # counts what intake was told
    Column("acts", Sealed("marriage.applications.acts"), nullable=False),
    Column("personal", Sealed("marriage.applications.personal"), nullable=False),  # contracts.case.Parties
    Column("known", Sealed("marriage.applications.known"), nullable=False),  # what was heard of both, see `Known`
    Column("decision", Sealed("marriage.applications.decision"), nullable=True),  # replayable
    Column("case_facts", JSON, nullable=False),  # contracts.case.CaseFacts
    Column("waits_for", JSON, nullable=False),  # why the persons are not reserved, of contracts.marriage.WAITS
    Column("ask_office", JSON, nullable=True),  # contracts.case.OfficeRef
    Column("held_until", String(27), nullable=False),  # the first lease's end; "": not held
    Column("renewed", Boolean, nullable=False),
    Column("wake_at", String(27), nullable=False),  # when the timer goes on with it; "": only messages do
    Column("retry_until", String(27), nullable=False),  # from then on persons are reserved again by a clerk's act alone
    Index(
        "applications_wake_at", "wake_at", sqlite_where=text("wake_at <> ''"), postgresql_where=text("wake_at <> ''")
    ),
    Index("applications_state", "state", "hold"),
)
withdrawals = Table(  # which came before the application they are about; it may never come
    "withdrawals",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, primary_key=True),
)
marriages = Table(  # never deleted: what ends one, or annuls it, is written beside it
    "marriages",
    metadata,
    Column("marriage_id", String(36), primary_key=True),  # the case that registered it
    Column("certificate_no", String(40), nullable=False),
    Column("office", String(40), nullable=False),
    Column("division", String(6), nullable=False),  # in the certificate's number
    Column("year", Integer, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("registered_on", Date, nullable=False),
    Column("registrar", String(80), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempt", String(36), nullable=False),  # of its claims: whoever ends it releases them
    Column("parties", Sealed("marriage.marriages.parties"), nullable=False),  # contracts.case.Party, with sex, born_on
    Column(
        "archive", Sealed("marriage.marriages.archive"), nullable=False
    ),  # rules.records: origin, history, certificates
    UniqueConstraint("division", "year", "serial"),  # one number, one marriage: gaps and repeats show in plain SQL
)
spouses = Table(
    "spouses",
    metadata,
    Column("marriage_id", String(36), primary_key=True),
    Column("person_index", String(32), primary_key=True),
    Column("live", Boolean, nullable=False),
    Index("spouses_one_live", "person_index", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
)
serials = Table(  # counted inside the registering transaction: no gaps, no repeats
    "serials",
    metadata,
    Column("division", String(6), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)
reports = Table(  # to the national registry
    "reports",
    metadata,
    Column("report_key", String(36), primary_key=True),  # the marriage
    Column("state", String(10), nullable=False),  # waiting, unknown (it was sent, and nobody knows), sent
    Column("attempts", Integer, nullable=False),
    Index("reports_state", "state"),
)
