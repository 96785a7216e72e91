"""Settings › Email delivery › Bounces."""

from __future__ import annotations

from app.settings.sections.bounces import Bounces
from app.web.settings_tab import settings_tab

room = settings_tab(Bounces)
