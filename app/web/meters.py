"""The meter of complaints as pages show it: the rate, against the lines of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.inbound.models import ComplaintMeter
from app.reports.inbound_meters import rate_of
from app.settings.sections.spam_complaint import HUNDRED, SpamComplaint
from app.web.house import settings

TONES = {"warned": "warn", "paused": "bad"}


@dataclass(frozen=True, slots=True)
class ShownMeter:
    """An account's meter and the lines; rates are from 0 to 1."""

    state: str
    complaints: int
    delivered: int
    rate: float
    warn: float
    pause: float
    least: int
    changed_at: datetime

    @property
    def tone(self) -> str:
        """How loud it is shown."""
        return TONES.get(self.state, "primary")

    @property
    def is_small(self) -> bool:
        """Whether too few mails were delivered for a complaint to count."""
        return self.delivered < self.least


def shown(meter: ComplaintMeter) -> ShownMeter:
    """Return a meter with the lines as the settings have them now."""
    lines = settings().get(SpamComplaint)
    return ShownMeter(meter.state, meter.complaints, meter.delivered, rate_of(meter), float(lines.warn_percent / HUNDRED), float(lines.pause_percent / HUNDRED),
                      lines.least_delivered, meter.changed_at)
