"""Settings › System."""

from __future__ import annotations

from app.settings.sections.system import SystemSettings
from app.web.house import house
from app.web.settings_tab import settings_tab

room = settings_tab(SystemSettings, template="weefive/settings/system.html", more=lambda: {"deployment": house().config})
