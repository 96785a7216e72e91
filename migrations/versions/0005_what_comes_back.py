"""What comes back: mails, what they say, what is counted from it

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import app.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table('inbound_counts',
    sa.Column('user_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('dimension', app.db.exact(8), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('what', app.db.exact(12), nullable=False),
    sa.Column('value', app.db.exact(253), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'dimension', 'day', 'what', 'value', name=op.f('pk_inbound_counts'))
    )
    op.create_table('inbound_digests',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', app.db.UTCDateTime(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_digests'))
    )
    op.create_table('inbound_forwards',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('mail_id', app.db.BigId, nullable=False),
    sa.Column('target', app.db.exact(254), nullable=False),
    sa.Column('recipient', sa.String(length=320), nullable=False),
    sa.Column('rule', app.db.exact(330), nullable=False),
    sa.Column('repeat_key', app.db.exact(64), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('reason', sa.String(length=300), nullable=False),
    sa.Column('attempts', sa.SmallInteger(), nullable=False),
    sa.Column('next_at', app.db.UTCDateTime(), nullable=True),
    sa.Column('created_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('sent_at', app.db.UTCDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_forwards')),
    sa.UniqueConstraint('mail_id', 'target', name=op.f('uq_inbound_forwards_mail_id_target'))
    )
    with op.batch_alter_table('inbound_forwards') as batch_op:
        batch_op.create_index(op.f('ix_inbound_forwards_repeat_key'), ['repeat_key'], unique=False)
        batch_op.create_index('ix_inbound_forwards_rule_at', ['rule', 'created_at'], unique=False)
        batch_op.create_index('ix_inbound_forwards_state_next_at', ['state', 'next_at'], unique=False)

    op.create_table('inbound_mails',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('digest', app.db.exact(64), nullable=False),
    sa.Column('way', sa.String(length=8), nullable=False),
    sa.Column('mfrom', sa.String(length=320), nullable=False),
    sa.Column('recipients', sa.JSON(), nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('helo', sa.String(length=255), nullable=False),
    sa.Column('sender', sa.String(length=320), nullable=False),
    sa.Column('subject', sa.String(length=500), nullable=False),
    sa.Column('size_bytes', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('reading', sa.JSON(), nullable=False),
    sa.Column('rules', sa.String(length=24), nullable=False),
    sa.Column('problem', sa.String(length=16), nullable=False),
    sa.Column('tries', sa.SmallInteger(), nullable=False),
    sa.Column('arrived_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('read_at', app.db.UTCDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_mails')),
    sa.UniqueConstraint('digest', name=op.f('uq_inbound_mails_digest'))
    )
    with op.batch_alter_table('inbound_mails') as batch_op:
        batch_op.create_index(op.f('ix_inbound_mails_arrived_at'), ['arrived_at'], unique=False)
        batch_op.create_index('ix_inbound_mails_kind_id', ['kind', 'id'], unique=False)
        batch_op.create_index('ix_inbound_mails_state_id', ['state', 'id'], unique=False)

    op.create_table('inbound_rules',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('pattern', sa.String(length=200), nullable=False),
    sa.Column('reason', sa.String(length=24), nullable=False),
    sa.Column('bounce_class', sa.String(length=5), nullable=False),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('note', sa.String(length=200), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('created_at', app.db.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_rules'))
    )
    op.create_table('inbound_sources',
    sa.Column('mail_id', app.db.BigId, autoincrement=False, nullable=False),
    sa.Column('packed', app.db.LongBinary, nullable=False),
    sa.PrimaryKeyConstraint('mail_id', name=op.f('pk_inbound_sources'))
    )
    op.create_table('refusals',
    sa.Column('server_id', sa.Integer(), nullable=True),
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('sending_id', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=24), nullable=False),
    sa.Column('at', app.db.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refusals'))
    )
    op.create_table('address_bounces',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('address', app.db.exact(254), nullable=False),
    sa.Column('number', sa.SmallInteger(), nullable=False),
    sa.Column('counted_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_address_bounces_user_id_users')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_bounces')),
    sa.UniqueConstraint('user_id', 'address', name=op.f('uq_address_bounces_user_id_address'))
    )
    with op.batch_alter_table('address_bounces') as batch_op:
        batch_op.create_index(op.f('ix_address_bounces_user_id'), ['user_id'], unique=False)

    op.create_table('complaint_meters',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('delivered', sa.Integer(), nullable=False),
    sa.Column('complaints', sa.Integer(), nullable=False),
    sa.Column('counts_from', app.db.UTCDateTime(), nullable=True),
    sa.Column('changed_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_complaint_meters_user_id_users')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_complaint_meters')),
    sa.UniqueConstraint('user_id', name=op.f('uq_complaint_meters_user_id'))
    )
    with op.batch_alter_table('complaint_meters') as batch_op:
        batch_op.create_index(op.f('ix_complaint_meters_user_id'), ['user_id'], unique=False)

    op.create_table('inbound_events',
    sa.Column('id', app.db.BigId, nullable=False),
    sa.Column('mail_id', app.db.BigId, nullable=True),
    sa.Column('number', sa.SmallInteger(), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('bounce_class', sa.String(length=5), nullable=False),
    sa.Column('reason', sa.String(length=24), nullable=False),
    sa.Column('rule', sa.String(length=80), nullable=False),
    sa.Column('status', sa.String(length=12), nullable=False),
    sa.Column('diagnostic', sa.String(length=1000), nullable=False),
    sa.Column('address', app.db.exact(254), nullable=False),
    sa.Column('domain', app.db.exact(253), nullable=False),
    sa.Column('sending_id', sa.Integer(), nullable=True),
    sa.Column('position', sa.Integer(), nullable=True),
    sa.Column('campaign_id', sa.Integer(), nullable=True),
    sa.Column('subscriber_id', app.db.BigId, nullable=True),
    sa.Column('list_id', sa.Integer(), nullable=True),
    sa.Column('server_id', sa.Integer(), nullable=True),
    sa.Column('matched_by', sa.String(length=12), nullable=False),
    sa.Column('decision', sa.String(length=16), nullable=False),
    sa.Column('at', app.db.UTCDateTime(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_inbound_events_user_id_users')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_events')),
    sa.UniqueConstraint('mail_id', 'number', name=op.f('uq_inbound_events_mail_id_number'))
    )
    with op.batch_alter_table('inbound_events') as batch_op:
        batch_op.create_index('ix_inbound_events_address', ['user_id', 'address', 'id'], unique=False)
        batch_op.create_index('ix_inbound_events_kind', ['user_id', 'kind', 'at'], unique=False)
        batch_op.create_index('ix_inbound_events_recipient', ['sending_id', 'position'], unique=False)
        batch_op.create_index(op.f('ix_inbound_events_user_id'), ['user_id'], unique=False)
        batch_op.create_index('ix_inbound_events_user_id_id', ['user_id', 'id'], unique=False)

    with op.batch_alter_table('sendings') as batch_op:
        batch_op.add_column(sa.Column('bounced_hard', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('bounced_soft', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('blocked', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('complained', sa.Integer(), nullable=False, server_default='0'))


def downgrade() -> None:
    """Take the database back."""
    with op.batch_alter_table('sendings') as batch_op:
        batch_op.drop_column('complained')
        batch_op.drop_column('blocked')
        batch_op.drop_column('bounced_soft')
        batch_op.drop_column('bounced_hard')

    with op.batch_alter_table('inbound_events') as batch_op:
        batch_op.drop_index('ix_inbound_events_user_id_id')
        batch_op.drop_index(op.f('ix_inbound_events_user_id'))
        batch_op.drop_index('ix_inbound_events_recipient')
        batch_op.drop_index('ix_inbound_events_kind')
        batch_op.drop_index('ix_inbound_events_address')

    op.drop_table('inbound_events')
    with op.batch_alter_table('complaint_meters') as batch_op:
        batch_op.drop_index(op.f('ix_complaint_meters_user_id'))

    op.drop_table('complaint_meters')
    with op.batch_alter_table('address_bounces') as batch_op:
        batch_op.drop_index(op.f('ix_address_bounces_user_id'))

    op.drop_table('address_bounces')
    op.drop_table('refusals')
    op.drop_table('inbound_sources')
    op.drop_table('inbound_rules')
    with op.batch_alter_table('inbound_mails') as batch_op:
        batch_op.drop_index('ix_inbound_mails_state_id')
        batch_op.drop_index('ix_inbound_mails_kind_id')
        batch_op.drop_index(op.f('ix_inbound_mails_arrived_at'))

    op.drop_table('inbound_mails')
    with op.batch_alter_table('inbound_forwards') as batch_op:
        batch_op.drop_index('ix_inbound_forwards_state_next_at')
        batch_op.drop_index('ix_inbound_forwards_rule_at')
        batch_op.drop_index(op.f('ix_inbound_forwards_repeat_key'))

    op.drop_table('inbound_forwards')
    op.drop_table('inbound_digests')
    op.drop_table('inbound_counts')
