"""The envelope and the body as they go over the wire (RFC 5321 4.1.1, 4.5.2; RFC 1870, 3461, 6152, 6531)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.delivery.transports.outcome import Outcome
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Fate, Reply
from app.mail.xtext import typed_address, xtext

Features = Mapping[str, str]

# No space, no angle bracket, no control character: what could end the command early, or begin another one.
_SAFE_ADDRESS = re.compile(r"[^\x00-\x20\x7f-\x9f<>\u2028\u2029]+@[^\x00-\x20\x7f-\x9f<>\u2028\u2029]+")
# A literal with a look behind it: half the time of a search for two characters, on a path that every mail's every byte takes.
_DOT_AFTER_LINE_END = re.compile(rb"\.(?<=[\r\n]\.)")
_LINE_END = re.compile(rb"\r\n|\r|\n")
# RFC 3461 4.2 and 4.4: a server may refuse longer ones.
LONGEST_ORCPT, LONGEST_ENVID = 500, 100


class Envelopes:
    """Writes envelopes for one server, as its EHLO allows.

    A mail of our own compiler, which nearly all are, wants few looks: it is ASCII, its return path and its token need no escape.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._has_size, self._has_dsn = "SIZE" in features, "DSN" in features
        limit = features.get("SIZE", "")
        self._largest = int(limit) if limit.isdigit() else 0

    def refusal(self, message: WireMessage) -> Outcome | None:
        """Return the outcome of a message that this server cannot take; None where it can."""
        if message.is_clean and message.rcpt_to.isascii() and message.mfrom.isascii() and not 0 < self._largest < len(message.data):
            return None
        return refusal(message, self._features)

    def both(self, message: WireMessage) -> tuple[bytes, bytes]:
        """Return MAIL and RCPT."""
        return commands(message, self._features)

    def whole(self, message: WireMessage) -> bytes:
        """Return MAIL, RCPT and DATA in one piece."""
        _, mfrom, address, data, _, envid, is_clean, _ = message
        if not is_clean or not address.isascii() or not mfrom.isascii():
            mail, rcpt = self.both(message)
            return mail + rcpt + b"DATA\r\n"
        size = f" SIZE={len(data)}" if self._has_size else ""
        if not self._has_dsn or not envid:
            return f"MAIL FROM:<{mfrom}>{size}\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode()
        # The address was looked at: it is printable and short, so that only two letters may want an escape.
        notify = _notify(address) if "+" in address or "=" in address else f" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{address}"
        return f"MAIL FROM:<{mfrom}>{size} RET=HDRS ENVID={envid}\r\nRCPT TO:<{address}>{notify}\r\nDATA\r\n".encode()


def commands(message: WireMessage, features: Features) -> tuple[bytes, bytes]:
    """Return MAIL and RCPT with the parameters that the message needs and the server offers."""
    parameters = ""
    if "SIZE" in features:
        parameters += f" SIZE={len(message.data)}"
    if "8BITMIME" in features and not (message.is_clean or message.data.isascii()):
        parameters += " BODY=8BITMIME"
    if _needs_utf8(message):
        parameters += " SMTPUTF8"
    notify = ""
    if message.envid and "DSN" in features:
        parameters += _envelope_id(message.envid)
        notify = _notify(message.rcpt_to)
    return f"MAIL FROM:<{message.mfrom}>{parameters}\r\n".encode(), f"RCPT TO:<{message.rcpt_to}>{notify}\r\n".encode()


def _envelope_id(envid: str) -> str:
    """What a report brings back: the id by which we know the mail, and of the mail its headers, which are enough."""
    encoded = xtext(envid)
    return f" RET=HDRS ENVID={encoded}" if len(encoded) <= LONGEST_ENVID else " RET=HDRS"


def _notify(address: str) -> str:
    """Ask for reports of failure and of delay, the two that change what we do, and never of success: that would be one mail for each mail."""
    original = typed_address(address)
    return " NOTIFY=FAILURE,DELAY" + (f" ORCPT={original}" if len(original) <= LONGEST_ORCPT else "")


def refusal(message: WireMessage, features: Features) -> Outcome | None:
    """Return the outcome of a message that this server cannot take, as its EHLO says; None where it can."""
    if (message.mfrom and not _SAFE_ADDRESS.fullmatch(message.mfrom)) or not _SAFE_ADDRESS.fullmatch(message.rcpt_to):
        return _refused(message, Fate.OURS, Reply(501, "5.1.7", "This address cannot stand in an envelope; nothing was sent."))
    if _needs_utf8(message) and "SMTPUTF8" not in features:
        return _refused(message, Fate.OURS, Reply(553, "5.6.7", "The server takes no addresses and headers with accented letters (SMTPUTF8)."))
    if not (message.is_clean or message.data.isascii()) and "8BITMIME" not in features:
        return _refused(message, Fate.OURS, Reply(554, "5.6.3", "The server takes no 8-bit mail (8BITMIME)."))
    if (size := features.get("SIZE", "")).isdigit() and 0 < int(size) < len(message.data):
        return _refused(message, Fate.BLOCKED, Reply(552, "5.3.4", f"The server takes mails of up to {int(size):,} bytes."))
    return None


def _needs_utf8(message: WireMessage) -> bool:
    return message.needs_utf8 or not (message.rcpt_to.isascii() and message.mfrom.isascii())


def _refused(message: WireMessage, fate: Fate, reply: Reply) -> Outcome:
    return Outcome(message.position, "failed", fate, reply)


def stuffed(data: bytes) -> bytes:
    """Return the body with a dot before each line that begins with one, ending in CRLF, without the final dot.

    A bare CR or LF before a dot, which some servers would read as the end (SMTP smuggling), becomes a whole line end first.
    """
    if data[:1] == b"." or _DOT_AFTER_LINE_END.search(data):
        data = _LINE_END.sub(b"\r\n", data).replace(b"\r\n.", b"\r\n..")
        data = b"." + data if data[:1] == b"." else data
    return data if data.endswith(b"\r\n") else data + b"\r\n"
