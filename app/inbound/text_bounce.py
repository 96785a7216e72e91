"""Bounces that were written for people: who says it, about whom, and why."""

from __future__ import annotations

import re

from app.inbound import addresses, families, said
from app.inbound.encoded_words import decoded
from app.inbound.parts import Part
from app.inbound.people import people_in
from app.inbound.result import Event, judged
from app.inbound.returned import cut
from app.inbound.verdict import verdict
from app.mail.reasons import RULES, Rules, judge

LOOKED_AT = 8000
_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|post ?master|mail[-_ ]?(?:delivery|admin|system|server|er\b)|delivery (?:sub)?system|mdaemon|mail\.?daemon|daemon@|bounce|"
    r"microsoft ?exchange|"
    r"system administrator|mail ?robot|^\W*administrator\b|mmdf|smtp ?(?:gateway|server)|uucp|listserv|majordomo|mailman|-(?:admin|owner|bounces?)@|\bowner-|"
    r"amministratore di sistema|systemadministrator|administrateur syst|administrador del sistema|systeem ?beheerder|<>",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|deliver\w* (?:fail|status|error|problem|report|notif|subsystem|warning|delay)|fail\w* (?:deliver|notice|mail|notif|to deliver)|"
    r"returned? (?:mail|to sender|message|email)|"
    r"mail (?:system|delivery|failure|error)|non[- ]?deliver|not deliver|could not|can(?:not|'t) be|delivery|unzustellbar|unknown user|user unknown|"
    r"mail failure|unable to deliver|bounce|rejected|message status|"
    r"nondeliverable|returning message|warning: (?:message|could)|delayed|não entregue|недоставлен|échec|error sending|problem deliver|"
    r"not (?:a )?member|(?:could|can) ?not be posted|not allowed to post|post(?:ing)? to .{1,80}(?:rejected|denied)|not accepted|"
    r"non recapitabil|não foi possível|no se puede entregar|no se pudo entregar|niet bezorgd|kunde inte levereras|ikke leveres|nie można|zwrot wiadomo|"
    r"delivery problem|mailbox full|quota|failed mail|errors from|メールエラー|エラー通知|не доставлено|доставк|"
    r"配信|送信エラー|退信|unzustellbarkeit|onbestelbaar|no entregado|non remis|mancata consegna|niedostarcz|nedoručiteln|teslim",
    re.IGNORECASE,
)
_CODED = re.compile(r"[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3}|\b[45]5\d\b|[45]\.\d\.\d")


def read_text(mail: Part, text: str, returned: Part | None, rules: Rules = RULES) -> tuple[str, list[Event], str] | None:
    """Return kind, events and the family of a bounce for people, None where the mail is no bounce."""
    looked = text[:LOOKED_AT]
    small = looked.lower()
    end = cut(small)
    failed = addresses.in_text(" ".join(mail.headers.get("x-failed-recipients", [])))
    family = families.mark_in(small[: end + 200])
    if not failed and not _is_bounce(mail, small[:end], family, returned is not None or end < len(small), rules):
        return None
    people, found_in = (failed, "x-failed-recipients") if failed else people_in(_first_about(looked) if family == "list" else looked[:end], mail, returned)
    events = _events(people, found_in, looked[:end], rules)
    if end < len(looked) and all(event.reason == "undetermined" for event in events):
        # Some name the reply behind the line that announces the returned mail.
        events = [_of_reply(event, said.replies_in(looked[end:]), rules) for event in events]
    return _kind(mail, small), events, family or found_in


def _first_about(text: str) -> str:
    """Return the first paragraph with an address: a list's refusal names the list, then addresses to write to."""
    return next((paragraph for paragraph in text.split("\n\n") if "@" in paragraph), "")


def looks_like_bounce(mail: Part) -> bool:
    """Whether a mail system seems to have sent the mail, or its subject is one of a bounce."""
    return _is_from_system(mail) or bool(_SUBJECT.search(decoded(mail.header("subject"))))


def may_be_of_person(mail: Part, text: str) -> bool:
    """Whether neither the sender's name is a mail system's nor the text quotes a code: a person's mailbox, too, sends with an empty return path."""
    return not _DAEMON.search(mail.header("from")) and "x-failed-recipients" not in mail.headers and not _CODED.search(text[:LOOKED_AT])


def _is_from_system(mail: Part) -> bool:
    return bool(_DAEMON.search(mail.header("from")) or mail.header("return-path").replace(" ", "") == "<>")


def _is_bounce(mail: Part, small: str, family: str, brings_back: bool, rules: Rules) -> bool:
    """Whether sender, subject and text are a bounce's; each may be missing where the others leave no doubt."""
    from_system = _is_from_system(mail)
    subject = bool(_SUBJECT.search(decoded(mail.header("subject"))))
    coded = bool(_CODED.search(small))
    if mail.header("in-reply-to") or mail.header("list-unsubscribe"):
        return from_system and bool(family or coded) and (subject or family != "others")
    if not family:
        return subject and (coded or (from_system and (brings_back or judge(small, rules=rules).reason != "undetermined")))
    if family == "others":
        seen = subject or brings_back or coded
        return (from_system and (seen or judge(small, rules=rules).reason != "undetermined")) or (subject and brings_back)
    return from_system or subject or brings_back or coded


def _kind(mail: Part, small: str) -> str:
    begin = small[:1500] + mail.header("subject").lower()
    return "delay" if any(mark in begin for mark in families.DELAYS) and "giving up" not in begin else "bounce"


def _events(people: list[str], found_in: str, text: str, rules: Rules) -> list[Event]:
    """Return an event for each: judged by what stands between its place and the next one's, else by all that is said."""
    words, whole = verdict(text, "", rules)
    if len(people) < 2:
        return [judged(people[0] if people else "", found_in, words, whole)]
    events = []
    for own in people:
        words, judgement = verdict(_stretch(own, people, text), "", rules)
        events.append(judged(own, found_in, words, judgement if judgement.reason != "undetermined" else whole))
    return events


def _of_reply(event: Event, reply: str, rules: Rules) -> Event:
    judgement = judge(reply, step=said.step_of(reply), rules=rules)
    return judged(event.recipient, event.found_in, reply, judgement) if judgement.reason != "undetermined" else event


def _stretch(own: str, people: list[str], text: str) -> str:
    small = text.lower()
    begin = small.find(own.lower())
    if begin < 0:
        return text[:600]
    others = [at for each in people if each != own and (at := small.find(each.lower(), begin + len(own))) > 0]
    return text[begin : min([begin + 800, *others])]
