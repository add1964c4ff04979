"""Marriage records that were looked up, for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "found_records",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("kept_at", sa.String(length=27), nullable=False),
        sa.Column("covers", sa.JSON(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
