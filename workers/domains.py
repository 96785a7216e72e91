"""The job that looks for the records of sender domains."""

from __future__ import annotations

from app.db import db
from app.delivery import domain_checks
from app.house import House
from app.jobs import CHECK_DOMAINS
from workers import runtime
from workers.runtime import performs


def _house() -> House:
    found: House = runtime.application().extensions["lettermill"]
    return found


@performs(CHECK_DOMAINS)
def check_domains() -> None:
    """Look for the domains that are due, a few at a time; ring again while there are more."""
    db.session.rollback()
    house = _house()
    if domain_checks.check_due(house) == domain_checks.AT_ONCE:
        house.jobs.ring(CHECK_DOMAINS)


def ring_for_domains(house: House) -> None:
    """Ring where a domain is due. For the schedule: DNS may be slow, so the looks themselves are a job's."""
    if domain_checks.due_domains(house.engine):
        house.jobs.ring(CHECK_DOMAINS)
