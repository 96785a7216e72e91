"""Who may do what, written down by hand: the reviewed answers that the authorisation matrix is tried against.

A new route fails test_authorisation_matrix until somebody has thought about it and written its line here. The line says who may come
in, with which permission, which rows the address names, and what the door answers to somebody who may (an empty form: 422).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from app.web.policy import ACCOUNT, ACCOUNT_KEY, ADMINISTRATOR, ANYONE, KEY, SIGNED_IN, Who


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table: ``loads`` as "argument:Table", ``answers`` by method."""

    who: Who
    permission: str
    loads: str
    answers: dict[str, int]


# fmt: off
ROUTES: dict[str, Route] = {
    "bounces.event": Route(ACCOUNT, "reports", "event:InboundEvent", {"GET": 200}),
    "bounces.events": Route(ACCOUNT, "reports", "", {"GET": 200}),
    "bounces.index": Route(ACCOUNT, "reports", "", {"GET": 200}),
    "bounces.source": Route(ACCOUNT, "reports", "event:InboundEvent", {"GET": 200}),
    "campaigns.ask_cancel": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"GET": 200}),
    "campaigns.cancel": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 302}),
    "campaigns.copy": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"POST": 302}),
    "campaigns.delete": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"POST": 302}),
    "campaigns.everybody": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 409}),
    "campaigns.index": Route(ACCOUNT, "campaigns", "", {"GET": 200}),
    "campaigns.new": Route(ACCOUNT, "campaigns", "", {"GET": 200, "POST": 422}),
    "campaigns.pause": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 302}),
    "campaigns.resume": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 409}),
    "campaigns.show": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"GET": 302}),
    "campaigns.unschedule": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 409}),
    "dmarc.index": Route(ACCOUNT, "sender_domains", "", {"GET": 200}),
    "dmarc.show": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"GET": 200}),
    "editor.delivery": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"GET": 200, "POST": 409}),
    "editor.edit": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"GET": 200, "POST": 409}),
    "editor.preview": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"GET": 200}),
    "editor.recipients": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"GET": 200, "POST": 422}),
    "editor.send": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"GET": 200, "POST": 302}),
    "editor.servers": Route(ACCOUNT, "campaigns.servers", "campaign:Campaign", {"POST": 303}),
    "editor.servers_by_administrator": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 303}),
    "editor.test": Route(ACCOUNT, "campaigns", "campaign:Campaign", {"POST": 422}),
    "fields.delete": Route(ACCOUNT, "lists", "list:SubscriberList field:CustomField", {"POST": 302}),
    "fields.index": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200, "POST": 422}),
    "go.find": Route(ACCOUNT, "", "", {"GET": 200}),
    "imports.columns": Route(ACCOUNT, "imports", "found:Import", {"GET": 200, "POST": 422}),
    "imports.index": Route(ACCOUNT, "imports", "list:SubscriberList", {"GET": 200, "POST": 422}),
    "imports.preview": Route(ACCOUNT, "imports", "found:Import", {"GET": 200}),
    "imports.rejected": Route(ACCOUNT, "imports", "found:Import", {"GET": 200}),
    "imports.show": Route(ACCOUNT, "imports", "found:Import", {"GET": 200}),
    "imports.start": Route(ACCOUNT, "imports", "found:Import", {"POST": 302}),
    "imports.stop": Route(ACCOUNT, "imports", "found:Import", {"POST": 409}),
    "lists.delete": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200, "POST": 422}),
    "lists.edit": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200, "POST": 422}),
    "lists.export": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200}),
    "lists.index": Route(ACCOUNT, "lists", "", {"GET": 200}),
    "lists.new": Route(ACCOUNT, "lists", "", {"GET": 200, "POST": 422}),
    "lists.show": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200}),
    "missed.again": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 422}),
    "missed.ask_again": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"GET": 200}),
    "missed.csv": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "missed.decide": Route(ACCOUNT, "campaigns.send", "campaign:Campaign", {"POST": 422}),
    "missed.in_doubt": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "missed.index": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "missed.people": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 302}),
    "reports.bounces": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "reports.clicks": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "reports.live": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "reports.recipients": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "reports.recipients_csv": Route(ACCOUNT, "reports", "campaign:Campaign", {"GET": 200}),
    "sender_domains.check": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"POST": 302}),
    "sender_domains.delete": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"POST": 302}),
    "sender_domains.index": Route(ACCOUNT, "sender_domains", "", {"GET": 200, "POST": 422}),
    "sender_domains.renew": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"POST": 302}),
    "sender_domains.show": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"GET": 200}),
    "sender_domains.switch": Route(ACCOUNT, "sender_domains", "domain:SenderDomain", {"POST": 302}),
    "subscribers.erase": Route(ACCOUNT, "lists", "subscriber:Subscriber", {"POST": 302}),
    "subscribers.mail_again": Route(ACCOUNT, "suppression", "subscriber:Subscriber", {"POST": 302}),
    "subscribers.new": Route(ACCOUNT, "lists", "list:SubscriberList", {"GET": 200, "POST": 422}),
    "subscribers.show": Route(ACCOUNT, "lists", "subscriber:Subscriber", {"GET": 200, "POST": 302}),
    "subscribers.unsubscribe": Route(ACCOUNT, "lists", "subscriber:Subscriber", {"POST": 302}),
    "suppression.index": Route(ACCOUNT, "suppression", "", {"GET": 200, "POST": 422}),
    "suppression.remove": Route(ACCOUNT, "suppression", "", {"POST": 302}),
    "transactional.day": Route(ACCOUNT, "transactional", "stream:Sending", {"GET": 200}),
    "transactional.index": Route(ACCOUNT, "transactional", "", {"GET": 200}),
    "transactional.key": Route(ACCOUNT, "transactional", "", {"GET": 200, "POST": 422}),
    "user.dashboard": Route(ACCOUNT, "", "", {"GET": 200}),
    "admin.dashboard": Route(ADMINISTRATOR, "", "", {"GET": 200}),
    "admin_dmarc.index": Route(ADMINISTRATOR, "users", "", {"GET": 200}),
    "admin_dmarc.show": Route(ADMINISTRATOR, "users", "report:DmarcReport", {"GET": 200}),
    "admin_domains.index": Route(ADMINISTRATOR, "users", "", {"GET": 200}),
    "admin_domains.release": Route(ADMINISTRATOR, "users", "domain:SenderDomain", {"POST": 302}),
    "admin_domains.show": Route(ADMINISTRATOR, "users", "domain:SenderDomain", {"GET": 200, "POST": 422}),
    "admin.send_sample": Route(ADMINISTRATOR, "", "", {"POST": 302}),
    "administrators.add": Route(ADMINISTRATOR, "administrators", "", {"GET": 200, "POST": 422}),
    "administrators.index": Route(ADMINISTRATOR, "administrators", "", {"GET": 200}),
    "administrators.show": Route(ADMINISTRATOR, "administrators", "administrator:Administrator", {"GET": 200, "POST": 422}),
    "complaint_meters.index": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "complaint_meters.release": Route(ADMINISTRATOR, "inbound", "user:User", {"POST": 302}),
    "groups.add": Route(ADMINISTRATOR, "users", "", {"GET": 200, "POST": 422}),
    "groups.delete": Route(ADMINISTRATOR, "users", "group:UserGroup", {"POST": 302}),
    "groups.index": Route(ADMINISTRATOR, "users", "", {"GET": 200}),
    "groups.show": Route(ADMINISTRATOR, "users", "group:UserGroup", {"GET": 200, "POST": 422}),
    "in_doubt.decide": Route(ADMINISTRATOR, "system", "", {"POST": 422}),
    "in_doubt.index": Route(ADMINISTRATOR, "system", "", {"GET": 200}),
    "inbound.drop": Route(ADMINISTRATOR, "inbound", "forward:Forward", {"POST": 302}),
    "inbound.events": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "inbound.index": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "inbound.mails": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "inbound.read_again": Route(ADMINISTRATOR, "inbound", "", {"POST": 302}),
    "inbound.release": Route(ADMINISTRATOR, "inbound", "forward:Forward", {"POST": 302}),
    "inbound.show": Route(ADMINISTRATOR, "inbound", "mail:InboundMail", {"GET": 200}),
    "inbound.source": Route(ADMINISTRATOR, "inbound", "mail:InboundMail", {"GET": 200}),
    "inbound.unprocessed": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "inbound_rules.apply": Route(ADMINISTRATOR, "inbound", "", {"POST": 302}),
    "inbound_rules.index": Route(ADMINISTRATOR, "inbound", "", {"GET": 200, "POST": 422}),
    "inbound_rules.remove": Route(ADMINISTRATOR, "inbound", "rule:InboundRule", {"POST": 302}),
    "inbound_rules.show": Route(ADMINISTRATOR, "inbound", "rule:InboundRule", {"GET": 200, "POST": 422}),
    "inbound_rules.switch": Route(ADMINISTRATOR, "inbound", "rule:InboundRule", {"POST": 302}),
    "inbound_rules.trial": Route(ADMINISTRATOR, "inbound", "", {"GET": 200}),
    "settings.find": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings.home": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_admin_account.api": Route(ADMINISTRATOR, "", "", {"GET": 200, "POST": 422}),
    "settings_admin_account.revoke": Route(ADMINISTRATOR, "", "", {"POST": 302}),
    "settings_admin_account.sessions": Route(ADMINISTRATOR, "", "", {"GET": 200}),
    "settings_admin_account.show": Route(ADMINISTRATOR, "", "", {"GET": 200, "POST": 422}),
    "settings_bounces.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_bounces.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_bounces.test": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_bounces.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_delivery_servers.copy": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"POST": 302}),
    "settings_delivery_servers.default": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"POST": 302}),
    "settings_delivery_servers.delete": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"POST": 302}),
    "settings_delivery_servers.dkim": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"GET": 200, "POST": 422}),
    "settings_delivery_servers.domains": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"GET": 200, "POST": 303}),
    "settings_delivery_servers.enabled": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"POST": 302}),
    "settings_delivery_servers.index": Route(ADMINISTRATOR, "delivery", "", {"GET": 200}),
    "settings_delivery_servers.live": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"GET": 200}),
    "settings_delivery_servers.new": Route(ADMINISTRATOR, "delivery", "", {"GET": 200, "POST": 422}),
    "settings_delivery_servers.show": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"GET": 200, "POST": 303}),
    "settings_delivery_servers.test": Route(ADMINISTRATOR, "delivery", "server:DeliveryServer", {"GET": 200, "POST": 422}),
    "settings_email_addresses.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_email_addresses.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_email_addresses.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_email_delivery.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_email_delivery.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_email_delivery.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_load_balancing.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_load_balancing.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_load_balancing.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_plug_ins.ask": Route(ADMINISTRATOR, "plugins", "", {"GET": 200}),
    "settings_plug_ins.disable": Route(ADMINISTRATOR, "plugins", "", {"POST": 422}),
    "settings_plug_ins.download": Route(ADMINISTRATOR, "plugins", "", {"GET": 200}),
    "settings_plug_ins.enable": Route(ADMINISTRATOR, "plugins", "", {"POST": 302}),
    "settings_plug_ins.index": Route(ADMINISTRATOR, "plugins", "", {"GET": 200}),
    "settings_plug_ins.pause": Route(ADMINISTRATOR, "plugins", "", {"POST": 302}),
    "settings_plug_ins.resume": Route(ADMINISTRATOR, "plugins", "", {"POST": 302}),
    "settings_plugin_google_analytics_source.save": Route(ADMINISTRATOR, "settings", "", {"POST": 303}),
    "settings_plugin_google_analytics_source.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_plugin_google_analytics_source.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_product.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_product.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_product.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 303}),
    "settings_spam_complaint.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_spam_complaint.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_spam_complaint.test": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_spam_complaint.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_system.save": Route(ADMINISTRATOR, "settings", "", {"POST": 422}),
    "settings_system.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "settings_system.undo": Route(ADMINISTRATOR, "settings", "", {"POST": 404}),
    "settings_webhooks.delete": Route(ADMINISTRATOR, "settings", "webhook:InboundWebhook", {"POST": 302}),
    "settings_webhooks.edit": Route(ADMINISTRATOR, "settings", "webhook:InboundWebhook", {"GET": 200, "POST": 303}),
    "settings_webhooks.new": Route(ADMINISTRATOR, "settings", "", {"GET": 200, "POST": 422}),
    "settings_webhooks.secret": Route(ADMINISTRATOR, "settings", "webhook:InboundWebhook", {"POST": 200}),
    "settings_webhooks.show": Route(ADMINISTRATOR, "settings", "", {"GET": 200}),
    "system.discard": Route(ADMINISTRATOR, "system", "job:ShuntedJob", {"POST": 302}),
    "system.index": Route(ADMINISTRATOR, "system", "", {"GET": 200}),
    "system.retry": Route(ADMINISTRATOR, "system", "job:ShuntedJob", {"POST": 302}),
    "system.shunted_jobs": Route(ADMINISTRATOR, "system", "", {"GET": 200}),
    "test_mailbox.ask_delete_all": Route(ADMINISTRATOR, "system", "", {"GET": 200}),
    "test_mailbox.delete_all": Route(ADMINISTRATOR, "system", "", {"POST": 302}),
    "test_mailbox.index": Route(ADMINISTRATOR, "system", "", {"GET": 200}),
    "test_mailbox.show": Route(ADMINISTRATOR, "system", "mail:TestMail", {"GET": 200}),
    "users.add": Route(ADMINISTRATOR, "users", "", {"GET": 200, "POST": 422}),
    "users.index": Route(ADMINISTRATOR, "users", "", {"GET": 200}),
    "users.leave_account": Route(ADMINISTRATOR, "", "", {"POST": 302}),
    "users.open_account": Route(ADMINISTRATOR, "users.open", "user:User", {"POST": 302}),
    "users.show": Route(ADMINISTRATOR, "users", "user:User", {"GET": 200, "POST": 422}),
    "auth.confirm_email": Route(ANYONE, "", "", {"GET": 200, "POST": 200}),
    "auth.forgotten": Route(ANYONE, "", "", {"GET": 200, "POST": 422}),
    "auth.front_door": Route(ANYONE, "", "", {"GET": 302}),
    "auth.reset": Route(ANYONE, "", "", {"GET": 200, "POST": 422}),
    "auth.set_up": Route(ANYONE, "", "", {"GET": 404, "POST": 404}),
    "auth.sign_in": Route(ANYONE, "", "", {"GET": 200, "POST": 422}),
    "auth.sign_in_once": Route(ANYONE, "", "", {"GET": 200, "POST": 302}),
    "health.healthz": Route(ANYONE, "", "", {"GET": 200}),
    "inbound_webhooks.post": Route(ANYONE, "", "", {"POST": 401}),
    "static": Route(ANYONE, "", "", {"GET": 200}),
    "unsubscribe.ask": Route(ANYONE, "", "", {"GET": 200}),
    "unsubscribe.leave_now": Route(ANYONE, "", "", {"POST": 200}),
    "unsubscribe.stay_after_all": Route(ANYONE, "", "", {"POST": 200}),
    "api_settings.change": Route(KEY, "settings", "", {"PATCH": 422}),
    "api_settings.read": Route(KEY, "settings", "", {"GET": 200}),
    "api_settings.schema": Route(KEY, "settings", "", {"GET": 200}),
    "api_settings.sections": Route(KEY, "settings", "", {"GET": 200}),
    "api_transactional.read": Route(ACCOUNT_KEY, "transactional", "stream:Sending", {"GET": 200}),
    "api_transactional.send": Route(ACCOUNT_KEY, "transactional", "", {"POST": 422}),
    "account.revoke": Route(SIGNED_IN, "", "", {"POST": 302}),
    "account.sessions": Route(SIGNED_IN, "", "", {"GET": 200}),
    "account.show": Route(SIGNED_IN, "", "", {"GET": 200, "POST": 422}),
    "auth.sign_out": Route(SIGNED_IN, "", "", {"POST": 302}),
}
# fmt: on

