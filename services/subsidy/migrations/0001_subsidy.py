"""Subsidy's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.Column("matter", sa.String(length=60), nullable=False),
        sa.Column("matter_version", sa.Integer(), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("accepting_office", sa.String(length=40), nullable=False),
        sa.Column("accepting_node", sa.String(length=6), nullable=False),
        sa.Column("accepted_on", sa.Date(), nullable=False),
        sa.Column("applied_on", sa.Date(), nullable=False),
        sa.Column("person_index", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("acts", sa.Text(), nullable=False),
        sa.Column("supplement_told", sa.Boolean(), nullable=False),
        sa.Column("supplement_due_on", sa.Date(), nullable=True),
        sa.Column("asked_for", sa.JSON(), nullable=False),
        sa.Column("case_facts", sa.JSON(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("unanswered", sa.JSON(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("asked_on", sa.Date(), nullable=True),
        sa.Column("ask_again", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "leg_no"),
    )
    op.create_index("applications_ask_again", "applications", ["ask_again"], unique=False)
    op.create_index("applications_person_index", "applications", ["person_index"], unique=False)
    op.create_index("applications_state", "applications", ["state", "supplement_due_on"], unique=False)
    op.create_table(
        "household_changes",
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("change_id", "case_id"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "leg_no"),
    )
