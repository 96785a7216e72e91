"""The authors' kit sends real mail: what plug-ins do to a campaign is seen in what arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import sqlalchemy as sa

from app.plugins.builtin import google_analytics
from app.plugins.builtin.google_analytics import CampaignOptions
from app.plugins.calling import PluginFailed
from app.plugins.testing import PluginKit, lettermill_app, plugin_kit, post_office, sent_messages
from app.plugins.testing_post import Sent

__all__ = ["lettermill_app", "plugin_kit", "post_office", "sent_messages"]

Send = Callable[..., list[Sent]]


@pytest.fixture
def lettermill_redis(redis_url: str) -> str:
    """The server that our own tests have already."""
    return redis_url


@pytest.fixture
def plugin_modules(sample_packages: object) -> Mapping[str, object]:
    """The samples that do something to mail."""
    import lettermill_cautious
    import lettermill_grumpy
    import lettermill_guestbook

    samples = {"cautious": lettermill_cautious, "grumpy": lettermill_grumpy, "guestbook": lettermill_guestbook}
    return {"google_analytics": google_analytics, **samples}


def test_links_arrive_with_their_parameters_once_the_author_wants_them(plugin_kit: PluginKit, sent_messages: Send) -> None:
    plugin_kit.enable("google_analytics")
    plugin_kit.save(CampaignOptions(tagged=True, name="autumn"), campaign_id=1)

    (mail,) = sent_messages("ada@example.org", track_links=False)

    assert "https://example.com/?utm_source=newsletter&amp;utm_medium=email&amp;utm_campaign=autumn" in mail.html


def test_who_is_skipped_or_deferred_gets_no_mail(plugin_kit: PluginKit, sent_messages: Send) -> None:
    plugin_kit.enable("cautious")

    arrived = sent_messages("ada@example.org", "bob@blocked.example", "cy@slow.example")

    assert [mail.rcpt_to for mail in arrived] == ["ada@example.org"]


def test_merge_tags_and_headers_of_plug_ins_arrive(plugin_kit: PluginKit, sent_messages: Send) -> None:
    plugin_kit.enable("guestbook")

    (mail,) = sent_messages({"email": "ada@example.org", "first_name": "Ada"}, html="<p>%guestbook:greeting%</p>", plain="x")

    assert "Welcome, Ada" in mail.html
    assert mail.message["X-Guestbook"] == "1"


def test_a_plug_in_that_raises_while_a_campaign_is_compiled_lets_no_mail_out(plugin_kit: PluginKit, sent_messages: Send) -> None:
    plugin_kit.enable("grumpy")

    with pytest.raises(PluginFailed):
        sent_messages("ada@example.org")

    plugin_kit.pause("grumpy")


def test_a_filter_that_raises_defers_everybody(plugin_kit: PluginKit, sent_messages: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    import lettermill_cautious

    def broken(_email: str) -> None:
        raise RuntimeError("the list of domains is away")

    monkeypatch.setattr(lettermill_cautious, "_verdict", broken)
    plugin_kit.enable("cautious")

    assert sent_messages("ada@example.org", "bob@example.org") == []
    with plugin_kit.house.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT state, next_at FROM recipients")).all()
    assert [row.next_at is not None for row in rows] == [True, True]
