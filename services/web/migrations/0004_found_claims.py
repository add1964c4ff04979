"""A person's own claims that were looked up, for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "found_claims",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("kept_at", sa.String(length=27), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
