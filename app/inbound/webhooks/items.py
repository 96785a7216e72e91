"""What a post of our own form says: one object or an array of them, each checked before any is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.campaigns.request_members import Errors, Members
from app.inbound.webhooks.refused import Refused
from app.mail.address import AddressError, parse_address
from app.mail.reasons import CLASSES
from app.words import words

TYPES = ("bounce", "complaint", "delivered", "unsubscribe")
MOST_ITEMS = 500
# So many sentences are answered; who sends the same mistake five hundred times has read it by then.
MOST_ERRORS = 20
LONGEST = {"reply": 2000, "status": 11, "message_id": 998, "return_path": 320, "token": 64, "id": 128, "at": 40}
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z2-7]{1,64}", re.ASCII)

Item = dict[str, str]


def parsed(body: bytes) -> Any:
    """Return the JSON of a body; raise Refused."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, words("The body is no JSON in UTF-8.")) from error


def read_items(body: bytes) -> list[Item]:
    """Return the items of a post, with their known members as texts; raise Refused where only one of them is wrong."""
    sent = parsed(body)
    listed = sent if isinstance(sent, list) else [sent]
    if not listed or len(listed) > MOST_ITEMS:
        raise Refused(422, words("Send one object, or an array of 1 to %(most)s.", most=MOST_ITEMS))
    errors: Errors = {}
    items = []
    for number, one in enumerate(listed):
        item, wrong = _item(one)
        items.append(item)
        errors |= {_named(number if isinstance(sent, list) else None, name): said for name, said in wrong.items() if len(errors) < MOST_ERRORS}
    if errors:
        raise Refused(422, words("Nothing was kept. Mend what is named in errors, and send all of it again."), errors)
    return items


def _named(number: int | None, member: str) -> str:
    return member if number is None else f"[{number}].{member}" if member else f"[{number}]"


def _item(sent: object) -> tuple[Item, Errors]:
    if not isinstance(sent, dict):
        return {}, {"": words("Send an object with type and recipient.")}
    read = Members(sent)
    item = {"type": _choice(read, "type", TYPES), "recipient": _recipient(read)}
    if item["type"] == "bounce" or "class" in sent:
        item["class"] = _choice(read, "class", sorted(CLASSES), needed=False)
    item |= {name: read.text(name, longest=most).strip() for name, most in LONGEST.items() if name != "at"}
    item["at"] = _moment(read)
    _check_forms(read, item)
    read.member("class")
    read.refuse_unknown()
    return {name: value for name, value in item.items() if value}, read.errors


def _choice(read: Members, name: str, known: Any, *, needed: bool = True) -> str:
    sent = read.member(name)
    if sent is None and not needed:
        return ""
    if not isinstance(sent, str) or sent not in known:
        read.refuse(name, words("Send one of %(known)s.", known=", ".join(known)))
        return ""
    return sent


def _recipient(read: Members) -> str:
    text = read.text("recipient", longest=320, needed=words("Name the recipient."))
    try:
        return str(parse_address(text.strip(), allow_utf8=True)) if text.strip() else ""
    except AddressError as error:
        read.refuse("recipient", error.args[0])
        return ""


def _check_forms(read: Members, item: Mapping[str, str]) -> None:
    if item["status"] and not _STATUS.fullmatch(item["status"]):
        read.refuse("status", words("An enhanced status code has three numbers, such as 5.1.1."))
    if item["token"] and not _TOKEN.fullmatch(item["token"]):
        read.refuse("token", words("Send the token alone, as it stands in the return path."))
    for name in ("message_id", "return_path"):
        if any(mark.isspace() for mark in item[name]):
            read.refuse(name, words("It holds no spaces."))


def _moment(read: Members) -> str:
    """Return when it happened, in ISO 8601 and UTC: sent so, or in seconds since 1970."""
    sent = read.member("at")
    try:
        return "" if sent is None else _as_moment(sent).isoformat()
    except (ValueError, OverflowError, OSError):
        read.refuse("at", words("Send a time in ISO 8601, such as 2026-03-31T10:00:00Z, or seconds since 1970."))
        return ""


def _as_moment(sent: object) -> datetime:
    if isinstance(sent, str) and len(sent) <= LONGEST["at"]:
        return datetime.fromisoformat(sent).astimezone(UTC)
    if isinstance(sent, (int, float)) and not isinstance(sent, bool):
        return datetime.fromtimestamp(sent, UTC)
    raise ValueError("no moment")
