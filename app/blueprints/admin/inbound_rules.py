"""The rules that bounces are read by: shipped and added ones, and what a rule would change among the bounces that are kept."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.db import db
from app.inbound.models import InboundRule
from app.web.fragments import page_or_panel
from app.web.inbound_acts import read_these
from app.web.inbound_rule_pages import RuleForm, note, rules_context, save_rule, trial_context, trial_of
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("inbound_rules", __name__, url_prefix="/admin/inbound/rules")


@room.route("/", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "inbound")
def index() -> Response:
    """Show the rules, and add one: it is tried first where that button was pressed."""
    return _form_of(None)


@room.route("/<int:rule_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "inbound", rule=InboundRule)
def show(rule: InboundRule) -> Response:
    """Show an added rule, and change it."""
    return _form_of(rule)


def _form_of(rule: InboundRule | None) -> Response:
    form = RuleForm(obj=rule)
    if not form.validate_on_submit():
        template = "weefive/inbound/rule.html" if rule else "weefive/inbound/rules.html"
        return page_or_panel(template, status=422 if request.method == "POST" else 200, **rules_context(form, rule))
    if "try" in request.form:
        return page_or_panel("weefive/inbound/trial.html", form=form, editing=rule, **trial_context(trial_of(form, rule)))
    save_rule(form, rule)
    flash(_("The rule holds from the next mail on."), "ok")
    return redirect(url_for("inbound_rules.trial"))


@room.get("/trial")
@policy(ADMINISTRATOR, "inbound")
def trial() -> Response:
    """Show what the rules in force would change among the bounces that are kept."""
    return page_or_panel("weefive/inbound/trial.html", form=None, editing=None, **trial_context(trial_of()))


@room.post("/apply")
@policy(ADMINISTRATOR, "inbound")
def apply() -> Response:
    """Have those kept bounces read again of which the rules in force say something else than what stands there."""
    read_these(trial_of().mail_ids)
    return redirect(url_for("inbound.index"))


@room.post("/<int:rule_id>/switch")
@policy(ADMINISTRATOR, "inbound", rule=InboundRule)
def switch(rule: InboundRule) -> Response:
    """Switch an added rule on or off."""
    rule.enabled = request.form.get("to") == "on"
    note("inbound_rule.enabled" if rule.enabled else "inbound_rule.disabled", rule)
    db.session.commit()
    return redirect(url_for("inbound_rules.index"))


@room.post("/<int:rule_id>/remove")
@policy(ADMINISTRATOR, "inbound", rule=InboundRule)
def remove(rule: InboundRule) -> Response:
    """Remove an added rule."""
    note("inbound_rule.removed", rule)
    db.session.delete(rule)
    db.session.commit()
    flash(_("The rule is gone. What it decided stays."), "ok")
    return redirect(url_for("inbound_rules.index"))
