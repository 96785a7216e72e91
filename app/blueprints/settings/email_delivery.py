"""Settings › Email delivery › Settings."""

from __future__ import annotations

from app.settings.sections.email_delivery import EmailDelivery
from app.web.settings_tab import settings_tab

room = settings_tab(EmailDelivery)
