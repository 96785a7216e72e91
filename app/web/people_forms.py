"""The forms for users and user groups, and what saving them does."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    BooleanField,
    Field,
    IntegerField,
    PasswordField,
    SelectChoice,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.validators import InputRequired, NumberRange, Optional, Regexp

from app.accounts import users
from app.accounts.models import User, UserGroup
from app.accounts.passwords import problem_with
from app.accounts.permissions import LIMITS_OF_USER_GROUPS, OF_USER_GROUPS
from app.campaigning import pause_account, resume_streams
from app.db import db
from app.delivery import choices as server_choice
from app.settings.audit import record
from app.web import actor
from app.web.account_forms import USERNAME, is_address, zone_choices
from app.web.choices import TickedListField, choices, translated_choices
from app.web.form_words import Form, at_most
from app.web.i18n import translated, translated_later
from app.web.weights_field import WeightsField


def group_choices() -> list[SelectChoice]:
    """Return the groups that a user may be put into."""
    return choices((group.id, group.name) for group, _count in users.groups(db.session()))


class UserForm(Form):
    """A customer's account."""

    first_name = StringField(_l("First name"), [at_most(100)])
    last_name = StringField(_l("Last name"), [at_most(100)])
    company = StringField(_l("Company"), [at_most(120)])
    email = StringField(_l("Email address"), [InputRequired(_l("Type the user's email address, such as maya@example.com.")), is_address])
    username = StringField(_l("User name"), [InputRequired(_l("Choose a user name to sign in with.")), Regexp(
        USERNAME, message=_l("Use 3 to 64 letters, digits, dots, hyphens or underscores; begin and end with a letter or digit."))])
    group_id = SelectField(_l("User group"), coerce=int, choices=group_choices)
    servers = WeightsField()
    time_zone = SelectField(_l("Time zone"), choices=zone_choices, default="UTC")
    enabled = BooleanField(_l("May sign in and send"), default=True)
    password = PasswordField(_l("Password"), description=_l("12 characters or more. For a user who is there already: leave it empty to keep the old one."))

    def __init__(self, *args: Any, is_new: bool = False, user: User | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_new, self._user = is_new, user
        self.servers.show("user", user.id if user else None, user)

    def validate_password(self, field: Field) -> None:
        """A new user needs a password; a changed one follows the rules."""
        if not field.data and not self._is_new:
            return
        if problem := problem_with(field.data or "", self.username.data or "", self.email.data or "", self.first_name.data or ""):
            raise ValidationError(translated(problem))

    def validate_email(self, field: Field) -> None:
        """Two people never share an address."""
        if problem := users.taken(db.session(), "email", (field.data or "").lower(), self._user, of_user=True):
            raise ValidationError(translated(problem))

    def validate_username(self, field: Field) -> None:
        """Two people never share a user name."""
        if problem := users.taken(db.session(), "username", (field.data or "").lower(), self._user, of_user=True):
            raise ValidationError(translated(problem))

    def values(self) -> dict[str, Any]:
        """Return what was typed, as the account stores it."""
        return {"first_name": self.first_name.data or "", "last_name": self.last_name.data or "", "company": self.company.data or "",
                "email": self.email.data.lower(), "username": self.username.data.lower(), "time_zone": self.time_zone.data}


def add_user(form: UserForm) -> User | None:
    """Add the user of a valid form."""
    group = db.session.get(UserGroup, form.group_id.data)
    if group is None:
        return None
    user = users.create(db.session(), group, password=form.password.data, **form.values())
    server_choice.choose(db.session(), "user", user.id, form.servers.data)
    _note("user.added", user)
    return user


def change_user(form: UserForm, user: User) -> bool:
    """Change the user as the valid form says; what an account that is switched off is sending, pauses."""
    users.change(db.session(), user, password=form.password.data or "", group_id=form.group_id.data, enabled=form.enabled.data, **form.values())
    server_choice.choose(db.session(), "user", user.id, form.servers.data)
    if not user.enabled:
        pause_account(db.session(), user, by=actor.actor_name())
    else:
        resume_streams(db.session(), user)
    _note("user.changed", user)
    return True


def _note(act: str, user: User) -> None:
    record(db.session(), actor.actor_name(), actor.client_address(), act, user.email, {"group": user.group_id, "enabled": user.enabled})
    db.session.commit()


class GroupForm(Form):
    """A user group; one number field for each limit, empty for none."""

    name = StringField(_l("Name"), [InputRequired(_l("Give the group a name.")), at_most(120)])
    permissions = TickedListField(_l("Its users may"), choices=lambda: translated_choices(OF_USER_GROUPS.items()))
    servers = WeightsField()

    def __init__(self, group: UserGroup) -> None:
        super().__init__(obj=group, data=None)
        self._group = group
        self.servers.show("group", group.id)
        for name in LIMITS_OF_USER_GROUPS:
            if not self.is_submitted():
                self[f"limit_{name}"].data = group.limits.get(name)

    def validate_name(self, field: Field) -> None:
        """Two groups never share a name."""
        other = db.session.scalar(sa.select(UserGroup).where(UserGroup.name == field.data))
        if other is not None and other is not self._group:
            raise ValidationError(_("There is a group of this name already. Choose another name."))

    def limits(self) -> dict[str, int]:
        """Return the limits that were typed."""
        typed = {name: self[f"limit_{name}"].data for name in LIMITS_OF_USER_GROUPS}
        return {name: number for name, number in typed.items() if number is not None}


for _name, _label in LIMITS_OF_USER_GROUPS.items():
    setattr(GroupForm, f"limit_{_name}", IntegerField(translated_later(_label), [
        Optional(), NumberRange(min=0, message=_l("Type a number from 0, or leave it empty for no limit."))]))


def save_group(form: GroupForm, group: UserGroup) -> bool:
    """Store the group of a valid form."""
    group.name, group.permissions, group.limits = form.name.data, form.permissions.data, form.limits()
    db.session.add(group)
    db.session.flush()
    server_choice.choose(db.session(), "group", group.id, form.servers.data)
    record(db.session(), actor.actor_name(), actor.client_address(), "user_group.saved", group.name, {"permissions": group.permissions})
    db.session.commit()
    return True
