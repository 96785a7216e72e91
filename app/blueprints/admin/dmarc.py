"""What receivers report of the domains of all users (DMARC)."""

from __future__ import annotations

from flask import abort
from werkzeug.wrappers import Response

from app.mail.address import AddressError, parse_domain
from app.web.dmarc_pages import all_context, domain_context
from app.web.fragments import page_or_panel
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("admin_dmarc", __name__, url_prefix="/admin/users/dmarc")


@room.get("/")
@policy(ADMINISTRATOR, "users")
def index() -> Response:
    """Show every domain that was reported about."""
    return page_or_panel("weefive/dmarc/all.html", **all_context())


@room.get("/<name>")
@policy(ADMINISTRATOR, "users")
def show(name: str) -> Response:
    """Show what was reported about a domain and the names below it."""
    try:
        domain = parse_domain(name)
    except AddressError:
        abort(404)
    return page_or_panel("weefive/dmarc/domain.html", is_everybody=True, **domain_context(domain))
