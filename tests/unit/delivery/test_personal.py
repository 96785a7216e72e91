"""A mail as one recipient got it: for its web view and for the targets of its links."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from app.audience.models import Subscriber
from app.delivery.personal import personal_mail, personal_text
from app.mail.tokens import LedgerId
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage


def test_the_web_view_says_what_the_mail_said(stage: Callable[..., Stage], sink: Sink) -> None:
    campaign = stage(["anna@example.org"])
    sending = campaign.frozen()
    campaign.send(sending)
    seen = personal_mail(campaign.house, LedgerId(sending.id, 1))
    assert seen is not None
    assert seen.subject == "Hi anna"
    assert "Hello anna" in seen.html
    assert "/t/c/" in seen.html
    assert "Hello anna" in seen.plain


def test_a_link_s_target_is_filled_and_encoded_for_the_person(stage: Callable[..., Stage]) -> None:
    campaign = stage(["anna@example.org"])
    sending = campaign.frozen()
    campaign.session.execute(sa.update(Subscriber).values(first_name="A&B"))
    campaign.session.commit()
    text = personal_text(campaign.house, LedgerId(sending.id, 1), "https://a.example/?n=%Subscriber:FirstName%&c=%Campaign:Name%", kind="url")
    assert text == "https://a.example/?n=A%26B&c=January"


def test_nobody_has_no_mail(stage: Callable[..., Stage]) -> None:
    campaign = stage(1)
    sending = campaign.frozen()
    assert personal_mail(campaign.house, LedgerId(sending.id, 2)) is None
    assert personal_mail(campaign.house, LedgerId(sending.id + 1, 1)) is None
    assert personal_text(campaign.house, LedgerId(sending.id, 2), "x", kind="url") is None
