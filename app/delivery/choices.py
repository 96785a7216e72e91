"""Who chose which delivery servers: a campaign, a user, a group; each with weights, and whoever chose none asks the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.campaigns.models import Campaign
from app.db import table_of
from app.delivery.models import DeliveryServer, ServerChoice
from app.words import words

MOST_WEIGHT = 1000
# A campaign in one of these states may still send.
UNDER_WAY = ("draft", "scheduled", "sending", "paused")


@dataclass(frozen=True, slots=True)
class Inherited:
    """Whose choice holds for an owner that chose nothing. ``kind``: user | group | default; ``servers``: the names, switched-off ones left out."""

    kind: str
    name: str
    servers: tuple[str, ...]


def chosen_by(session: Session, kind: str, owner_id: int | None) -> dict[int, int]:
    """Return an owner's own choice: the weight of each server."""
    query = sa.select(ServerChoice.server_id, ServerChoice.weight).where(ServerChoice.owner_kind == kind, ServerChoice.owner_id == owner_id)
    return dict(session.execute(query).all())


def choose(session: Session, kind: str, owner_id: int, weights: Mapping[int, int]) -> None:
    """Make this the owner's choice; an empty one asks the next owner."""
    forget(session, kind, owner_id)
    session.add_all(ServerChoice(owner_kind=kind, owner_id=owner_id, server_id=server_id, weight=weight) for server_id, weight in weights.items())
    session.flush()


def forget(session: Session, kind: str, owner_id: int) -> None:
    """Let go of an owner's choice: it chooses anew, or is deleted, and its number may be another's one day."""
    session.execute(sa.delete(ServerChoice).where(ServerChoice.owner_kind == kind, ServerChoice.owner_id == owner_id)
                    .execution_options(synchronize_session=False))


def problem_with(weights: Mapping[int, int]) -> str:
    """Return what is wrong with a choice, in words, or the empty text."""
    if any(not 0 <= weight <= MOST_WEIGHT for weight in weights.values()):
        return words("Type a whole number from 0 to %(most)s, or leave it empty.", most=str(MOST_WEIGHT))
    if weights and not any(weights.values()):
        return words("Give at least one server a weight of 1 or more. One of weight 0 only stands in for the others.")
    return ""


def inherited(session: Session, user: User | None, kind: str) -> Inherited:
    """Return whose choice holds for this owner where it chooses nothing. ``user``: whose campaign, or who; None for a group."""
    above: list[tuple[str, int, str]] = []
    if user is not None and kind == "campaign":
        above.append(("user", user.id, user.company or user.name))
    if user is not None:
        above.append(("group", user.group_id, user.group.name))
    for owner, owner_id, name in above:
        if servers := _names(session, owner, owner_id):
            return Inherited(owner, name, tuple(servers))
    return Inherited("default", "", tuple(session.scalars(sa.select(DeliveryServer.name).where(DeliveryServer.is_default, DeliveryServer.enabled))))


def _names(session: Session, kind: str, owner_id: int) -> Sequence[str]:
    return session.scalars(sa.select(DeliveryServer.name).join(ServerChoice, ServerChoice.server_id == DeliveryServer.id).where(
        ServerChoice.owner_kind == kind, ServerChoice.owner_id == owner_id, DeliveryServer.enabled)
        .order_by(ServerChoice.weight.desc(), DeliveryServer.name)).all()


def owners_of(session: Session, server_id: int) -> dict[str, int]:
    """Return how many users, groups and campaigns (those that may still send) chose the server."""
    counted = sa.select(ServerChoice.owner_kind, sa.func.count()).where(ServerChoice.server_id == server_id, sa.or_(
        ServerChoice.owner_kind != "campaign", ServerChoice.owner_id.in_(_under_way()))).group_by(ServerChoice.owner_kind)
    return dict(session.execute(counted).all())


def _under_way() -> sa.Select[tuple[int]]:
    # By its table: what is in use is asked over all accounts.
    campaigns = table_of(Campaign)
    return sa.select(campaigns.c.id).where(campaigns.c.state.in_(UNDER_WAY))


def forget_server(session: Session, server_id: int) -> None:
    """Let go of what refers to a server that is deleted: the choices of campaigns that are over."""
    session.execute(sa.delete(ServerChoice).where(ServerChoice.server_id == server_id).execution_options(synchronize_session=False))


def copy(session: Session, campaign: Campaign, twin: Campaign) -> None:
    """Let a copied campaign go through the same servers."""
    choose(session, "campaign", twin.id, chosen_by(session, "campaign", campaign.id))
