"""The pages of what came back: the report with its chart and tables, and the lists of events, for administrators and for an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask_babel import gettext as _
from sqlalchemy.engine import Connection

from app.campaigns.models import Campaign
from app.db import db, utcnow
from app.mail.address import AddressError, normalise
from app.reports.inbound import HOUSE, RANGES, Counted, Whose, accounts_named, by, by_day, campaigns_named, first_day, servers_named, whole
from app.reports.inbound_events import ASKED, COUNTED, LOOKS, Wanted, page_of_events
from app.web.charts import Series
from app.web.i18n import short_day
from app.web.inbound_words import KINDS, WHATS, inbound_words
from app.web.numbers import asked_number

USUAL_RANGE = 30
TONES = {"hard": "s1", "soft": "s3", "block": "s4", "complaint": "s2"}
LONGEST_ASKED = 254


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: of what, whose (for administrators), where its events are, its numbers and its share of all."""

    label: str
    note: str
    url: str
    counted: Counted
    share: float


def connection() -> Connection:
    """Return the connection of the request's transaction."""
    return db.session().connection()


def asked_range(usual: int = USUAL_RANGE) -> int:
    """Return how many days are asked for."""
    days = asked_number("days", usual)
    return days if days in RANGES else usual


def report_context(user_id: int, index: str, events: str) -> dict[str, Any]:
    """Return the report of an account, or of the house; ``index`` and ``events`` name its own page and that of the list."""
    days, today = asked_range(), utcnow().date()
    by_days = by_day(connection(), user_id, today, days)
    sums, since = whole(by_days), first_day(today, days)
    return {"days": days, "ranges": [(_("%(count)s days", count=one), url_for(index, days=one), one == days) for one in RANGES], "whole": sums,
            "series": [Series(str(WHATS[what]), [getattr(counted, what) for _day, counted in by_days], tone) for what, tone in TONES.items()],
            "labels": [short_day(day) for day, _counted in by_days], "events_url": url_for(events, what=COUNTED, days=days),
            "campaigns": _campaign_rows(user_id, since, sums, events, days), "domains": _rows("domain", user_id, since, sums, events, days),
            "reasons": _rows("reason", user_id, since, sums, events, days), "servers": _server_rows(user_id, since, sums, events, days)}


def _rows(dimension: str, user_id: int, since: date, sums: Counted, events: str, days: int) -> list[Row]:
    rows = by(connection(), user_id, dimension, since)
    return [Row(inbound_words("reason", row.value) if dimension == "reason" else row.value, "", _events_url(events, days, dimension, row.value), row,
                _share(row, sums)) for row in rows]


def _campaign_rows(user_id: int, since: date, sums: Counted, events: str, days: int) -> list[Row]:
    rows = by(connection(), user_id, "campaign", since)
    names = campaigns_named(connection(), (row.value for row in rows), user_id)
    return [Row(*_campaign_words(row.value, names, user_id), _events_url(events, days, "campaign", row.value), row, _share(row, sums)) for row in rows]


def _server_rows(user_id: int, since: date, sums: Counted, events: str, days: int) -> list[Row]:
    """The delivery servers that had sent it: for the house alone, accounts do not see them."""
    rows = by(connection(), user_id, "server", since) if user_id == HOUSE else []
    names = servers_named(connection(), (row.value for row in rows))
    return [Row(names.get(row.value) or _("A delivery server that was removed"), "", _events_url(events, days, "server", row.value), row, _share(row, sums))
            for row in rows]


def _campaign_words(value: str, names: dict[int, Whose], user_id: int) -> tuple[str, str]:
    if not value.isdigit():
        return _("Transactional mail"), ""
    found = names.get(int(value))
    return (found.name, found.account if user_id == HOUSE else "") if found else (_("A campaign that was deleted"), "")


def _events_url(events: str, days: int, dimension: str, value: str) -> str:
    return f"{url_for(events, what=COUNTED, days=days)}&{urlencode({dimension: value})}"


def _share(row: Counted, sums: Counted) -> float:
    return row.total / sums.total if sums.total else 0.0


# -------------------------------------------------------------------------------------------------------------- events


def asked_address(name: str = "q") -> str:
    """Return the address that is asked for, normalised; text that is none as it stands: it finds nothing."""
    text = request.args.get(name, "").strip()[:LONGEST_ASKED]
    try:
        return normalise(text) if text else ""
    except AddressError:
        return text.lower()


def asked_events(user_id: int, campaign: Campaign | None = None) -> Wanted:
    """Return which events the address of the page asks for."""
    values = request.args
    number = campaign.id if campaign else asked_number("campaign", 0) or None
    days = asked_number("days", 0)
    return Wanted(user_id, values.get("what", "") if values.get("what") in ASKED else "", number, values.get("domain", "")[:253].lower(),
                  values["reason"][:24] if "reason" in values else None, asked_address(), first_day(utcnow().date(), days) if days in RANGES else None,
                  (asked_number("server", 0) or None) if user_id == HOUSE else None)


def events_context(wanted: Wanted) -> dict[str, Any]:
    """Return the next events with the names that they need, and what the list is narrowed to, in words."""
    before = asked_number("before", 0)
    rows, onward = page_of_events(connection(), wanted, before)
    campaigns = campaigns_named(connection(), [*(row.campaign_id for row in rows), wanted.campaign_id], wanted.user_id)
    accounts = accounts_named(connection(), {row.user_id for row in rows}) if wanted.user_id == HOUSE else {}
    return {"events": rows, "onward": onward, "is_later": bool(before), "campaigns": campaigns, "accounts": accounts, "wanted": wanted,
            "asked": request.args.get("q", ""), "looks": LOOKS, "whats": what_choices(), "kept": _kept(), "narrowed": _narrowed(wanted, campaigns)}


def what_choices() -> list[tuple[str, str]]:
    """Return what the list can be narrowed to, with its words."""
    said = {"": _("Everything"), COUNTED: _("Bounces and complaints"), "hard": _("Hard bounces"), "soft": _("Soft bounces"), "block": _("Blocked"),
            "complaint": _("Complaints")}
    return [*said.items(), *((kind, str(KINDS[kind])) for kind in ("unsubscribe", "delay", "delivered", "auto-reply"))]


def _kept() -> dict[str, str]:
    """What the form of the list leaves as it is."""
    return {name: request.args[name] for name in ("campaign", "domain", "reason", "server", "days") if name in request.args}


def _narrowed(wanted: Wanted, campaigns: dict[int, Whose]) -> list[str]:
    said = []
    if wanted.campaign_id is not None and "campaign" in request.args:
        found = campaigns.get(wanted.campaign_id)
        said.append(_("Campaign: %(name)s", name=found.name if found else wanted.campaign_id))
    said += [_("Domain: %(name)s", name=wanted.domain)] if wanted.domain else []
    if wanted.server_id is not None:
        said.append(_("Delivery server: %(name)s", name=servers_named(connection(), [str(wanted.server_id)]).get(str(wanted.server_id), wanted.server_id)))
    said += [_("Reason: %(name)s", name=inbound_words("reason", wanted.reason))] if wanted.reason is not None else []
    return said + ([_("Last %(count)s days", count=(utcnow().date() - wanted.since).days + 1)] if wanted.since else [])
