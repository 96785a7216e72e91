"""How a campaign's run goes: who gets a seed, whether values are kept, the canary, the hour on everybody's own wall.

Decided once, when the run starts, and kept with its content: a freeze that dies goes on by the same plan, whatever the settings say then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.models import User
from app.campaigns.models import Campaign
from app.delivery.seeds import made_up_fields
from app.delivery.zones import wall_of
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.store import Settings

PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided. ``wall``: the hour on each recipient's clock; ``zone``: whose clock counts where a recipient's is not known."""

    seeds: Sequence[str] = ()
    keeps_values: bool = False
    canary_mails: int | None = None
    canary_percent: int | None = None
    canary_minutes: int = 0
    wall: datetime | None = None
    zone: str = "UTC"
    seed_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_canary(self) -> bool:
        """Whether some get it before all others."""
        return bool(self.canary_mails or self.canary_percent)

    @property
    def is_parted(self) -> bool:
        """Whether it does not go to everybody at once."""
        return self.has_canary or self.wall is not None


def plan_for(session: Session, settings: Settings, campaign: Campaign, *, on_their_clock: bool) -> dict[str, Any]:
    """Return the plan of a campaign that starts now, as its content keeps it. ``on_their_clock`` False: everybody gets it at once."""
    outgoing = settings.get(EmailDelivery)
    plan: dict[str, Any] = {"keeps_values": outgoing.keep_values, "zone": session.get_one(User, campaign.user_id).time_zone,
                            "canary_mails": campaign.canary_mails, "canary_percent": campaign.canary_percent,
                            "canary_minutes": campaign.canary_minutes}
    if outgoing.seeds:
        plan |= {"seeds": list(outgoing.seeds), "seed_fields": made_up_fields(session, campaign.user_id)}
    if on_their_clock and campaign.in_recipients_zone and campaign.send_at is not None:
        plan |= {"wall": wall_of(campaign.send_at).isoformat()}
    return plan


def plan_of(content: Mapping[str, Any]) -> Plan:
    """Return the plan that a sending's content holds; one without any goes to everybody at once."""
    kept = dict(content.get(PLAN) or {})
    if kept.get("wall"):
        kept["wall"] = datetime.fromisoformat(kept["wall"])
    return Plan(**kept)
