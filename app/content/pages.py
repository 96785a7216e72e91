"""The pages of the content app: a mail in the browser, a campaign's preview, a mail of the test mailbox. None for what is not there."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

import sqlalchemy as sa

from app.db import EVERY_TENANT, reading, scoped_to, table_of
from app.delivery.models import TestMail
from app.delivery.personal import personal_mail
from app.delivery.preview import IN_DARK, WITHOUT_IMAGES, preview_html
from app.house import House
from app.mailbox.mails import words_of

_PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.I)
# A link that a person clicks opens beside the page, and the page that opens learns nothing of where it came from.
BASE = '<base target="_blank">'
_HEAD = re.compile(r"<head\b[^>]*>", re.I)
_PIXEL = re.compile(r"<img\b[^>]*/t/o/[a-z2-7]{31}\.gif[^>]*>", re.I)
_CID = re.compile(r"cid:([^\s\"'>)]+)", re.I)
_TEXT = re.compile(r"[&<>]")


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown; ``images``: whether it may load any."""

    html: str
    images: bool = True


def web_view(house: House, token: str, _now: float) -> Page | None:
    """The mail as it was mailed to this recipient; without the pixel, because the view is counted already."""
    ledger_id = house.tokens.read("webview", token)
    found = personal_mail(house, ledger_id) if ledger_id else None
    if found is None:
        return None
    return Page(_opened(_PIXEL.sub("", found.html)) if found.html else _plain_page(found.plain))


def campaign_preview(house: House, signed: str, now: float) -> Page | None:
    """A campaign as one subscriber would see it; ``signed`` is ``campaign:<id>:<subscriber>:<looks>`` for five minutes.

    In dark colours a mail's own rules for the dark hold, and what it says nothing of has the colours of a dark page; in light ones the
    other way round, whatever the reader's own browser prefers.
    """
    numbers = _numbers(house, signed, now, "campaign", 3)
    if numbers is None:
        return None
    with scoped_to(EVERY_TENANT), reading():
        html = preview_html(house, *numbers[:2])
    if html is None:
        return None
    return Page(_coloured(html, "dark" if numbers[2] & IN_DARK else "light"), images=not numbers[2] & WITHOUT_IMAGES)


def _coloured(html: str, colours: str) -> str:
    # A frame of another origin is asked for what the browser prefers, not for what was chosen: so the question is answered here.
    answered = _PREFERS.sub(lambda asked: "(min-width:0)" if asked[1].lower() == colours else "(max-width:0)", html)
    return _opened(answered, f"<style>:root{{color-scheme:{colours}!important}}</style>")


def test_mail(house: House, signed: str, now: float) -> Page | None:
    """The HTML of a mail in the test mailbox; ``signed`` is ``mail:<id>`` for five minutes."""
    numbers = _numbers(house, signed, now, "mail", 1)
    if numbers is None:
        return None
    table = table_of(TestMail)
    with reading(), house.engine.connect() as connection:
        source = connection.scalar(sa.select(table.c.source).where(table.c.id == numbers[0]))
    return None if source is None else Page(_mail_page(message_from_bytes(source, policy=compat32)))


test_mail.__test__ = False  # type: ignore[attr-defined]


def _numbers(house: House, signed: str, now: float, kind: str, count: int) -> tuple[int, ...] | None:
    text = house.tokens.verify_text("preview", signed, now)
    found, *numbers = (text or "").split(":")
    if found != kind or len(numbers) != count or not all(number.isdigit() for number in numbers):
        return None
    return tuple(int(number) for number in numbers)


def _opened(html: str, more: str = "") -> str:
    found = _HEAD.search(html)
    return html[:found.end()] + BASE + more + html[found.end():] if found else BASE + more + html


def _plain_page(text: str) -> str:
    escaped = _TEXT.sub(lambda mark: {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[mark[0]], text)
    return f'<!doctype html><meta charset="utf-8">{BASE}<pre style="white-space:pre-wrap;font:15px/23px sans-serif;max-width:42em">{escaped}</pre>'


def _mail_page(message: Message) -> str:
    html, pictures = "", {}
    for part in message.walk():
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        if part.get_content_type() == "text/html" and not html:
            html = words_of(part)
        elif part.get_content_maintype() == "image" and part["Content-ID"]:
            data = base64.b64encode(payload).decode()
            pictures[str(part["Content-ID"]).strip("<>")] = f"data:{part.get_content_type()};base64,{data}"
    # The pixel stays: looking at the mail here is opening it, and the report shows that it works.
    return _opened(_CID.sub(lambda found: pictures.get(found[1], found[0]), html))


