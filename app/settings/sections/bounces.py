"""Mail that comes back: where it comes to, what it means for an address, and who is told."""

from __future__ import annotations

from app.settings.monitoring import Monitored
from app.settings.schema import domain, email, integer, section, switch


@section("bounces", title="Bounces", group="Sending", place=31)
class Bounces(Monitored):
    """Mail that comes back."""

    forward_to: str = email("Forward to", help=(
        "Mail to abuse@, postmaster@ and root@ of accepted domains is forwarded to this address. Empty: it is kept and listed."))
    catch_all_domain: str = domain("Catch-all domain", help="The domain of the return path, where neither the delivery server nor the centralized "
                                   "sender domain gives one. Empty: the host of the base URL.")
    threshold: int = integer("Threshold", default=5, min=1, max=100, unit="soft bounces", help=(
        "So many soft bounces in a row make an address hard bounced. An open, a click or a report of delivery in between begins anew. "
        "At most one counts for each campaign and in 24 hours."))
    error_notification: bool = switch("Error notification", default=True, help=(
        "Administrators are mailed, once an hour at most, how many reports could not be processed. They are kept and listed either way."))
