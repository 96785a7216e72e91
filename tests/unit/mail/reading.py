"""How a receiver reads a message: a line parser of our own, written from RFC 5322, and the standard library's."""

from __future__ import annotations

import email
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message


def header_lines(head: bytes) -> list[tuple[str, str]]:
    """Return (name, unfolded raw value) of each header: a line that begins with a blank belongs to the one before."""
    found: list[tuple[str, str]] = []
    for line in head.decode("ascii").removesuffix("\r\n").split("\r\n"):
        assert "\r" not in line
        assert "\n" not in line
        if line[0] in " \t":
            name, value = found.pop()
            found.append((name, value + line))
        else:
            name, colon, value = line.partition(":")
            assert colon, line
            found.append((name, value))
    return [(name, value.strip(" ")) for name, value in found]


def decoded(value: str) -> str:
    """Return what a reader is shown of an unfolded value."""
    return str(make_header(decode_header(value)))


def parsed(message: bytes) -> Message:
    """Return the message as the lenient old parser of the standard library sees it."""
    return email.message_from_bytes(message)


def parsed_new(message: bytes) -> EmailMessage:
    """Return the message as the strict new parser of the standard library sees it."""
    return email.message_from_bytes(message, policy=policy.default)  # type: ignore[return-value]


def texts(message: bytes) -> dict[str, str]:
    """Return each text part by its type, decoded, with plain line ends."""
    found = {}
    for part in parsed(message).walk():
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found[part.get_content_type()] = payload.decode("utf-8").replace("\r\n", "\n")
    return found
