"""The forms of a campaign: its name, the steps of writing it, and a test. When it goes: ``sending.py``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import InputRequired, Length, Optional

from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.db import db
from app.mail.address import AddressError, parse_address
from app.web.account_forms import is_address, zone_choices
from app.web.channels import channel_choices
from app.web.choices import TickedListField, choices
from app.web.form_words import Form, at_most
from app.web.i18n import number, translated
from app.web.weights_field import WeightsField

MOST_TESTS = 10


def list_choices() -> list[SelectChoice]:
    """Return the account's lists with how many active people each has."""
    lists = db.session.scalars(sa.select(SubscriberList).order_by(SubscriberList.name))
    return choices((found.id, f"{found.name} · {number(found.active_count)}") for found in lists)


class NewCampaignForm(Form):
    """A campaign begins with a name that only its authors see."""

    name = StringField(_l("Name"), [InputRequired(_l("Give the campaign a name; only you and your colleagues see it.")), at_most(200)])


class StepForm(Form):
    """One step of writing a campaign: it saves its own fields, on the revision that it was drawn from."""

    revision = HiddenField(default="1")

    def values(self) -> dict[str, Any]:
        """Return what was typed, as the campaign stores it."""
        left_out = {"csrf_token", "list_ids", "revision"}
        return {name: (value or "") if isinstance(value, str | None) else value for name, value in self.data.items() if name not in left_out}

    @property
    def lists(self) -> list[int] | None:
        """The lists that were chosen; None in a step that does not ask for them."""
        return self.data.get("list_ids")

    @property
    def based_on(self) -> int:
        """The revision that the form was drawn from; 0, which is nobody's, for what is no number, and where nothing was posted at all."""
        text = self.revision.data if isinstance(self.revision.data, str) else ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


class RecipientsForm(NewCampaignForm, StepForm):
    """To whom a campaign goes, and from whom."""

    list_ids = TickedListField(_l("To"), coerce=int, choices=list_choices)
    from_name = StringField(_l("From name"), [at_most(120)])
    from_email = StringField(_l("From address"), [Optional(), at_most(254), is_address])
    reply_to = StringField(_l("Reply to"), [Optional(), at_most(254), is_address], description=_l("Where answers go, if not to the From address."))


class ContentForm(StepForm):
    """What a campaign says."""

    subject = StringField(_l("Subject"), [at_most(500)])
    preheader = StringField(_l("Pre-header"), [at_most(250)], description=_l("The line that mailboxes show after the subject."))
    html = TextAreaField(_l("HTML"), [Length(max=2_000_000, message=_l("The HTML is larger than 2 MB. Most mailboxes cut a mail at 102 KB."))])
    plain_is_derived = BooleanField(_l("Derive the plain text from the HTML"))
    plain = TextAreaField(_l("Plain text"), [at_most(500_000)])


class DeliveryForm(StepForm):
    """What is counted, and how a campaign goes."""

    track_opens = BooleanField(_l("Count opens"))
    track_links = BooleanField(_l("Count clicks"))
    channel = SelectField(_l("Delivery channel"), choices=channel_choices)
    time_zone = SelectField(_l("Time zone"), choices=zone_choices)


FORMS: dict[str, type[StepForm]] = {"recipients": RecipientsForm, "edit": ContentForm, "delivery": DeliveryForm}


def form_of(campaign: Campaign, step: str) -> StepForm:
    """Return the form of one step of a campaign, as it was typed, else as the campaign stands."""
    return FORMS[step](obj=campaign, list_ids=[found.id for found in campaign.lists])


class TestSendForm(Form):
    """Where a test goes."""

    __test__ = False
    addresses = StringField(_l("Send a test to"), [InputRequired(_l("Type one address, or several with commas between."))])

    def validate_addresses(self, field: Field) -> None:
        """Every one must be an address, and there are not many."""
        found = [part.strip() for part in (field.data or "").replace(";", ",").split(",") if part.strip()]
        if len(found) > MOST_TESTS:
            raise ValidationError(_("A test goes to %(most)d addresses at most.", most=MOST_TESTS))
        try:
            self.found = [str(parse_address(part)) for part in found]
        except AddressError as error:
            raise ValidationError(translated(error)) from error


class ServersForm(Form):
    """Through which delivery servers a campaign goes."""

    servers = WeightsField()
