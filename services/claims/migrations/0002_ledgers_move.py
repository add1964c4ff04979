"""Ledgers that move or come back from the dead, and documents of one person."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("claims", sa.Column("restated", sa.String(length=36), server_default="", nullable=False))
    op.create_index("claims_prefix", "claims", ["prefix", "claim_id"], unique=False)
    op.add_column("wishes", sa.Column("aliased", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "pieces",
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("batch", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("arrived_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("prefix", "batch", "node", "number"),
    )
    op.create_table(
        "restatements",
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.Column("round", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.String(length=27), nullable=False),
        sa.Column("answered_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("prefix", "node"),
    )
    op.create_table(
        "conflicts",
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=6), nullable=False),
        sa.Column("office", sa.JSON(), nullable=True),
        sa.Column("other", sa.String(length=36), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("claim_id"),
    )
    op.create_table(
        "told_apart",
        sa.Column("one", sa.String(length=32), nullable=False),
        sa.Column("other", sa.String(length=32), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("one", "other"),
    )
    op.create_index("told_apart_other", "told_apart", ["other"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("document_index", sa.String(length=32), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("canonical", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("document_index"),
    )
