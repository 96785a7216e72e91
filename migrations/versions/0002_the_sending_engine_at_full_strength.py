"""the sending engine at full strength

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import app.db

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table('mail_providers',
    sa.Column('domain', app.db.exact(253), nullable=False),
    sa.Column('pacing_group', sa.String(length=64), nullable=False),
    sa.Column('looked_at', app.db.UTCDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('domain', name=op.f('pk_mail_providers'))
    )
    with op.batch_alter_table('mail_providers') as batch_op:
        batch_op.create_index(op.f('ix_mail_providers_looked_at'), ['looked_at'], unique=False)

    op.create_table('server_health',
    sa.Column('server_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('failing_since', app.db.UTCDateTime(), nullable=True),
    sa.Column('open_until', app.db.UTCDateTime(), nullable=True),
    sa.Column('why', sa.String(length=300), nullable=False),
    sa.PrimaryKeyConstraint('server_id', name=op.f('pk_server_health'))
    )
    op.create_table('server_choices',
    sa.Column('owner_kind', sa.String(length=8), nullable=False),
    sa.Column('owner_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('server_id', sa.Integer(), nullable=False),
    sa.Column('weight', sa.SmallInteger(), nullable=False),
    sa.ForeignKeyConstraint(['server_id'], ['delivery_servers.id'], name=op.f('fk_server_choices_server_id_delivery_servers')),
    sa.PrimaryKeyConstraint('owner_kind', 'owner_id', 'server_id', name=op.f('pk_server_choices'))
    )
    with op.batch_alter_table('server_choices') as batch_op:
        batch_op.create_index(op.f('ix_server_choices_server_id'), ['server_id'], unique=False)

    op.create_table('transactional_mails',
    sa.Column('sending_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('key', app.db.exact(128), nullable=False),
    sa.Column('request_hash', app.db.exact(64), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('created_at', app.db.UTCDateTime(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['sending_id'], ['sendings.id'], name=op.f('fk_transactional_mails_sending_id_sendings')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_transactional_mails_user_id_users')),
    sa.PrimaryKeyConstraint('sending_id', 'position', name=op.f('pk_transactional_mails')),
    sa.UniqueConstraint('user_id', 'key', name=op.f('uq_transactional_mails_user_id_key'))
    )
    with op.batch_alter_table('transactional_mails') as batch_op:
        batch_op.create_index(op.f('ix_transactional_mails_created_at'), ['created_at'], unique=False)
        batch_op.create_index(op.f('ix_transactional_mails_user_id'), ['user_id'], unique=False)

    with op.batch_alter_table('batches') as batch_op:
        batch_op.add_column(sa.Column('kind', sa.SmallInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column('wave', sa.SmallInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column('not_before', app.db.UTCDateTime(), nullable=True))

    with op.batch_alter_table('campaigns') as batch_op:
        batch_op.add_column(sa.Column('in_recipients_zone', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('canary_mails', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('canary_percent', sa.SmallInteger(), nullable=True))
        batch_op.add_column(sa.Column('canary_minutes', sa.Integer(), nullable=False, server_default="60"))
        batch_op.add_column(sa.Column('held_why', sa.String(length=16), nullable=False, server_default=sa.text("('')")))

    with op.batch_alter_table('recipients') as batch_op:
        batch_op.create_index('ix_recipients_reason', ['sending_id', 'reason', 'position'], unique=False)

    with op.batch_alter_table('sender_domains') as batch_op:
        batch_op.add_column(sa.Column('proof', app.db.exact(64), nullable=False, server_default=sa.text("('')")))
        batch_op.add_column(sa.Column('why', sa.String(length=200), nullable=False, server_default=sa.text("('')")))
        batch_op.add_column(sa.Column('checked_at', app.db.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column('missed_since', app.db.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column('dkim_selector', sa.String(length=63), nullable=False, server_default=sa.text("('')")))
        batch_op.add_column(sa.Column('dkim_kind', sa.String(length=8), nullable=False, server_default=sa.text("('')")))
        batch_op.add_column(sa.Column('dkim_key_sealed', sa.Text(), nullable=False, server_default=sa.text("('')")))
        batch_op.add_column(sa.Column('dkim_seen_at', app.db.UTCDateTime(), nullable=True))
        batch_op.create_index(op.f('ix_sender_domains_checked_at'), ['checked_at'], unique=False)

    with op.batch_alter_table('sendings') as batch_op:
        batch_op.add_column(sa.Column('stream', app.db.exact(32), nullable=True))
        batch_op.add_column(sa.Column('seeds', sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column('open_wave', sa.SmallInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column('canary_until', app.db.UTCDateTime(), nullable=True))
        batch_op.create_unique_constraint(op.f('uq_sendings_user_id_kind_stream'), ['user_id', 'kind', 'stream'])

    with op.batch_alter_table('subscribers') as batch_op:
        batch_op.add_column(sa.Column('time_zone', sa.String(length=64), nullable=False, server_default=sa.text("('')")))



def downgrade() -> None:
    """Take the database back."""
    with op.batch_alter_table('subscribers') as batch_op:
        batch_op.drop_column('time_zone')

    with op.batch_alter_table('sendings') as batch_op:
        batch_op.drop_constraint(op.f('uq_sendings_user_id_kind_stream'), type_='unique')
        batch_op.drop_column('canary_until')
        batch_op.drop_column('open_wave')
        batch_op.drop_column('seeds')
        batch_op.drop_column('stream')

    with op.batch_alter_table('sender_domains') as batch_op:
        batch_op.drop_index(op.f('ix_sender_domains_checked_at'))
        batch_op.drop_column('dkim_seen_at')
        batch_op.drop_column('dkim_key_sealed')
        batch_op.drop_column('dkim_kind')
        batch_op.drop_column('dkim_selector')
        batch_op.drop_column('missed_since')
        batch_op.drop_column('checked_at')
        batch_op.drop_column('why')
        batch_op.drop_column('proof')

    with op.batch_alter_table('recipients') as batch_op:
        batch_op.drop_index('ix_recipients_reason')

    with op.batch_alter_table('campaigns') as batch_op:
        batch_op.drop_column('held_why')
        batch_op.drop_column('canary_minutes')
        batch_op.drop_column('canary_percent')
        batch_op.drop_column('canary_mails')
        batch_op.drop_column('in_recipients_zone')

    with op.batch_alter_table('batches') as batch_op:
        batch_op.drop_column('not_before')
        batch_op.drop_column('wave')
        batch_op.drop_column('kind')

    with op.batch_alter_table('transactional_mails') as batch_op:
        batch_op.drop_index(op.f('ix_transactional_mails_user_id'))
        batch_op.drop_index(op.f('ix_transactional_mails_created_at'))

    op.drop_table('transactional_mails')
    with op.batch_alter_table('server_choices') as batch_op:
        batch_op.drop_index(op.f('ix_server_choices_server_id'))

    op.drop_table('server_choices')
    op.drop_table('server_health')
    with op.batch_alter_table('mail_providers') as batch_op:
        batch_op.drop_index(op.f('ix_mail_providers_looked_at'))

    op.drop_table('mail_providers')
