"""From the settings to the policy of one sending: when to try again, and what to do about mail in doubt."""

from __future__ import annotations

from typing import Any

from app.delivery.retries import schedule_of
from app.delivery.verdict import Policy
from app.settings.sections.system import SystemSettings
from app.settings.store import Settings

PARK = "park"
TRANSACTIONAL = "transactional"


def policy_of(settings: Settings, sending: Any) -> Policy:
    """Return the policy of today's settings for this kind of sending; one that parks by itself (a test) always does."""
    system = settings.get(SystemSettings)
    return Policy(schedule_of(system.retry_minutes, system.retry_hours), _doubt_wait_s(system, sending))


def _doubt_wait_s(system: SystemSettings, sending: Any) -> int | None:
    if sending.in_doubt_policy == PARK:
        return None
    if sending.kind == TRANSACTIONAL:
        return None if system.transactional_in_doubt_policy == PARK else 60 * system.transactional_in_doubt_wait_minutes
    return None if system.in_doubt_policy == PARK else 60 * system.in_doubt_wait_minutes
