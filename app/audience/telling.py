"""Plug-ins are told who subscribed and who left: the notice is written in the transaction in which it happened."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.audience.models import Subscriber
from app.jobs import TELL_PLUGINS, Jobs
from app.plugins.manager import EnabledPlugins
from app.plugins.notices import AfterSubscribe, AfterUnsubscribe, Notice, tell
from app.plugins.views import SubscriberView


def tell_subscribed(session: Session, enabled: EnabledPlugins, jobs: Jobs, person: Subscriber) -> None:
    """Say that somebody is now subscribed; the caller commits."""
    tell_later(session, enabled, jobs, AfterSubscribe(view_of(person)))


def tell_unsubscribed(session: Session, enabled: EnabledPlugins, jobs: Jobs, person: Subscriber) -> None:
    """Say that somebody has left a list; the caller commits."""
    tell_later(session, enabled, jobs, AfterUnsubscribe(view_of(person)))


def tell_later(session: Session, enabled: EnabledPlugins, jobs: Jobs, notice: Notice) -> None:
    """Write a notice, and ring for the job that tells it once the session's transaction commits."""
    if tell(session, enabled, notice):
        jobs.after_commit(session, TELL_PLUGINS)


def view_of(person: Subscriber) -> SubscriberView:
    """Return a subscriber as plug-ins see one."""
    return SubscriberView(id=person.id, account_id=person.user_id, list_id=person.list_id, email=person.email, first_name=person.first_name,
                          last_name=person.last_name, fields={alias: str(value) for alias, value in (person.fields or {}).items()})
