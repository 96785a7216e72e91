"""The forms of lists, subscribers, fields, suppression and imports."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, Field, SelectChoice, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Optional

from app.audience import fields, lists
from app.audience.models import CustomField, Subscriber, SubscriberList
from app.db import db
from app.mail.address import AddressError, parse_pattern
from app.web.account_forms import is_address, zone_choices
from app.web.choices import choices, translated_choices
from app.web.form_words import Form, at_most
from app.web.i18n import translated


class ListForm(Form):
    """A list and its own sender."""

    name = StringField(_l("Name"), [InputRequired(_l("Give the list a name.")), at_most(120)])
    sender_name = StringField(_l("Sender name"), [at_most(120)])
    sender_email = StringField(_l("Sender address"), [Optional(), is_address])

    def __init__(self, *args: Any, found: SubscriberList | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._found = found

    def validate_name(self, field: Field) -> None:
        """Two lists of an account never share a name."""
        if lists.is_taken(db.session(), field.data, self._found):
            raise ValidationError(_("You have a list of this name. Choose another name."))


def _zones_and_none() -> list[SelectChoice]:
    return [*choices([("", _("Not known"))]), *zone_choices()]


class SubscriberForm(Form):
    """A person on a list."""

    email = StringField(_l("Email address"), [InputRequired(_l("Type an address, such as maya@example.com.")), is_address])
    first_name = StringField(_l("First name"), [at_most(100)])
    last_name = StringField(_l("Last name"), [at_most(100)])
    time_zone = SelectField(_l("Time zone"), choices=_zones_and_none, default="",
                            description=_l("For campaigns that go at an hour of each recipient’s own clock. Not known: your account’s zone counts."))


def subscriber_form(known: list[CustomField], person: Subscriber | None = None) -> SubscriberForm:
    """Return the form of a person, with a field for each custom field."""
    names = {field.alias: StringField(field.name, [_kind(field.kind)]) for field in known}
    form_type = type("PersonForm", (SubscriberForm,), {f"field_{alias}": made for alias, made in names.items()})
    data = {f"field_{alias}": (person.fields or {}).get(alias, "") for alias in names} if person else {}
    form: SubscriberForm = form_type(obj=person, data=data)
    _keep_zone(form, person)
    if person is not None:
        # Consent was given for this address; another address is another subscription.
        del form.email
    return form


def _keep_zone(form: SubscriberForm, person: Subscriber | None) -> None:
    """Offer the zone that the person has, too: an import may have brought one that the list of cities has not."""
    if person is not None and person.time_zone not in {str(choice.value) for choice in form.time_zone.choices}:
        form.time_zone.choices = [*form.time_zone.choices, *choices([(person.time_zone, person.time_zone)])]


def _kind(kind: str) -> Any:
    def check(_form: Form, field: Field) -> None:
        try:
            field.data = fields.clean(kind, field.data or "")
        except ValueError as error:
            raise ValidationError(translated(error)) from error

    return check


def known_values(form: SubscriberForm) -> dict[str, Any]:
    """Return what was typed of a person; of the custom values, by alias, those that are not empty."""
    typed = {field.short_name.removeprefix("field_"): field.data for field in form if field.short_name.startswith("field_")}
    return {"first_name": form.first_name.data or "", "last_name": form.last_name.data or "", "time_zone": form.time_zone.data or "",
            "fields": {alias: value for alias, value in typed.items() if value}}


class FieldForm(Form):
    """A custom field."""

    name = StringField(_l("Name"), [InputRequired(_l("Give the field a name.")), at_most(120)])
    alias = StringField(_l("Merge tag"), [at_most(40)], description=_l("Written in mails as %Subscriber:…%. Empty: made of the name."))
    kind = SelectField(_l("Kind"), choices=lambda: translated_choices(fields.KINDS.items()))

    def validate_alias(self, field: Field) -> None:
        """A tag is letters and digits, and belongs to one field only."""
        field.data = (field.data or "").strip() or fields.alias_of(self.name.data or "")
        if problem := fields.problem_with_alias(db.session(), field.data):
            raise ValidationError(translated(problem))


class SuppressionForm(Form):
    """Addresses or domains to be left alone, one a line."""

    patterns = TextAreaField(_l("Addresses or domains"), [InputRequired(_l("Type an address, @domain or @.domain, one a line."))],
                             description=_l("One a line: name@example.com, @example.com for a domain, @.example.com for all below it."))
    note = StringField(_l("Note"), [at_most(200)])

    def validate_patterns(self, field: Field) -> None:
        """Every line must be a pattern; the wrong one is named."""
        self.found = [line.strip() for line in (field.data or "").splitlines() if line.strip()]
        for line in self.found:
            try:
                parse_pattern(line)
            except AddressError as error:
                raise ValidationError(_("%(line)s: %(problem)s", line=line[:80], problem=translated(error))) from error


class UploadForm(Form):
    """The file of an import."""

    file = FileField(_l("CSV file"), [FileRequired(_l("Choose the file with your subscribers."))])


class MappingForm(Form):
    """What happens to people who are there already, and what they agreed to. The columns are selects of their own."""

    update_existing = BooleanField(_l("Update people who are on the list already"), default=True)
    consent = StringField(_l("How they agreed"), [InputRequired(_l("Say how these people agreed to get your mail; it is kept as evidence.")), at_most(500)],
                          description=_l("Kept with each person as evidence, such as “sign-up sheet at the fair, May 2026”."))
