"""Bounces that were written for people: who says it, about whom, and why."""

from __future__ import annotations

import re

from app.inbound import addresses, families
from app.inbound.encoded_words import decoded
from app.inbound.parts import Part, headers_of
from app.inbound.result import Event, judged
from app.mail.reasons import RULES, Rules, judge

LOOKED_AT = 8000
_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|post ?master|mail[-_ ]?(?:delivery|admin|system|server|er\b)|delivery (?:sub)?system|mdaemon|mail\.?daemon|daemon@|bounce|"
    r"microsoft exchange|"
    r"system administrator|mail ?robot|mmdf|smtp ?(?:gateway|server)|uucp|listserv|majordomo|<>",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|deliver\w* (?:fail|status|error|problem|report|notif|subsystem|warning|delay)|fail\w* (?:deliver|notice|mail|notif|to deliver)|"
    r"returned? (?:mail|to sender|message|email)|"
    r"mail (?:system|delivery|failure|error)|non[- ]?deliver|not deliver|could not|can(?:not|'t) be|delivery|unzustellbar|unknown user|user unknown|"
    r"mail failure|bounce|rejected|message status|"
    r"nondeliverable|returning message|warning: (?:message|could)|delayed|não entregue|недоставлен|échec|error sending|problem deliver|"
    r"delivery problem|mailbox full|quota|failed mail|errors from|メールエラー|エラー通知|не доставлено|доставк|"
    r"配信|送信エラー|退信|unzustellbarkeit|onbestelbaar|no entregado|non remis|mancata consegna|niedostarcz|nedoručiteln|teslim",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?:^|\n)[ \t>*-]*(?:to|recipient|address|failed recipient|final recipient|final-recipient|original-recipient|user|rcpt\s{1,9}to|unknown user|"
    r"invalid final delivery user|"
    r"failed to deliver to|undeliverable to|your message to|did not reach|mail to|for)(?:[ \t]*[:;]\s*|\s+)['\"<(]?(?:rfc822;\s*|"
    r"smtp:)?([^\s<>'\"();,]{1,90}@[\w.-]{1,120})",
    re.IGNORECASE,
)
_AT_START = re.compile(r"(?:^|\n)[ \t]*(?:\d{3}[ -](?:[245]\.\d+\.\d+ )?)?[<\"'(\[-]{0,3}\s?([^\s<>'\"();:,\[\]@]{1,80}@[\w.-]{3,120})")
_IN_SENTENCE = re.compile(
    r"(?:deliver\w*|reach|mail|message|addressed|sent|recipients?|address|user|for|mailbox)(?: \w+){0,3}(?: to| for|"
    r" of)?:?\s+['\"<(]{1,2}([^\s<>'\"();,]{1,90}@[\w.-]{1,120})",
    re.IGNORECASE,
)
_OF_SYSTEM = re.compile(
    r"^(?:post-?master|mailer-daemon|abuse|help-?desk|support|admin|administrator|noc|webmaster|root|info|mailsec\d*|unblock|removeme|"
    r"feedback)@", re.IGNORECASE
)
_AFTER_DATA = re.compile(
    r"reply\s+to\s+(?:end\s+of\s+)?data\s+command|after (?:end of )?data\b|smtp command\s+data\b|>>> (?:data\b|\.\s)|final data", re.IGNORECASE
)
_CODED = re.compile(r"[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3}|\b[45]5\d\b|[45]\.\d\.\d")


def read_text(mail: Part, text: str, returned: Part | None, rules: Rules = RULES) -> tuple[str, list[Event], str] | None:
    """Return kind, events and the family of a bounce for people, None where the mail is no bounce."""
    looked = text[:LOOKED_AT]
    small = looked.lower()
    failed = addresses.in_text(" ".join(mail.headers.get("x-failed-recipients", [])))
    family = families.mark_in(small[: families.cut(small) + 200])
    if not failed and not _is_bounce(mail, small, family, returned):
        return None
    said = looked[: families.cut(small)]
    people, found_in = (failed, "x-failed-recipients") if failed else _people(mail, said, looked, returned)
    return _kind(mail, small), _events(people, found_in, said, rules), family or "x-failed-recipients"


