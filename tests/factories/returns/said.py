"""What a report is before it is bytes, and what servers say of a mail: five ways to fail, one to be late, one to arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HERE, THERE, AT = "mx.relay.example", "mx.far.example", "192.0.2.7"
# What the reader is to say of each: the kind, and the class of a bounce.
MEANT: Mapping[str, tuple[str, str]] = {
    "unknown": ("bounce", "hard"), "no domain": ("bounce", "hard"), "full": ("bounce", "soft"), "too late": ("bounce", "soft"),
    "spam": ("bounce", "block"), "delayed": ("delay", ""), "delivered": ("delivered", "")}
ACTIONS = {"delayed": "delayed", "delivered": "delivered"}
STATUS = {"unknown": "5.1.1", "no domain": "5.1.2", "full": "5.2.2", "too late": "4.4.1", "spam": "5.7.1", "delayed": "4.4.1", "delivered": "2.1.5"}
# A remote server's reply, where there was one.
REPLIES = {
    "unknown": "550 5.1.1 <{a}>: Recipient address rejected: User unknown in virtual mailbox table",
    "full": "552 5.2.2 <{a}>: The mailbox is over its quota",
    "spam": "554 5.7.1 Service unavailable; Client host [198.51.100.9] blocked using zen.spamhaus.org",
    "delivered": "250 2.1.5 Ok: delivered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A mail of ours that was really sent: to whom, by which return path, its bytes, and its row of the ledger."""

    name: str
    address: str
    mfrom: str
    envid: str
    source: bytes
    sending_id: int
    position: int
    campaign_id: int | None

    @property
    def domain(self) -> str:
        """The recipient's domain."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail server writes. ``groups``: the fields for programs, one string a group, the first of the message; none in a report for people alone.

    ``above``: the line above the returned mail, where it stands in the text; ``is_html``: the text for people is HTML.
    """

    sender: str
    subject: str
    text: str
    groups: tuple[str, ...] = ()
    above: str = ""
    is_html: bool = False
    headers: tuple[str, ...] = ()


def reply(why: str, own: Own) -> str:
    """Return what the far server said; empty where none did."""
    return REPLIES.get(why, "").format(a=own.address)


def fields(own: Own, why: str, says: str, *, status: str = "", typed: str = "smtp", further: tuple[str, ...] = (), with_envid: bool = False,
           of_message: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the groups of a report for one recipient (RFC 3464)."""
    first = [f"Reporting-MTA: dns; {HERE}", *([f"Original-Envelope-Id: {own.envid}"] if with_envid else []), *of_message]
    second = [f"Final-Recipient: rfc822; {own.address}", f"Action: {ACTIONS.get(why, 'failed')}", f"Status: {status or STATUS[why]}",
              *([f"Diagnostic-Code: {typed}; {says}"] if says else []), *further]
    return "\n".join(first), "\n".join(second)


def folded(text: str, width: int = 66, indent: str = "    ") -> str:
    """Return a text broken into lines at its spaces, as Postfix breaks what it quotes."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])
