"""The pane that shows a campaign as one subscriber gets it: who, how wide, in which colours, with or without images."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from flask import request, url_for

from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from app.db import db
from app.delivery import preview
from app.delivery.preview import IN_DARK, WITHOUT_IMAGES, Seen
from app.settings.sections.system import SystemSettings
from app.web.frame import initials_of
from app.web.house import house, settings
from app.web.numbers import asked_number

FIVE_MINUTES_S = 300
WIDTHS, COLOURS = ("desktop", "phone"), ("light", "dark")


@dataclass(frozen=True, slots=True)
class Look:
    """How the mail is looked at."""

    width: str = "phone"
    colours: str = "light"
    images: bool = True


@dataclass(frozen=True, slots=True)
class Pane:
    """What the pane shows. ``people``: some of whom it can be looked at as; ``frame_url``: where the HTML is, empty where there is none."""

    campaign: Campaign
    people: list[Subscriber]
    chosen: Subscriber | None
    seen: Seen
    look: Look
    frame_url: str

    @property
    def initials(self) -> str:
        """The sender's, as mailboxes show them."""
        return initials_of(self.seen.name or self.campaign.from_email.partition("@")[0])

    def beside(self, step: int) -> str:
        """Return the address of the next person (1) or the one before (-1); empty at the ends."""
        at = self.people.index(self.chosen) + step if self.chosen else -1
        return self.url(person=self.people[at]) if 0 <= at < len(self.people) else ""

    def url(self, person: Subscriber | None = None, **look: Any) -> str:
        """Return the address of the same pane for another person or with another look."""
        then, whom = replace(self.look, **look), person or self.chosen
        return url_for("editor.preview", campaign_id=self.campaign.id, subscriber=whom.id if whom else None, width=then.width,
                       colours=then.colours, images=None if then.images else "off")


def name_of(person: Subscriber) -> str:
    """Return how a subscriber is called in the pane."""
    name = f"{person.first_name} {person.last_name}".strip()
    return f"{name}, {person.email}" if name else person.email


def pane_of(campaign: Campaign, width: str = "phone") -> Pane:
    """Return the pane that the address asks for; ``width`` where it asks for none."""
    people = preview.some_people(db.session(), campaign)
    wanted = asked_number("subscriber", 0)
    chosen = next((person for person in people if person.id == wanted), people[0] if people else None)
    look = _look(width)
    url = _frame_url(campaign, chosen, look) if campaign.html.strip() else ""
    return Pane(campaign, people, chosen, preview.as_seen_by(db.session(), campaign, chosen), look, url)


def _look(width: str) -> Look:
    asked = request.args
    return Look(width=asked["width"] if asked.get("width") in WIDTHS else width, images=asked.get("images") != "off",
                colours=asked["colours"] if asked.get("colours") in COLOURS else "light")


def _frame_url(campaign: Campaign, chosen: Subscriber | None, look: Look) -> str:
    system, config = settings().get(SystemSettings), house().config
    bits = (IN_DARK if look.colours == "dark" else 0) | (0 if look.images else WITHOUT_IMAGES)
    text = f"campaign:{campaign.id}:{chosen.id if chosen else 0}:{bits}"
    signed = house().tokens.sign_text("preview", text, int(time.time()) + FIVE_MINUTES_S)
    return f"{system.content_url or config.content_url}/content/preview/{signed}"
