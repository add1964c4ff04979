"""Marriage's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("hold", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("acts", sa.Text(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("case_facts", sa.JSON(), nullable=False),
        sa.Column("waits_for", sa.JSON(), nullable=False),
        sa.Column("ask_office", sa.JSON(), nullable=True),
        sa.Column("held_until", sa.String(length=27), nullable=False),
        sa.Column("renewed", sa.Boolean(), nullable=False),
        sa.Column("wake_at", sa.String(length=27), nullable=False),
        sa.Column("retry_until", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("applications_state", "applications", ["state", "hold"], unique=False)
    op.create_index(
        "applications_wake_at",
        "applications",
        ["wake_at"],
        unique=False,
        sqlite_where=sa.text("wake_at <> ''"),
        postgresql_where=sa.text("wake_at <> ''"),
    )
    op.create_table(
        "marriages",
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("certificate_no", sa.String(length=40), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("registrar", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("claims_case", sa.String(length=36), nullable=False),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("marriage_id"),
        sa.UniqueConstraint("division", "year", "serial"),
    )
    op.create_table(
        "reports",
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("marriage_id", "version"),
    )
    op.create_index("reports_state", "reports", ["state"], unique=False)
    op.create_table(
        "serials",
        sa.Column("kind", sa.String(length=2), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "division", "year"),
    )
    op.create_table(
        "spouses",
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("person_index", sa.String(length=32), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("marriage_id", "person_index"),
    )
    op.create_index(
        "spouses_one_live",
        "spouses",
        ["person_index"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "leg_no"),
    )
    op.create_table(
        "endings",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "watchers",
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.PrimaryKeyConstraint("marriage_id", "request_id"),
    )
    op.create_table(
        "restorations",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("restorations_state", "restorations", ["state"], unique=False)
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("holder", sa.String(length=6), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("recorded_by", sa.String(length=80), nullable=False),
        sa.Column("confirmed_by", sa.String(length=80), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "divorces",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("holder", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("hold", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("ending", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column("wake_on", sa.Date(), nullable=True),
        sa.Column("certificate_no", sa.String(length=40), nullable=False),
        sa.Column("acts", sa.Text(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("case_facts", sa.JSON(), nullable=False),
        sa.Column("waits_for", sa.JSON(), nullable=False),
        sa.Column("ask_office", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("divorces_wake_on", "divorces", ["wake_on"], unique=False)
