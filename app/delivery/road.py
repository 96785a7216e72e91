"""The road of a mail: a tuple of steps over a frozen message. A step returns a new message, or a stop with its reason.

The road is walked once for a sending, over the text with its places for values: what it returns is compiled, and a recipient costs
joining strings. Where a plug-in looks at each single mail, the second half of the road is walked again for each (``slow.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from app.delivery.sender import Sender
from app.delivery.urls import MailUrls
from app.mail.links import Link
from app.mail.message import Draft, Mailbox, Pieces

Html = tuple[Any, ...]
Headers = tuple[tuple[str, "Pieces | Mailbox"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message on its way: headers so far, both texts (a link stands for itself until it is rewritten), the return path."""

    subject: Pieces
    html: Html | None
    plain: Html
    headers: Headers = ()
    further: tuple[tuple[str, str], ...] = ()
    mfrom_domain: str = ""
    mfrom_fixed: str = ""

    def draft(self) -> Draft:
        """Return the message as the compiler takes it."""
        return Draft(self.headers, self.html, self.plain)


@dataclass(frozen=True, slots=True)
class Stop:
    """A step's word that a message goes no further. ``minutes``: not now, but again after so long; None: never."""

    reason: str
    words: str = ""
    minutes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What steps may look at, the same for all recipients of a sending: its frozen content, its sender, its addresses, the settings."""

    sending_id: int
    kind: str
    content: Mapping[str, Any]
    sender: Sender
    urls: MailUrls
    message_id_domain: str
    feedback_id: str
    names: frozenset[str]
    constants: Mapping[str, str] = field(default_factory=dict)
    x_mailer: str = ""
    complaints_address: str = ""
    unsubscribe_email: str = ""
    preheader_template: str = ""
    id_key: bytes = field(default=b"", repr=False)
    lists: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def of_list(self, list_id: int | None) -> Mapping[str, str]:
        """Return the values that a recipient's list gives; none where the recipient is on no list."""
        return self.lists.get(list_id or 0, {})

    @property
    def links(self) -> Mapping[int, str]:
        """Where each link leads, by its number."""
        return {link["number"]: link["url"] for link in self.content.get("links", ())}


class Step(Protocol):
    """One stretch of the road."""

    def __call__(self, mail: Mail, trip: Trip) -> Mail | Stop:
        """Return the message as it goes on, or why it does not."""
        ...


def travel(mail: Mail, trip: Trip, steps: Sequence[Step]) -> Mail | Stop:
    """Take a message through every step, or to the first that stops it; the stop then names the step."""
    for step in steps:
        result = step(mail, trip)
        if isinstance(result, Stop):
            return replace(result, words=f"{getattr(step, '__name__', 'step')}: {result.words}")
        mail = result
    return mail


def is_link(piece: object) -> bool:
    """Whether a piece is a link that still stands for itself."""
    return isinstance(piece, Link)
