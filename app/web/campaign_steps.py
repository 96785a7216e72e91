"""The steps of writing a campaign, and how far it is: told from its findings, never from what was clicked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _

from app.campaigns.findings import Finding, Place
from app.campaigns.models import Campaign
from app.web.rights import opens

ORDER = ("recipients", "edit", "delivery", "send")
# Where a field is written; every other one is content.
_STEP_OF = {"list_ids": "recipients", "from_name": "recipients", "from_email": "recipients"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step as the head shows it; ``state``: done, now or next."""

    name: str
    label: str
    url: str
    state: str


def step_of(place: Place) -> str:
    """Return the step in which a field is written."""
    return _STEP_OF.get(place.field, "edit")


def url_of(campaign: Campaign, step: str) -> str:
    """Return the address of a step."""
    return url_for(f"editor.{step}", campaign_id=campaign.id)


def steps_of(campaign: Campaign, active: str, findings: Sequence[Finding]) -> list[Step]:
    """Return the steps that the reader may take. Done is a step that has nothing to fix, and none before it has; the last one never is."""
    labels = {"recipients": _("Recipients"), "edit": _("Content"), "delivery": _("Delivery"), "send": _("Review")}
    to_fix = {step_of(place) for finding in findings if finding.tone == "bad" for place in finding.places}
    steps, done = [], True
    for name in ORDER:
        done = done and name not in to_fix and name != "send"
        state = "now" if name == active else "done" if done else "next"
        steps.append(Step(name, labels[name], url_of(campaign, name), state))
    return [step for step in steps if opens(step.url)]


def next_step(campaign: Campaign, active: str) -> str:
    """Return the address of the step behind this one; empty where the reader may go no further."""
    following = ORDER[ORDER.index(active) + 1:]
    return next((url for url in (url_of(campaign, name) for name in following) if opens(url)), "")
