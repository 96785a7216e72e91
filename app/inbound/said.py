"""What a bounce for people says for programs: the replies of the server and the lines behind "reason", without the sentences around them."""

from __future__ import annotations

import re

from app.mail.reasons import Step

LONGEST = 700
# A reply at the begin of a line, behind the marks of a transcript, or behind the words that introduce one. It goes on in lines that stand
# further in, or that repeat its code, but for the line of the next recipient; where the codes end a line, the words are in the next one.
_REPLY = re.compile(
    r"(?:^|\n|said: ?|was: ?|with: ?|replied: ?|returned |response: ?|error: ?|reports?: ?|: |\], |['\"(\[])[ \t]{0,30}"
    r"(?:<<<|<--|>>>|out:|received[ :>]{0,9}|smtp;|#)?[ \t]{0,9}"
    r"((?:([45][0-7]\d)(?:[- ]|(?=\n)|$)(?:[ \t]{0,9}#?[45]\.\d{1,3}\.\d{1,3})?|\(?#?[45]\.\d{1,3}\.\d{1,3}\b)(?:[ \t]{0,9}\n(?![ \t]*\n))?[^\n]*"
    r"(?:\n[ \t]+(?!\(|<?[^\s<>]{1,90}@[^\s<>]{1,120}>?[ \t]*(?:[:(]|\n|$))[^\n]+|\n\2[- ][^\n]*)*)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:^|\n)[ \t>*-]*(?:(?:failure |error )?reasons?(?: for the problem)?|diagnostic(?:[ -]code)?|error(?: message| type)?(?: below)?|because(?: of)?|"
    r"the reason(?: for the problem)?|remote host said|(?:server )?response(?: was)?|problem|理由|原因|причина|grund|raison|motivo)\b[^\n:]{0,40}:?[ \t-]*\n?"
    r"([^\n]*(?:\n[ \t]*[^\n]+){0,3})",
    re.IGNORECASE,
)
_AT_LINE = re.compile(r"^(?:<<<[ \t])?([45][0-7]\d[- ][^\n]*)", re.MULTILINE)
_PIPELINED = re.compile(r"need rcpt|no valid recipients|rcpt before data|no recipients? (?:specified|given)", re.IGNORECASE)
_TRANSCRIPT = re.compile(r">>> ?(?:[a-z]{4}|\.)[^\n]{0,300}\n\s{0,30}<<< ?[45]\d\d", re.IGNORECASE)
_STEP = re.compile(
    r"(?:in\s+reply\s+to|for)\s+[a-z ]{3,20}?\s+command|after (?:end of )?(?:data|message)\b|after (?:rcpt to|mail from|ehlo|helo)|"
    r"smtp command\s+[a-z]{4}\b|error following [a-z]{4} command|final data|"
    r"\(state 1[2-9]\)",
    re.IGNORECASE,
)
_DATA = re.compile(r"\bdata\b|>>> ?\.|after (?:end of )?message|\(state 1[5-9]", re.IGNORECASE)
_FOR_NOW = re.compile(r"\D{0,3}4")


def what_is_said(text: str) -> list[str]:
    """Return what may say why, the best first: the first reply for good, all of them, those for now, what is called the reason, the text itself."""
    replies = [match[1] for match in _REPLY.finditer(text)]
    for_now = [reply for reply in replies if _FOR_NOW.match(reply)]
    for_good = [reply for reply in replies if reply not in for_now]
    found = (_joined(for_good[:1]), _joined(for_good), _joined(for_now), _joined([match[1] for match in _REASON.finditer(text)]))
    return [*dict.fromkeys(filter(None, found)), text]


def step_of(text: str) -> Step:
    """Return after which step the server refused, as the text says it: the first step that it names decides; "" where it names none.

    A client that pipelines has sent DATA before it reads that RCPT was refused; the server then says that it has no recipient.
    """
    if _PIPELINED.search(text):
        return "rcpt"
    found = _TRANSCRIPT.search(text) or _STEP.search(text)
    if not found:
        return ""
    return "data" if _DATA.search(found[0]) else "rcpt" if "rcpt" in found[0].lower() else ""


def replies_in(text: str) -> str:
    """Return the replies that stand at the begin of lines, "" without any."""
    return _joined(_AT_LINE.findall(text))


def _joined(found: list[str]) -> str:
    return "\n".join(dict.fromkeys(each.strip() for each in found[:6] if each.strip()))[:LONGEST]
