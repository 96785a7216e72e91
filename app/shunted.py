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


def retry(session: Session, jobs: Jobs, shunted: ShuntedJob) -> bool:
    """Ring for the job again after the commit and take it off the list; False for a job that this version no longer has."""
    job = next((job for job in CATALOGUE if job.name == shunted.job), None)
    if job is None:
        return False
    jobs.after_commit(session, Job(job.name, job.queue), **shunted.ids)
    session.delete(shunted)
    return True


def discard(session: Session, shunted: ShuntedJob) -> None:
    """Let the job go; whatever it was about stays as it is."""
    session.delete(shunted)
