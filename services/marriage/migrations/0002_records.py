"""Lines of old books, which years of which offices they cover, certificates given out anew, and the register of deaths."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("ask_office", sa.JSON(), nullable=True),
        sa.Column("line_index", sa.String(length=32), nullable=False),
        sa.Column("entered_by", sa.String(length=80), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("proposal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    in_force = sa.text("state <> 'discarded'")
    op.create_index(
        "archives_one_line",
        "archives",
        ["kind", "office", "number"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_index("archives_state", "archives", ["state"], unique=False)
    op.create_table(
        "coverage",
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("noted_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("office", "year"),
    )
    op.create_table(
        "reissues",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("leg_no", sa.Integer(), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("holder", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("certificate_no", sa.String(length=40), nullable=False),
        sa.Column("acts", sa.Text(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("case_facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("reissues_certificate_no", "reissues", ["certificate_no"], unique=False)
    op.create_table(
        "divorce_certificates",
        sa.Column("divorce_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=6), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("divorce_id", "place"),
        sa.UniqueConstraint("divorce_id", "number"),
    )
    op.create_table(
        "corrections",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("office", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("recorded_by", sa.String(length=80), nullable=False),
        sa.Column("confirmed_by", sa.String(length=80), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "deaths",
        sa.Column("entry_id", sa.String(length=80), nullable=False),
        sa.Column("marriage_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "marriage_id"),
    )
    own = sa.text("registrar <> ''")
    op.create_index(
        "marriages_own",
        "marriages",
        ["office", "registered_on"],
        unique=False,
        sqlite_where=own,
        postgresql_where=own,
    )
