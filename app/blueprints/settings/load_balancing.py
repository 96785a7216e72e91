"""Settings › Email delivery › Load balancing."""

from __future__ import annotations

from app.settings.sections.load_balancing import LoadBalancing
from app.web.house import settings
from app.web.settings_tab import settings_tab

room = settings_tab(LoadBalancing, template="weefive/settings/load_balancing.html", more=lambda: {"per_hour": settings().get(LoadBalancing).per_hour})
