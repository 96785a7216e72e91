"""What receivers report of the account's domains (DMARC)."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.accounts.models import SenderDomain
from app.web.dmarc_pages import account_context, domain_context
from app.web.fragments import page_or_panel
from app.web.policy import ACCOUNT, Room, policy

room = Room("dmarc", __name__, url_prefix="/user/dmarc")


@room.get("/")
@policy(ACCOUNT, "sender_domains")
def index() -> Response:
    """Show the account's domains, with how much of their mail passed."""
    return page_or_panel("weefive/dmarc/index.html", **account_context())


@room.get("/<int:domain_id>")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def show(domain: SenderDomain) -> Response:
    """Show what was reported about a domain and the names below it."""
    return page_or_panel("weefive/dmarc/domain.html", is_everybody=False, **domain_context(domain.domain, domain))
