"""What crosses the door between the platform and its plug-ins: frozen values, never a table's row or a session.

A name here is part of the promise of ``app.plugins.api``: fields may be added in a minor version, never renamed or taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """A campaign as its author wrote it; ``id`` is None for a campaign that was never saved."""

    id: int | None
    account_id: int
    name: str
    from_name: str = ""
    from_email: str = ""
    reply_to: str = ""
    subject: str = ""
    preheader: str = ""
    html: str = ""
    plain: str = ""
    list_ids: tuple[int, ...] = ()
    track_links: bool = True
    track_opens: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A link of a campaign, with the number that stands for it in the mail. Its address may hold merge tags."""

    number: int
    url: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingView:
    """One run of something that is sent; ``kind`` is campaign, test or transactional."""

    id: int
    kind: str
    account_id: int
    campaign_id: int | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """One recipient of a sending; ``position`` names it within that sending, ``fields`` holds the custom fields by alias."""

    position: int
    email: str
    subscriber_id: int | None = None
    list_id: int | None = None
    first_name: str = ""
    last_name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One mail as its recipient will get it, before it is signed. ``headers`` are further ones that plug-ins add."""

    position: int
    email: str
    mfrom: str
    subject: str
    html: str
    plain: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberView:
    """One address on one list."""

    id: int
    account_id: int
    list_id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportView:
    """An import that has ended, with its counts of lines."""

    id: int
    account_id: int
    list_id: int
    added: int
    updated: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView:
    """A campaign that is finished, with what became of its recipients."""

    campaign_id: int
    account_id: int
    name: str
    sent: int
    failed: int
    skipped: int
    in_doubt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An open, click, view, unsubscribe, bounce or complaint; ``machine`` is the verdict that no person did it, ``at`` is UTC."""

    kind: str
    sending_id: int
    position: int
    at: datetime
    link: int | None = None
    machine: bool = False


# ----------------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True, slots=True)
class Skip:
    """This recipient does not get this mail, ever; ``reason`` is shown in the report. ``by`` is filled in by the platform."""

    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now: asked again after ``minutes``. ``by`` is filled in by the platform."""

    minutes: int = 5
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Allow:
    """Nothing against it; the same as answering None or leaving the position out."""


Verdict = Skip | Defer | Allow


@dataclass(frozen=True, slots=True)
class Problem:
    """What a plug-in has against a campaign: beside which field (``where``, or empty), in words that say what to do."""

    text: str
    where: str = ""
    by: str = ""


# ---------------------------------------------------------------------------------------------- delivery channels


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMessage:
    """A finished, signed mail for a channel: the envelope, and the bytes as they go over the wire."""

    position: int
    mfrom: str
    rcpt_to: str
    source: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOutcome:
    """What became of one message: a reply code as in SMTP (2xx taken, 4xx later, 5xx refused) and its text."""

    position: int
    code: int
    text: str
    enhanced: str = ""


class DeliveryChannel(Protocol):
    """Another way for mail to leave the house; takes batches, answers for each message, raises only for bugs."""

    name: str
    title: str

    def deliver(self, messages: Iterable[ChannelMessage]) -> Iterator[ChannelOutcome]:
        """Hand the messages on in order and yield what became of each."""
        ...
