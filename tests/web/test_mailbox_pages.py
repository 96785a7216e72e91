"""The tabs of bounces and complaints: the test of a mailbox, how its last look went, and lines for mail servers that work as they stand."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.db import writing
from app.inbound.mailboxes.poll import poll
from app.inbound.mailboxes.state import MAILBOXES
from app.inbound.models import InboundMail
from app.settings.kinds import as_text
from app.settings.models import AuditEntry
from app.settings.schema import specs
from app.settings.sections.bounces import Bounces
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.spam_complaint import SpamComplaint
from tests.factories.customers import words
from tests.factories.servers import ServerDesk
from tests.services.dovecot import PASSWORD, USER, Dovecot

BOUNCES, COMPLAINTS = "/admin/settings/bounces/", "/admin/settings/spam-complaint/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def desk(app: Flask) -> ServerDesk:
    """An administrator."""
    return ServerDesk(app)


def reached(dovecot: Dovecot, **changes: Any) -> dict[str, Any]:
    """What leads to the mailbox."""
    return {"method": "mailbox", "mailbox_host": "localhost", "mailbox_port": dovecot.ports["imap"], "mailbox_internal": True, "mailbox_security": "none",
            "mailbox_user": USER, "mailbox_password": PASSWORD} | changes


def typed(section: type = Bounces, **values: Any) -> dict[str, str]:
    """The form as a browser posts it."""
    form = {name: as_text(spec, getattr(section(), name)) for name, spec in specs(section).items() if spec.kind != "switch"}
    return form | {name: "y" if value is True else str(value) for name, value in values.items()}


def shown(answer: Any) -> str:
    return html.unescape(words(answer.text))


@pytest.mark.parametrize(("address", "section"), [(BOUNCES, Bounces), (COMPLAINTS, SpamComplaint)])
def test_a_tab_shows_every_setting_of_its_section_once(desk: ServerDesk, address: str, section: type) -> None:
    page = desk.browser.get(address).text
    assert sorted(re.findall(r'id="row-(\w+)"', page)) == sorted(specs(section))
    assert re.findall(r'data-way="(\w+)"', page) == ["server", "mailbox", "pipe"]


def test_what_was_typed_is_tested_and_not_saved(desk: ServerDesk, dovecot: Dovecot) -> None:
    dovecot.put(b"Subject: 1\r\n\r\n")
    answer = desk.browser.post(BOUNCES + "test", data=typed(**reached(dovecot)), headers=HTMX)
    assert answer.status_code == 200
    assert "1 mail is there" in shown(answer)
    assert "The mailbox can be fetched" in shown(answer)
    assert "<form" not in answer.text
    whole = desk.browser.post(BOUNCES + "test", data=typed(**reached(dovecot, mailbox_password="wrong")))
    assert "The mailbox cannot be fetched" in shown(whole)
    assert 'value="localhost"' in whole.text
    assert "wrong" not in whole.text
    assert PASSWORD not in html.unescape(whole.text)
    assert desk.house.settings.load().get(Bounces) == Bounces()
    assert len(dovecot.mails()) == 1


def test_the_stored_password_is_tested_where_none_was_typed(desk: ServerDesk, dovecot: Dovecot) -> None:
    desk.house.settings.save(SpamComplaint, reached(dovecot), based_on=None, by="test", via="test")
    form = typed(SpamComplaint, **reached(dovecot, mailbox_password="", method="server"))
    assert "The mailbox can be fetched" in shown(desk.browser.post(COMPLAINTS + "test", data=form, headers=HTMX))
    with Session(desk.house.engine) as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.act == "mailbox.tested")).one()
    assert (entry.subject, entry.details) == ("spam-complaint", {"host": "localhost"})


def test_what_is_missing_for_a_test_is_said(desk: ServerDesk) -> None:
    answer = desk.browser.post(BOUNCES + "test", data=typed(), headers=HTMX)
    assert answer.status_code == 422
    assert "Nothing was tried" in shown(answer)
    assert "Host: Type the mail server’s name" in shown(answer)


def test_a_tab_says_how_the_last_look_went(desk: ServerDesk, dovecot: Dovecot) -> None:
    assert "Looked" not in shown(desk.browser.get(BOUNCES))
    desk.house.settings.save(Bounces, reached(dovecot), based_on=None, by="test", via="test")
    dovecot.put(*(b"Subject: %d\r\n\r\n" % number for number in range(14)))
    poll(desk.house, 0, lambda: None)
    assert re.search(r"Looked .* ago: 14 mails 14 mails since the first look", shown(desk.browser.get(BOUNCES)))
    desk.house.settings.save(Bounces, {"mailbox_password": "wrong"}, based_on=None, by="test", via="test")
    with writing(desk.house.engine) as connection:
        connection.execute(sa.update(MAILBOXES).values(looked_at=None))
    poll(desk.house, 0, lambda: None)
    assert re.search(r"Sign in: The server said: .*failed", shown(desk.browser.get(BOUNCES)))
    desk.house.settings.save(Bounces, {"mailbox_user": "another"}, based_on=None, by="test", via="test")
    assert "Sign in:" not in shown(desk.browser.get(BOUNCES))


def lines_of(page: str) -> list[str]:
    return [html.unescape(line) for line in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]


def run(command: list[str] | str, desk: ServerDesk, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Begin what a mail server would begin; its environment is the processes', as the page asks."""
    config = desk.house.config
    known = {"PATH": os.environ["PATH"], "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url} | environment
    return subprocess.Popen(command, shell=isinstance(command, str), cwd="/", env=known, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def test_each_line_for_a_mail_server_brings_a_mail_in(desk: ServerDesk) -> None:
    """As Postfix's pipe(8) and local(8), and Exim's pipe transport, begin the command."""
    desk.house.settings.save(EmailDelivery, {"relay_domains": ("relay.test",)}, based_on=None, by="test", via="test")
    master, _main, alias, exim = lines_of(desk.browser.get(BOUNCES).text)
    sender, recipient = "o'hara$x@elsewhere.test", "abuse@relay.test"
    macros = {"${sender}": sender, "${original_recipient}": recipient}
    in_aliases = re.fullmatch(r'bounces: "\|(.*)"', alias)
    in_exim = shlex.split(exim.partition(" = ")[2])
    assert in_aliases
    begun = [
        run([macros.get(word, word) for word in master.partition("argv=")[2].split()], desk, {}),
        run(re.sub(r"\\(.)", r"\1", in_aliases[1]), desk, {"ORIGINAL_RECIPIENT": recipient, "SENDER": ""}),
        run([word.replace("\\$", "$") for word in in_exim], desk, {"RECIPIENT": recipient, "SENDER": sender})]
    for number, process in enumerate(begun):
        assert process.communicate(b"Subject: %d\n\n" % number)[1] == b""
        assert process.returncode == 0
    with Session(desk.house.engine) as session:
        taken = session.scalars(sa.select(InboundMail)).all()
        assert sorted((one.mfrom, *one.recipients, one.way) for one in taken) == [("", recipient, "pipe"), *[(sender, recipient, "pipe")] * 2]
