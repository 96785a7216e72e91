"""A sending knows how many are on several of its lists and get one mail

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision: of earlier sendings nobody knows, and the report says nothing."""
    with op.batch_alter_table("sendings") as batch_op:
        batch_op.add_column(sa.Column("on_several_lists", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take the database back."""
    with op.batch_alter_table("sendings") as batch_op:
        batch_op.drop_column("on_several_lists")
