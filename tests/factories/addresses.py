"""Every address of the house, with something real in it: what contracts knock at, and what browsers walk through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, url_for

from app.web.policy import Who
from tests.factories.town import Account, Town

# Routes about a campaign that was sent; all others get a draft.
SENT = {"reports.live", "reports.bounces", "reports.clicks", "reports.recipients", "reports.recipients_csv", "campaigns.ask_cancel", "campaigns.cancel",
        "campaigns.pause",
        "missed.index", "missed.people", "missed.csv", "missed.ask_again", "missed.again", "missed.in_doubt", "missed.decide"}
# Routes about an import that is over; all others get one that waits to be started.
FINISHED = {"imports.show", "imports.rejected"}
# Routes about a domain that is proven; all others get one that waits.
PROVEN = {"dmarc.show"}
# Names in addresses that are no numbers, by room; secrets by door.
NAMES = {"settings_plug_ins": "google_analytics", "api_settings": "product"}
SECRETS = {"auth.sign_in_once": "sign_in", "auth.reset": "reset", "auth.confirm_email": "confirm"}
# Routes about a mail that came in; all others about a mail get one of the test mailbox.
INBOUND = {"inbound.show", "inbound.source"}
# Further looks of a page.
LOOKS = {
    "test_mailbox.show": ("as=plain", "as=headers", "as=links", "as=source"),
    "campaigns.index": ("state=draft",),
    "go.find": ("q=a", "q=nothing-of-the-kind"),
    "editor.preview": ("width=phone&colours=dark&images=off",),
    "lists.show": ("q=one", "q=nobody", "state=unsubscribed"),
    "reports.recipients": ("state=sent", "state=pending"),
    "transactional.day": ("state=sent", "state=failed"),
    "missed.people": ("state=failed&reason=bounced_hard", "state=waiting&reason=", "state=skipped&reason=plugin"),
    "missed.csv": ("state=failed&reason=bounced_hard",),
    "missed.ask_again": ("reason=blocked", "position=2"),
    "in_doubt.index": ("before=1.0.1",),
    "inbound.index": ("days=7", "days=90"),
    "inbound.events": ("what=hard&days=30", "reason=policy&domain=a.test", "q=nobody", "campaign=1"),
    "inbound.mails": ("kind=bounce&state=unprocessed", "q=nobody@x.test"),
    "inbound.show": ("as=headers", "as=source"),
    "inbound_rules.index": ("q=full", "q=nothing-of-the-kind"),
    "bounces.index": ("days=7",),
    "bounces.events": ("what=complaint&days=7", "q=nobody"),
    "admin_dmarc.index": ("q=proven", "q=nothing-of-the-kind"),
    "settings.find": ("q=name", "q=nothing-of-the-kind"),
    "settings_plug_ins.index": ("show=attention",),
    "users.index": ("q=ada",),
}
WHO_WALKS = {Who.ANYONE: "", Who.SIGNED_IN: "a", Who.ADMINISTRATOR: "super", Who.ACCOUNT: "a", Who.KEY: "", Who.ACCOUNT_KEY: ""}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a page is, and in whose browser it opens ("" is nobody's)."""

    endpoint: str
    path: str
    cookie: str


def values_of(town: Town, account: Account, endpoint: str, arguments: list[str]) -> dict[str, object]:
    """Return what the arguments of an endpoint's address are, so that it names things of this account and of the house."""
    numbers = town.things | account.numbers
    if endpoint in SENT:
        numbers["campaign_id"] = numbers["sent_campaign"]
    if endpoint in PROVEN:
        numbers["domain_id"] = numbers["proven_domain"]
    if endpoint in FINISHED:
        numbers["found_id"] = numbers["finished_import"]
    if endpoint in INBOUND:
        numbers["mail_id"] = numbers["inbound_mail"]
    words: dict[str, object] = {"token": town.secrets["token"], "public_id": town.secrets["public_id"], "filename": "icons.svg",
                                "name": NAMES.get(endpoint.partition(".")[0], ""),
                                "secret": town.secrets.get(SECRETS.get(endpoint, ""), "there-is-none")}
    return {name: words.get(name, numbers.get(name, "?")) for name in arguments}


def pages(app: Flask, town: Town) -> Iterator[Address]:
    """Yield every address that a browser can open, in the browser of somebody who may."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.endpoint, rule.rule)):
        who = app.view_functions[rule.endpoint].policy.who  # type: ignore[attr-defined]
        if "GET" not in (rule.methods or ()) or who in {Who.KEY, Who.ACCOUNT_KEY} or rule.endpoint == "static":
            continue
        with app.test_request_context():
            path = url_for(rule.endpoint, **values_of(town, town.a, rule.endpoint, sorted(rule.arguments)))
        yield Address(rule.endpoint, path, WHO_WALKS[who])
        yield from (Address(rule.endpoint, f"{path}?{look}", WHO_WALKS[who]) for look in LOOKS.get(rule.endpoint, ()))
