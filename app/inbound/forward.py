"""Replaced at once by the helper's."""
from __future__ import annotations
import sqlalchemy as sa
from sqlalchemy.orm import Session
from app.inbound.models import Forward


def plan_forward(session: Session, *, mail_id: int, source: bytes, mfrom: str, recipient: str, target: str, rule: str) -> None:
    if session.scalar(sa.select(Forward.id).where(Forward.mail_id == mail_id, Forward.target == target)) is None:
        session.add(Forward(mail_id=mail_id, recipient=recipient, target=target, rule=rule))


def ring(house: object, session: Session) -> None:
    return