# Somebody knocks as: a browser (cookie), a key, or nobody. ``account``: whose objects they may see.
PEOPLE = ("a", "a_lacking", "b", "disabled")
ADMINISTRATORS = ("super", "super_in_a", "sub", "sub_lacking", "sub_exact", "sub_in_a", "sub_lacking_in_a")
KEYS = ("key_super", "key_sub", "key_exact", "key_revoked", "key_wrong", "key_a", "key_a_lacking", "key_b")
ACTORS = ("anonymous", *PEOPLE, *ADMINISTRATORS, *KEYS)
IN_ACCOUNT_A = {"a", "a_lacking", "super_in_a", "sub_in_a", "sub_lacking_in_a"}

# Arguments that name something of a customer's; what another customer has there must answer as what nobody has.
OF_CUSTOMERS = {"list_id", "field_id", "subscriber_id", "suppression_id", "found_id", "campaign_id", "stream_id", "domain_id"}

# (endpoint, method, actor or "*", object or "*") -> (status, why this is right). Whatever is not here follows from the table.
EXCEPTIONS: dict[tuple[str, str, str, str], tuple[int, str]] = {
    ("auth.confirm_email", "GET", "*", "absent"): (200, "The page says that the link is over; it names nobody."),
    ("auth.confirm_email", "POST", "*", "absent"): (200, "The page says that the link is over; it names nobody."),
    ("settings_admin_account.revoke", "POST", "*", "absent"): (302, "One's own sessions only; one that is over already is as good as ended."),
    ("account.revoke", "POST", "*", "absent"): (302, "One's own sessions only; one that is over already is as good as ended."),
    **{("editor.servers_by_administrator", "POST", who, who): (403, "For administrators; users have a door that asks for their permission.")
       for who in ("a", "b")},
    **{(f"account.{page}", method, actor, thing): (404, "An administrator's own account is Settings › Admin account.") for actor in ADMINISTRATORS
       for page, method in (("show", "GET"), ("show", "POST"), ("sessions", "GET"), ("revoke", "POST")) for thing in ("none", "a", "absent")},
}


