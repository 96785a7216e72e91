"""Who Flask-Login takes somebody for: ``administrator:<id>`` or ``user:<id>``, and the language that suits them."""

from __future__ import annotations

from flask import has_request_context, request
from flask_login import LoginManager

from app.accounts.keys import person_of
from app.accounts.models import Administrator, User
from app.db import db
from app.web import actor
from app.web.catalogues import ENGLISH, known_language, languages


def init_identity(manager: LoginManager) -> None:
    """Teach Flask-Login our people."""
    manager.user_loader(load)
    manager.session_protection = None  # The session row already binds the cookie to a person and an epoch.


def load(identity: str) -> Administrator | User | None:
    """Return the person whom a session belongs to, or None where the account is gone or switched off."""
    kind, _, number = identity.partition(":")
    person = person_of(db.session(), kind, int(number))
    return person if person and person.enabled else None


def locale() -> str:
    """Return the reader's language: their own, else what the browser asks for, else English."""
    if not has_request_context():
        return ENGLISH  # A worker writes to many people; each text says for whom it is (app/web/emails.py).
    found = actor.person()
    return known_language(found.language if found else request.accept_languages.best_match(languages()))
