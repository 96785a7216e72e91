"""Aggregate reports of DMARC, and their rows

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table('dmarc_reports',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('org', app.db.exact(200), nullable=False),
    sa.Column('report_id', app.db.exact(250), nullable=False),
    sa.Column('domain', app.db.exact(253), nullable=False),
    sa.Column('organisational', app.db.exact(253), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('begin_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('end_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('policy', sa.String(length=12), nullable=False),
    sa.Column('subdomain_policy', sa.String(length=12), nullable=False),
    sa.Column('adkim', sa.String(length=1), nullable=False),
    sa.Column('aspf', sa.String(length=1), nullable=False),
    sa.Column('pct', sa.SmallInteger(), nullable=False),
    sa.Column('mails', app.db.BigId, nullable=False),
    sa.Column('mail_id', app.db.BigId, nullable=True),
    sa.Column('received_at', app.db.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dmarc_reports')),
    sa.UniqueConstraint('org', 'report_id', 'domain', name=op.f('uq_dmarc_reports_org_report_id_domain'))
    )
    with op.batch_alter_table('dmarc_reports') as batch_op:
        batch_op.create_index('ix_dmarc_reports_organisational_day', ['organisational', 'day'], unique=False)
        batch_op.create_index('ix_dmarc_reports_day_domain', ['day', 'domain'], unique=False)

    op.create_table('dmarc_rows',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('report_id', app.db.BigId, nullable=False),
    sa.Column('source_ip', app.db.exact(45), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('disposition', sa.String(length=12), nullable=False),
    sa.Column('dkim', sa.Boolean(), nullable=False),
    sa.Column('spf', sa.Boolean(), nullable=False),
    sa.Column('header_from', app.db.exact(253), nullable=False),
    sa.Column('results', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dmarc_rows'))
    )
    with op.batch_alter_table('dmarc_rows') as batch_op:
        batch_op.create_index('ix_dmarc_rows_report_id', ['report_id'], unique=False)


def downgrade() -> None:
    """Take the database back."""
    op.drop_table('dmarc_rows')
    op.drop_table('dmarc_reports')
