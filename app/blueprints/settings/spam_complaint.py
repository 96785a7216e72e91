"""Settings › Email delivery › SPAM complaint."""

from __future__ import annotations

from app.settings.sections.spam_complaint import SpamComplaint
from app.web.settings_tab import settings_tab

room = settings_tab(SpamComplaint)
