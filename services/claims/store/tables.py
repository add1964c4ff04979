"""The tables of claims: an authority's ledger and duties, a holder's attempts and wishes."""

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, String, Table, false, text

from shared.crypto.sealing import Sealed

metadata = MetaData()

IS_LIVE = text("state IN ('held', 'locked')")  # as text, also in questions: so PostgreSQL sees that the index fits

claims = Table(  # what this node guards; ended rows stay, so that no token comes back
    "claims",
    metadata,
    Column("claim_id", String(36), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("key_index", String(32), nullable=False),  # empty: ended before it was asked for
    Column("twin_index", String(32), nullable=False),  # of name, birth and sex; empty where one is unknown
    Column("holder", String(6), nullable=False),
    Column("office", JSON, nullable=True),  # contracts.case.OfficeRef
    Column("subject", Sealed("claims.claims.subject"), nullable=True),  # contracts.claims.ClaimSubject
    Column("prefix", String(12), nullable=False),
    Column("state", String(6), nullable=False),
    Column("until", String(27), nullable=False),  # of a held one
    Column("renewals", Integer, nullable=False),
    Column("reference", String(80), nullable=False),
    Column("issued", Boolean, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("case_id", String(80), nullable=False),
    Column("reserved_at", String(27), nullable=False),
    Column("locked_at", String(27), nullable=False),
    Column("ended_at", String(27), nullable=False),
    Column("why", String(40), nullable=False),  # it ended
    Column("restated", String(36), nullable=False, server_default=""),  # the round in which its holder last said so
    # at most one live claim on a key: what two cities in one moment cannot break
    Index("claims_one_live", "key_index", unique=True, postgresql_where=IS_LIVE, sqlite_where=IS_LIVE),
    Index("claims_twins", "twin_index", postgresql_where=IS_LIVE, sqlite_where=IS_LIVE),
    Index("claims_leases", "state", "until"),
    Index("claims_prefix", "prefix", "claim_id"),
)
guards = Table(  # services.claims.rules.guard.Guard
    "guards",
    metadata,
    Column("prefix", String(12), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("duty", String(12), nullable=False),
    Column("successor", String(6), nullable=False),
    Column("since", String(27), nullable=False),
)
pieces = Table(  # which of a ledger that is handed over to us are here, until all are; which restated ones were heard
    "pieces",
    metadata,
    Column("prefix", String(12), primary_key=True),
    Column("batch", String(36), primary_key=True),  # the epoch, or the question that is answered
    Column("node", String(6), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 1
    Column("count", Integer, nullable=False),
    Column("arrived_at", String(27), nullable=False),
)
restatements = Table(  # whom a restored authority has asked
    "restatements",
    metadata,
    Column("prefix", String(12), primary_key=True),
    Column("node", String(6), primary_key=True),
    Column("round", String(36), nullable=False),
    Column("asked_at", String(27), nullable=False),
    Column("answered_at", String(27), nullable=False),
)
conflicts = Table(  # what a recovery could not settle: two people look
    "conflicts",
    metadata,
    Column("claim_id", String(36), primary_key=True),
    Column("prefix", String(12), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("holder", String(6), nullable=False),
    Column("office", JSON, nullable=True),
    Column("other", String(36), nullable=False),  # the claim in the way; empty where there is none
    Column("why", String(20), nullable=False),
    Column("since", String(27), nullable=False),
)
aliases = Table(  # second documents and corrected numbers, at the authority of the second
    "aliases",
    metadata,
    Column("document_index", String(32), primary_key=True),
    Column("prefix", String(12), nullable=False),
    Column("subject", Sealed("claims.aliases.subject"), nullable=False),
    Column("canonical", Sealed("claims.aliases.canonical"), nullable=False),  # on this one claims are made
    Column("since", String(27), nullable=False),
)
told_apart = Table(  # two keys of which two people have said that they are two persons', however alike; for good
    "told_apart",
    metadata,
    Column("one", String(32), primary_key=True),  # the lesser of the two
    Column("other", String(32), primary_key=True),
    Column("since", String(27), nullable=False),
    Index("told_apart_other", "other"),
)
attempts = Table(
    "attempts",
    metadata,
    Column("attempt", String(36), primary_key=True),
    Column("case_id", String(80), nullable=False),
    Column("asked_by", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("office", JSON, nullable=True),
    Column("step", String(12), nullable=False),
    Column("reference", String(80), nullable=False),  # under which it was issued
    Column("why", String(40), nullable=False),  # it was released
    Column("asked_at", String(27), nullable=False),
    Column("waits", Boolean, nullable=False),  # an authority owes an answer
    Column("tries", Integer, nullable=False),  # how often the word has been said in vain
    Column("due_at", String(27), nullable=False),  # when it is said again
    Index("attempts_unanswered", "waits", "due_at"),
)
wishes = Table(
    "wishes",
    metadata,
    Column("claim_id", String(36), primary_key=True),
    Column("attempt", String(36), nullable=False),
    Column("number", Integer, nullable=False),  # place of the subject, from 0
    Column("subject", Sealed("claims.wishes.subject"), nullable=False),
    Column("prefix", String(12), nullable=False),
    Column("authority", String(6), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("standing", String(6), nullable=False),
    Column("until", String(27), nullable=False),
    Column("deferred", String(20), nullable=False),  # why, as last told to whoever asked
    Column("aliased", Boolean, nullable=False, server_default=false()),  # its subject is another document's now
    Index("wishes_attempt", "attempt"),
)
