"""What the mails that go through a delivery server show of it: its signature, its domains, its senders, the house's own headers."""

from __future__ import annotations

import html
import re
from email import message_from_bytes, policy

import dkim
import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import SenderDomain
from app.campaigns.models import Campaign
from app.delivery import lifecycle, servers
from tests.factories import sending as factory
from tests.factories.customers import looking
from tests.factories.mailed import Mailed
from tests.factories.servers import BOSS, ServerDesk, is_wrong
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA = "anna@example.org"


@pytest.fixture
def desk(app: Flask) -> ServerDesk:
    """An administrator, and no server yet."""
    return ServerDesk(app)


# ----------------------------------------------------------------------------------------------------------------- DKIM


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
def test_a_generated_key_signs_every_mail_and_its_record_is_shown(app: Flask, desk: ServerDesk, sink: Sink, kind: str) -> None:  # noqa: F811
    number = desk.add(sink.port)
    mailed = Mailed(app, sink, [ANNA])
    mailed.go_out()
    assert mailed.mail(ANNA)["DKIM-Signature"] is None
    sink.taken.clear()
    page = desk.post(f"{number}/dkim", {"dkim_domain": "mail.example.com", "dkim_selector": "lm7", "key": kind})
    assert "lm7._domainkey.mail.example.com" in page
    assert "PRIVATE KEY" not in page
    record = re.search(r"v=DKIM1;[^<]*", html.unescape(page))
    assert record is not None

    Mailed(app, sink, [ANNA], "second").go_out()
    desk.write_to_administrator()
    assert "It works" in desk.test(number)
    assert [taken.rcpt_to for taken in sink.taken] == [ANNA, "maya@example.com", BOSS]
    for taken in sink.taken:
        assert b"d=mail.example.com; s=lm7" in taken.data.replace(b"\r\n ", b" ")
        if kind == "rsa2048":  # dkimpy needs another library for Ed25519; the signer's own tests check that by hand.
            assert dkim.verify(taken.data, dnsfunc=lambda name, **_: record[0].encode() if name.startswith(b"lm7._domainkey.mail.") else None)


@pytest.mark.parametrize(("typed", "field", "problem"), [
    ({"dkim_selector": ""}, "dkim_selector", "belong together"), ({"dkim_domain": ""}, "dkim_domain", "belong together"),
    ({"dkim_domain": "no domain"}, "dkim_domain", "Type a domain name"), ({"dkim_selector": "a.b"}, "dkim_selector", "lower-case letters"),
    ({"key": "paste", "pasted": "nonsense"}, "pasted", "key"), ({"key": "paste", "pasted": ""}, "pasted", "key"), ({"key": "magic"}, "key", "Not a valid")])
def test_a_key_that_cannot_sign_is_refused(desk: ServerDesk, typed: dict[str, str], field: str, problem: str) -> None:
    number = desk.add()
    page = desk.post(f"{number}/dkim", {"dkim_domain": "mail.example.com", "dkim_selector": "lm7", "key": "rsa2048"} | typed, 422)
    assert is_wrong(page, field, problem)
    stored = desk.servers()["House mail"]
    assert (stored.dkim_domain, stored.dkim_key_sealed, stored.dkim_kind) == ("", "", "")


def test_a_pasted_key_is_used_and_can_be_removed(desk: ServerDesk) -> None:
    number, key = desk.add(), servers.new_key("ed25519")
    typed = {"dkim_domain": "mail.example.com", "dkim_selector": "lm7"}
    page = desk.post(f"{number}/dkim", typed | {"key": "paste", "pasted": key})
    assert key.splitlines()[1] not in page
    assert desk.house.secrets.open(desk.servers()["House mail"].dkim_key_sealed).strip() == key.strip()
    assert "DNS record" in desk.post(f"{number}/dkim", typed | {"key": "keep"})
    assert "DNS record" not in desk.post(f"{number}/dkim", typed | {"key": "remove"})
    assert desk.house.secrets.open(desk.servers()["House mail"].dkim_key_sealed) == ""


def test_a_record_that_was_seen_is_looked_for_anew_under_its_new_name(desk: ServerDesk) -> None:
    number = desk.add()
    typed = {"dkim_domain": "mail.example.com", "dkim_selector": "lm7"}
    desk.post(f"{number}/dkim", typed | {"key": "ed25519"})
    with looking(desk.app) as session:
        session.execute(sa.text("UPDATE delivery_servers SET dns_seen_at='2026-01-01 00:00:00'"))
        session.commit()
    assert "Seen in DNS" in desk.post(f"{number}/dkim", typed | {"key": "keep"})
    assert "Not seen yet" in desk.post(f"{number}/dkim", typed | {"key": "keep", "dkim_selector": "lm8"})


# -------------------------------------------------------------------------------------------------------------- domains


def _sent(desk: ServerDesk, sink: Sink, name: str) -> Mailed:  # noqa: F811
    """A campaign whose list names a sender of its own, sent by a customer to whom example.org is proven."""
    sink.taken.clear()
    mailed = Mailed(desk.app, sink, [ANNA], name)
    with looking(desk.app) as session:
        session.add(SenderDomain(user_id=mailed.user_id, domain="lists.example.org", state="enabled"))
        session.commit()
    mailed.go_out()
    return mailed


