"""Settings › Admin account › Email addresses."""

from __future__ import annotations

from app.settings.sections.email_addresses import EmailAddresses
from app.web.settings_tab import settings_tab

room = settings_tab(EmailAddresses)
