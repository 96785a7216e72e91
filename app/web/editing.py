"""What the editor's pages show and do."""

from __future__ import annotations

import time
from typing import Any

from flask_babel import gettext as _

from app.audience import fields
from app.audience.models import Subscriber
from app.campaigns import writing
from app.campaigns.findings import Finding, findings_of
from app.campaigns.models import Campaign
from app.campaigns.personalisation import KNOWN_TAGS, KnownTag
from app.db import db
from app.delivery import preview
from app.plugins.calls import campaign_options, merge_tags, sending_costs
from app.settings.sections.system import SystemSettings
from app.web import actor, option_forms
from app.web.campaign_forms import CampaignForm, TestSendForm
from app.web.house import house, plugins, settings

FIVE_MINUTES_S = 300


def editor_context(campaign: Campaign, form: CampaignForm) -> dict[str, Any]:
    """Return what the editor shows beside its form."""
    return {"campaign": campaign, "form": form, "tags": [*KNOWN_TAGS, *_own_tags()], "findings": _findings(campaign),
            "options": option_forms.forms_for(campaign), "audience": sum(found.active_count for found in campaign.lists)}


def _findings(campaign: Campaign) -> list[Finding]:
    return findings_of(db.session(), campaign, [tag.name for tag in merge_tags(plugins())])


def _own_tags() -> list[KnownTag]:
    """Return the tags of the account's custom fields and of plug-ins."""
    own = [KnownTag(f"Subscriber:{field.alias}", field.name, "Subscriber") for field in fields.all_fields(db.session())]
    return own + [KnownTag(tag.name, tag.label, "From plug-ins", tag.sample) for tag in merge_tags(plugins())]


def save_form(form: CampaignForm, campaign: Campaign) -> tuple[int, dict[str, Any]]:
    """Save what was typed; return the status and what the page says about it. Nothing typed is ever lost."""
    options_are_valid = option_forms.validate(campaign)
    if not form.validate() or not options_are_valid:
        return 422, {}
    try:
        writing.save(db.session(), campaign, form.values(), form.list_ids.data, form.based_on)
    except writing.Conflict as conflict:
        db.session.rollback()
        return 409, {"conflict": conflict.theirs}
    except writing.NotWritable:
        db.session.rollback()
        return 409, {"closed": _("This campaign is on its way. What was sent cannot be rewritten; copy it to change it.")}
    # Settings are saved in a transaction of their own; on SQLite two of ours at once would wait for each other.
    db.session.commit()
    option_forms.save(campaign)
    return 200, {"saved": True}


def preview_context(campaign: Campaign, subscriber_id: int, form: TestSendForm | None = None) -> dict[str, Any]:
    """Return the campaign as one subscriber gets it, and the form for a test."""
    people = preview.some_people(db.session(), campaign)
    chosen = next((person for person in people if person.id == subscriber_id), people[0] if people else None)
    seen = preview.as_seen_by(db.session(), campaign, chosen)
    person = actor.person()
    form = form or TestSendForm(formdata=None, addresses=person.email if person else "")
    return {"campaign": campaign, "people": people, "chosen": chosen, "seen": seen, "form": form, "html_url": _preview_url(campaign, chosen)}


def _preview_url(campaign: Campaign, chosen: Subscriber | None) -> str:
    system, config = settings().get(SystemSettings), house().config
    signed = house().tokens.sign_text("preview", f"campaign:{campaign.id}:{chosen.id if chosen else 0}", int(time.time()) + FIVE_MINUTES_S)
    return f"{system.content_url or config.content_url}/content/preview/{signed}"


def send_context(campaign: Campaign) -> dict[str, Any]:
    """Return what the last page before sending says: how many, from whom, what plug-ins cost."""
    return {"campaign": campaign, "findings": _findings(campaign), "audience": sum(found.active_count for found in campaign.lists),
            "costs": sending_costs(plugins()), "has_options": bool(campaign_options(plugins()))}