def expected(endpoint: str, method: str, actor: str, thing: str) -> int:
    """Return the status that this door must answer. ``thing``: a (A's own), b (another customer's), absent, or none (no object named)."""
    route = ROUTES[endpoint]
    answer = _ANSWERS[route.who](route, method, actor, thing)
    if _ANSWERS[route.who](route, method, actor, "none") != route.answers[method]:
        return answer  # An exception is about somebody who may come in.
    for who, what in product((actor, "*"), (thing, "*")):
        if (found := EXCEPTIONS.get((endpoint, method, who, what))) is not None:
            return found[0]
    return answer


def _anyone(route: Route, method: str, actor: str, thing: str) -> int:
    return 404 if thing == "absent" else route.answers[method]


def _signed_in(route: Route, method: str, actor: str, thing: str) -> int:
    return 302 if _is_stranger(actor) else _anyone(route, method, actor, thing)


def _administrator(route: Route, method: str, actor: str, thing: str) -> int:
    if _is_stranger(actor):
        return 302
    if actor in PEOPLE:
        return 404
    return _anyone(route, method, actor, thing) if _has(route.permission, actor) else 403


def _account(route: Route, method: str, actor: str, thing: str) -> int:
    if _is_stranger(actor):
        return 302
    # Who opens a customer's account needs users.open; in the house's own account every administrator works.
    if actor == "sub_lacking_in_a" or (actor == "a_lacking" and route.permission):
        return 403
    mine = {"a"} if actor in IN_ACCOUNT_A else {"b"} if actor == "b" else set()
    return route.answers[method] if thing in mine | {"none"} else 404


def _key(route: Route, method: str, actor: str, thing: str) -> int:
    if actor not in {"key_super", "key_sub", "key_exact"}:
        return 401
    return 403 if actor == "key_sub" else _anyone(route, method, actor, thing)


def _account_key(route: Route, method: str, actor: str, thing: str) -> int:
    if actor not in {"key_super", "key_sub", "key_exact", "key_a", "key_a_lacking", "key_b"}:
        return 401
    # An administrator's key belongs to no account.
    if actor in {"key_super", "key_sub", "key_exact", "key_a_lacking"}:
        return 403
    return route.answers[method] if thing in {actor.removeprefix("key_"), "none"} else 404


def _is_stranger(actor: str) -> bool:
    return actor in {"anonymous", "disabled", *KEYS}


def _has(permission: str, actor: str) -> bool:
    held = {"sub_in_a": permission == "users.open", "sub_lacking_in_a": permission != "users.open"}
    return not permission or held.get(actor, actor in {"super", "super_in_a", "sub_exact"})


_ANSWERS = {ANYONE: _anyone, SIGNED_IN: _signed_in, ADMINISTRATOR: _administrator, ACCOUNT: _account, KEY: _key, ACCOUNT_KEY: _account_key}
