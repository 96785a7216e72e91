"""Google Analytics: campaign parameters on the links of campaigns whose author switched it on (settings.md 14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.plugins.api import About, CampaignView, LinkView, Own, hookimpl, section, switch, text
from app.plugins.builtin.google_analytics.links import with_parameters

PLUGIN = About(
    title="Google Analytics",
    version="1.0.0",
    author="Lettermill",
    description="Adds campaign parameters to the links of a campaign, so that Google Analytics knows where visitors come from.",
)


@section("plugin.google_analytics.source", title="Google Analytics", group="From plug-ins")
class SourceSettings:
    """What Google Analytics is told about visitors who come by a mail."""

    source: str = text("Source", default="newsletter", max=100, help="Stands in utm_source of each link: who sent the visitor.")
    medium: str = text("Medium", default="email", max=100, help="Stands in utm_medium of each link: by what kind of message.")


@section("plugin.google_analytics.campaign", title="Google Analytics", group="Campaign options")
class CampaignOptions:
    """Whether the links of this campaign carry campaign parameters."""

    tagged: bool = switch("Add campaign parameters to links", default=False, help="Adds utm_source, utm_medium and utm_campaign.")
    name: str = text("Campaign name", default="", max=150, help="Stands in utm_campaign; empty is the name of the campaign.")


@hookimpl
def lettermill_settings_sections() -> Sequence[type]:
    """Return the tab with source and medium."""
    return [SourceSettings]


@hookimpl
def lettermill_campaign_options() -> Sequence[type]:
    """Return the option in the campaign's editor."""
    return [CampaignOptions]


@hookimpl
def lettermill_transform_link(campaign: CampaignView, link: LinkView, own: Own) -> LinkView | None:
    """Return the link with the parameters, where the campaign's author switched them on."""
    chosen = own.options(CampaignOptions, campaign.id)
    if not chosen.tagged:
        return None
    told = own.settings(SourceSettings)
    parameters = {"utm_source": told.source, "utm_medium": told.medium, "utm_campaign": chosen.name or campaign.name}
    return replace(link, url=with_parameters(link.url, parameters))
