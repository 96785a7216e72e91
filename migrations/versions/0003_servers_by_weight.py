"""The delivery servers of users and groups are chosen with weights

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Tables that named one server each, and how the owners of choices are called.
OWNERS = (("users", "user"), ("user_groups", "group"))
CHOICES = sa.table("server_choices", sa.column("owner_kind", sa.String), sa.column("owner_id", sa.Integer),
                   sa.column("server_id", sa.Integer), sa.column("weight", sa.SmallInteger))
DOMAINS = sa.table("sender_domains", sa.column("id", sa.Integer), sa.column("proof", sa.String))
GROUPS = sa.table("user_groups", sa.column("id", sa.Integer), sa.column("permissions", sa.JSON))


def upgrade() -> None:
    """Bring the database to this revision."""
    for table, kind in OWNERS:
        owner = sa.table(table, sa.column("id", sa.Integer), sa.column("delivery_server_id", sa.Integer))
        chosen = sa.select(sa.literal(kind), owner.c.id, owner.c.delivery_server_id, sa.literal(1)).where(owner.c.delivery_server_id.is_not(None))
        op.execute(sa.insert(CHOICES).from_select(["owner_kind", "owner_id", "server_id", "weight"], chosen))
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(op.f(f"fk_{table}_delivery_server_id_delivery_servers"), type_="foreignkey")
            batch_op.drop_column("delivery_server_id")
    _permit("sender_domains", to_whom_may="campaigns.send")
    _give_tokens()


def _permit(new: str, *, to_whom_may: str) -> None:
    """Let the groups that may do the one do the new thing, too; others are given it by an administrator."""
    connection = op.get_bind()
    for group_id, permissions in connection.execute(sa.select(GROUPS.c.id, GROUPS.c.permissions)).all():
        if to_whom_may in (permissions or []) and new not in permissions:
            connection.execute(sa.update(GROUPS).where(GROUPS.c.id == group_id).values(permissions=[*permissions, new]))


def _give_tokens() -> None:
    """Give each sender domain that has none what its TXT record has to hold."""
    connection = op.get_bind()
    for domain_id in connection.scalars(sa.select(DOMAINS.c.id).where(DOMAINS.c.proof == "")).all():
        connection.execute(sa.update(DOMAINS).where(DOMAINS.c.id == domain_id).values(proof=secrets.token_hex(20)))


def downgrade() -> None:
    """Take the database back: of several servers the heaviest stays."""
    for table, kind in OWNERS:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column("delivery_server_id", sa.Integer(), nullable=True))
            batch_op.create_foreign_key(op.f(f"fk_{table}_delivery_server_id_delivery_servers"), "delivery_servers", ["delivery_server_id"], ["id"])
        owner = sa.table(table, sa.column("id", sa.Integer), sa.column("delivery_server_id", sa.Integer))
        heaviest = sa.select(CHOICES.c.server_id).where(CHOICES.c.owner_kind == kind, CHOICES.c.owner_id == owner.c.id).order_by(
            CHOICES.c.weight.desc(), CHOICES.c.server_id).limit(1).scalar_subquery()
        op.execute(sa.update(owner).values(delivery_server_id=heaviest))
        op.execute(sa.delete(CHOICES).where(CHOICES.c.owner_kind == kind))
