"""Settings › Product."""

from __future__ import annotations

from app.settings.sections.product import ProductSettings
from app.web.settings_tab import settings_tab

room = settings_tab(ProductSettings)
