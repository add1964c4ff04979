"""What the exchange keeps: two logs with every peer, what waits to be sent, who has a say, what was not let in."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

from shared.crypto.sealing import Sealed

metadata = MetaData()

peers = Table(
    "peers",
    metadata,
    Column("node", String(6), primary_key=True),
    Column("out_n", BigInteger, nullable=False),  # also the highest seq given to a message for this peer
    Column("out_chain", String(64), nullable=False),
    Column("in_n", BigInteger, nullable=False),
    Column("in_chain", String(64), nullable=False),
    Column("in_high", BigInteger, nullable=False),
    Column("unanchored", BigInteger, nullable=False),  # log lines, other than anchors, since the last anchor
    Column("receipted_n", BigInteger, nullable=False),  # the peer has our receipt for the in log up to here
)
case_roles = Table(
    "case_roles",
    metadata,
    Column("case_id", String(80), primary_key=True),
    Column("node", String(6), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("last_leg", Integer, nullable=False),  # competent: the leg it was handed
    Column("last_version", Integer, nullable=False),
)
exchange_log = Table(
    "exchange_log",
    metadata,
    Column("peer", String(6), primary_key=True),
    Column("direction", String(3), primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False, unique=True),
    Column("type", String(120), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("jws", String(800), nullable=False),
    Column("at", String(27), nullable=False),
    Column("prev", String(64), nullable=False),
    Column("chain", String(64), nullable=False),
    Column("directory_version", BigInteger, nullable=False),
    Column("body", Text),  # what was signed; NULL for pieces of files
    Index("exchange_log_subject", "subject"),
)
sendings = Table(
    "sendings",
    metadata,
    Column("destination", String(6), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", String(36), nullable=False, unique=True),
    Column("type", String(120), nullable=False),
    Column("routing_key", String(160), nullable=False),
    Column("body", Text, nullable=False),  # empty once sent
    Column("jws", String(800), nullable=False),
    Column("state", String(12), nullable=False),  # pending, sent, unroutable
    Column("queued_at", String(27), nullable=False),
    Column("sent_at", String(27), nullable=False),
    Column("receipt", String(36), nullable=False),  # the peer's anchor that confirms it
    Index("sendings_state", "state", "destination", "seq"),
)
gaps = Table(
    "gaps",
    metadata,
    Column("peer", String(6), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("noticed_at", String(27), nullable=False),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("peer", String(6), nullable=False),
    Column("code", String(40), nullable=False),
    Column("state", String(10), nullable=False),  # waiting (may be early), held, released
    Column("message_id", String(36), nullable=False),
    Column("type", String(120), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", Sealed("exchange.quarantine.body"), nullable=False),  # base64
    Index("quarantine_state", "state", "at"),
)
anchors = Table(
    "anchors",
    metadata,
    Column("peer", String(6), primary_key=True),
    Column("kind", String(14), primary_key=True),  # sent, received: its own heads; held_sent, held_received: ours
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("chain", String(64), nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("at", String(27), nullable=False),
)
directories = Table(
    "directories",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("seen_at", String(27), nullable=False),
    Column("document", Text, nullable=False),
)
