"""What receivers report of the domains of all users (DMARC)."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.inbound.dmarc.models import DmarcReport
from app.web.dmarc_pages import all_context, domain_context
from app.web.fragments import page_or_panel
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("admin_dmarc", __name__, url_prefix="/admin/users/dmarc")


@room.get("/")
@policy(ADMINISTRATOR, "users")
def index() -> Response:
    """Show every domain that was reported about."""
    return page_or_panel("weefive/dmarc/all.html", **all_context())


@room.get("/<int:report_id>")
@policy(ADMINISTRATOR, "users", report=DmarcReport)
def show(report: DmarcReport) -> Response:
    """Show what was reported about the domain of a report and the names below it."""
    return page_or_panel("weefive/dmarc/domain.html", is_everybody=True, **domain_context(report.domain))
