"""What came back, in words: kinds, classes, reasons, how it was matched, what was decided."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

Said = dict[str, Any]

KINDS: Said = {
    "bounce": _l("Bounce"), "delay": _l("Delay"), "delivered": _l("Delivered"), "complaint": _l("Complaint"), "report": _l("Report"),
    "auto-reply": _l("Auto-reply"), "unsubscribe": _l("Unsubscribe"), "other": _l("Other mail"), "": _l("Not read yet"),
}
CLASSES: Said = {"hard": _l("Hard"), "soft": _l("Soft"), "block": _l("Blocked")}
WHATS: Said = CLASSES | {"complaint": _l("Complaints")}
REASONS: Said = {
    "invalid_recipient": _l("No such mailbox"), "invalid_domain": _l("No such domain"), "mailbox_full": _l("Mailbox full"),
    "mailbox_inactive": _l("Mailbox switched off"), "recipient_refused": _l("The recipient refuses it"), "sender_blocked": _l("The sender is blocked"),
    "spam_content": _l("Taken for spam"), "policy": _l("Against the receiver’s policy"), "too_large": _l("Too large"),
    "rate_limited": _l("Too many at once"), "network_timeout": _l("Not reachable"), "remote_system": _l("Trouble at the receiver"),
    "undetermined": _l("Not said"), "abuse": _l("Marked as spam"), "fraud": _l("Reported as fraud"), "virus": _l("Reported as a virus"),
    "opt-out": _l("Asked to be left alone"), "": _l("Not said"),
}
STATES: Said = {"waiting": _l("Waiting"), "read": _l("Read"), "unprocessed": _l("Unprocessed")}
STATE_TONES = {"waiting": "info", "read": "ok", "unprocessed": "warn"}
PROBLEMS: Said = {
    "nobody": _l("It is about nobody whom we mailed."), "no_recipient": _l("It does not say whose mail came back."),
    "unknown": _l("It came to a return path, and is no report that we know."), "no_report": _l("It is a report of DMARC that cannot be read."),
    "failed": _l("The reader could not make sense of it."),
    "died": _l("Reading it took too long, or broke off."),
}
MATCHES: Said = {
    "return_path": _l("By the return path that it came to: our own mark, which nobody can forge"), "envid": _l("By the envelope’s number in the report"),
    "header": _l("By our mark in the mail that it returns"), "message_id": _l("By the Message-ID of the mail that it returns"),
    "webhook": _l("By the relay’s report, which is signed"), "live": _l("By the reply that the server gave while we sent"),
    "window": _l("By the address alone, which was mailed within 30 days: it counts as soft only"), "": _l("Not matched"),
}
DECISIONS: Said = {
    "suppressed": _l("Suppressed: the address gets no more mail"), "became_hard": _l("Suppressed: this was one soft bounce too many"),
    "counted": _l("Counted"), "counted_before": _l("Not counted again: one a campaign and one in 24 hours counts"), "noted": _l("Noted, changes nothing"),
    "unsubscribed": _l("Unsubscribed"), "gone_before": _l("Nothing to do: it was suppressed or unsubscribed before"), "seed": _l("Nothing: it is a seed"),
    "nothing": _l("Nothing"),
}
WAYS: Said = {
    "smtp": _l("our own server (SMTP)"), "lmtp": _l("a mail server in front (LMTP)"), "pop3": _l("a mailbox (POP3)"), "imap": _l("a mailbox (IMAP)"),
    "pipe": _l("the pipe"), "webhook": _l("a webhook"), "ses": _l("Amazon SES"),
}
FORWARDS: Said = {"waiting": _l("Waiting"), "sending": _l("On its way"), "sent": _l("Sent on"),
                  "failed": _l("Failed"), "held": _l("Held"), "dropped": _l("Dropped")}
FORWARD_TONES = {"waiting": "info", "sending": "info", "sent": "ok", "failed": "bad", "held": "warn"}
FORWARD_RULES: Said = {"role": _l("Mail to abuse, postmaster or root"), "abuse": _l("Abuse reports address"), "unsubscribe": _l("Copy of a request to leave")}
CLASS_TONES = {"hard": "bad", "soft": "warn", "block": "mute"}
KIND_TONES = {"complaint": "bad", "delay": "info", "delivered": "ok"}
ALL = {"kind": KINDS, "class": CLASSES, "reason": REASONS, "state": STATES, "problem": PROBLEMS, "match": MATCHES, "decision": DECISIONS, "way": WAYS,
       "forward": FORWARDS}


def init_inbound_words(app: Flask) -> None:
    """Give every template the words of what came back."""
    app.jinja_env.globals.update(inbound_words=inbound_words, event_badge=event_badge, forward_rule=forward_rule, forward_tone=forward_tone,
                                 mail_tone=mail_tone)


def inbound_words(of: str, value: str) -> str:
    """Return a value in words; one that nobody foresaw is shown as it stands."""
    return str(ALL[of].get(value, value))


def event_badge(event: Any) -> tuple[str, str]:
    """Return what an event is, in a word or two, and its tone."""
    if event.kind == "bounce" and event.bounce_class:
        said = {"hard": _("Hard bounce"), "soft": _("Soft bounce"), "block": _("Blocked")}
        return said.get(event.bounce_class, event.bounce_class), CLASS_TONES.get(event.bounce_class, "mute")
    return inbound_words("kind", event.kind), KIND_TONES.get(event.kind, "mute")


def mail_tone(state: str) -> str:
    """Return the tone of a mail's state."""
    return STATE_TONES.get(state, "mute")


def forward_tone(state: str) -> str:
    """Return the tone of a forward's state."""
    return FORWARD_TONES.get(state, "mute")


def forward_rule(rule: str) -> str:
    """Return what sends a mail on."""
    kind, _colon, pattern = rule.partition(":")
    return _("Alias %(pattern)s", pattern=pattern) if kind == "alias" else str(FORWARD_RULES.get(rule, rule))
