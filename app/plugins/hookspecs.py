"""Every hook there is, in the order of a mail's life. The docstrings are the documentation: docs/hooks.md is made from them.

An implementation takes only the arguments that it needs, by these names. ``own`` is always what belongs to the plug-in itself: its
settings, its options of a campaign, its data, files, keys and log (:class:`app.plugins.own.Own`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from app.plugins.declarations import MenuItem, MergeTag
from app.plugins.views import (
    CampaignView,
    DeliveryChannel,
    EventView,
    ImportView,
    LinkView,
    MessageView,
    Problem,
    RecipientView,
    ResultView,
    SendingView,
    SubscriberView,
    Verdict,
)

if TYPE_CHECKING:
    from app.plugins.own import Own

PROJECT = "lettermill"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# ------------------------------------------------------------------------------------------------------------------------------
# Collect: asked once when a process starts; one that raises is not started. What is declared has an effect only while it is enabled.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_settings_sections() -> Sequence[type]:  # type: ignore[empty-body]
    """Return the sections of settings that the plug-in adds, each a tab under "From plug-ins".

    Called once when a process starts. A section is a class under ``@section("plugin.<name>.<section>", …)``; its form, checks,
    history and API are the platform's. Read it with ``own.settings(TheClass)``.

    If it raises, or a section is not named after the plug-in, the plug-in is not started.
    """


@hookspec
def lettermill_campaign_options() -> Sequence[type]:  # type: ignore[empty-body]
    """Return sections that authors fill in for each campaign, shown in the campaign's editor.

    Called once when a process starts. The classes are sections like those of settings, stored with the campaign. Read them with
    ``own.options(TheClass, campaign.id)``.

    If it raises, or a section is not named after the plug-in, the plug-in is not started.
    """


@hookspec
def lettermill_blueprints() -> Sequence[Any]:  # type: ignore[empty-body]
    """Return Flask blueprints with the plug-in's own pages.

    Called once when a web process starts. A blueprint's name is ``plugin_<name>`` (or begins with it and an underscore), its addresses
    stand under ``/plugins/<name>/``, and each view declares its ``@policy(…)``. While the plug-in is not enabled they answer 404.

    If it raises, or a route has no policy, the plug-in is not started.
    """


@hookspec
def lettermill_template_folder() -> Path:  # type: ignore[empty-body]
    """Return the folder of the plug-in's Jinja templates; its pages name them ``plugins/<name>/<file>``.

    Called once when a process starts. A reseller's theme may override each of them under the same name.

    If it raises, or the folder is not there, the plug-in is not started.
    """


@hookspec
def lettermill_menu_items() -> Sequence[MenuItem]:  # type: ignore[empty-body]
    """Return lines for the side bar, of administrators or of accounts.

    Called once when a process starts. An address stands under ``/plugins/<name>/``.

    If it raises, the plug-in is not started.
    """


@hookspec
def lettermill_merge_tags() -> Sequence[MergeTag]:  # type: ignore[empty-body]
    """Return the merge tags whose values the plug-in fills in ``lettermill_recipient_values``.

    Called once when a process starts. Authors find them in the picker and write them as ``%<plug-in>:<tag>%``.

    If it raises, the plug-in is not started.
    """


@hookspec
def lettermill_delivery_channels() -> Sequence[DeliveryChannel]:  # type: ignore[empty-body]
    """Return further ways for mail to leave the platform, chosen in Email delivery or for one campaign.

    Called once when a process starts. A channel takes batches in a delivery worker, and answers for each message.

    If it raises, the plug-in is not started. A channel that raises while it delivers leaves its messages in doubt.
    """


# ------------------------------------------------------------------------------------------------------------------------------
# Per sending: a campaign is checked, then compiled once. Cost: once, however many recipients there are.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_filter_campaign(campaign: CampaignView, own: Own) -> Sequence[Problem] | None:
    """Return what speaks against sending this campaign, or nothing.

    Called in a web request, each time that the page to send from is drawn, and once more when the campaign is sent or scheduled: an
    answer, not an event, so store nothing. Every plug-in is asked; one problem is enough to refuse.

    :param campaign: The campaign as its author wrote it.
    :param own: What belongs to the plug-in.

    If it raises, the campaign is refused with the plug-in named: a broken check lets nothing through.
    """


@hookspec
def lettermill_transform_campaign(campaign: CampaignView, own: Own) -> CampaignView | None:
    """Return the campaign as it should be sent, or None to leave it as it is.

    Called once for each sending, in a delivery worker, when its content is compiled; plug-ins follow each other by name
    (``tryfirst`` and ``trylast`` hold). Make the new one with ``dataclasses.replace``. Subject, pre-header, HTML and plain text may
    differ; merge tags in them are filled in later.

    :param campaign: The campaign as the plug-in before left it.
    :param own: What belongs to the plug-in.

    If it raises, nothing is sent: the sending waits and tries again, and the plug-in is named.
    """


@hookspec
def lettermill_transform_link(campaign: CampaignView, link: LinkView, own: Own) -> LinkView | None:
    """Return the link with another address or label, or None to leave it as it is.

    Called once for each link of each sending, in a delivery worker, when its content is compiled. The address may hold merge tags
    (``%…%``), which must stay as they are: they are filled in for each recipient later. The number must not change.

    :param campaign: The campaign that the link stands in.
    :param link: The link as the plug-in before left it.
    :param own: What belongs to the plug-in.

    If it raises, nothing is sent: the sending waits and tries again, and the plug-in is named.
    """


# ------------------------------------------------------------------------------------------------------------------------------
# Per batch: called with up to a few hundred recipients at once, in a delivery worker.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_filter_recipients(
    sending: SendingView, recipients: Sequence[RecipientView], own: Own
) -> Mapping[int, Verdict] | None:
    """Return who does not get this mail (``Skip``) or not yet (``Defer``), by position; whoever is left out is allowed.

    Called once for each batch, in a delivery worker, after suppression. Every plug-in is asked and the strictest answer wins: skip,
    then the longest defer, then allow.

    :param sending: The run that the recipients belong to.
    :param recipients: The recipients in hand.
    :param own: What belongs to the plug-in.

    If it raises, all recipients of the batch are deferred by five minutes: a broken filter lets no mail through.
    """


@hookspec
def lettermill_recipient_values(
    sending: SendingView, recipients: Sequence[RecipientView], own: Own
) -> Mapping[int, Mapping[str, str]] | None:
    """Return the values of the plug-in's own merge tags, by position and tag; a tag that is left out is empty.

    Called once for each batch, in a delivery worker, before the mails are made. Only tags that ``lettermill_merge_tags`` declares
    count. Values are text, never HTML.

    :param sending: The run that the recipients belong to.
    :param recipients: The recipients in hand.
    :param own: What belongs to the plug-in.

    If it raises, the batch is deferred: no mail goes out with holes in it.
    """


# ------------------------------------------------------------------------------------------------------------------------------
# Per message: the slow path. It is taken only while an enabled plug-in implements one of these, and the campaign's page says so.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_filter_message(sending: SendingView, message: MessageView, own: Own) -> Verdict | None:
    """Decide whether one finished mail goes out.

    Called once for each recipient, in a delivery worker, after the mail is filled in and before it is signed. Every plug-in is asked
    and the strictest answer wins: skip, then the longest defer, then allow.

    :param sending: The run that the mail belongs to.
    :param message: The mail as it would be sent; to change it, see ``lettermill_transform_message``.
    :param own: What belongs to the plug-in.

    If it raises, the mail is deferred by five minutes.
    """


@hookspec
def lettermill_transform_message(sending: SendingView, message: MessageView, own: Own) -> MessageView | None:
    """Return the mail of one recipient as it should be sent, or None to leave it as it is.

    Called once for each recipient, in a delivery worker, before the mail is signed; plug-ins follow each other by name. Subject, HTML,
    plain text and further headers may differ.

    :param sending: The run that the mail belongs to.
    :param message: The mail as the plug-in before left it.
    :param own: What belongs to the plug-in.

    If it raises, the mail is deferred by five minutes.
    """


# ------------------------------------------------------------------------------------------------------------------------------
# Notices: told in a job on the maintenance queue, soon after the thing happened. Told at least once: a worker that dies tells again.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_after_subscribe(subscriber: SubscriberView, own: Own) -> None:
    """Learn that somebody is now subscribed: confirmed, where the list asks for it. Rows of an import are told together, at its end.

    Called in a job on the maintenance queue.

    :param subscriber: Who, on which list.
    :param own: What belongs to the plug-in.

    If it raises, that is logged and counted, and the next plug-in is told.
    """


@hookspec
def lettermill_after_unsubscribe(subscriber: SubscriberView, own: Own) -> None:
    """Learn that somebody has left a list.

    Called in a job on the maintenance queue.

    :param subscriber: Who, from which list.
    :param own: What belongs to the plug-in.

    If it raises, that is logged and counted, and the next plug-in is told.
    """


@hookspec
def lettermill_after_import(result: ImportView, own: Own) -> None:
    """Learn that an import has ended.

    Called in a job on the maintenance queue.

    :param result: The import and its counts.
    :param own: What belongs to the plug-in.

    If it raises, that is logged and counted, and the next plug-in is told.
    """


@hookspec
def lettermill_after_campaign_finished(result: ResultView, own: Own) -> None:
    """Learn that a campaign's last recipient is settled.

    Called in a job on the maintenance queue.

    :param result: The campaign and what became of its recipients.
    :param own: What belongs to the plug-in.

    If it raises, that is logged and counted, and the next plug-in is told.
    """


@hookspec
def lettermill_after_events(events: Sequence[EventView], own: Own) -> None:
    """Learn of opens, clicks, web views, unsubscribes, bounces and complaints, many at once.

    Called in a job on the maintenance queue, after the events are counted in the reports.

    :param events: The events, oldest first.
    :param own: What belongs to the plug-in.

    If it raises, that is logged and counted, and the next plug-in is told.
    """


# ------------------------------------------------------------------------------------------------------------------------------
# Template: slots in pages. Answer markupsafe.Markup for HTML; plain text is escaped. No inline script or style: the pages forbid it.
# ------------------------------------------------------------------------------------------------------------------------------


@hookspec
def lettermill_tpl_page_end(page: str, own: Own) -> str | None:
    """Return what stands at the end of every page, public ones too, or None.

    Called in a web request.

    :param page: The page's name, such as ``campaigns.index``; empty for an address that leads nowhere.
    :param own: What belongs to the plug-in.

    If it raises, the slot stays empty.
    """


@hookspec
def lettermill_tpl_navigation_end(page: str, own: Own) -> str | None:
    """Return what stands under the side bar of the signed-in areas, or None; for a line that is a link, see ``lettermill_menu_items``.

    Called in a web request.

    :param page: The page's name, such as ``campaigns.index``; empty for an address that leads nowhere.
    :param own: What belongs to the plug-in.

    If it raises, the slot stays empty.
    """


@hookspec
def lettermill_tpl_campaign_editor(page: str, campaign_id: int, own: Own) -> str | None:
    """Return what stands beside the text in the editor of a campaign, or None; for fields, see ``lettermill_campaign_options``.

    Called in a web request, once the reader is known to be allowed to see the campaign.

    :param page: The page's name.
    :param campaign_id: The campaign's number.
    :param own: What belongs to the plug-in.

    If it raises, the slot stays empty.
    """


@hookspec
def lettermill_tpl_campaign_report(page: str, campaign_id: int, own: Own) -> str | None:
    """Return a panel for the report of a campaign, or None.

    Called in a web request, once the reader is known to be allowed to see the campaign.

    :param page: The page's name.
    :param campaign_id: The campaign's number.
    :param own: What belongs to the plug-in.

    If it raises, the slot stays empty.
    """
