"""The forms of one's own account."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import login_user
from wtforms import PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Regexp

from app.accounts import profile
from app.accounts.models import Administrator, User
from app.accounts.passwords import is_right
from app.db import db
from app.settings.audit import record
from app.web import actor
from app.web.account_forms import USERNAME, is_address, zone_choices
from app.web.catalogues import language_choices
from app.web.choices import choices
from app.web.emails import queue_email
from app.web.form_words import Form, at_most
from app.web.house import absolute_url
from app.web.i18n import translated


class AccountForm(Form):
    """What everybody changes of themselves."""

    first_name = StringField(_l("First name"), [InputRequired(_l("Type your first name.")), at_most(100)])
    last_name = StringField(_l("Last name"), [at_most(100)])
    time_zone = SelectField(_l("Time zone"), choices=zone_choices)
    language = SelectField(_l("Language"), choices=lambda: choices(language_choices()))
    new_password = PasswordField(_l("New password"), description=_l("12 characters or more. Every other browser is signed out."))
    password = PasswordField(_l("Present password"), description=_l("Needed for a new password."))


class ProfileForm(AccountForm):
    """Account information of an administrator, who changes the names to sign in with, too."""

    email = StringField(_l("Email address"), [InputRequired(_l("Type your email address.")), is_address],
                        description=_l("A new address is confirmed at the old and at the new one."))
    username = StringField(_l("User name"), [InputRequired(_l("Choose a user name to sign in with.")), Regexp(
        USERNAME, message=_l("Use 3 to 64 letters, digits, dots, hyphens or underscores; begin and end with a letter or digit."))])
    password = PasswordField(_l("Present password"), description=_l("Needed for a new address or a new password."))


class KeyForm(Form):
    """Making a key of the API."""

    password = PasswordField(_l("Present password"), [InputRequired(_l("Type your password."))])

    def validate_password(self, field: PasswordField) -> None:
        """Somebody at an unlocked screen must not be able to make a key."""
        person = actor.person()
        if person is None or not is_right(person.password_hash, field.data or ""):
            raise ValidationError(_("This is not your password."))


def save_profile(form: AccountForm, person: Administrator | User) -> bool:
    """Store a valid form; False, with the messages beside the fields, where something is wrong."""
    email, username = (form.email.data.lower(), form.username.data.lower()) if isinstance(form, ProfileForm) else (person.email, person.username)
    found = profile.problems(db.session(), person, email=email, username=username, new_password=form.new_password.data or "",
                             password=form.password.data or "")
    for name, problem in found.items():
        form[name].errors = [*form[name].errors, translated(problem)]
    if found:
        return False
    profile.change(db.session(), person, new_password=form.new_password.data or "", first_name=form.first_name.data,
                   last_name=form.last_name.data or "", username=username, time_zone=form.time_zone.data, language=form.language.data)
    if email != person.email and isinstance(person, Administrator):
        _mail_links(person, email)
    record(db.session(), actor.actor_name(), actor.client_address(), "profile.changed", person.email, {"password": bool(form.new_password.data)})
    db.session.commit()
    if form.new_password.data:
        login_user(person)
    return True


def _mail_links(person: Administrator, email: str) -> None:
    change = profile.ask_for_email(db.session(), person, email)
    for address, secret in ((change.old, change.old_secret), (change.new, change.new_secret)):
        queue_email("confirm_email", person, to=address, link=absolute_url("auth.confirm_email", secret=secret), old=change.old, new=change.new)