def test_domains_of_a_server_stand_in_its_mails_and_only_when_set(desk: ServerDesk, sink: Sink) -> None:  # noqa: F811
    number = desk.add(sink.port)
    mail = _sent(desk, sink, "first").mail(ANNA)
    body = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert ("http://localhost/t/c/" in body, "http://localhost/t/o/" in body) == (True, True)
    assert (str(mail["From"]), mail["Reply-To"]) == ("Example <news@example.com>", None)
    assert re.fullmatch(r"b\+[a-z2-7]+@lettermill\.localhost", sink.taken[0].mfrom)

    desk.post(f"{number}/domains", {"link_domain": "links.example.com", "open_domain": "see.example.com", "mfrom": "bounces.example.com",
                                    "enforced_from": "sender@example.com"})
    mail = _sent(desk, sink, "second").mail(ANNA)
    body = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert ("http://links.example.com/t/c/" in body, "http://see.example.com/t/o/" in body, "localhost/t/" in body) == (True, True, False)
    assert (str(mail["From"]), str(mail["Reply-To"])) == ("Example <sender@example.com>", "news@example.com")
    assert re.fullmatch(r"b\+[a-z2-7]+@bounces\.example\.com", sink.taken[0].mfrom)

    desk.post(f"{number}/domains", {"mfrom": "back@bounces.example.com"})
    _sent(desk, sink, "third")
    assert sink.taken[0].mfrom == "back@bounces.example.com"


def test_an_international_domain_is_used_as_dns_knows_it(desk: ServerDesk, sink: Sink) -> None:  # noqa: F811
    number = desk.add(sink.port)
    desk.post(f"{number}/domains", {"link_domain": "links.müller.example", "open_domain": "see.müller.example", "mfrom": "zurück.example",
                                    "enforced_from": "shop@müller.example"})
    mail = _sent(desk, sink, "first").mail(ANNA)
    body = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert ("http://links.xn--mller-kva.example/t/c/" in body, "http://see.xn--mller-kva.example/t/o/" in body) == (True, True)
    assert str(mail["From"]) == "Example <shop@xn--mller-kva.example>"
    assert sink.taken[0].mfrom.endswith("@xn--zurck-mva.example")


@pytest.mark.parametrize(("domain", "is_proven"), [("lists.example.org", True), ("other.example.org", False)])
def test_a_lists_sender_is_used_where_it_is_proven(desk: ServerDesk, sink: Sink, domain: str, is_proven: bool) -> None:  # noqa: F811
    number = desk.add(sink.port)
    desk.post(f"{number}/domains", {"list_sender_as_mfrom": "y", "list_sender_as_from": "y"})
    with looking(desk.app) as session:
        user = factory.make_user(session)
        session.add(SenderDomain(user_id=user.id, domain="lists.example.org", state="enabled"))
        named = factory.make_list(session, user, "Named", [ANNA])
        named.sender_name, named.sender_email = "The list", f"list@{domain}"
        number = factory.make_campaign(session, user, [named]).id
        session.commit()
    send(desk, number)
    mail = message_from_bytes(sink.taken[0].data, policy=policy.default)
    if is_proven:
        assert (str(mail["From"]), str(mail["Reply-To"]), sink.taken[0].mfrom) == ("The list <list@lists.example.org>", "news@example.com", f"list@{domain}")
    else:
        assert (str(mail["From"]), mail["Reply-To"], sink.taken[0].mfrom[:2]) == ("Example <news@example.com>", None, "b+")


def send(desk: ServerDesk, campaign_id: int) -> None:
    """Send a campaign for real."""
    with looking(desk.app) as session:
        sending = lifecycle.start_campaign_sending(desk.house, session, session.get_one(Campaign, campaign_id))
        session.commit()
        assert sending is not None
    factory.freeze_whole(desk.house, sending.id)
    factory.send_whole(desk.house, sending.id)


@pytest.mark.parametrize(("typed", "field"), [
    ({"link_domain": "https://links.example.com"}, "link_domain"), ({"open_domain": "a b"}, "open_domain"), ({"mfrom": "@"}, "mfrom"),
    ({"enforced_from": "nobody"}, "enforced_from"), ({"enforced_from": "a@example.com\r\nBcc: x@example.com"}, "enforced_from")])
def test_a_domain_that_is_none_is_refused(desk: ServerDesk, typed: dict[str, str], field: str) -> None:
    number = desk.add()
    page = desk.post(f"{number}/domains", {"link_domain": "fine.example.com"} | typed, 422)
    assert is_wrong(page, field, "")
    assert desk.servers()["House mail"].link_domain == ""


def test_the_houses_own_mails_carry_what_all_mails_carry(desk: ServerDesk, sink: Sink) -> None:  # noqa: F811
    number = desk.add(sink.port)
    for setting, typed in (("email-delivery", {"x_mailer": "Mill 7", "default_channel": "smtp", "preheader_template": "<div>%PreHeader%</div>",
                                              "forwards_per_hour": "100"}),
                           ("email-addresses", {"sender_name": "The office", "sender_email": "office@example.com"})):
        assert desk.browser.post(f"/admin/settings/{setting}/", data=typed | {"revision": str(desk.house.settings.load().revision)}).status_code == 303
    desk.write_to_administrator()
    desk.test(number)
    mails = [message_from_bytes(taken.data, policy=policy.default) for taken in sink.taken]
    assert [(str(mail["From"]), mail["X-Mailer"]) for mail in mails] == [("The office <office@example.com>", "Mill 7")] * 2
