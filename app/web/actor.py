"""Who is acting in this request: the person, the account in hand, the address, the zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g, request, session
from flask_login import current_user

from app.accounts.models import Administrator, User

ACCOUNT = "account_id"


def person() -> Administrator | User | None:
    """Return who is signed in, or None."""
    return current_user._get_current_object() if current_user.is_authenticated else None


def administrator() -> Administrator | None:
    """Return the administrator who is signed in (by session or by API key), or None."""
    found = g.get("key_holder") or person()
    return found if isinstance(found, Administrator) else None


def signed_administrator() -> Administrator:
    """Return the administrator who is signed in, behind a policy that lets nobody else in."""
    found = administrator()
    if found is None:
        raise RuntimeError("this page is for administrators; its policy must say so")
    return found


def account_id() -> int | None:
    """Return the account that this request works in: a user's own, or the one that an administrator has opened."""
    found = g.get("key_holder") or person()
    if isinstance(found, User):
        return found.id
    return session.get(ACCOUNT) if isinstance(found, Administrator) else None


def is_guest() -> bool:
    """Whether an administrator is working in a customer's account."""
    return isinstance(person(), Administrator) and account_id() is not None


def actor_name() -> str:
    """Return how the audit names who acts: the person, and from where somebody's account was opened."""
    found = g.get("key_holder") or person()
    return f"{found.name} ({found.email})" if found else "nobody signed in"


def client_address() -> str:
    """Return the network address of the browser; forwarded ones count only from configured proxies."""
    return request.remote_addr or ""


def reader_zone() -> ZoneInfo:
    """Return the zone that times are shown in: the reader's own, UTC for somebody unknown."""
    found = person()
    try:
        return ZoneInfo(found.time_zone if found else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
