"""What is told before a campaign goes: tags that are none, links that lead nowhere, limits that are reached; and what the preview shows of it."""

from __future__ import annotations

import html
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import CustomField
from app.campaigns.models import Campaign
from app.delivery.models import Sending
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking, words
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

LEAVE = '<a href="%Link:Unsubscribe%">leave</a>'


class Draft:
    """A customer's campaign to two people that is ready to go."""

    def __init__(self, app: Flask, paul: Customer) -> None:
        self.app, self.paul, self.house = app, paul, app.extensions["lettermill"]
        with looking(app) as session:
            user = session.merge(paul.user)
            readers = factory.make_list(session, user, "Readers", ["anna@example.org", "bo@example.org"])
            session.add(CustomField(user_id=user.id, name="Favourite colour", alias="Colour", kind="text"))
            campaign = factory.make_campaign(session, user, [readers])
            session.commit()
            self.number, self.list_id = campaign.id, readers.id
        self.url = f"/user/campaigns/{self.number}"

    def save(self, **typed: str) -> str:
        """Save what is typed; return what the page says."""
        with looking(self.app) as session:
            now = session.get_one(Campaign, self.number)
            sender = {"name": now.name, "list_ids": [str(self.list_id)], "from_name": now.from_name, "from_email": now.from_email}
            content = {"subject": now.subject, "preheader": now.preheader, "html": now.html, "plain": now.plain, "plain_is_derived": "y"}
            revision = now.revision
        for step, form in (("edit/recipients", sender), ("edit", content)):
            mine = {name: typed[name] for name in typed if name in form or (step == "edit" and name not in sender)}
            page = self.paul.post(f"{self.url}/{step}", form | mine | {"revision": str(revision), "then": "stay"})
            revision += 1
        self.page = page
        return words(html.unescape(page))

    def give_limits(self, **limits: int) -> None:
        """Set the limits of the customer's group."""
        with looking(self.app) as session:
            session.merge(self.paul.user).group.limits = limits
            session.commit()

    def send(self, status: int) -> str:
        """Press "Send now"."""
        return words(html.unescape(self.paul.post(self.url + "/send", {"time_zone": "UTC"}, status)))

    def runs(self) -> list[Sending]:
        """The campaign's runs."""
        with looking(self.app) as session:
            return list(session.scalars(sa.select(Sending).where(Sending.campaign_id == self.number).order_by(Sending.id)))


@pytest.fixture
def draft(app: Flask, paul: Customer) -> Draft:
    """A campaign that is ready to go."""
    return Draft(app, paul)


@pytest.mark.parametrize(("typed", "said"), [
    ({"subject": "Hi %Subscriber:FristName%"}, "%Subscriber:FristName%"), ({"preheader": "%subscriber:FirstName%"}, "%subscriber:FirstName%"),
    ({"html": LEAVE + "%Subscriber:Nothing|friend%"}, "%Subscriber:Nothing|friend%"), ({"from_name": "%User:Shoe%"}, "%User:Shoe%"),
    ({"html": LEAVE + '<a href="https://e.example/?a=%Person:Name%">x</a>'}, "%Person:Name%")])
def test_a_tag_that_is_none_is_named(draft: Draft, typed: dict[str, str], said: str) -> None:
    assert "merge tag is not known" not in draft.save()
    page = draft.save(**typed)
    assert f"1 merge tag is not known {said}: readers would see it as it stands" in page
    assert "merge tag is not known" in words(draft.paul.go(draft.url + "/send"))


@pytest.mark.parametrize("text", ["%Subscriber:Colour|grey%", "%Subscriber:Email%", "100%, 50% off: today 20%", "%Link:WebBrowser%", "%List:Name%", "5 %: %"])
def test_a_tag_of_ones_own_field_a_shorter_spelling_and_plain_percents_are_no_mistake(draft: Draft, text: str) -> None:
    assert "merge tag is not known" not in draft.save(html=f"<p>{text}</p>{LEAVE}")


@pytest.mark.parametrize("address", ["shop.example/a", "/a", "", "http://", "javascript:alert(1)", "htps://shop.example", "../x", "mailto:"])
def test_a_link_that_leads_nowhere_is_named(draft: Draft, address: str) -> None:
    assert f"1 link leads nowhere “{address}”" in draft.save(html=f'<a class="x" href="{address}">Shop</a>{LEAVE}')


@pytest.mark.parametrize("address", ["https://shop.example/a", "HTTP://SHOP.example", "mailto:a@example.com", "tel:+47", "#top", "%Link:WebBrowser%", "sms:1"])
def test_a_link_that_leads_somewhere_is_no_mistake(draft: Draft, address: str) -> None:
    assert "lead nowhere" not in draft.save(html=f'<!-- <a href="old"> --><a href="{address}">Shop</a>{LEAVE}')


