"""Where mail that comes back is sent."""

from __future__ import annotations

from app.settings.schema import domain, section


@section("bounces", title="Bounces", group="Sending", place=31)
class Bounces:
    """Mail that comes back."""

    catch_all_domain: str = domain("Catch-all domain", help="The domain of the return path, where neither the delivery server nor the centralized "
                                   "sender domain gives one. Empty: the host of the base URL.")