def was_after_data(text: str) -> bool:
    """Whether a text says that the refusal came after the message itself, not after RCPT."""
    return bool(_AFTER_DATA.search(text))


def _is_bounce(mail: Part, small: str, family: str, returned: Part | None) -> bool:
    from_system = bool(_DAEMON.search(mail.header("from")) or mail.header("return-path").replace(" ", "") == "<>")
    subject = bool(_SUBJECT.search(decoded(mail.header("subject"))))
    if not family and not (subject and _CODED.search(small)):
        return False
    if mail.header("in-reply-to") or mail.header("list-unsubscribe"):
        return from_system and subject
    return (
        (from_system and (subject or family != "others" or _brings_back(small, returned)))
        or (family != "others" and (subject or returned is not None))
        or (subject and _brings_back(small, returned))
        or (from_system and bool(_CODED.search(small)))
    )


def _brings_back(small: str, returned: Part | None) -> bool:
    return returned is not None or families.cut(small) < len(small)


def _kind(mail: Part, small: str) -> str:
    begin = small[:1500] + mail.header("subject").lower()
    return "delay" if any(mark in begin for mark in families.DELAYS) and "giving up" not in begin else "bounce"


def _people(mail: Part, said: str, looked: str, returned: Part | None) -> tuple[list[str], str]:
    """Return whom the text is about: what stands in the place of a recipient, else the only people it can be."""
    ours = _own(mail, returned)
    for name, pattern in (("line", _AT_START), ("label", _LABELLED), ("sentence", _IN_SENTENCE)):
        if found := _kept(pattern.findall(said), ours):
            return found, f"text: {name}"
    if found := _kept(addresses.in_text(said), ours):
        return found[:1], "text"
    original = returned or _returned_in(looked)
    return (_kept(addresses.in_text(original.header("to")), set())[:5], "returned to") if original else ([], "")


def _own(mail: Part, returned: Part | None) -> set[str]:
    """Return the addresses that are the sender's and the reporting system's."""
    values = [mail.header(name) for name in ("to", "from", "reply-to", "return-path", "delivered-to", "envelope-to", "message-id")]
    if returned:
        values += [returned.header(name) for name in ("from", "return-path", "message-id", "sender")]
    return {each.lower() for value in values for each in addresses.in_text(value)}


def _kept(found: list[str], ours: set[str]) -> list[str]:
    clean = dict.fromkeys(address for each in found for address in addresses.in_text(each)[:1])
    return [each for each in clean if each.lower() not in ours and not _OF_SYSTEM.match(each)][:50]


def _returned_in(text: str) -> Part | None:
    at = families.cut(text.lower())
    if at >= len(text):
        return None
    headers = headers_of(re.sub(r"^[ \t>|]+(?=[\w-]+:)", "", text[at:], flags=re.MULTILINE).encode())
    return Part(headers, "message/rfc822", {}, b"")


def _events(people: list[str], found_in: str, said: str, rules: Rules) -> list[Event]:
    """Return an event for each: judged by what stands between its place and the next one's, else by all that is said."""
    whole = judge(said, after_data=was_after_data(said), rules=rules)
    if len(people) < 2:
        return [judged(people[0] if people else "", found_in, said[:600].strip(), whole)]
    events = []
    for own in people:
        text = _stretch(own, people, said)
        judgement = judge(text, after_data=was_after_data(text), rules=rules)
        events.append(judged(own, found_in, text, judgement if judgement.reason != "undetermined" else whole))
    return events


def _stretch(own: str, people: list[str], said: str) -> str:
    small = said.lower()
    begin = small.find(own.lower())
    if begin < 0:
        return said[:600]
    others = [at for each in people if each != own and (at := small.find(each.lower(), begin + len(own))) > 0]
    return said[begin : min([begin + 800, *others])]
