"""Claims' first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("office", sa.JSON(), nullable=True),
        sa.Column("step", sa.String(length=12), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.String(length=27), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("attempt"),
    )
    op.create_index("attempts_unanswered", "attempts", ["waits", "due_at"], unique=False)
    op.create_table(
        "claims",
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("key_index", sa.String(length=32), nullable=False),
        sa.Column("twin_index", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=6), nullable=False),
        sa.Column("office", sa.JSON(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False),
        sa.Column("until", sa.String(length=27), nullable=False),
        sa.Column("renewals", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("issued", sa.Boolean(), nullable=False),
        sa.Column("doubted", sa.Boolean(), nullable=False),
        sa.Column("case_id", sa.String(length=80), nullable=False),
        sa.Column("reserved_at", sa.String(length=27), nullable=False),
        sa.Column("locked_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("claim_id"),
    )
    op.create_index("claims_leases", "claims", ["state", "until"], unique=False)
    op.create_index(
        "claims_one_live",
        "claims",
        ["key_index"],
        unique=True,
        postgresql_where=sa.text("state IN ('held', 'locked')"),
        sqlite_where=sa.text("state IN ('held', 'locked')"),
    )
    op.create_index(
        "claims_twins",
        "claims",
        ["twin_index"],
        unique=False,
        postgresql_where=sa.text("state IN ('held', 'locked')"),
        sqlite_where=sa.text("state IN ('held', 'locked')"),
    )
    op.create_table(
        "guards",
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("duty", sa.String(length=12), nullable=False),
        sa.Column("successor", sa.String(length=6), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("prefix"),
    )
    op.create_table(
        "wishes",
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("authority", sa.String(length=6), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("standing", sa.String(length=6), nullable=False),
        sa.Column("until", sa.String(length=27), nullable=False),
        sa.Column("deferred", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("claim_id"),
    )
    op.create_index("wishes_attempt", "wishes", ["attempt"], unique=False)
