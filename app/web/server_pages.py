"""What the pages of the delivery servers show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import url_for
from flask_babel import gettext as _

from app.db import db, utcnow
from app.delivery import servers
from app.delivery.easing import Eased
from app.delivery.models import DeliveryServer, ServerHealth, ServerHour
from app.impatient import impatient
from app.reports.pacing import slowed_servers
from app.web.frame import TabLink
from app.web.house import house
from app.web.i18n import spoken, translated
from app.web.settings_navigation import settings_context

# Replies to signing in that say no (RFC 4954 6).
SIGN_IN_CODES = ("530", "534", "535", "538")


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server as its line shows it; ``sent``: how many mails it was given today, since midnight UTC; ``trouble``: why it takes none now."""

    server: DeliveryServer
    sent: int
    trouble: str = ""
    slowed: Sequence[Eased] = ()


def server_rows() -> list[ServerRow]:
    """Return every server with what was sent through it today."""
    today = utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
    query = sa.select(ServerHour.server_id, sa.func.sum(ServerHour.mails)).where(ServerHour.hour >= today).group_by(ServerHour.server_id)
    sent = {key: int(number) for key, number in db.session.execute(query).all()}
    ill = {found.server_id: found for found in db.session.scalars(sa.select(ServerHealth).where(ServerHealth.failures > 0))}
    found = servers.all_servers(db.session())
    slowed = slowed_servers(impatient(house().redis), [server.id for server in found if server.enabled])
    return [ServerRow(server, sent.get(server.id, 0), trouble_words(ill.get(server.id)), slowed.get(server.id, ())) for server in found]


def context(server: DeliveryServer | None = None) -> dict[str, Any]:
    """Return the navigation, and of one server its tabs and its DNS record."""
    shared = settings_context()
    if server is None:
        return shared
    record = servers.dns_record(house().secrets, server)
    trouble = trouble_words(db.session.get(ServerHealth, server.id))
    return shared | {"record": record, "trouble": trouble, "server_tabs": lambda active: tabs(server, active), "in_use": servers.in_use(db.session(), server)}


def trouble_words(health: ServerHealth | None) -> str:
    """Say since when a server takes no mail, and why; empty where it takes mail."""
    if health is None or not health.failures or health.failing_since is None:
        return ""
    since, why = spoken(health.failing_since), translated(health.why)
    if health.why[:3] in SIGN_IN_CODES:
        return _("It refuses the password since %(time)s: %(why)s", time=since, why=why)
    if health.why[:3].isdigit():
        return _("It refuses mail since %(time)s: %(why)s", time=since, why=why)
    return _("It cannot be reached since %(time)s: %(why)s", time=since, why=why)


def test_mail_text(server: DeliveryServer) -> tuple[str, str]:
    """Return subject and text of the mail that tests a server."""
    return (_("Test of %(name)s", name=server.name),
            _("This mail went through the delivery server “%(name)s”.", name=server.name) + "\n\n" + _("It works.") + "\n")


def tabs(server: DeliveryServer, active: str) -> list[TabLink]:
    """Return the tabs of a server."""
    names = [("connection", _("Email delivery"), "show"), ("domains", _("Domains"), "domains"), ("dkim", _("DKIM"), "dkim"), ("live", _("Live"), "live"),
             ("test", _("Test"), "test")]
    return [TabLink(label, url_for(f"settings_delivery_servers.{endpoint}", server_id=server.id), name == active,
                    dot=name == "test" and server.last_test_passed is False) for name, label, endpoint in names]
