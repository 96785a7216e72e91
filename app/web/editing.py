"""What the steps of writing a campaign show and do."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import campaigning
from app.accounts.models import User
from app.accounts.permissions import group_may
from app.audience import fields
from app.campaigns import writing
from app.campaigns.findings import Finding, findings_of
from app.campaigns.models import Campaign
from app.campaigns.personalisation import KNOWN_TAGS, KnownTag
from app.db import db
from app.plugins.calls import campaign_options, merge_tags, sending_costs
from app.web import actor, option_forms
from app.web.campaign_forms import ServersForm, StepForm, TestSendForm, form_of
from app.web.campaign_steps import next_step, steps_of, url_of
from app.web.cures import Cure, cures_of
from app.web.fragments import page_or_panel, wants_panel
from app.web.house import house, plugins
from app.web.seeing import name_of, pane_of
from app.web.shell import account

# What a step shows that the others do not.
MORE: dict[str, Any] = {
    "recipients": lambda _campaign: {},
    "edit": lambda campaign: {"tags": [*KNOWN_TAGS, *_own_tags()], "pane": pane_of(campaign), "name_of": name_of},
    "delivery": lambda campaign: {"options": option_forms.forms_for(campaign)},
}


def write_step(campaign: Campaign, step: str) -> Response:
    """Show and save one step. A page that saves itself gets what changed around its fields, any other one goes on or stays."""
    if request.method == "GET" and campaign.state not in writing.WRITABLE:
        return redirect(url_for("campaigns.show", campaign_id=campaign.id))
    form = form_of(campaign, step)
    if request.method == "GET":
        return page_or_panel(f"weefive/campaigns/{step}.html", **step_context(campaign, step), form=form)
    status, notes = save_form(form, campaign, step)
    if status == 200 and not wants_panel():
        return redirect((request.form.get("then") == "next" and next_step(campaign, step)) or url_of(campaign, step))
    return page_or_panel(f"weefive/campaigns/{step}.html", block="live", status=status, **step_context(campaign, step), form=form, **notes)


def step_context(campaign: Campaign, step: str) -> dict[str, Any]:
    """Return what a step shows beside its form."""
    findings = _findings(campaign)
    cures: dict[Finding, list[Cure]] = {finding: cures_of(campaign, finding, step) for finding in findings}
    return {"campaign": campaign, "step": step, "findings": findings, "cures": cures, "steps": steps_of(campaign, step, findings),
            "next_url": next_step(campaign, step), "audience": sum(found.active_count for found in campaign.lists),
            "test_form": _test_form()} | MORE.get(step, lambda _campaign: {})(campaign)


def _findings(campaign: Campaign) -> list[Finding]:
    return findings_of(db.session(), campaign, [tag.name for tag in merge_tags(plugins())], campaigning.warnings(house(), db.session(), campaign))


def _own_tags() -> list[KnownTag]:
    """Return the tags of the account's custom fields and of plug-ins."""
    own = [KnownTag(f"Subscriber:{field.alias}", field.name, "Subscriber") for field in fields.all_fields(db.session())]
    return own + [KnownTag(tag.name, tag.label, "From plug-ins", tag.sample) for tag in merge_tags(plugins())]


def _test_form() -> TestSendForm:
    person = actor.person()
    return TestSendForm(formdata=None, addresses=person.email if person else "")


def save_form(form: StepForm, campaign: Campaign, step: str) -> tuple[int, dict[str, Any]]:
    """Save what was typed; return the status and what the page says about it. Nothing typed is ever lost."""
    has_options = step == "delivery"
    options_are_valid = not has_options or option_forms.validate(campaign)
    if not form.validate() or not options_are_valid:
        return 422, {}
    try:
        writing.save(db.session(), campaign, form.values(), form.lists, form.based_on)
    except writing.Conflict as conflict:
        db.session.rollback()
        return 409, {"conflict": conflict.theirs}
    except writing.NotWritable:
        db.session.rollback()
        return 409, {"closed": _("This campaign is on its way. What was sent cannot be rewritten; copy it to change it.")}
    # Settings are saved in a transaction of their own; on SQLite two of ours at once would wait for each other.
    db.session.commit()
    if has_options:
        option_forms.save(campaign)
    return 200, {}


def preview_context(campaign: Campaign, test_form: TestSendForm | None = None) -> dict[str, Any]:
    """Return the campaign as one subscriber gets it, and the form for a test."""
    return {"campaign": campaign, "pane": pane_of(campaign, "desktop"), "name_of": name_of, "test_form": test_form or _test_form()}


def send_context(campaign: Campaign, servers: ServersForm | None = None) -> dict[str, Any]:
    """Return what the last page before sending says: how many, from whom, what plug-ins cost, through which servers."""
    form = servers or (servers_form(campaign) if may_choose_servers() else None)
    return step_context(campaign, "send") | {"costs": sending_costs(plugins()), "has_options": bool(campaign_options(plugins())),
                                             "servers_form": form, "servers_url": _servers_url(campaign)}


def _servers_url(campaign: Campaign) -> str:
    endpoint = "editor.servers" if actor.administrator() is None else "editor.servers_by_administrator"
    return url_for(endpoint, campaign_id=campaign.id)


def servers_form(campaign: Campaign, *, typed: bool = False) -> ServersForm:
    """Return the campaign's choice of servers, or what was ``typed``."""
    form = ServersForm(formdata=request.form if typed else None)
    form.servers.show("campaign", campaign.id, db.session.get(User, campaign.user_id))
    return form


def may_choose_servers() -> bool:
    """Whether whoever is signed in chooses the servers of the account's campaigns."""
    return actor.administrator() is not None or group_may(account().group, "campaigns.servers")
