"""From the settings to the policy of one sending: when to try again, and what to do about mail in doubt."""

from __future__ import annotations

from typing import Any

from app.delivery.retries import schedule_of
from app.delivery.verdict import Policy
from app.settings.sections.system import SystemSettings
from app.settings.store import Settings


def policy_of(settings: Settings, sending: Any) -> Policy:
    """Return the policy; a sending keeps the in-doubt policy that it started with, the wait is the settings' of today."""
    system = settings.get(SystemSettings)
    wait_s = 60 * system.in_doubt_wait_minutes if sending.in_doubt_policy == "retry" else None
    return Policy(schedule_of(system.retry_minutes, system.retry_hours), wait_s)
