"""The channels that mail leaves by: SMTP, and what enabled plug-ins add. Every channel is a transport to the engine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator

from app.delivery.transports.outcome import Outcome, in_doubt, of_reply, unstarted
from app.delivery.transports.transport import Journal
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Phase, Reply, classify
from app.plugins.calls import delivery_channels
from app.plugins.manager import EnabledPlugins
from app.plugins.views import ChannelMessage, DeliveryChannel
from app.words import marked

SMTP = "smtp"


def channel_titles(enabled: EnabledPlugins) -> dict[str, str]:
    """Return every channel that mail can leave by now, by the name that is stored."""
    return {SMTP: marked("SMTP connection")} | {name: channel.title for name, channel in delivery_channels(enabled).items()}


class ChannelTransport:
    """A plug-in's channel as a transport. The journal hears of a message before the plug-in gets it, and of the plug-in's answer."""

    def __init__(self, channel: DeliveryChannel) -> None:
        self._channel = channel

    def deliver(self, messages: Iterable[WireMessage], journal: Journal) -> Iterator[Outcome]:
        """Hand the messages to the plug-in; a message that it took and never answered for is in doubt."""
        taken: dict[int, WireMessage] = {}
        refused: deque[Outcome] = deque()
        for answer in self._channel.deliver(self._handed(messages, journal, taken, refused)):
            message = taken.pop(answer.position)
            reply = Reply(answer.code, answer.enhanced, answer.text)
            outcome = of_reply(message.position, reply, classify(reply, Phase.DOT))
            journal.reply(message.position, outcome)
            yield outcome
        yield from refused
        for position in taken:
            yield in_doubt(position, "the channel took the mail and did not say what became of it")
        for message in messages:
            yield unstarted(message.position, "the channel took no more mail")

    @staticmethod
    def _handed(messages: Iterable[WireMessage], journal: Journal, taken: dict[int, WireMessage],
                refused: deque[Outcome]) -> Iterator[ChannelMessage]:
        for message in messages:
            if message.deadline is not None and time.monotonic() > message.deadline:
                refused.append(unstarted(message.position, "its time was up before it could be begun"))
                continue
            journal.dot(message.position)
            taken[message.position] = message
            yield ChannelMessage(position=message.position, mfrom=message.mfrom, rcpt_to=message.rcpt_to, source=message.data)

    def close(self) -> None:
        """Nothing is kept open: the plug-in's channel lives as long as the plug-in."""
