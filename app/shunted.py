"""Jobs that were set aside: look at them, ring for them again, or let them go."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.jobs import CATALOGUE, Job, Jobs
from app.processes.models import ShuntedJob


def waiting(session: Session) -> list[ShuntedJob]:
    """Return what waits for a person, the newest first."""
    return list(session.scalars(sa.select(ShuntedJob).order_by(ShuntedJob.id.desc()).limit(200)))


def count(session: Session) -> int:
    """Return how many wait."""
    return session.scalar(sa.select(sa.func.count()).select_from(ShuntedJob)) or 0


def job_of(shunted: ShuntedJob) -> Job | None:
    """Return what the job is called for now; None for one that this version no longer has."""
    return next((job for job in CATALOGUE if job.name == shunted.job), None)


def retry(session: Session, jobs: Jobs, job: Job, shunted: ShuntedJob) -> bool:
    """Take the job off the list and ring for it; False where Redis does not answer, and then the caller must not commit.

    In this order: should it fail at once, its worker waits for our commit and writes a row of its own.
    """
    session.delete(shunted)
    session.flush()
    return jobs.ring(job, **shunted.ids)


def discard(session: Session, shunted: ShuntedJob) -> None:
    """Let the job go; whatever it was about stays as it is."""
    session.delete(shunted)
