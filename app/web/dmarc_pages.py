"""What the pages of DMARC show: domains with their shares, and one domain with chart, sources, policy and receivers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import gettext as _

from app.accounts.models import SenderDomain
from app.db import db
from app.delivery import sender_domains
from app.inbound.dmarc.address import is_elsewhere, permission_record, record_for, report_domain
from app.reports import dmarc
from app.reports.dmarc import Day
from app.web import actor
from app.web.charts import Series
from app.web.house import house, settings
from app.web.i18n import short_day


def account_context() -> dict[str, Any]:
    """Return the account's domains, each with what was reported about it once it is proven."""
    found = sender_domains.of_account(db.session(), actor.account_id() or 0)
    proven = [one.domain for one in found if one.state == sender_domains.ENABLED]
    summaries = {one.domain: one for one in dmarc.summaries(db.session(), proven)}
    return {"domains": [(one, summaries.get(one.domain)) for one in found], "days": dmarc.DAYS} | _address()


def all_context() -> dict[str, Any]:
    """Return the reported domains of everybody, fifty at a time."""
    words = request.args.get("q", "")
    found = dmarc.page_of_all(db.session(), request.args.get("after", "")[:253], words)
    return {"domains": found[:dmarc.PAGE], "more": len(found) > dmarc.PAGE, "words": words, "days": dmarc.DAYS} | _address()


def domain_context(name: str, domain: SenderDomain | None = None) -> dict[str, Any]:
    """Return one domain's page. ``domain``: whose page it is; one that is not proven shows nothing that was reported."""
    shared: dict[str, Any] = {"name": name, "is_proven": domain is None or domain.state == sender_domains.ENABLED, "days": dmarc.DAYS} | _address()
    at = shared["report_domain"]
    shared |= {"record": record_for(name, at) if at else None, "is_elsewhere": bool(at) and is_elsewhere(name, at)}
    if not shared["is_proven"]:
        return shared | {"found": None}
    found = dmarc.report_on(db.session(), name)
    return shared | {"found": found, "series": _series(found.by_day), "labels": [short_day(day) for day in found.days]}


def _address() -> dict[str, Any]:
    at = report_domain(settings(), house().config.base_url)
    return {"report_domain": at, "permission": permission_record(at) if at else None, "short_day": short_day}


def _series(days: Sequence[Day]) -> list[Series]:
    names = [("both", _("SPF and DKIM"), "ok"), ("dkim", _("DKIM alone"), "s1"), ("spf", _("SPF alone"), "s2"), ("none", _("Neither"), "bad")]
    return [Series(label, [getattr(day, name) for day in days], tone) for name, label, tone in names]
