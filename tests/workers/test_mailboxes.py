"""The schedule rings for mailboxes that are due, and the job fetches them."""

from __future__ import annotations

import pytest
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from app.house import House
from app.inbound.mailboxes.state import row_of
from app.jobs import POLL_MAILBOX
from app.settings.sections.bounces import Bounces
from app.settings.sections.spam_complaint import SpamComplaint
from tests.services.dovecot import PASSWORD, USER, Dovecot
from workers import runtime
from workers.catalogue import load_performers
from workers.mailboxes import ring_for_mailboxes
from workers.schedule import ALL


def rung(house: House) -> list[tuple[str, dict[str, int]]]:
    """Return the looks that the schedule rings for now, and forget all jobs as a worker would."""
    ring_for_mailboxes(house)
    queue = Queue("maintenance", connection=house.redis, serializer=JSONSerializer)
    found = [(job.args[0], job.args[1]) for job in queue.jobs]
    queue.empty()
    for name, ids in found:
        house.jobs.heard(name, ids)
    return [(name, ids) for name, ids in found if name == POLL_MAILBOX.name]


def test_a_mailbox_that_is_due_is_rung_for_and_fetched(app: Flask, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    load_performers()
    house = app.extensions["lettermill"]
    monkeypatch.setattr(runtime, "application", lambda: app)
    assert ring_for_mailboxes in dict(ALL)
    assert rung(house) == []
    reached = {"method": "mailbox", "mailbox_host": "127.0.0.1", "mailbox_port": dovecot.ports["imap"], "mailbox_internal": True, "mailbox_security": "none",
               "mailbox_user": USER, "mailbox_password": PASSWORD}
    for section in (Bounces, SpamComplaint):
        house.settings.save(section, reached, based_on=None, by="test", via="test")
    dovecot.put(b"Subject: 1\r\n\r\n", b"Subject: 2\r\n\r\n")
    assert rung(house) == [("poll_mailbox", {"mailbox": 0}), ("poll_mailbox", {"mailbox": 1})]
    runtime.perform("poll_mailbox", {"mailbox": 0})
    assert (row_of(house.engine, 0).total, dovecot.mails()) == (2, [])
    assert rung(house) == [("poll_mailbox", {"mailbox": 1})]
    runtime.perform("poll_mailbox", {"mailbox": 1})
    assert rung(house) == []
