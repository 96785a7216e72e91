"""Sending with plug-ins: at compile, by batch, by single mail, and through a channel of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.config import Config
from app.delivery.channels import channel_titles
from app.delivery.doors import Doors
from app.delivery.ledger import State
from app.delivery.models import Link
from app.plugins.api import (
    About,
    CampaignView,
    ChannelMessage,
    ChannelOutcome,
    Defer,
    LinkView,
    MergeTag,
    MessageView,
    RecipientView,
    Skip,
    hookimpl,
)
from app.plugins.installed import Source
from app.plugins.manager import Plugins
from app.plugins.models import PluginNotice, PluginState
from tests.factories import sending as factory
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

ABOUT = About(title="Tester", version="1.0", author="Tests", description="For tests.")


class Paper:
    """A channel that writes mail down."""

    name, title = "paper", "Paper"

    def __init__(self) -> None:
        self.written: list[ChannelMessage] = []

    def deliver(self, messages: Iterable[ChannelMessage]) -> Iterator[ChannelOutcome]:
        for message in messages:
            self.written.append(message)
            if message.rcpt_to.startswith("silent"):
                continue
            yield ChannelOutcome(position=message.position, code=250, text="written")


@hookimpl
def lettermill_merge_tags() -> list[MergeTag]:
    return [MergeTag(name="mood", label="Mood")]


@hookimpl
def lettermill_recipient_values(recipients: list[RecipientView]) -> dict[int, dict[str, str]]:
    return {one.position: {"mood": f"<merry {one.first_name}>"} for one in recipients}


@hookimpl
def lettermill_filter_recipients(recipients: list[RecipientView]) -> dict[int, Skip | Defer]:
    return {one.position: Skip("not today") if "skip" in one.email else Defer(60, "later") for one in recipients
            if "skip" in one.email or "defer" in one.email}


@hookimpl
def lettermill_transform_campaign(campaign: CampaignView) -> CampaignView:
    return replace(campaign, subject="[T] " + campaign.subject)


@hookimpl
def lettermill_transform_link(link: LinkView) -> LinkView:
    return replace(link, url=link.url + "#tested")


@hookimpl
def lettermill_after_campaign_finished(result: Any) -> None:
    return None


@hookimpl
def lettermill_filter_message(message: MessageView) -> Skip | None:
    return Skip("by content") if "censored" in message.email else None


@hookimpl
def lettermill_transform_message(message: MessageView) -> MessageView:
    return replace(message, html=message.html.replace("Hello", "Servus"), headers=(("X-Tested", "yes"),))


BATCH = {hook.__name__: hook for hook in (
    lettermill_merge_tags, lettermill_recipient_values, lettermill_filter_recipients, lettermill_transform_campaign,
    lettermill_transform_link, lettermill_after_campaign_finished)}
SLOW = {hook.__name__: hook for hook in (lettermill_filter_message, lettermill_transform_message)}


def make_stage(config: Config, sink: Sink, session: Session, people: list[str], hooks: dict[str, Any], **values: Any) -> Stage:
    plugins = Plugins.load([Source(name="tester", load=lambda: SimpleNamespace(PLUGIN=ABOUT, **hooks))])
    assert not plugins.installed[0].is_broken, plugins.installed[0].traceback
    house = factory.make_house(config, plugins)
    user = factory.make_user(session, "tess")
    members = factory.make_list(session, user, "Readers", people)
    campaign = factory.make_campaign(session, user, [members], **values)
    factory.make_server(session, sink.port)
    session.add(PluginState(name="tester", title="Tester", state="enabled"))
    session.commit()
    return Stage(house, session, user, members, campaign, Doors(house.secrets, "lettermill.localhost"))


def test_a_plug_in_changes_content_and_links_once_and_fills_its_tags(config: Config, sink: Sink, session: Session) -> None:
    campaign = make_stage(config, sink, session, ["anna@example.org"], BATCH, subject="Hi", html='<body>%tester:mood% <a href="https://a.example/">A</a></body>')
    sending = campaign.frozen()
    campaign.send(sending)
    text = sink.taken[0].data.decode()
    assert "Subject: [T] Hi" in text
    assert "&lt;merry anna&gt;" in text
    assert session.scalars(sa.select(Link.url).order_by(Link.number)).first() == "https://a.example/#tested"
    assert session.scalars(sa.select(PluginNotice.hook)).all() == ["lettermill_after_campaign_finished"]


def test_a_plug_in_skips_and_puts_off(config: Config, sink: Sink, session: Session) -> None:
    campaign = make_stage(config, sink, session, ["ok@example.org", "skip@example.org", "defer@example.org"], BATCH)
    sending = campaign.frozen()
    campaign.send(sending)
    skipped, deferred = campaign.row(sending, "skip@example.org"), campaign.row(sending, "defer@example.org")
    assert list(sink.copies()) == ["ok@example.org"]
    assert (State(skipped.state), skipped.reason, skipped.reply) == (State.SKIPPED, "plugin", "tester: not today")
    assert (State(deferred.state), deferred.reason, deferred.attempts) == (State.PENDING, "plugin", 0)
    assert (campaign.counts(sending).waiting, sending.state) == (1, "sending")


def test_the_slow_path_changes_single_mails_and_keeps_their_headers_ours(config: Config, sink: Sink, session: Session) -> None:
    campaign = make_stage(config, sink, session, ["anna@example.org", "censored@example.org"], SLOW)
    sending = campaign.frozen()
    campaign.send(sending)
    text = sink.taken[0].data.decode()
    assert "Servus" in text
    assert "Hello" in text.partition("text/html")[0]
    assert "X-Tested: yes" in text
    assert "List-Unsubscribe-Post" in text
    row = campaign.row(sending, "censored@example.org")
    assert (State(row.state), row.reason, sending.state) == (State.SKIPPED, "plugin", "finished")


def test_a_plug_in_that_fails_puts_the_mails_off(config: Config, sink: Sink, session: Session) -> None:
    @hookimpl
    def lettermill_filter_recipients(recipients: Any) -> Any:
        raise RuntimeError("no")

    campaign = make_stage(config, sink, session, ["anna@example.org"], {"lettermill_filter_recipients": lettermill_filter_recipients})
    sending = campaign.frozen()
    campaign.send(sending)
    campaign.house.plugins.settle()
    assert sink.taken == []
    assert campaign.counts(sending).waiting == 1


def test_a_channel_of_a_plug_in_takes_the_mails_and_its_silence_is_doubt(config: Config, sink: Sink, session: Session) -> None:
    paper = Paper()

    @hookimpl
    def lettermill_delivery_channels() -> list[Paper]:
        return [paper]

    campaign = make_stage(config, sink, session, ["anna@example.org", "silent@example.org"],
                          {"lettermill_delivery_channels": lettermill_delivery_channels}, channel="tester:paper")
    sending = campaign.frozen()
    campaign.send(sending)
    assert channel_titles(campaign.house.plugins.snapshot(campaign.house.engine)) == {"smtp": "SMTP connection", "tester:paper": "Paper"}
    assert sorted(message.rcpt_to for message in paper.written) == ["anna@example.org", "silent@example.org"]
    assert State(campaign.row(sending, "anna@example.org").state) is State.SENT
    assert State(campaign.row(sending, "silent@example.org").state) is State.IN_DOUBT


def test_a_channel_whose_plug_in_is_off_waits(config: Config, sink: Sink, session: Session) -> None:
    campaign = make_stage(config, sink, session, ["anna@example.org"], {}, channel="gone:channel")
    sending = campaign.frozen()
    assert campaign.send(sending) is False
    assert campaign.states(sending) == {State.PENDING: 1}
    assert campaign.row(sending, "anna@example.org").attempts == 0


@pytest.mark.parametrize("hooks", [BATCH, SLOW])
def test_a_plug_in_that_is_paused_is_not_called(config: Config, sink: Sink, session: Session, hooks: dict[str, Any]) -> None:
    campaign = make_stage(config, sink, session, ["skip@example.org", "censored@example.org"], hooks)
    session.execute(sa.update(PluginState).values(state="paused"))
    session.commit()
    sending = campaign.frozen()
    campaign.send(sending)
    assert len(sink.taken) == 2
