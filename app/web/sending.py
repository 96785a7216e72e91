"""When a campaign goes and to whom first, as it is typed on its last page before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateTimeLocalField, IntegerField, RadioField, SelectField
from wtforms.validators import Optional

from app import campaigning
from app.campaigns import writing
from app.campaigns.models import Campaign
from app.db import db, utcnow
from app.delivery.zones import first_on_earth, last_on_earth, wall_of
from app.web import actor
from app.web.account_forms import zone_choices
from app.web.choices import choices
from app.web.form_words import Form
from app.web.house import house
from app.web.shell import account

MAILS, SHARE = "mails", "percent"
MOST_MAILS, MOST_PERCENT, MOST_MINUTES = 1_000_000, 50, 7 * 24 * 60


class SendForm(Form):
    """When a campaign goes: at once, at a moment in a zone, or at an hour of each recipient's own clock; and whether to a few first."""

    canary = RadioField(_l("Who gets it first"), default="", choices=lambda: choices([
        ("", _("Everybody at once")), (MAILS, _("So many people first")), (SHARE, _("A share of them first"))]))
    canary_size = IntegerField(_l("How many"), [Optional()])
    canary_minutes = IntegerField(_l("Then wait"), [Optional()], default=60)
    send_at = DateTimeLocalField(_l("Send at"), [Optional()], format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    time_zone = SelectField(_l("Time zone"), choices=zone_choices)
    in_recipients_zone = BooleanField(_l("On each recipient’s clock"))

    @property
    def is_now(self) -> bool:
        """Whether it goes at once: the button says so; a form without one means what its moment says."""
        pressed = request.form.get("when", "")
        return pressed == "now" or (pressed != "later" and self.send_at.data is None)

    def moment(self) -> datetime:
        """Return the typed moment in UTC; of an hour that comes twice, the first."""
        return self.wall.replace(tzinfo=ZoneInfo(self.time_zone.data)).astimezone(UTC)

    @property
    def wall(self) -> datetime:
        """The typed hour, as a clock shows it."""
        typed: datetime = self.send_at.data
        return typed

    @property
    def size(self) -> tuple[int | None, int | None]:
        """How many go first: a number of mails, or a share in per cent."""
        chosen = self.canary.data
        return self.canary_size.data if chosen == MAILS else None, self.canary_size.data if chosen == SHARE else None

    def validate(self, *args: Any, **options: Any) -> bool:
        """Each field by itself, then what they say together."""
        if not super().validate(*args, **options):
            return False
        self._look_at_canary()
        if not self.is_now:
            self._look_at_moment()
        return not self.errors

    def _look_at_canary(self) -> None:
        if not self.canary.data:
            return
        most = MOST_MAILS if self.canary.data == MAILS else MOST_PERCENT
        for field, largest in ((self.canary_size, most), (self.canary_minutes, MOST_MINUTES)):
            if field.data is None or not 1 <= field.data <= largest:
                field.errors = [_("Type a number from 1 to %(most)s.", most=largest)]

    def _look_at_moment(self) -> None:
        """A moment that is over, or that the clocks leave out, cannot be kept."""
        if self.send_at.data is None:
            self.send_at.errors = [_("Choose the day and the hour, or press “Send now”.")]
        elif self.in_recipients_zone.data:
            if last_on_earth(self.wall) <= utcnow():
                self.send_at.errors = [_("This hour is over in every time zone. Choose a later one.")]
        elif self.moment().astimezone(ZoneInfo(self.time_zone.data)).replace(tzinfo=None) != self.wall:
            self.time_zone.errors = [_("The clocks leave this hour out on that day. Choose a later one.")]
        elif self.moment() <= utcnow():
            self.time_zone.errors = [_("This moment is over. Choose a later one, or send now.")]


def send_form(campaign: Campaign, *, is_typed: bool = True) -> SendForm:
    """Return the form as it was typed, else as the campaign stands; not ``is_typed``: another form of the page was."""
    chosen = MAILS if campaign.canary_mails else SHARE if campaign.canary_percent else ""
    typed = {} if is_typed else {"formdata": None}
    return SendForm(**typed, time_zone=campaign.time_zone, in_recipients_zone=campaign.in_recipients_zone, canary=chosen,
                    canary_size=campaign.canary_mails or campaign.canary_percent, canary_minutes=campaign.canary_minutes)


def send_as_typed(campaign: Campaign, form: SendForm) -> None:
    """Start or schedule the campaign as a valid form says, and commit."""
    session, by = db.session(), actor.actor_name()
    writing.set_canary(session, campaign, *form.size, form.canary_minutes.data or campaign.canary_minutes)
    if form.in_recipients_zone.data and not form.is_now:
        campaigning.send_on_their_clock(house(), session, campaign, form.wall, form.time_zone.data, by=by)
    else:
        campaigning.send_or_schedule(house(), session, campaign, None if form.is_now else form.moment(), form.time_zone.data, by=by)
    db.session.commit()


def clock_context(campaign: Campaign) -> dict[str, Any]:
    """Return what the page says of an hour on everybody's clock: the hour, and when it begins and ends on earth."""
    context: dict[str, Any] = {"unknown_zone": account().time_zone, "on_their_clock": None}
    if campaign.state == "scheduled" and campaign.in_recipients_zone and campaign.send_at:
        wall = wall_of(campaign.send_at)
        context["on_their_clock"] = {"wall": wall.strftime("%Y-%m-%d %H:%M"), "first": first_on_earth(wall), "last": last_on_earth(wall)}
    return context
