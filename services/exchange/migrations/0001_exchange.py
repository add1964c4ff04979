"""The exchange's own tables: peers and the two logs kept with each, sendings, parts in cases, quarantine, anchors."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "peers",
        sa.Column("node", sa.String(6), primary_key=True),
        sa.Column("out_n", sa.BigInteger(), nullable=False),
        sa.Column("out_chain", sa.String(64), nullable=False),
        sa.Column("in_n", sa.BigInteger(), nullable=False),
        sa.Column("in_chain", sa.String(64), nullable=False),
        sa.Column("in_high", sa.BigInteger(), nullable=False),
        sa.Column("unanchored", sa.BigInteger(), nullable=False),
        sa.Column("receipted_n", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "case_roles",
        sa.Column("case_id", sa.String(80), primary_key=True),
        sa.Column("node", sa.String(6), primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_leg", sa.Integer(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "exchange_log",
        sa.Column("peer", sa.String(6), primary_key=True),
        sa.Column("direction", sa.String(3), primary_key=True),
        sa.Column("n", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("jws", sa.String(800), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("directory_version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text()),
    )
    op.create_index("exchange_log_subject", "exchange_log", ["subject"])
    op.create_table(
        "sendings",
        sa.Column("destination", sa.String(6), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("message_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("routing_key", sa.String(160), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("jws", sa.String(800), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("queued_at", sa.String(27), nullable=False),
        sa.Column("sent_at", sa.String(27), nullable=False),
        sa.Column("receipt", sa.String(36), nullable=False),
    )
    op.create_index("sendings_state", "sendings", ["state", "destination", "seq"])
    op.create_table(
        "gaps",
        sa.Column("peer", sa.String(6), primary_key=True),
        sa.Column("first", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.String(27), nullable=False),
    )
    _create_what_is_looked_at()


def _create_what_is_looked_at() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("peer", sa.String(6), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("quarantine_state", "quarantine", ["state", "at"])
    op.create_table(
        "anchors",
        sa.Column("peer", sa.String(6), primary_key=True),
        sa.Column("kind", sa.String(14), primary_key=True),
        sa.Column("n", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
    )
    op.create_table(
        "directories",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seen_at", sa.String(27), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
