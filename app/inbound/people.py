"""Whom a bounce for people is about: addresses in the places of recipients, and names without a domain that the report completes."""

from __future__ import annotations

import re

from app.inbound import addresses
from app.inbound.parts import Part

MOST = 50
_ADDRESS = r"([^\s<>'\"();:,\[\]@]{1,80}@[\w.-]{3,120})"
_LABELLED = re.compile(
    r"(?:^|\n)[ \t>*-]*(?:to|recipients?|address|(?:failed|intended|final|original)[ -](?:recipients?|address(?:es)?)|user|rcpt\s{1,9}to|unknown user|"
    r"(?:recipient|original|failed) address|addressed to|invalid final delivery user|user mailbox exceeds allowed size|"
    r"failed to deliver to|undeliverable to|your message to|did not reach|mail to|for|送信先\S{0,12}|宛先)"
    r"(?:[ \t]*[:;]\s*|\s+)['\"<(]?(?:rfc822;\s*|smtp:)?([^\s<>'\"();,]{1,90}@[\w.-]{1,120})",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"(?:>>>|-->|sent[ :<>]{1,5}|sent: |in: |after |command:? ?)[ \t]*rcpt to: ?<([^\s<>]{1,90}@[\w.-]{1,120})>", re.IGNORECASE)
_AT_START = re.compile(
    r"(?:^|\n)[ \t>*-]{0,40}(?:\d{3}[ -](?:[245]\.\d+\.\d+ )?)?(?:x-notes;\s*)?[<\"'(\[]{0,3}\s?([^\s<>'\"();:,\[\]@]{1,80}@[\w.-]{3,120})", re.IGNORECASE
)
_IN_SENTENCE = re.compile(
    r"(?:deliver\w*|reach|mail|message|addressed|sent|recipients?|address|user|for|mailbox|list)(?: \w+){0,3}(?: to| for| of)?:?\s+['\"<(]{1,2}"
    r"([^\s<>'\"();,]{1,90}@[\w.-]{1,120})",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:was addressed,?|addressed to|deliver(?:ed|y|ing)?(?: it| this| your message| the message)? to|sent to|mail to|message to|mailbox(?: of| for)?|"
    r"recipient|user|account|address)[:,]?\s+" + _ADDRESS,
    re.IGNORECASE,
)
# Names without a domain, in the places where mail systems put the failed recipient.
_NAMES = re.compile(
    r"(?:^|\n)[ \t]*(?:[45]\d\d (?:[45]\.\d+\.\d+ )?)?(?:<([\w.+-]{1,64})>(?=\.\.\.|:|[ \t]*(?:\n|$|\())|([\w.+-]{1,64})\.\.\. )|"
    r"user:? [\"'<(]?([\w.+-]{1,64})[\"'>)]? (?:\([^()\n]{0,120}\) )?(?:not listed|is not defined|unknown|does not exist|not found)|"
    r"'([\w.+-]{1,64}) \(host: |permanent (?:fatal )?errors -----\n<?([\w.+-]{1,64})>?\n|"
    r"unknown user(?: name)?(?: in)?:? [\"'<]?([\w.+-]{1,64})[\"'>]?(?:\n|$)",
    re.IGNORECASE,
)
# Where an address came from is not whom the mail was for.
_ALIAS = re.compile(r"\((?:expanded|generated|forwarded|redirected) from:?\s{1,20}<?[^\s<>()]{1,200}>?\)", re.IGNORECASE)
_OF_SYSTEM = re.compile(
    r"^(?:post-?master|mailer-daemon|abuse|help-?desk|support|admin|administrator|noc|webmaster|root|info|mailsec\d*|unblock|removeme|"
    r"feedback)@", re.IGNORECASE
)
_WORDS = frozenset({"the", "is", "was", "unknown", "user", "a", "in", "of", "not", "no", "found", "name"})


def people_in(said: str, mail: Part, returned: Part | None) -> tuple[list[str], str]:
    """Return whom a text is about and where that stands: in the place of a recipient, else the only people it can be."""
    ours, bare = _own(mail, returned), _ALIAS.sub("", said)
    for place, pattern in (("line", _AT_START), ("label", _LABELLED), ("command", _COMMAND), ("sentence", _IN_SENTENCE), ("words", _BARE)):
        if found := _kept(pattern.findall(bare), ours):
            return found, f"text: {place}"
    if found := completed(names_in(said), mail, returned):
        return found, "text: name"
    if found := _kept(addresses.in_text(bare), ours) or _kept(addresses.in_text(said), ours):
        return found[:1], "text"
    if found := [each for each in _AT_START.findall(said) if each.lower() not in ours]:
        return found[:1], "text: line"  # a postmaster's or an administrator's own mailbox
    return (addresses.in_text(returned.header("to"))[:5], "returned to") if returned else ([], "")


def names_in(said: str) -> list[str]:
    """Return names without a domain that stand in the place of a recipient."""
    found = [next(filter(None, groups)) for groups in _NAMES.findall(said) if any(groups)]
    return [name for name in dict.fromkeys(found) if name.lower() not in _WORDS][:MOST]


def completed(names: list[str], mail: Part, returned: Part | None) -> list[str]:
    """Return the addresses of names: those of the returned mail's recipients, else with the domain of who reports."""
    known = {each.rpartition("@")[0].lower(): each for name in ("to", "cc", "x-original-to") for each in addresses.in_text(_of(returned, name))}
    domain = addresses.first_in(mail.header("from")).rpartition("@")[2]
    return [known.get(name.lower()) or f"{name}@{domain}" for name in names if name.lower() in known or domain]


def _of(returned: Part | None, name: str) -> str:
    return returned.header(name) if returned else ""


def _own(mail: Part, returned: Part | None) -> set[str]:
    """Return the addresses that are the sender's and the reporting system's."""
    values = [mail.header(name) for name in ("to", "from", "reply-to", "return-path", "delivered-to", "envelope-to", "message-id")]
    values += [_of(returned, name) for name in ("from", "return-path", "message-id", "sender", "reply-to", "errors-to")]
    return {each.lower() for value in values for each in addresses.in_text(value)}


def _kept(found: list[str], ours: set[str]) -> list[str]:
    clean = dict.fromkeys(address for each in found for address in addresses.in_text(each)[:1])
    return [each for each in clean if each.lower() not in ours and not _OF_SYSTEM.match(each)][:MOST]
