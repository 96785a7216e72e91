"""A sample that listens: writes down every notice, hands mail to files, shows what it knows in a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

from app.plugins.api import (
    About,
    ChannelMessage,
    ChannelOutcome,
    EventView,
    ImportView,
    Own,
    ResultView,
    SubscriberView,
    hookimpl,
)

PLUGIN = About(title="Recorder", version="1.0.0", author="Sample authors", description="Writes down everything it is told.")
HEARD: list[tuple[str, object]] = []


class Shelf:
    """A delivery channel that refuses one domain, defers another, and takes the rest."""

    name = "shelf"
    title = "Shelf"

    def deliver(self, messages: Iterable[ChannelMessage]) -> Iterator[ChannelOutcome]:
        """Answer for each message."""
        for message in messages:
            code = 550 if message.rcpt_to.endswith("@refused.example") else 451 if message.rcpt_to.endswith("@later.example") else 250
            HEARD.append(("mail", message.source))
            yield ChannelOutcome(position=message.position, code=code, text="on the shelf")


@hookimpl
def lettermill_delivery_channels() -> Sequence[Shelf]:
    return [Shelf()]


@hookimpl
def lettermill_after_subscribe(subscriber: SubscriberView) -> None:
    HEARD.append(("subscribe", subscriber))


@hookimpl
def lettermill_after_unsubscribe(subscriber: SubscriberView) -> None:
    HEARD.append(("unsubscribe", subscriber))


@hookimpl
def lettermill_after_import(result: ImportView) -> None:
    HEARD.append(("import", result))


@hookimpl
def lettermill_after_campaign_finished(result: ResultView, own: Own) -> None:
    HEARD.append(("finished", result))
    own.data.put(f"campaign-{result.campaign_id}", result.sent)


@hookimpl
def lettermill_after_events(events: Sequence[EventView]) -> None:
    HEARD.extend((event.kind, event) for event in events)


@hookimpl
def lettermill_tpl_campaign_report(campaign_id: int, own: Own) -> str:
    return Markup("<p>Recorder knows of {} mails</p>").format(own.data.get(f"campaign-{campaign_id}", 0))


@hookimpl
def lettermill_tpl_campaign_editor(campaign_id: int) -> str:
    return f"recorder sees campaign {campaign_id}"


@hookimpl
def lettermill_tpl_navigation_end(page: str) -> str:
    return f"on {page}"
