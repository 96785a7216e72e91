"""The forms of coming in: set-up, sign-in, a new password. Each rule says what to type instead."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from wtforms import Field, PasswordField, SelectChoice, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Regexp

from app.accounts.passwords import problem_with
from app.mail.address import AddressError, parse_address
from app.web.choices import choices
from app.web.form_words import Form, at_most
from app.web.i18n import translated

USERNAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}[A-Za-z0-9]$"


def is_address(_form: Form, field: Field) -> None:
    """Refuse what is no e-mail address, in the words of the parser."""
    try:
        field.data = str(parse_address((field.data or "").strip()))
    except AddressError as error:
        raise ValidationError(translated(error)) from error


def zone_choices() -> list[SelectChoice]:
    """Return every time zone that has a city in its name, and UTC."""
    return choices((name, name.replace("_", " ")) for name in _zone_names())


@cache
def _zone_names() -> list[str]:
    """The names, in the order of the alphabet; looking them up reads a folder for each."""
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and "Etc/" not in name)]


class SetUpForm(Form):
    """Who the first administrator is, and what the product is called."""

    product_name = StringField(_l("Product name"), [InputRequired(_l("Give the product a name; it stands on every page.")), at_most(60)],
                               default="Lettermill", description=_l("What you and your customers will read on every page and in every mail of the platform."))
    first_name = StringField(_l("First name"), [InputRequired(_l("Type your first name.")), at_most(100)])
    last_name = StringField(_l("Last name"), [at_most(100)])
    email = StringField(_l("Email address"), [InputRequired(_l("Type your email address, such as maya@example.com.")), is_address],
                        description=_l("Notices and password resets go there."))
    username = StringField(_l("User name"), [InputRequired(_l("Choose a user name to sign in with.")), Regexp(
        USERNAME, message=_l("Use 3 to 64 letters, digits, dots, hyphens or underscores; begin and end with a letter or digit."))])
    password = PasswordField(_l("Password"), [InputRequired(_l("Choose a password."))],
                             description=_l("12 characters or more. A few words in a row are easy to keep in mind."))
    time_zone = SelectField(_l("Time zone"), choices=zone_choices, default="UTC")

    def validate_password(self, field: Field) -> None:
        """Hold the password against the rules and the person's own names."""
        if problem := problem_with(field.data or "", self.username.data or "", self.email.data or "", self.first_name.data or ""):
            raise ValidationError(translated(problem))


class SignInForm(Form):
    """A name and a password."""

    name = StringField(_l("User name or email address"), [InputRequired(_l("Type your user name or your email address.")), at_most(254)])
    password = PasswordField(_l("Password"), [InputRequired(_l("Type your password."))])


class ResetForm(Form):
    """Who has forgotten the password."""

    name = StringField(_l("User name or email address"), [InputRequired(_l("Type your user name or your email address.")), at_most(254)])


class NewPasswordForm(Form):
    """A new password, held against the rules and the person's own names."""

    password = PasswordField(_l("New password"), [InputRequired(_l("Choose a password."))],
                             description=_l("12 characters or more. A few words in a row are easy to keep in mind."))

    def __init__(self, *args: Any, about: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self._about = about

    def validate_password(self, field: Field) -> None:
        """Refuse a password that is easily guessed."""
        if problem := problem_with(field.data or "", *self._about):
            raise ValidationError(translated(problem))
