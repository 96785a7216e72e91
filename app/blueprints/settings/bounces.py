"""Settings › Email delivery › Bounces."""

from __future__ import annotations

from app.inbound.mailboxes.account import BOUNCES
from app.settings.sections.bounces import Bounces
from app.web.mailbox_pages import monitored_context, try_mailbox
from app.web.settings_tab import settings_tab
from app.words import marked

GROUPS = ((marked("When an address is no longer mailed"), ("threshold", "error_notification")), (marked("Addresses"), ("forward_to", "catch_all_domain")))

room = settings_tab(Bounces, template="weefive/settings/monitored.html", trial=try_mailbox,
                    more=lambda: monitored_context(BOUNCES, GROUPS))
