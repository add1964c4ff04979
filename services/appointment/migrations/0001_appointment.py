"""Appointment's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "appointments",
        sa.Column("appointment_id", sa.String(length=36), nullable=False),
        sa.Column("slot_id", sa.String(length=36), nullable=False),
        sa.Column("matter", sa.String(length=60), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.String(length=27), nullable=False),
        sa.Column("arrive_until", sa.String(length=27), nullable=False),
        sa.Column("missed_from", sa.String(length=27), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("person_index", sa.String(length=32), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("appointment_id"),
        sa.UniqueConstraint("slot_id", "number", name="appointments_one_a_place"),
    )
    op.create_index("appointments_by_person", "appointments", ["person_index", "state"], unique=False)
    op.create_index("appointments_by_state", "appointments", ["state", "missed_from"], unique=False)
    op.create_index(
        "appointments_one_open",
        "appointments",
        ["person_index", "matter"],
        unique=True,
        postgresql_where=sa.text("state = 'booked'"),
        sqlite_where=sa.text("state = 'booked'"),
    )
    op.create_table(
        "slots",
        sa.Column("slot_id", sa.String(length=36), nullable=False),
        sa.Column("office", sa.String(length=60), nullable=False),
        sa.Column("matters", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("site", sa.String(length=60), nullable=False),
        sa.Column("starts_at", sa.String(length=27), nullable=False),
        sa.Column("ends_at", sa.String(length=27), nullable=False),
        sa.Column("closes_at", sa.String(length=27), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("free", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("free >= 0 AND free <= capacity", name="slots_never_overbooked"),
        sa.PrimaryKeyConstraint("slot_id"),
        sa.UniqueConstraint("office", "site", "matters", "starts_at", name="slots_once"),
    )
