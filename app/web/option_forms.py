"""Options that plug-ins add to a campaign: settings with the scope of that campaign, drawn in the editor's own form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from app.campaigns.models import Campaign
from app.plugins.calls import campaign_options
from app.web import actor
from app.web.forms import form_for
from app.web.house import house, plugins, settings


@dataclass(frozen=True, slots=True)
class OptionForm:
    """The fields of one plug-in's options, with the plug-in's name."""

    plugin: str
    title: str
    section: type
    form: Any


def scope_of(campaign: Campaign) -> str:
    """Return the scope that a campaign's options are stored under."""
    return f"campaign:{campaign.id}"


def forms_for(campaign: Campaign) -> list[OptionForm]:
    """Return a form for each option section of the plug-ins that are enabled now; each has a prefix of its own."""
    return [_form(campaign, option) for option in campaign_options(plugins())]


def _form(campaign: Campaign, option: Any) -> OptionForm:
    stored = settings().get(option.section, scope_of(campaign))
    form_type = form_for(option.section)
    form = form_type(request.form if request.method == "POST" else None, obj=stored, prefix=f"{option.plugin}-")
    return OptionForm(option.plugin, option.title, option.section, form)


def validate(campaign: Campaign) -> bool:
    """Whether every option that was typed may be stored."""
    accepted = [option.form.accept(settings().get(option.section, scope_of(campaign))) is not None for option in forms_for(campaign)]
    # Every form is asked, so that each shows its own messages.
    return all(accepted)


def save(campaign: Campaign) -> None:
    """Store the options that were typed."""
    for option in forms_for(campaign):
        values = option.form.accept(settings().get(option.section, scope_of(campaign)))
        house().settings.save(option.section, values, based_on=None, by=actor.actor_name(), via="form", address=actor.client_address(),
                              scope=scope_of(campaign))
