"""Who a mail comes from, rule by rule, changed on the pages and read in the mail that a server got; and with which key it is signed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import dkim
import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import SenderDomain
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery import choices, lifecycle, sender_domains
from app.delivery.slices import Slices
from app.house import House
from app.settings.kinds import as_text
from app.settings.schema import name_of, specs
from app.settings.sections import CORE
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking, words
from tests.factories.servers import ServerDesk
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.mail.test_dkim import _verifies_ed25519

ANNA = "anna@example.org"
AUTHOR = "news@shop.example"
TOKEN = r"b\+[a-z2-7]+@"


@dataclass
class Post:
    """A delivery server, a customer with a list that names a sender, and an administrator in front of the settings."""

    desk: ServerDesk
    paul: Customer
    sink: Sink
    number: int
    campaign: int

    @property
    def house(self) -> House:
        return self.desk.house

    def server(self, **typed: str) -> None:
        self.desk.post(f"{self.number}/domains", typed)

    def setting(self, section: str, **typed: str) -> None:
        now = self.house.settings.load()
        kind = next(one for one in CORE if name_of(one) == section)
        stands = {one: as_text(spec, getattr(now.get(kind), one)) for one, spec in specs(kind).items()}
        data = {one: text for one, text in (stands | typed).items() if text not in ("False", False)}
        answer = self.desk.browser.post(f"/admin/settings/{section}/", data=data | {"revision": str(now.revision)})
        assert answer.status_code == 303, words(answer.text)[-500:]

    def prove(self, domain: str, **values: Any) -> SenderDomain:
        """Let the domain be proven, with a key of its own where ``values`` say that it was seen."""
        with looking(self.desk.app) as session:
            made = sender_domains.add(session, self.house.secrets, self.paul.user.id, domain, values.pop("kind", "rsa2048"))
            for name, value in ({"state": "enabled"} | values).items():
                setattr(made, name, value)
            session.commit()
            return made

    def data(self) -> bytes:
        """Send the campaign anew; return the mail as the server got it."""
        self.sink.taken.clear()
        with looking(self.desk.app) as session:
            session.execute(sa.update(Campaign).values(state="draft"))
            sending = lifecycle.start_campaign_sending(self.house, session, session.get_one(Campaign, self.campaign))
            session.commit()
            assert sending is not None
        factory.freeze_whole(self.house, sending.id)
        factory.send_whole(self.house, sending.id)
        (taken,) = self.sink.taken
        return taken.data

    def says(self) -> tuple[str, str, str]:
        """Send; return the address in From, Reply-To, and MFROM with its token left out."""
        mail = message_from_bytes(self.data(), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        mfrom = self.sink.taken[0].mfrom
        assert mail["Return-Path"] is None, "whoever delivers the mail adds it"
        return mail["From"].addresses[0].addr_spec, str(mail["Reply-To"] or ""), re.sub(TOKEN, "b+…@", mfrom)


@pytest.fixture
def post(app: Flask, paul: Customer, sink: Sink) -> Post:  # noqa: F811
    """The post office."""
    desk = ServerDesk(app)
    number = desk.add(sink.port)
    with looking(app) as session:
        user = session.merge(paul.user)
        people = factory.make_list(session, user, "Readers", [ANNA])
        people.sender_name, people.sender_email = "The list", "list@lists.example"
        campaign = factory.make_campaign(session, user, [people], from_email=AUTHOR).id
        session.commit()
    return Post(desk, paul, sink, number, campaign)


def test_the_base_hosts_the_return_path_where_nothing_is_set(post: Post) -> None:
    sender, reply_to, mfrom = post.says()
    assert (sender, reply_to, mfrom[:4]) == (AUTHOR, "", "b+…@")
    post.setting("system", base_url="https://mail.house.example", session_hours="12", retry_minutes="1", retry_hours="72", in_doubt_policy="retry",
                 in_doubt_wait_minutes="15")
    assert post.says() == (AUTHOR, "", "b+…@mail.house.example")


def test_return_paths_each_rule_before_the_one_that_was_set_first(post: Post) -> None:
    post.setting("bounces", catch_all_domain="catch.example")
    assert post.says()[2] == "b+…@catch.example"
    post.setting("email-delivery", centralized_domain="central.example")
    assert post.says()[2] == "b+…@central.example"
    post.server(mfrom="own.example")
    assert post.says()[2] == "b+…@own.example"
    post.server(mfrom="own.example", list_sender_as_mfrom="y")
    assert post.says()[2] == "b+…@own.example"
    post.prove("lists.example")
    assert post.says()[2] == "list@lists.example"
    post.server(mfrom="back@whole.example", list_sender_as_mfrom="y")
    assert post.says()[2] == "back@whole.example"


def test_from_addresses_each_rule_before_the_one_that_was_set_first(post: Post) -> None:
    post.setting("email-delivery", centralized_domain="central.example")
    assert post.says()[:2] == ("news@central.example", AUTHOR)
    post.prove("shop.example")
    assert post.says()[:2] == (AUTHOR, "")
    post.server(list_sender_as_from="y")
    assert post.says()[:2] == (AUTHOR, "")
    post.prove("lists.example")
    assert post.says()[:2] == ("list@lists.example", AUTHOR)
    post.server(list_sender_as_from="y", enforced_from="all@forced.example")
    assert post.says()[:2] == ("all@forced.example", AUTHOR)
    with looking(post.desk.app) as session:
        session.execute(sa.update(Campaign).values(reply_to="help@shop.example"))
        session.commit()
    assert post.says()[:2] == ("all@forced.example", "help@shop.example")


@pytest.mark.parametrize("state", ["pending", "disabled", "suspended"])
def test_only_an_enabled_domain_is_verified(post: Post, state: str) -> None:
    post.setting("email-delivery", centralized_domain="central.example")
    post.prove("shop.example", state=state)
    assert post.says()[0] == "news@central.example"


def test_a_domain_that_is_disabled_on_its_page_is_not_verified_from_the_next_mail_on(post: Post) -> None:
    post.setting("email-delivery", centralized_domain="central.example")
    number = post.prove("shop.example").id
    assert post.says()[0] == AUTHOR
    post.paul.post(f"/user/sender-domains/{number}/switch", {"to": "off"})
    assert post.says()[0] == "news@central.example"


# ------------------------------------------------------------------------------------------------------------- signing


def _signed_by(data: bytes) -> str:
    found = re.search(rb"d=([^;]+); s=([^;]+);", data.replace(b"\r\n ", b" "))
    return "" if found is None else b"/".join(found.groups()).decode()


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
def test_mail_from_a_proven_domain_is_signed_with_its_key_once_that_was_seen(post: Post, kind: str) -> None:
    post.desk.post(f"{post.number}/dkim", {"dkim_domain": "server.example", "dkim_selector": "lm7", "key": "rsa2048"})
    assert _signed_by(post.data()) == "server.example/lm7"
    own = post.prove("shop.example", kind=kind)
    assert _signed_by(post.data()) == "server.example/lm7"
    with looking(post.desk.app) as session:
        session.get_one(SenderDomain, own.id).dkim_seen_at = utcnow()
        session.commit()
    data = post.data()
    assert _signed_by(data) == f"shop.example/{own.dkim_selector}"
    assert _verifies(data, sender_domains.dkim_record(post.house.secrets, own))

    post.paul.post(f"/user/sender-domains/{own.id}/key", {"kind": kind})
    assert _signed_by(post.data()) == "server.example/lm7"


def _verifies(data: bytes, record: sender_domains.DnsRecord | None) -> bool:
    assert record is not None
    if "k=rsa" in record.value:
        return bool(dkim.verify(data, dnsfunc=lambda name, **_: record.value.encode() if name.decode() == f"{record.name}." else None))
    return _verifies_ed25519(data, record.value)


def test_the_name_below_a_proven_domain_is_signed_by_it(post: Post) -> None:
    own = post.prove("shop.example", dkim_seen_at=utcnow())
    post.prove("other.example", dkim_seen_at=utcnow())
    with looking(post.desk.app) as session:
        session.execute(sa.update(Campaign).values(from_email="news@autumn.shop.example"))
        session.commit()
    assert _signed_by(post.data()) == f"shop.example/{own.dkim_selector}"


def test_whatever_changes_of_a_domain_or_its_key_lets_the_mail_be_compiled_anew(post: Post) -> None:
    with looking(post.desk.app) as session:
        now = lifecycle.start_campaign_sending(post.house, session, session.get_one(Campaign, post.campaign))
        session.commit()
        assert now is not None
    factory.freeze_whole(post.house, now.id)
    keys = []

    def look(**values: Any) -> None:
        with looking(post.desk.app) as session:
            if values:
                session.execute(sa.update(SenderDomain).values(**values))
                session.commit()
        keys.append(Slices(post.house, now.id, 1).circumstances().key)  # type: ignore[union-attr]

    look()
    post.prove("shop.example", state="pending")
    look()
    look(state="enabled")
    look(dkim_seen_at=utcnow())
    look(dkim_selector="another")
    look(dkim_key_sealed=post.house.secrets.seal("another"))
    look(state="disabled")
    assert keys[0] == keys[1] == keys[6]
    assert len(set(keys[1:6])) == 5


# ----------------------------------------------------------------------------------------------------------- alignment


def _warns(post: Post) -> bool:
    page = words(post.paul.go(f"/user/campaigns/{post.campaign}/edit"))
    assert ("would not align" in page) == ("receivers may refuse it" in page)
    return "Mail from shop.example would not align" in page


def test_mail_that_would_not_align_is_warned_of_and_may_go(post: Post) -> None:
    assert _warns(post)
    assert post.paul.client.post(f"/user/campaigns/{post.campaign}/send", data={"when": "now", "time_zone": "UTC"}).status_code == 302


def test_a_return_path_of_the_same_owner_aligns(post: Post) -> None:
    post.server(mfrom="bounces.shop.example")
    assert not _warns(post)
    post.server(mfrom="bounces.other.example")
    assert _warns(post)


def test_a_signature_of_the_same_owner_aligns(post: Post) -> None:
    post.desk.post(f"{post.number}/dkim", {"dkim_domain": "shop.example", "dkim_selector": "lm7", "key": "ed25519"})
    assert not _warns(post)
    post.desk.post(f"{post.number}/dkim", {"key": "remove"})
    assert _warns(post)
    post.prove("shop.example", dkim_seen_at=utcnow())
    assert not _warns(post)


def test_each_server_that_may_take_the_mail_is_looked_at(post: Post) -> None:
    post.server(mfrom="shop.example")
    second = post.desk.add(name="Second")
    assert not _warns(post)
    with looking(post.desk.app) as session:
        choices.choose(session, "user", post.paul.user.id, {post.number: 1, second: 1})
        session.commit()
    assert _warns(post)
    assert "Through Second" in words(post.paul.go(f"/user/campaigns/{post.campaign}/edit"))
