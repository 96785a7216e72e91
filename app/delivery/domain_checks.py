"""Looking for the records of users' sender domains: on a click, and daily in a job, a few at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts.models import SenderDomain, User
from app.db import reading, table_of, utcnow
from app.delivery import dns_look
from app.delivery.dns_look import LookUpAnswer
from app.delivery.notices import queue_notice
from app.delivery.sender_domains import DISABLED, SUSPENDED, heed, look
from app.jobs import SEND_NOTICES

if TYPE_CHECKING:
    from app.house import House

EVERY = timedelta(days=1)
# How many one job looks for: each takes up to six seconds where DNS does not answer.
AT_ONCE = 10

DOMAINS = table_of(SenderDomain)


def due_domains(engine: Engine) -> list[int]:
    """Return the domains to look for now, those first that wait longest; what its user or an administrator took away is left alone."""
    row = DOMAINS.c
    held = sa.or_(row.state == DISABLED, sa.and_(row.state == SUSPENDED, row.missed_since.is_(None)))
    long_ago = sa.or_(row.checked_at.is_(None), row.checked_at < utcnow() - EVERY)
    with reading(), engine.connect() as connection:
        return list(connection.scalars(sa.select(row.id).where(sa.not_(held), long_ago).order_by(row.checked_at).limit(AT_ONCE)))


def check_due(house: House, look_up: LookUpAnswer | None = None) -> int:
    """Look for the domains that are due; return how many that was."""
    due = due_domains(house.engine)
    for domain_id in due:
        with Session(house.engine) as session:
            found = session.get(SenderDomain, domain_id)
            if found is not None:
                check(house, session, found, look_up)
    return len(due)


def check(house: House, session: Session, found: SenderDomain, look_up: LookUpAnswer | None = None) -> None:
    """Look for a domain's records and draw the conclusions; its user gets a mail when it is suspended.

    Commits before and after: DNS may take seconds, and no lock is held meanwhile.
    """
    session.commit()
    seen = look(house.secrets, found, look_up or dns_look.txt_answer)
    session.refresh(found, with_for_update=True)
    if heed(found, seen, utcnow()):
        tell_user(house, session, found)
    session.commit()


def tell_user(house: House, session: Session, found: SenderDomain) -> None:
    """Queue the mail that says that a domain is suspended, and why."""
    owner = session.get_one(User, found.user_id)
    queue_notice(session, owner.email, *house.write_mail("sender_domain_suspended", owner, {"domain": found.domain, "why": found.why}))
    house.jobs.after_commit(session, SEND_NOTICES)