@pytest.mark.parametrize(("limits", "goes", "said"), [
    ({"mails_per_month": 2, "campaigns_per_month": 1}, True, ""),
    ({"mails_per_month": 1}, False, "may send 1 mails in 30 days; 1 are left, and this campaign has 2"),
    ({"campaigns_per_month": 0}, False, "may send 0 campaigns in 30 days")])
def test_a_groups_limit_holds_to_the_mail(draft: Draft, limits: dict[str, int], goes: bool, said: str) -> None:
    draft.give_limits(**limits)
    page = draft.send(200 if goes else 422)
    assert said in page
    assert len(draft.runs()) == int(goes)


def test_what_was_sent_counts_against_the_limit(app: Flask, draft: Draft) -> None:
    draft.give_limits(mails_per_month=3)
    with looking(app) as session:
        session.add(Sending(user_id=draft.paul.user.id, kind="campaign", state="finished", total=2))
        session.add(Sending(user_id=draft.paul.user.id, kind="test", state="finished", total=50))
        session.commit()
    assert "1 are left, and this campaign has 2" in draft.send(422)


def test_a_preview_and_the_mail_show_the_same_sender_and_subject(app: Flask, draft: Draft, sink: Sink) -> None:  # noqa: F811
    with looking(app) as session:
        factory.make_server(session, sink.port)
        session.commit()
    draft.save(from_name="%User:CompanyName% für %Subscriber:FirstName%", from_email="news@müller.example",
               subject="%List:Name%: %Subscriber:Email%, %Subscriber:FirstName%")
    page = html.unescape(draft.paul.go(draft.url + "/preview"))
    draft.send(200)
    number = draft.runs()[0].id
    factory.freeze_whole(draft.house, number)
    factory.send_whole(draft.house, number)
    data = next(taken.data for taken in sink.taken if taken.rcpt_to == "anna@example.org")
    mail = message_from_bytes(data, policy=policy.default)
    assert str(mail["From"]) == "Example Ltd für anna <news@xn--mller-kva.example>"
    assert str(mail["Subject"]) == "Readers: anna@example.org, anna"
    assert str(mail["From"]) in page
    assert str(mail["Subject"]) in page


@pytest.mark.parametrize(("typed", "offered"), [
    ({"html": "<p>One</p>\n<p>Two</p>\n<a href='shop'>x</a>" + LEAVE}, 'data-field="html" data-line="3">Go to line 3'),
    ({"html": LEAVE + "\n\n%Subscriber:Shoe%"}, 'data-field="html" data-line="3">Go to line 3'),
    ({"html": LEAVE + '\n<img src="https://e.example/a.png">'}, 'data-field="html" data-line="2">Go to line 2'),
    ({"subject": "%Subscriber:Shoe%"}, 'data-field="subject" data-line="0">Go to the subject'),
    ({"from_name": "%User:Shoe%"}, '/edit/recipients#row-from_name">Go to the From name'),
    ({"html": "<p>Hello</p>"}, 'data-cure="unsubscribe" data-field="html"'),
    ({"html": LEAVE, "plain": "Hello", "plain_is_derived": ""}, 'data-cure="unsubscribe" data-field="plain"'),
    ({"preheader": ""}, "Go to the pre-header")])
def test_a_finding_offers_its_cure(draft: Draft, typed: dict[str, str], offered: str) -> None:
    draft.save(**typed)
    assert offered in html.unescape(draft.page)


def test_a_name_that_some_have_not_can_get_a_fallback(app: Flask, draft: Draft) -> None:
    with looking(app) as session:
        session.execute(sa.text("UPDATE subscribers SET first_name='' WHERE email='bo@example.org'"))
        session.commit()
    draft.save(subject="Hello %Subscriber:FirstName%", html=LEAVE)
    assert 'data-cure="fallback"' in draft.page
    assert "/edit#row-subject" in draft.paul.go(draft.url + "/edit/recipients")
    draft.save(subject="Hello %Subscriber:FirstName|friend%", html=LEAVE)
    assert 'data-cure="fallback"' not in draft.page


def test_what_is_all_right_offers_nothing_and_the_worst_comes_first(draft: Draft) -> None:
    draft.save(subject="", preheader="")
    page = draft.page
    assert page.index("There is no subject") < page.index("There is no pre-header") < page.index("Lists are chosen")
    assert "1 to fix, " in words(page)
    assert "Choose a list" not in page
