"""Webhooks: where relays post what came back

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table('inbound_webhooks',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('public_id', app.db.exact(32), nullable=False),
    sa.Column('secret_sealed', sa.Text(), nullable=False),
    sa.Column('topic_arn', sa.String(length=300), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('last_at', app.db.UTCDateTime(), nullable=True),
    sa.Column('last_problem', sa.String(length=300), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_webhooks')),
    sa.UniqueConstraint('public_id', name=op.f('uq_inbound_webhooks_public_id'))
    )


def downgrade() -> None:
    """Take the database back."""
    op.drop_table('inbound_webhooks')
