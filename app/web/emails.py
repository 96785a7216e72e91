"""The platform's own mails: written from templates that a theme may override, queued with the change that causes them."""

from __future__ import annotations

from typing import Any

from flask import render_template

from app.accounts.models import Administrator, User
from app.db import db
from app.delivery.notices import queue_notice
from app.jobs import SEND_NOTICES
from app.web.house import house
from app.web.shell import product_name


def queue_email(name: str, person: Administrator | User, *, to: str = "", **values: Any) -> None:
    """Queue the mail ``name`` for the person (or for another of their addresses, ``to``); it leaves after the commit, once.

    Its text is ``templates/weefive/email/<name>/{subject.txt,body.txt,body.html}``.
    """
    context = {"person": person, "product_name": product_name(), **values}
    folder = f"weefive/email/{name}"
    queue_notice(db.session(), to or person.email, render_template(f"{folder}/subject.txt", **context).strip(),
                 render_template(f"{folder}/body.txt", **context), render_template(f"{folder}/body.html", **context))
    house().jobs.after_commit(db.session(), SEND_NOTICES)
