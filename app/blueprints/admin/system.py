"""How the house is, process by process, and the jobs that wait for a person."""

from __future__ import annotations

from flask import abort, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import shunted
from app.db import db
from app.processes.models import ShuntedJob
from app.settings.audit import record
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.overview import health_rows, processes
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("system", __name__, url_prefix="/admin/system")


@room.get("/")
@policy(ADMINISTRATOR, "system")
def index() -> Response:
    """Show every part of the house and every process that speaks."""
    return page_or_panel("weefive/system/index.html", health=health_rows(), processes=processes(), shunted_count=shunted.count(db.session()))


@room.get("/shunted-jobs")
@policy(ADMINISTRATOR, "system")
def shunted_jobs() -> Response:
    """Show the jobs that were set aside, with what they met."""
    return page_or_panel("weefive/system/shunted.html", jobs=shunted.waiting(db.session()))


@room.post("/shunted-jobs/<int:job_id>/retry")
@policy(ADMINISTRATOR, "system", job=ShuntedJob)
def retry(job: ShuntedJob) -> Response:
    """Ring for a job again."""
    known = shunted.job_of(job)
    if known is None:
        abort(409, _("This version has no job of that name. Discard it."))
    if not shunted.retry(db.session(), house().jobs, known, job):
        abort(503, _("Redis does not answer, so nobody could be told to try. The job still waits here."))
    return _done("shunted_job.retried", job, _("The job is on its way again."))


@room.post("/shunted-jobs/<int:job_id>/discard")
@policy(ADMINISTRATOR, "system", job=ShuntedJob)
def discard(job: ShuntedJob) -> Response:
    """Let a job go."""
    shunted.discard(db.session(), job)
    return _done("shunted_job.discarded", job, _("The job is gone. What it was about is as it was."))


def _done(act: str, job: ShuntedJob, message: str) -> Response:
    record(db.session(), actor.actor_name(), actor.client_address(), act, job.job, {"ids": job.ids, "error": job.error})
    db.session.commit()
    flash(message, "ok")
    return redirect(url_for("system.shunted_jobs"))
