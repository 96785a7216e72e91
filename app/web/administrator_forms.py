"""The form for an administrator, and what saving it does."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, PasswordField, StringField, ValidationError
from wtforms.validators import InputRequired, Regexp

from app.accounts import administrators, users
from app.accounts.models import Administrator
from app.accounts.passwords import problem_with
from app.accounts.permissions import OF_ADMINISTRATORS, may_manage
from app.db import db
from app.settings.audit import record
from app.web import actor
from app.web.account_forms import USERNAME, is_address
from app.web.choices import TickedListField, translated_choices
from app.web.form_words import Form, at_most
from app.web.i18n import translated


class AdministratorForm(Form):
    """Who the administrator is and what they may do."""

    first_name = StringField(_l("First name"), [InputRequired(_l("Type the first name.")), at_most(100)])
    last_name = StringField(_l("Last name"), [at_most(100)])
    email = StringField(_l("Email address"), [InputRequired(_l("Type an email address, such as maya@example.com.")), is_address])
    username = StringField(_l("User name"), [InputRequired(_l("Choose a user name to sign in with.")), Regexp(
        USERNAME, message=_l("Use 3 to 64 letters, digits, dots, hyphens or underscores; begin and end with a letter or digit."))])
    is_super = BooleanField(_l("May do everything"), description=_l("Includes managing the other administrators."))
    permissions = TickedListField(_l("May"), choices=lambda: translated_choices(OF_ADMINISTRATORS.items()))
    enabled = BooleanField(_l("May sign in"), default=True)
    password = PasswordField(_l("Password"), description=_l("12 characters or more. For somebody who is there already: leave it empty to keep the old one."))

    def __init__(self, *args: Any, is_new: bool = False, administrator: Administrator | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_new, self._administrator = is_new, administrator

    def validate_email(self, field: Field) -> None:
        """Two people never share an address."""
        self._free("email", field)

    def validate_username(self, field: Field) -> None:
        """Two people never share a user name."""
        self._free("username", field)

    def _free(self, name: str, field: Field) -> None:
        if problem := users.taken(db.session(), name, (field.data or "").lower(), self._administrator):
            raise ValidationError(translated(problem))

    def validate_password(self, field: Field) -> None:
        """A new administrator needs a password; a changed one follows the rules."""
        if not field.data and not self._is_new:
            return
        if problem := problem_with(field.data or "", self.username.data or "", self.email.data or "", self.first_name.data or ""):
            raise ValidationError(translated(problem))

    def validate_permissions(self, field: Field) -> None:
        """Nobody gives what they do not have, nor changes (the password, say, of) somebody who has more."""
        known = self._administrator
        before = (known.is_super, list(known.permissions)) if known else (False, [])
        if not all(may_manage(actor.signed_administrator(), *rights) for rights in (before, (self.is_super.data, field.data or []))):
            raise ValidationError(_("You may manage only those who may do no more than you. Ask an administrator who may do everything."))

    def validate_enabled(self, field: Field) -> None:
        """Somebody must be left who can let the others in."""
        gives_up = not field.data or not self.is_super.data
        if self._administrator and gives_up and administrators.is_last_super(db.session(), self._administrator):
            raise ValidationError(_("This is the only administrator who may do everything. Give that to somebody else first."))

    def values(self) -> dict[str, Any]:
        """Return what was typed."""
        return {"first_name": self.first_name.data, "last_name": self.last_name.data or "", "email": self.email.data.lower(),
                "username": self.username.data.lower(), "is_super": self.is_super.data, "permissions": self.permissions.data,
                "enabled": self.enabled.data}


def add_administrator(form: AdministratorForm) -> Administrator:
    """Add the administrator of a valid form."""
    added = administrators.create(db.session(), password=form.password.data, **form.values())
    _note("administrator.added", added)
    return added


def change_administrator(form: AdministratorForm, administrator: Administrator) -> bool:
    """Change the administrator as the valid form says."""
    administrators.change(db.session(), administrator, password=form.password.data or "", **form.values())
    _note("administrator.changed", administrator)
    return True


def _note(act: str, administrator: Administrator) -> None:
    details = {"is_super": administrator.is_super, "permissions": administrator.permissions, "enabled": administrator.enabled}
    record(db.session(), actor.actor_name(), actor.client_address(), act, administrator.email, details)
    db.session.commit()
