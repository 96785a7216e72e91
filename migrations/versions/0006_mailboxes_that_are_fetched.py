"""Mailboxes are fetched, and it is known how far

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import LongText, UTCDateTime, exact

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table(
        "inbound_mailboxes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", exact(64), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("known", LongText, nullable=False),
        sa.Column("looked_at", UTCDateTime(), nullable=True),
        sa.Column("succeeded_at", UTCDateTime(), nullable=True),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("too_large", sa.Integer(), nullable=False),
        sa.Column("error", LongText, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("has_more", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_inbound_mailboxes")))


def downgrade() -> None:
    """Take the database back."""
    op.drop_table("inbound_mailboxes")
