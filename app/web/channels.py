"""The channels that a campaign may go through: SMTP, and what enabled plug-ins add."""

from __future__ import annotations

from flask_babel import gettext as _
from wtforms import SelectChoice

from app.delivery.channels import channel_titles
from app.web.choices import choices
from app.web.house import plugins
from app.web.i18n import translated


def channel_choices() -> list[SelectChoice]:
    """Return every channel that can be chosen now; the empty one is the default of the settings."""
    return choices([("", _("The default channel")), *((name, translated(title)) for name, title in channel_titles(plugins()).items())])
