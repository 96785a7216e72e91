"""The platform's own mails: written from templates that a theme may override, queued with the change that causes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, template_rendered
from flask_babel import force_locale

from app.accounts.models import Administrator, User
from app.db import db
from app.delivery.notices import queue_notice
from app.house import MailText, WriteMail
from app.jobs import SEND_NOTICES
from app.web.catalogues import known_language
from app.web.house import house
from app.web.shell import product_name


def queue_email(name: str, person: Administrator | User, *, to: str = "", **values: Any) -> None:
    """Queue the mail ``name`` for the person (or for another of their addresses, ``to``); it leaves after the commit, once.

    Its text is ``templates/weefive/email/<name>/{subject.txt,body.txt,body.html}``.
    """
    queue_notice(db.session(), to or person.email, *house().write_mail(name, person, values))
    house().jobs.after_commit(db.session(), SEND_NOTICES)


def mail_writer(app: Flask) -> WriteMail:
    """Return what writes the mails of the platform, in a page or in a worker: each in the language of whoever gets it."""

    def write(name: str, person: Any, values: Mapping[str, Any]) -> MailText:
        # A context of its own: the page that causes a mail may be read in another language.
        with app.app_context(), force_locale(known_language(person.language)):
            context = {"person": person, "product_name": product_name(), **values}
            # Not render_template: a mail has nothing of the page (navigation, who is signed in), and a worker has no page at all.
            templates = [app.jinja_env.get_template(f"weefive/email/{name}/{part}") for part in ("subject.txt", "body.txt", "body.html")]
            subject, plain, html = (template.render(context) for template in templates)
        for template in templates:
            template_rendered.send(app, template=template, context=context)
        return subject.strip(), plain, html

    return write
