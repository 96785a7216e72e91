"""What a bounce for people says for programs: the replies of the server and the lines behind "reason", without the sentences around them."""

from __future__ import annotations

import re

LONGEST = 700
# A reply at the begin of a line, behind the marks of a transcript, or behind the words that introduce one.
_REPLY = re.compile(
    r"(?:^|\n|said: ?|was: ?|with: ?|replied: ?|returned |response: ?|error: ?|reports?: ?|: |['\"(])[ \t]{0,30}"
    r"(?:<<<|<--|>>>|out:|received[ :>]{0,9}|smtp;|#)?[ \t]{0,9}"
    r"((?:([45][0-7]\d)(?:[- ]|$)|\(?#?[45]\.\d{1,3}\.\d{1,3}\b)[^\n]*(?:\n[ \t]+[^\n<>]+|\n\2[- ][^\n]*)*)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:^|\n)[ \t>*-]*(?:(?:failure |error )?reasons?(?: for the problem)?|diagnostic(?:[ -]code)?|error(?: message| type)?(?: below)?|because(?: of)?|"
    r"the reason(?: for the problem)?|remote host said|(?:server )?response(?: was)?|problem|理由|原因|причина|grund|raison|motivo)\b[^\n:]{0,40}:?[ \t-]*\n?"
    r"([^\n]*(?:\n[ \t]*[^\n]+){0,3})",
    re.IGNORECASE,
)
_AT_LINE = re.compile(r"^(?:<<<[ \t])?([45][0-7]\d[- ][^\n]*)", re.MULTILINE)
_FOR_NOW = re.compile(r"\D{0,3}4")


def what_is_said(text: str) -> list[str]:
    """Return what may say why, the best first: replies for good, replies for now, what stands behind the word reason, the text itself."""
    replies = [match[1] for match in _REPLY.finditer(text)]
    for_now = [reply for reply in replies if _FOR_NOW.match(reply)]
    for_good = [reply for reply in replies if reply not in for_now]
    found = (_joined(for_good), _joined(for_now), _joined([match[1] for match in _REASON.finditer(text)]))
    return [*filter(None, found), text]


def replies_in(text: str) -> str:
    """Return the replies that stand at the begin of lines, "" without any."""
    return _joined(_AT_LINE.findall(text))


def _joined(found: list[str]) -> str:
    return "\n".join(dict.fromkeys(each.strip() for each in found[:6] if each.strip()))[:LONGEST]
