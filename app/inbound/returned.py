"""The mail that a bounce returns: where it begins in a text for people, and its headers where they are part of that text."""

from __future__ import annotations

import re

from app.inbound.parts import Part, headers_of

# Sentences that introduce the returned mail. They stand on a line of their own, behind nothing but marks.
_CUTS = re.compile(
    r"(?:^|\n)[^\w\n]{0,80}(?:"
    r"below (?:this line )?is a copy of|(?:this|here) is a copy of (?:the|your) (?:original )?message|included is a copy|"
    r"(?:the )?(?:first \d+ lines of (?:the )?)?(?:original|unsent|returned|undelivered) (?:message|mail|text)"
    r"(?: headers?| text| contents?| body)?(?: follows?| below)?[ \t:.]*(?:-+|\n|$)|"
    r"(?:message|mail) (?:headers?|text|contents?|body|transcript)[ \t]?(?:follows?\b|:[ \t]*(?:\n|$))|(?:your |the )?(?:message|mail) follows|"
    r"start of returned message|the headers? of the original|header information of|original message follows|message header|header[ \t]*\*|"
    r"mail text|begin of|--- ?returned|(?:original )?mail info|"
    r"ursprüngliche (?:nachricht|kopfzeilen)|en-têtes de message|message d'origine|encabezados de mensaje|intestazioni (?:originali|del messaggio)|"
    r"received: (?:from|by)|return-path:)"
)
_LINE = re.compile(r"([ \t>|]{0,12})([A-Za-z][\w-]{1,60})[ \t]?:(?=[ \t]|$)")
_KNOWN = frozenset({"from", "to", "cc", "subject", "date", "message-id", "received", "return-path", "mime-version", "content-type", "reply-to", "sender"})
LEAST = 2


def cut(text: str) -> int:
    """Return where the returned mail begins in a text in small letters: its length where none is seen."""
    match = _CUTS.search(text, 20)
    return match.start() if match else len(text)


def headers_in(text: str) -> Part | None:
    """Return the returned mail's headers where a text holds them as plain lines: the first block with a Message-ID, else the first block."""
    blocks = [block for block in map(_read, _blocks(text)) if block]
    return next((block for block in blocks if block.header("message-id")), blocks[0] if blocks else None)


def _blocks(text: str) -> list[list[str]]:
    """Return the runs of lines that look like headers; lines that stand further in belong to the one before."""
    blocks: list[list[str]] = [[]]
    margin = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and (not blocks[-1] or match[1] == margin):
            margin = match[1]
            blocks[-1].append(line[len(margin) :])
        elif blocks[-1] and line.startswith((margin + " ", margin + "\t")) and line.strip():
            blocks[-1].append(" " + line[len(margin) :].strip())
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if len(block) >= LEAST]


def _read(lines: list[str]) -> Part | None:
    headers = headers_of("\n".join(lines).encode())
    known = {name for name in headers if name in _KNOWN or name.startswith(("x-", "list-", "dkim-"))}
    whole = len(known) >= LEAST and ("message-id" in known or ("from" in known and not known.isdisjoint({"to", "subject"})))
    return Part(headers, "message/rfc822", {}, b"") if whole else None
