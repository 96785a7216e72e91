"""A sample that uses nearly every part of the door: settings, options, a table, pages, a menu, merge tags, notices, slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from markupsafe import Markup

from app.plugins.api import (
    About,
    CampaignView,
    LinkView,
    MenuItem,
    MergeTag,
    MessageView,
    Own,
    Problem,
    RecipientView,
    SendingView,
    SubscriberView,
    hookimpl,
    integer,
    section,
    switch,
    text,
)

TABLES = sa.MetaData()
GUESTS = sa.Table(
    "plugin_guestbook_guests",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.String(254), nullable=False),
)
PAGES = sa.Table(
    "plugin_guestbook_pages",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("guest_id", sa.ForeignKey("plugin_guestbook_guests.id")),
)

PLUGIN = About(
    title="Guest Book", version="1.2.0", author="Sample authors", description="Keeps a book of everybody who subscribes.", tables=TABLES
)


@section("plugin.guestbook.book", title="Guest book", group="From plug-ins")
class BookSettings:
    """How the book is kept."""

    greeting: str = text("Greeting", default="Welcome", max=60, help="Stands above the book.")
    pages: int = integer("Pages", default=10, min=1, max=99, help="How many pages the book has.")


@section("plugin.guestbook.campaign", title="Guest book", group="Campaign options")
class CampaignOptions:
    """Whether a campaign is written down."""

    signed: bool = switch("Sign the subject", default=False, help="Adds the greeting to the subject.")


@hookimpl
def lettermill_settings_sections() -> Sequence[type]:
    return [BookSettings]


@hookimpl
def lettermill_campaign_options() -> Sequence[type]:
    return [CampaignOptions]


@hookimpl
def lettermill_blueprints() -> Sequence[object]:
    from lettermill_guestbook.pages import pages

    return [pages]


@hookimpl
def lettermill_template_folder() -> Path:
    return Path(__file__).parent / "templates"


@hookimpl
def lettermill_menu_items() -> Sequence[MenuItem]:
    return [MenuItem(label="Guest book", url="/plugins/guestbook/", area="administrator")]


@hookimpl
def lettermill_merge_tags() -> Sequence[MergeTag]:
    return [MergeTag(name="greeting", label="Greeting of the guest book", sample="Welcome")]


@hookimpl
def lettermill_filter_campaign(campaign: CampaignView) -> Sequence[Problem] | None:
    return [Problem("A guest book needs a subject. Type one.", where="subject")] if not campaign.subject else None


@hookimpl
def lettermill_transform_campaign(campaign: CampaignView, own: Own) -> CampaignView | None:
    if not own.options(CampaignOptions, campaign.id).signed:
        return None
    return replace(campaign, subject=f"{campaign.subject} ({own.settings(BookSettings).greeting})")


@hookimpl
def lettermill_transform_link(link: LinkView) -> LinkView:
    return replace(link, label=f"{link.label}+guestbook")


@hookimpl
def lettermill_recipient_values(recipients: Sequence[RecipientView], own: Own) -> Mapping[int, Mapping[str, str]]:
    greeting = own.settings(BookSettings).greeting
    return {one.position: {"greeting": f"{greeting}, {one.first_name}"} for one in recipients}


@hookimpl
def lettermill_transform_message(sending: SendingView, message: MessageView) -> MessageView:
    return replace(message, headers=(*message.headers, ("X-Guestbook", str(sending.id))))


@hookimpl
def lettermill_after_subscribe(subscriber: SubscriberView, own: Own) -> None:
    with own.writing() as connection:
        connection.execute(sa.insert(GUESTS).values(email=subscriber.email))
    own.data.put("last", subscriber.email)
    own.redis.set(own.key("last"), subscriber.email)
    (own.folder / "last.txt").write_text(subscriber.email)


@hookimpl
def lettermill_tpl_page_end() -> str:
    return Markup("<p>guest book</p>")
