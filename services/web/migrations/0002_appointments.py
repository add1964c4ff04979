"""Slots and bookings as web shows them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "appointments",
        sa.Column("appointment_id", sa.String(length=36), nullable=False),
        sa.Column("slot_id", sa.String(length=36), nullable=False),
        sa.Column("matter", sa.String(length=60), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("arrive_until", sa.String(length=27), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("appointment_id"),
    )
    op.create_index(op.f("ix_appointments_slot_id"), "appointments", ["slot_id"], unique=False)
    op.create_table(
        "slots",
        sa.Column("slot_id", sa.String(length=36), nullable=False),
        sa.Column("office", sa.String(length=60), nullable=False),
        sa.Column("matters", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("site", sa.String(length=60), nullable=False),
        sa.Column("starts_at", sa.String(length=27), nullable=False),
        sa.Column("ends_at", sa.String(length=27), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("free", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("slot_id"),
    )
    op.create_index("slots_by_time", "slots", ["starts_at"], unique=False)
    op.create_index("slots_of_office", "slots", ["office", "starts_at"], unique=False)
    op.create_table(
        "visits",
        sa.Column("appointment_id", sa.String(length=36), nullable=False),
        sa.Column("booked_by", sa.String(length=80), nullable=False),
        sa.Column("person_index", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("personal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("appointment_id"),
    )
    op.create_index(op.f("ix_visits_person_index"), "visits", ["person_index"], unique=False)
