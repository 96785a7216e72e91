"""What the editor offers beside a finding: to go where it is mended, or to mend it there and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import gettext as _

from app.campaigns.findings import UNSUBSCRIBE, Finding, Place
from app.campaigns.models import Campaign
from app.web.campaign_steps import step_of, url_of


@dataclass(frozen=True, slots=True)
class Cure:
    """One offer. ``url`` leads to the field, for browsers without scripts too; ``act``: goto, unsubscribe or fallback; ``text`` goes in."""

    label: str
    url: str
    place: Place
    act: str = "goto"
    text: str = ""


def cures_of(campaign: Campaign, finding: Finding, active: str) -> list[Cure]:
    """Return what is offered for a finding in the step ``active``; what is all right needs nothing."""
    return [] if finding.tone == "ok" else list(_cures(campaign, finding, active))


def _cures(campaign: Campaign, finding: Finding, active: str) -> Iterator[Cure]:
    if finding.cure == "fallback" and active == "edit":
        yield Cure(_("Set a fallback"), "#row-subject", Place("subject"), "fallback", _("friend"))
        return
    for place in finding.places:
        if finding.cure != "unsubscribe":
            yield _way(campaign, place, active)
        elif place.field == "plain" and campaign.plain_is_derived:
            yield _way(campaign, Place("html"), active)
        else:
            yield _insert(place) if active == "edit" else _way(campaign, place, active)


def _insert(place: Place) -> Cure:
    words = _("Unsubscribe")
    text = f'<p><a href="{UNSUBSCRIBE}">{words}</a></p>' if place.field == "html" else f"{words}: {UNSUBSCRIBE}"
    return Cure(_("Insert it"), f"#row-{place.field}", place, "unsubscribe", text)


def _way(campaign: Campaign, place: Place, active: str) -> Cure:
    step = step_of(place)
    page = "" if step == active else url_of(campaign, step) + (f"?line={place.line}" if place.line else "")
    return Cure(_way_label(place), f"{page}#row-{place.field}", place, "goto" if step == active else "")


def _way_label(place: Place) -> str:
    if place.line:
        return _("Go to line %(line)s", line=place.line)
    labels = {"list_ids": _("Choose a list"), "from_email": _("Go to the From address"), "from_name": _("Go to the From name"),
              "subject": _("Go to the subject"), "preheader": _("Go to the pre-header"), "plain": _("Go to the plain text")}
    return labels.get(place.field, _("Go to the HTML"))
