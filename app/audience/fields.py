"""Custom fields: what else is known of subscribers; each one's alias is its merge tag."""

from __future__ import annotations

import re
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import CustomField, SubscriberList
from app.words import marked, words

KINDS = {"text": marked("Text"), "number": marked("Number"), "date": marked("Date"), "yes_no": marked("Yes or no")}
# What the merge tags of every subscriber are called already.
TAKEN = frozenset({"firstname", "lastname", "emailaddress", "id", "subscriberid", "hashedsubscriberid", "subscriptionip", "subscriptiondate", "email"})
_ALIAS = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,39}$")


def all_fields(session: Session, found: SubscriberList | None = None) -> list[CustomField]:
    """Return the account's fields: the global ones, and those of the list."""
    query = sa.select(CustomField).order_by(CustomField.id)
    if found is not None:
        query = query.where(sa.or_(CustomField.list_id.is_(None), CustomField.list_id == found.id))
    return list(session.scalars(query))


def alias_of(name: str) -> str:
    """Return an alias made of a name: its letters and digits, each word with a capital."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    alias = "".join(word[:1].upper() + word[1:] for word in words)[:40]
    return alias if _ALIAS.match(alias) else ("Field" + alias)[:40]


def problem_with_alias(session: Session, alias: str) -> str:
    """Return what is wrong with an alias, in words, or the empty text."""
    if not _ALIAS.match(alias):
        return words("Use letters and digits only, beginning with a letter; 40 at most.")
    if alias.lower() in TAKEN:
        return words("This tag is one of the subscriber’s own. Choose another one.")
    if any(field.alias.lower() == alias.lower() for field in session.scalars(sa.select(CustomField))):
        return words("Another field has this tag. Choose another one.")
    return ""


def create(session: Session, user_id: int, *, name: str, alias: str, kind: str = "text", list_id: int | None = None) -> CustomField:
    """Add a field; the caller has asked ``problem_with_alias`` first."""
    field = CustomField(user_id=user_id, list_id=list_id, name=name, alias=alias, kind=kind)
    session.add(field)
    session.flush()
    return field


def delete(session: Session, field: CustomField) -> None:
    """Delete a field; values that people have in it are no longer shown nor mailed."""
    session.delete(field)


def clean(kind: str, text: str) -> str:
    """Return a value in its one form; raise ValueError with words for whoever typed it. Empty is no value."""
    text = text.strip()
    if not text:
        return ""
    if kind == "number":
        return _number(text)
    if kind == "date":
        return _date(text)
    if kind == "yes_no":
        return _yes_no(text)
    if len(text) > 1000:
        raise ValueError(words("Use %(most)s characters or fewer.", most=1000))
    return text


def _number(text: str) -> str:
    plain = text.replace(" ", "")
    if not re.fullmatch(r"-?\d{1,15}([.,]\d{1,10})?", plain):
        raise ValueError(words("Type a number, such as 12 or 12.5."))
    return plain.replace(",", ".")


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(words("Type a date as year-month-day, such as 2026-11-23.")) from error


def _yes_no(text: str) -> str:
    known = {"yes": "yes", "y": "yes", "true": "yes", "1": "yes", "on": "yes", "no": "no", "n": "no", "false": "no", "0": "no", "off": "no"}
    if text.lower() not in known:
        raise ValueError(words("Type yes or no."))
    return known[text.lower()]
