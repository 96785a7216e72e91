"""The pages of the rules that bounces are read by: the shipped ones, those that administrators added, and what a rule would change."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import request
from flask_babel import lazy_gettext as _l
from wtforms import Field, IntegerField, RadioField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, NumberRange

from app.db import db, reading
from app.inbound.models import InboundRule
from app.mail.added_rules import USUAL_CLASS, AddedRule, check_pattern
from app.mail.reasons import RULES, ReasonRule
from app.reports.inbound_rules import MOST, Trial, rules_with, try_rules
from app.settings.audit import record
from app.web import actor
from app.web.choices import choices
from app.web.form_words import Form, at_most
from app.web.house import house
from app.web.i18n import translated
from app.web.inbound_words import CLASSES, REASONS, inbound_words

LOWEST, HIGHEST = -1000, 1000
FIRST = min(rule.priority for rule in RULES)
# A rule that is tried before it is saved has no number yet.
NEW = "new"
# So many of the shipped rules are shown before somebody asks for all, or for some by their words.
SHORT = 15


class RuleForm(Form):
    """A rule of an administrator's own."""

    pattern = StringField(_l("What the server says"), [InputRequired(_l("Type a part of what mail servers say, such as mailbox * is closed.")), at_most(200)],
                          description=_l("Any part of it; * stands for whatever comes between. Small and capital letters are the same."))
    reason = SelectField(_l("Reason"), choices=lambda: choices((one, REASONS[one]) for one in USUAL_CLASS),
                         description=_l("What the report counts it under."))
    bounce_class = RadioField(_l("Class"), default="soft", choices=lambda: choices(CLASSES.items()))
    priority = IntegerField(_l("Priority"), [InputRequired(_l("Type a number; 0 comes before all shipped rules.")), NumberRange(
        LOWEST, HIGHEST, _l("Type a number from -1000 to 1000."))], default=0,
        description=_l("Rules of a lower number are tried first. The shipped ones begin at %(first)s.", first=FIRST))
    note = StringField(_l("Note"), [at_most(200)], description=_l("Where you saw these words, for whoever reads this later."))

    def validate_pattern(self, field: Field) -> None:
        """It must say something."""
        try:
            check_pattern(field.data or "")
        except ValueError as error:
            raise ValidationError(translated(error)) from error

    def as_rule(self, number: int | str = NEW) -> AddedRule:
        """Return the rule as the reader takes it."""
        return AddedRule(str(number), self.pattern.data, self.reason.data, self.bounce_class.data, self.priority.data or 0)


def rules_context(form: RuleForm, editing: InboundRule | None = None) -> dict[str, Any]:
    """Return the added rules, the shipped ones that hold the words that are looked for, and the form."""
    asked = request.args.get("q", "")
    found = shipped(asked)
    return {"form": form, "editing": editing, "added": all_added(), "shipped": found if asked or "all" in request.args else found[:SHORT], "asked": asked,
            "all_shipped": len(RULES.tried)}


def all_added() -> list[InboundRule]:
    """Return the added rules in the order in which they are tried; those that are off stand among them."""
    return list(db.session.scalars(sa.select(InboundRule).order_by(InboundRule.priority, InboundRule.id)))


def shipped(asked: str) -> list[ReasonRule]:
    """Return the shipped rules in their order: all, or those whose name, example, wording or reason holds these words."""
    small = asked.strip().lower()
    return [rule for rule in RULES if small in _text_of(rule)]


def _text_of(rule: ReasonRule) -> str:
    wordings = " ".join(way.hint for way in rule.ways)
    return f"{rule.id} {rule.example} {wordings} {rule.source} {rule.reason} {inbound_words('reason', rule.reason)}".lower()


def trial_of(form: RuleForm | None = None, editing: InboundRule | None = None) -> Trial:
    """Try the rules in force, with the form's one among them or in place of ``editing``; nothing is written.

    On a connection of its own that only reads: on SQLite the request's would hold the write lock for as long as five hundred mails take.
    """
    tried = form.as_rule(editing.id if editing else NEW) if form else None
    with reading(), house().engine.connect() as connection:
        return try_rules(connection, rules_with(connection, tried))


def trial_context(trial: Trial) -> dict[str, Any]:
    """Return what the page of a trial says."""
    return {"trial": trial, "most": MOST}


def save_rule(form: RuleForm, rule: InboundRule | None) -> InboundRule:
    """Write the form's rule into ``rule``, or a new one, with its line in the audit."""
    found = rule or InboundRule(created_by=actor.actor_name()[:200])
    for name in ("pattern", "reason", "bounce_class", "priority", "note"):
        setattr(found, name, getattr(form, name).data or (0 if name == "priority" else ""))
    db.session.add(found)
    note("inbound_rule.changed" if rule else "inbound_rule.added", found)
    db.session.commit()
    return found


def note(act: str, rule: InboundRule) -> None:
    """Write it into the audit."""
    record(db.session(), actor.actor_name(), actor.client_address(), act, rule.pattern,
           {"reason": rule.reason, "class": rule.bounce_class, "priority": rule.priority, "enabled": rule.enabled})
