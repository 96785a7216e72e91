"""Settings › Email delivery › SPAM complaint."""

from __future__ import annotations

from app.inbound.mailboxes.account import COMPLAINTS
from app.settings.sections.spam_complaint import SpamComplaint
from app.web.mailbox_pages import monitored_context, try_mailbox
from app.web.settings_tab import settings_tab
from app.words import marked

GROUPS = ((marked("Addresses"), ("abuse_email", "complaints_address", "fbl_email", "feedback_domains", "unsubscribe_email")),
          (marked("When complaints are too many"), ("warn_percent", "pause_percent", "least_delivered")))

room = settings_tab(SpamComplaint, template="weefive/settings/monitored.html", trial=try_mailbox,
                    more=lambda: monitored_context(COMPLAINTS, GROUPS))
