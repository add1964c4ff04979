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
LIVE, IN_FORCE, OWN = text("live"), text("state <> 'discarded'"), text("registrar <> ''")

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
    Column("waits_for", JSON, nullable=False),  # why the persons are not reserved, of contracts.marriage_waits.WAITS
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
    Column("year", Integer, nullable=True),  # none, and no serial: an old book's number in no form of today
    Column("serial", Integer, nullable=True),
    Column("registered_on", Date, nullable=False),
    Column("registrar", String(80), nullable=False),  # "": entered from an archive
    Column("state", String(20), nullable=False),
    Column("attempt", String(36), nullable=False),  # of its claims: whoever ends it releases them
    Column("claims_case", String(36), nullable=False),  # under which they were reserved: the marriage, or a restoration
    Column("parties", Sealed("marriage.marriages.parties"), nullable=False),  # contracts.case.Party, with sex, born_on
    Column(
        "archive", Sealed("marriage.marriages.archive"), nullable=False
    ),  # rules.records: origin, history, certificates
    UniqueConstraint("division", "year", "serial"),  # one number, one marriage: gaps and repeats show in plain SQL
    Index("marriages_own", "office", "registered_on", sqlite_where=OWN, postgresql_where=OWN),
)
spouses = Table(  # and whose a divorce on record is
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
    Column("kind", String(2), primary_key=True),  # J, L, BJ, BL: the letters before the number
    Column("division", String(6), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)
reports = Table(  # to the national registry: one of each version of a record that was written here
    "reports",
    metadata,
    Column("marriage_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True),  # which the change made: of one record they are sent in this order
    Column("state", String(10), nullable=False),  # waiting, unknown (it was sent, and nobody knows), sent
    Column("attempts", Integer, nullable=False),
    Column("asked_at", String(27), nullable=False),  # when it was last sent, or made: it may be in flight
    Index("reports_state", "state"),
)

# --- how marriages of this node end -----------------------------------------------------------------------------------

endings = Table(  # requests that ended a marriage here: asked again, they are answered again and nothing happens
    "endings",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("marriage_id", String(36), nullable=False),
    Column("node", String(6), nullable=False),
)
watchers = Table(  # who asked about a marriage, and hears when it ends: divorces under way in any city
    "watchers",
    metadata,
    Column("marriage_id", String(36), primary_key=True),
    Column("request_id", String(36), primary_key=True),
    Column("node", String(6), nullable=False),
)
restorations = Table(  # marriages that are to come back, once both persons are claimed again
    "restorations",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("marriage_id", String(36), nullable=False),
    Column("node", String(6), nullable=False),
    Column("attempt", String(36), nullable=False),
    Column(
        "state", String(10), nullable=False
    ),  # asked, waiting (tried again by the timer), restored, kept, refused; blocked: two people must look
    Column("wish", Sealed("marriage.restorations.wish"), nullable=False),  # on, document, declined
    Index("restorations_state", "state"),
)
feeds = Table(  # how far a register that is followed has been read
    "feeds",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
)
deaths = (
    Table(  # lines of the register by which one of a couple on record here is dead: of nobody else is anything kept
        "deaths",
        metadata,
        Column("entry_id", String(80), primary_key=True),
        Column("marriage_id", String(36), primary_key=True),  # "": it could not be noted, `why` says why
        Column("version", Integer, nullable=False),  # of the record, which the register's death made; 0: a clerk's did
        Column("withdrawn", Boolean, nullable=False),
        Column("why", String(40), nullable=False),
    )
)

# --- what this node asks of others ------------------------------------------------------------------------------------

requests = Table(  # endings that clerks of this node have recorded
    "requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("state", String(10), nullable=False),  # of contracts.marriage.NOTED
    Column("holder", String(6), nullable=False),
    Column("office", String(40), nullable=False),
    Column("recorded_by", String(80), nullable=False),
    Column("confirmed_by", String(80), nullable=False),
    Column("wish", Sealed("marriage.requests.wish"), nullable=False),  # contracts.marriage_parts.Recorded
)
divorces = Table(
    "divorces",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("office", String(40), nullable=False),  # which accepted it, and alone may go on with it
    Column("division", String(12), nullable=False),
    Column("holder", String(6), nullable=False),  # of the marriage; "": not known
    Column("state", String(20), nullable=False),  # rules.divorce.State
    Column("hold", String(20), nullable=False),  # of the claim on the marriage
    Column("attempt", String(36), nullable=False),
    Column("ending", Boolean, nullable=False),  # both have signed, the holder is asked to end the marriage
    Column("version", Integer, nullable=False),  # counts what intake was told
    Column("course", JSON, nullable=False),  # the rest of rules.divorce.Divorce
    Column("wake_on", Date, nullable=True),  # when the calendar goes on with it
    Column("certificate_no", String(40), nullable=False),  # of the divorce certificate; "": none yet
    Column("acts", Sealed("marriage.divorces.acts"), nullable=False),
    Column("personal", Sealed("marriage.divorces.personal"), nullable=False),  # contracts.case.Parties
    Column("known", Sealed("marriage.divorces.known"), nullable=False),  # what was heard of the marriage
    Column("decision", Sealed("marriage.divorces.decision"), nullable=True),
    Column("case_facts", JSON, nullable=False),
    Column("waits_for", JSON, nullable=False),
    Column("ask_office", JSON, nullable=True),
    Index("divorces_wake_on", "wake_on"),
)

# --- archives ---------------------------------------------------------------------------------------------------------

archives = Table(  # lines of old books; a marriage among them is a row of `marriages` once both persons are locked
    "archives",
    metadata,
    Column("entry_id", String(36), primary_key=True),  # of the marriage, too
    Column("kind", String(10), nullable=False),  # marriage, divorce
    Column("office", String(40), nullable=False),
    Column("number", String(40), nullable=False),  # as the book has it
    Column("registered_on", Date, nullable=False),
    Column("state", String(10), nullable=False),  # rules.archives.State
    Column("attempt", String(36), nullable=False),  # of its claims; "": none are needed
    Column("why", String(40), nullable=False),  # it contradicts another record
    Column("ask_office", JSON, nullable=True),  # contracts.case.OfficeRef: which has that record
    Column("line_index", String(32), nullable=False),  # by which the same line is known again
    Column("entered_by", String(80), nullable=False),
    Column("content", Sealed("marriage.archives.content"), nullable=False),  # persons, found, ended
    Column("proposal", Sealed("marriage.archives.proposal"), nullable=True),  # of the first of two people
    Index(
        "archives_one_line",
        *("kind", "office", "number"),
        unique=True,
        sqlite_where=IN_FORCE,
        postgresql_where=IN_FORCE,
    ),
    Index("archives_state", "state"),
)
coverage = Table(  # years of an office's registrations of which this node has records
    "coverage",
    metadata,
    Column("office", String(40), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("complete", Boolean, nullable=False),  # somebody has compared them with the books
    Column("noted_by", String(80), nullable=False),
)
reissues = Table(
    "reissues",
    metadata,
    Column("case_id", String(36), primary_key=True),
    Column("leg_no", Integer, nullable=False),
    Column("office", String(40), nullable=False),
    Column("division", String(12), nullable=False),
    Column("holder", String(6), nullable=False),  # of the marriage; "": not known
    Column("state", String(10), nullable=False),  # rules.reissue.State
    Column("version", Integer, nullable=False),  # counts what intake was told
    Column("certificate_no", String(40), nullable=False),  # of the new certificate; "": none yet
    Column("acts", Sealed("marriage.reissues.acts"), nullable=False),
    Column("personal", Sealed("marriage.reissues.personal"), nullable=False),  # contracts.case.Parties
    Column("known", Sealed("marriage.reissues.known"), nullable=False),  # what was heard of the marriage
    Column("decision", Sealed("marriage.reissues.decision"), nullable=True),
    Column("case_facts", JSON, nullable=False),
    Index("reissues_certificate_no", "certificate_no"),
)
divorce_certificates = Table(  # given out anew of a divorce on record here, by any office
    "divorce_certificates",
    metadata,
    Column("divorce_id", String(36), primary_key=True),  # the case that registered it, or the entry of an old book
    Column("place", Integer, primary_key=True),  # from 1, in the order in which they were heard of
    Column("number", String(40), nullable=False),
    Column("case_id", String(36), nullable=False),  # which gave it out
    Column("node", String(6), nullable=False),
    Column("issued_on", Date, nullable=False),
    UniqueConstraint("divorce_id", "number"),
)
corrections = Table(  # of records of this node
    "corrections",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("marriage_id", String(36), nullable=False),
    Column("office", String(40), nullable=False),
    Column("state", String(10), nullable=False),  # recorded, asking, corrected, rejected
    Column("recorded_by", String(80), nullable=False),
    Column("confirmed_by", String(80), nullable=False),
    Column("wish", Sealed("marriage.corrections.wish"), nullable=False),  # contracts.marriage_parts.Correction
)
