"""What a setting does not take: said beside its field, nothing saved of the whole form; and what it does take never stops a mail."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask import Flask

from app.settings.kinds import as_text
from app.settings.schema import name_of, specs
from app.settings.sections import CORE
from tests.factories.customers import words
from tests.factories.mailed import Mailed
from tests.factories.servers import ServerDesk, is_wrong
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA = "anna@example.org"
Cases = list[tuple[str, str, str]]

REFUSED: Cases = [
    ("product.name", "", "Give the product a name"), ("product.name", "x" * 61, "60 characters"), ("product.name", "a\nb", "one line"),
    ("email-addresses.sender_name", "x" * 121, "120 characters"), ("email-addresses.sender_name", "a\r\nBcc: b@example.com", "one line"),
    ("email-addresses.sender_email", "", "Type the address"), ("email-addresses.sender_email", "office", "@"),
    ("email-addresses.sender_email", "a@b.example, c@d.example", "address"), ("email-addresses.sender_email", "a@b.example\nBcc: x@y.example", "line"),
    ("email-delivery.x_mailer", "Mill\r\nBcc: x@y.example", "one line"), ("email-delivery.x_mailer", "x" * 121, "120 characters"),
    ("email-delivery.x_mailer", "Mill\x00", "control"), ("email-delivery.x_mailer", "Mill\x0b7", "control"), ("product.name", "Mill\x1b[31m", "control"),
    ("email-delivery.default_channel", "pigeon", "Choose one of"), ("email-delivery.preheader_template", "<div></div>", "%PreHeader%"),
    ("email-delivery.preheader_template", "%PreHeader%%PreHeader%", "once"),
    ("email-delivery.relay_domains", "relay.example\nrelay", "Line 2"), ("email-delivery.relay_domains", "*.example", "Line 1"),
    ("email-delivery.aliases", "sales@relay.example", "Line 1: Type a pattern, a colon and an address"),
    ("email-delivery.aliases", "sales:office@elsewhere.example", "Line 1"), ("email-delivery.aliases", "*:office", "Line 1"),
    ("email-delivery.aliases", "a@relay.example:b@elsewhere.example\n*:b@elsewhere.example\nc@relay.example:b@elsewhere.example", "Line 3: no mail comes"),
    ("email-delivery.aliases", "a@x.example:b@y.example,c@y.example", "Line 1"),
    ("email-delivery.preheader_template", "<script>%PreHeader%</script>", "Only div"),
    ("email-delivery.preheader_template", '<img src="https://x.example/"><p>%PreHeader%</p>', "Only div"),
    ("bounces.threshold", "0", "from 1 to 100"), ("bounces.threshold", "101", "from 1 to 100"),
    ("bounces.forward_to", "office", "whole address"), ("bounces.forward_to", "a@b.example, c@d.example", "address"),
    ("bounces.method", "pigeon", "Choose one of"), ("bounces.mailbox_port", "65536", "from 1 to 65535"),
    ("bounces.mailbox_host", "imap server", "host name"), ("bounces.mailbox_minutes", "0", "from 1 to 1440"),
    ("bounces.mailbox_user", "a\r\nb", "one line"), ("bounces.mailbox_folder", "a\nb", "one line"),
    ("spam-complaint.abuse_email", "abuse@", "whole address"), ("spam-complaint.fbl_email", "@loops.example", "whole address"),
    ("spam-complaint.unsubscribe_email", "leave@localhost", "domain name"), ("spam-complaint.complaints_address", "abuse", "whole address"),
    ("spam-complaint.complaints_address", "abuse@%domain%", "domain name"),
    ("spam-complaint.complaints_address", "a@b.example\r\nBcc: c@d.example", "one line"),
    ("spam-complaint.complaints_address", "%sender_domain%", "whole address"), ("spam-complaint.complaints_address", "ä@%sender_domain%", "accents"),
    ("spam-complaint.warn_percent", "0.3", "comes before the pause"), ("spam-complaint.warn_percent", "0,1", "with a point"),
    ("spam-complaint.pause_percent", "101", "from 0 to 100"), ("spam-complaint.least_delivered", "0", "from 1 to 1000000"),
    ("system.base_url", "news.example.com", "https://"), ("system.base_url", "ftp://news.example.com", "https://"),
    ("system.base_url", "https://news.example.com/", "without a slash"), ("system.base_url", "https://u:p@news.example.com", "whole address"),
    ("system.base_url", "javascript:alert(1)", "whole address"), ("system.content_url", "https://one two.example", "whole address"),
    ("system.session_hours", "0", "from 1 to 336"), ("system.session_hours", "337", "from 1 to 336"), ("system.session_hours", "day", "Type a number"),
    ("system.retry_minutes", "", "minutes with commas"), ("system.retry_minutes", "1, soon", "minutes with commas"),
    ("system.retry_minutes", "0", "minutes with commas"), ("system.retry_minutes", "1,,2", "minutes with commas"),
    ("system.retry_hours", "241", "from 1 to 240"), ("system.retry_hours", "", "Type a number"),
    ("system.in_doubt_policy", "guess", "Choose one of: retry, park"),
    ("system.transactional_in_doubt_policy", "guess", "Choose one of: retry, park"),
    ("system.transactional_in_doubt_wait_minutes", "10081", "from 0 to 10080"),
    ("system.in_doubt_wait_minutes", "-1", "from 0 to 10080"), ("system.in_doubt_wait_minutes", "9" * 40, "Type a number")]

# What may be typed, however odd, is in a mail that arrives.
TAKEN: Cases = [
    ("email-delivery.x_mailer", "Mühle 7 – größer", "X-Mailer"), ("email-delivery.x_mailer", "%Subscriber:EmailAddress% %s {0}", "X-Mailer"),
    ("email-delivery.x_mailer", "m" * 120, "X-Mailer"), ("email-delivery.x_mailer", "=?utf-8?q?=0D=0ABcc:_v=40e.org?=", "X-Mailer"),
    ("email-delivery.preheader_template", "%PreHeader%", ""), ("email-delivery.preheader_template", "<p>\r\n%PreHeader%\r\n.\r\n</p>", ""),
    ("system.base_url", "https://Müller.example", ""), ("system.base_url", "http://192.0.2.7:8080", ""), ("system.base_url", "http://[2001:db8::7]", "")]


@pytest.fixture
def desk(app: Flask) -> ServerDesk:
    """An administrator."""
    return ServerDesk(app)


def save(desk: ServerDesk, setting: str, value: str) -> tuple[int, str]:
    """Type a value into its field, the others as they are; return the status and the page."""
    name, field = setting.rsplit(".", 1)
    kind = next(one for one in CORE if name_of(one) == name)
    now = desk.house.settings.load()
    form: dict[str, Any] = {one: as_text(spec, getattr(now.get(kind), one)) for one, spec in specs(kind).items()}
    answer = desk.browser.post(f"/admin/settings/{name}/", data=form | {field: value, "revision": str(now.revision)})
    return answer.status_code, answer.text


def test_an_alias_that_leads_back_here_is_refused(desk: ServerDesk) -> None:
    now = desk.house.settings.load()
    kind = next(one for one in CORE if name_of(one) == "email-delivery")
    form: dict[str, Any] = {one: as_text(spec, getattr(now.get(kind), one)) for one, spec in specs(kind).items()}
    rules = "a@relay.example:b@elsewhere.example\nc@relay.example:d@relay.EXAMPLE"
    typed = form | {"relay_domains": "Relay.example", "aliases": rules, "revision": str(now.revision)}
    answer = desk.browser.post("/admin/settings/email-delivery/", data=typed)
    assert answer.status_code == 422
    assert is_wrong(answer.text, "aliases", "Line 2"), words(html.unescape(answer.text))[-2500:]
    assert desk.house.settings.load().revision == now.revision


REACHED = {"method": "mailbox", "mailbox_host": "imap.example.com", "mailbox_user": "back", "mailbox_password": "secret"}


@pytest.mark.parametrize(("section", "typed", "field", "problem"), [
    ("bounces", {"mailbox_host": ""}, "mailbox_host", "Type the mail server’s name"), ("spam-complaint", {"mailbox_user": ""}, "mailbox_user", "user name"),
    ("bounces", {"mailbox_password": ""}, "mailbox_password", "password"), ("bounces", {"mailbox_folder": ""}, "mailbox_folder", "such as INBOX"),
    ("bounces", {"mailbox_after": "move", "mailbox_move_to": ""}, "mailbox_move_to", "Type the folder"),
    ("spam-complaint", {"mailbox_after": "move", "mailbox_move_to": "INBOX"}, "mailbox_move_to", "another folder"),
    ("bounces", {"mailbox_protocol": "pop3", "mailbox_after": "move"}, "mailbox_after", "POP3 has no folders"),
    ("spam-complaint", {"fbl_email": "a@b.example", "unsubscribe_email": "A@b.example"}, "unsubscribe_email", "another address than the FBL email")])
def test_a_mailbox_that_cannot_be_reached_is_not_saved_and_not_tried(
        desk: ServerDesk, section: str, typed: dict[str, str], field: str, problem: str) -> None:
    kind = next(one for one in CORE if name_of(one) == section)
    form = {one: as_text(spec, getattr(kind(), one)) for one, spec in specs(kind).items()}
    for act in ("", "test"):
        answer = desk.browser.post(f"/admin/settings/{section}/{act}", data=form | REACHED | typed)
        assert answer.status_code == 422
        assert is_wrong(answer.text, field, problem), words(html.unescape(answer.text))[-2500:]
    assert desk.house.settings.load().revision == 0


@pytest.mark.parametrize(("setting", "value", "problem"), REFUSED)
def test_a_bad_value_is_said_beside_its_field_and_nothing_is_saved(desk: ServerDesk, setting: str, value: str, problem: str) -> None:
    before = desk.house.settings.load()
    status, page = save(desk, setting, value)
    assert status == 422, words(page)[-1500:]
    assert is_wrong(page, setting.rsplit(".", 1)[1], problem), words(html.unescape(page))[-2500:]
    after = desk.house.settings.load()
    assert after.revision == before.revision
    assert [after.get(kind) for kind in CORE] == [before.get(kind) for kind in CORE]


def test_one_bad_value_keeps_the_good_ones_from_being_saved_and_nothing_typed_is_lost(desk: ServerDesk) -> None:
    form = {"sender_name": "Typed before", "sender_email": "nonsense", "revision": str(desk.house.settings.load().revision)}
    answer = desk.browser.post("/admin/settings/email-addresses/", data=form)
    assert answer.status_code == 422
    assert 'value="Typed before"' in answer.text
    assert 'value="nonsense"' in answer.text
    assert "Typed before" not in desk.browser.get("/admin/settings/email-addresses/").text


@pytest.mark.parametrize(("setting", "value", "header"), TAKEN)
def test_whatever_is_taken_does_not_stop_a_mail(desk: ServerDesk, sink: Sink, setting: str, value: str, header: str) -> None:  # noqa: F811
    number = desk.add(sink.port)
    status, page = save(desk, setting, value)
    assert status == 303, words(page)[-1500:]
    mailed = Mailed(desk.app, sink, [ANNA])
    mailed.go_out()
    desk.write_to_administrator()
    assert "It works" in desk.test(number)
    assert sorted(sink.copies().values()) == [1, 1, 1]
    mail = mailed.mail(ANNA)
    assert mail["Bcc"] is None
    assert not header or str(mail[header]) == value
    assert all(taken.data.isascii() for taken in sink.taken)
    assert re.fullmatch(r"b\+[a-z2-7]+@[a-z0-9.-]+", sink.taken[0].mfrom)
