"""What can have happened in a town, as statements, with the pages that tell of it; and what can be typed wrong, form by form."""

# ruff: noqa: S608 - the statements are made of words that stand here

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

LOST = "Traceback (most recent call last):\nOSError: it broke"
GONE = "The file is no longer on the server. Import it again; nobody is added twice."
BAD_HTML = '<p>Hello %Subscriber:FirstName% %Subscriber:Shoe%</p><img src="a.png"><a href="shop.example">shop</a>' + "x" * 110_000
CAMPAIGN = ("INSERT INTO campaigns (user_id, name, state, from_name, from_email, reply_to, subject, preheader, html, plain, plain_is_derived, track_opens, "
            "track_links, channel, time_zone, in_recipients_zone, canary_minutes, held_why, revision, send_at, created_at, updated_at) "
            "SELECT user_id, name, '{state}', '', '', '', '', '', '', '', 1, 1, 1, "
            "'', 'UTC', 0, 60, '', 1, updated_at, created_at, updated_at FROM campaigns WHERE id = {campaign}")
CONSENT = ("INSERT INTO consent_events (user_id, subscriber_id, list_id, kind, via, evidence, at) "
           "SELECT user_id, subscriber_id, list_id, '{kind}', '{via}', '{{}}', at FROM consent_events LIMIT 1")
SUPPRESSED = ("INSERT INTO suppressions (user_id, list_id, pattern, reason, note, created_at) "
              "SELECT user_id, 0, '{reason}@x.test', '{reason}', '', created_at FROM suppressions LIMIT 1")
EVENT = ("INSERT INTO tracking_events (sending_id, position, kind, at, machine, address, user_agent) "
         "SELECT sending_id, position, '{kind}', at, 1, address, user_agent FROM tracking_events LIMIT 1")
PAUSED_ITSELF = ("UPDATE plugin_states SET state = 'paused', reason = 'transform_link failed 10 times in a row', failed_hook = 'lettermill_transform_link', "
                 "failing = '{\"lettermill_transform_link\": 10}', failed_at = changed_at, traceback = '" + LOST + "'")
REJECTED = ((3, "There is no address in this line.", ",x"), (4, "a_b is no domain name. Type it as example.com.", "a@a_b,x"),
            (5, "The address or its domain is suppressed.", "one@a.test,x"))
# (what it is called, what happened, where it is told: "!" before what an administrator opens)
Happening = tuple[str, list[str], list[str]]
# The words and names that these statements put into the house.
PUT_IN = {"Gone", "gone", "nobody", "a@b@c", "transform_link", "lm1", "%Subscriber:Shoe%", "%Link:Unsubscribe%", "%Subscriber:FirstName|friend%",
          "shop.example", "a_b", "a.test", "%PreHeader%", "a@x.example", "(none)", "smtp", "nothing of the kind", "spoons"}


# What a run of the sent campaign is made of whose next wave, or next hour, is waited for.
LATER = ("INSERT INTO batches (sending_id, first, last, pacing_group, kind, wave, not_before, state, sent, failed, skipped, in_doubt, waiting) "
         "SELECT id, 901, 950, '', 0, 1, '2040-01-01 10:00:00', 'waiting', 0, 0, 0, 0, 0 FROM sendings")
HOURS_OVER = ("INSERT INTO batches (sending_id, first, last, pacing_group, kind, wave, not_before, state, sent, failed, skipped, in_doubt, waiting) "
              "SELECT id, 951, 960, '', 0, 0, '2020-01-01 10:00:00', 'done', 10, 0, 0, 0, 0 FROM sendings")
PLANNED = "UPDATE sendings SET state = '{state}', content = json_set(content, '$.plan', json_object({plan})), seeds = {seeds}, canary_until = {until}"


def happenings() -> Iterator[Happening]:
    """Yield what may have happened. Numbers stand as {campaign} (the draft), {sent}, {import} (the one that is over), {user} and so on."""
    yield from _of_campaigns()
    yield from _of_waiting()
    yield from _of_the_missed()
    yield from _of_people()
    yield from _of_the_house()
    yield from _of_what_came_back()


def _of_campaigns() -> Iterator[Happening]:
    draft, sent = "/user/campaigns/{campaign}", "/user/campaigns/{sent}"
    states = ("draft", "scheduled", "sending", "paused", "finished", "cancelled")
    yield "campaigns of every state", [CAMPAIGN.replace("{state}", state) for state in states], ["/user/campaigns/", "/user/"]
    yield ("a campaign with every fault",
           [f"UPDATE campaigns SET html = '{BAD_HTML}', plain = 'Hello', from_email = 'nobody', preheader = '' WHERE id = {{campaign}}",
            "UPDATE subscribers SET first_name = '' WHERE user_id = {user}",
            "UPDATE user_groups SET limits = '{\"campaigns_per_month\": 0, \"mails_per_month\": 1}'"], [f"{draft}/edit", f"{draft}/send"])
    yield ("a campaign that says nothing", ["UPDATE campaigns SET html = '', plain = '', subject = '', from_email = 'a@b@c' WHERE id = {campaign}",
                                            "DELETE FROM campaign_lists"], [f"{draft}/edit", f"{draft}/send", f"{draft}/preview"])
    yield "a campaign at a time", ["UPDATE campaigns SET state = 'scheduled', send_at = '2030-01-01 10:00:00' WHERE id = {campaign}"], [f"{draft}/send"]
    for state, shown in (("freezing", "sending"), ("paused", "paused"), ("finished", "finished"), ("cancelled", "cancelled")):
        yield (f"a sending that is {state}", [f"UPDATE sendings SET state = '{state}', finished_at = '2026-01-01 10:00:00'",
                                              f"UPDATE campaigns SET state = '{shown}' WHERE id = {{sent}}"], [f"{sent}/report", f"{sent}/preview"])
    for state, reason in (("0", ""), ("1", ""), ("3", "expired"), ("4", "suppressed"), ("4", "unsubscribed"), ("4", "plugin"), ("5", ""), ("3", "blocked")):
        yield (f"recipients of state {state} {reason}", [f"UPDATE recipients SET state = {state}, reason = '{reason}', reply = ''"],
               [f"{sent}/recipients", f"{sent}/report"])


def _of_the_missed() -> Iterator[Happening]:
    sent = "/user/campaigns/{sent}"
    doubted = "UPDATE recipients SET state = 5, reason = '{reason}', attempts = 2, next_at = {next}, reply = '{said}'"
    for reason, moment, said, run in (("in_doubt", "NULL", "", "sending"), ("in_doubt", "settled_at", "gone", "sending"),
                                      ("in_doubt_twice", "NULL", "", "sending"), ("in_doubt", "NULL", "", "cancelled")):
        yield (f"mails in doubt, {reason} {moment} {run}",
               [doubted.format(reason=reason, next=moment, said=said), f"UPDATE sendings SET state = '{run}', kind = 'campaign'"],
               [f"{sent}/in-doubt", f"{sent}/missed", f"{sent}/missed/again?reason=blocked", "!/admin/", "!/admin/system/"])
    for reason in ("expired", "blocked", "ours", "bounced_soft", "bounced_hard", "invalid", "in_doubt"):
        yield (f"people who failed, {reason}", [f"UPDATE recipients SET state = 3, reason = '{reason}', reply = ''"],
               [f"{sent}/missed", f"{sent}/missed/people?state=failed&reason={reason}", f"{sent}/missed/again?reason={reason}",
                f"{sent}/missed/again?position=0"])
    for reason in ("suppressed", "unsubscribed", "hard_bounced", "deleted", "cancelled", "plugin"):
        yield f"people left out, {reason}", [f"UPDATE recipients SET state = 4, reason = '{reason}', reply = ''"], [f"{sent}/missed"]
    yield ("people who wait", ["UPDATE recipients SET state = 0, reason = 'deferred', next_at = settled_at",
                               "UPDATE batches SET waiting = 3, sent = 0, failed = 0"],
           [f"{sent}/missed", f"{sent}/missed/people?state=waiting&reason="])
    yield ("people who are being put back", ["UPDATE sendings SET freeze_list = -1"], [f"{sent}/missed", f"{sent}/missed/again?reason=blocked"])
    for state in ("paused", "finished"):
        yield (f"a retry of a campaign that is {state}", ["UPDATE recipients SET state = 3, reason = 'blocked'", f"UPDATE sendings SET state = '{state}'"],
               [f"{sent}/missed/again?reason=blocked"])


def _of_waiting() -> Iterator[Happening]:
    draft, sent = "/user/campaigns/{campaign}", "/user/campaigns/{sent}"
    scheduled = "UPDATE campaigns SET state = 'scheduled', send_at = '2040-01-01 10:00:00', {more} WHERE id = {{campaign}}"
    for more in ("in_recipients_zone = 1", "canary_mails = 500", "canary_percent = 10", "held_why = 'late'"):
        yield f"a campaign that will go: {more}", [scheduled.format(more=more)], [f"{draft}/send", "/user/campaigns/"]
    for state, until, held in (("sending", "NULL", ""), ("sending", "'2040-01-01 10:00:00'", ""), ("paused", "'2020-01-01 10:00:00'", "canary")):
        yield (f"a canary that is {held or state}, until {until}",
               [LATER, PLANNED.format(state=state, plan="'canary_mails', 3", seeds=0, until=until),
                f"UPDATE campaigns SET state = '{state}', held_why = '{held}' WHERE id = {{sent}}"], [f"{sent}/report", "/user/campaigns/"])
    yield ("seeds and hours of the clock",
           [LATER, HOURS_OVER, PLANNED.format(state="sending", plan="'wall', '2040-01-01T09:00:00'", seeds=5, until="NULL"),
            "UPDATE campaigns SET state = 'sending' WHERE id = {sent}"], [f"{sent}/report"])


def _of_people() -> Iterator[Happening]:
    for state in ("waiting", "running", "cancelling", "cancelled", "failed"):
        yield (f"an import that is {state}", [f"UPDATE imports SET state = '{state}', problem = '{GONE}' WHERE id = {{import}}"],
               ["/user/imports/{import}", "/user/lists/{list}/imports"])
    yield ("lines that were not taken", [f"INSERT INTO import_rejections (import_id, line, reason, raw) VALUES ({{import}}, {line}, '{reason}', '{raw}')"
                                         for line, reason, raw in REJECTED], ["/user/imports/{import}"])
    kinds = (("subscribed", "user"), ("confirmed", "form"), ("unsubscribed", "footer-link"), ("unsubscribed", "one-click"), ("imported", "import"))
    yield "consent of every kind", [CONSENT.format(kind=kind, via=via) for kind, via in kinds], ["/user/subscribers/{subscriber}"]
    reasons = ("unsubscribed", "complaint", "hard_bounce", "import")
    yield "suppressed for every reason", [SUPPRESSED.format(reason=reason) for reason in reasons], ["/user/suppression/"]
    yield ("nothing yet",
           ["DELETE FROM campaign_lists", "DELETE FROM suppressions", "DELETE FROM custom_fields", "DELETE FROM test_mails", "DELETE FROM shunted_jobs",
            "DELETE FROM api_keys", "UPDATE campaigns SET user_id = 99", "UPDATE lists SET user_id = 99 WHERE id <> {list}", "DELETE FROM subscribers"],
           ["/user/", "/user/campaigns/", "/user/campaigns/?state=draft", "/user/suppression/", "/user/suppression/?q=x", "/user/lists/{list}",
            "/user/lists/{list}/fields", "/user/lists/", "!/admin/test-mailbox/", "!/admin/test-mailbox/?q=x", "!/admin/system/shunted-jobs",
            "!/admin/settings/admin-account/api", "!/admin/users/?q=nobody"])


def _of_the_house() -> Iterator[Happening]:
    servers, plug_ins = "!/admin/settings/delivery-servers/", "!/admin/settings/plug-ins/"
    yield ("a server that fails, a plug-in that paused itself, settings that cannot be read",
           ["UPDATE delivery_servers SET last_test_passed = 0, security = 'none', internal = 0, dkim_domain = 'a.test', dkim_selector = 'lm1'",
            PAUSED_ITSELF, "UPDATE setting_values SET value = '17'"],
           ["!/admin/", "!/admin/settings/", servers, servers + "{server}", plug_ins, "!/admin/settings/product/", plug_ins + "google_analytics/disable"])
    yield "no server but the test mailbox", ["DELETE FROM delivery_servers WHERE NOT is_test_mailbox"], [servers, "!/admin/"]
    half_erased = '{"tried_at": "x", "left": {"keys": 3}, "problems": []}'
    for state, erasing in (("disabled", "{}"), ("erasing", "{}"), ("erasing", half_erased), ("paused", "{}")):
        yield (f"a plug-in that is {state}{'' if erasing == '{}' else ' in vain'}", [f"UPDATE plugin_states SET state = '{state}', erasing = '{erasing}'"],
               [plug_ins, "!/admin/"])
    yield "a plug-in that is gone", ["UPDATE plugin_states SET name = 'gone', title = 'Gone'"], [plug_ins]
    yield ("somebody who never came", ["UPDATE users SET last_login_at = NULL, enabled = 0 WHERE id <> {user}"],
           ["!/admin/users/", "!/admin/administrators/"])
    yield ("a mailing in the test mailbox", ["UPDATE test_mails SET sending_id = {sending}, position = 0",
                                             *(EVENT.format(kind=kind) for kind in ("click", "view", "unsubscribe"))], ["!/admin/test-mailbox/{mail}"])


# What a mail, an event and a forward can be, side by side: what stands in one row is looked at together.
KINDS_BACK = ("delay", "delivered", "complaint", "report", "auto-reply", "unsubscribe", "other", "")
PROBLEMS = ("nobody", "no_recipient", "unknown", "failed", "died")
WAYS = ("lmtp", "pop3", "imap", "pipe", "webhook", "ses")
FORWARDS = (("waiting", "abuse"), ("sending", "unsubscribe"), ("sent", "alias:a@x.example"), ("failed", "role"), ("dropped", "role"))
REASONS_BACK = ("invalid_domain", "mailbox_inactive", "recipient_refused", "sender_blocked", "spam_content", "policy", "too_large", "rate_limited",
                "network_timeout", "remote_system", "undetermined", "fraud", "virus", "opt-out", "")
DECISIONS_BACK = ("became_hard", "counted", "counted_before", "noted", "unsubscribed", "gone_before", "seed", "nothing")
MATCHES_BACK = ("envid", "header", "message_id", "webhook", "live", "window")


def _of_what_came_back() -> Iterator[Happening]:
    mails, mail, event = "!/admin/inbound/mails", "!/admin/inbound/mails/{inbound}", "/user/bounces/events/{event}"
    for kind, problem, way in zip(KINDS_BACK, cycle(PROBLEMS), cycle(WAYS), strict=False):
        yield (f"mails of the kind {kind or 'unread'}, {problem}, by {way}",
               [f"UPDATE inbound_mails SET kind = '{kind}', problem = '{problem}', way = '{way}'", "UPDATE inbound_mails SET client = '', reading = '{}'"],
               [mails, mail, mail + "?as=headers"])
    yield "mails that wait", ["UPDATE inbound_mails SET state = 'waiting', reading = '{}', read_at = NULL"], [mails, mail]
    for state, rule in FORWARDS:
        yield f"a mail sent on that is {state}", [f"UPDATE inbound_forwards SET state = '{state}', rule = '{rule}', sent_at = created_at"], [mail]
    yield ("mails whose bytes are gone", ["DELETE FROM inbound_sources"],
           [mail, mail + "?as=source", "!/admin/inbound/unprocessed", event, "!/admin/inbound/rules/trial"])
    for reason, decision, matched in zip(REASONS_BACK, cycle(DECISIONS_BACK), cycle(MATCHES_BACK), strict=False):
        yield (f"an event: {reason or 'no reason'}, {decision}, {matched}",
               [f"UPDATE inbound_events SET reason = '{reason}', bounce_class = 'block', decision = '{decision}', matched_by = '{matched}'"], [event])
    for kind in ("delay", "delivered", "auto-reply", "unsubscribe"):
        yield (f"events of the kind {kind}", [f"UPDATE inbound_events SET kind = '{kind}', mail_id = NULL, campaign_id = NULL"],
               ["!/admin/inbound/events", "/user/bounces/events"])
    yield "campaigns that are gone", ["UPDATE inbound_counts SET value = '987' || value WHERE dimension = 'campaign'"], ["!/admin/inbound/", "/user/bounces/"]
    yield from _of_complaints()


def _of_complaints() -> Iterator[Happening]:
    for state, delivered in (("well", 5000), ("well", 10), ("paused", 5000)):
        yield (f"complaints of {delivered} mails, {state}", [f"UPDATE complaint_meters SET state = '{state}', delivered = {delivered}"],
               ["/user/", "/user/bounces/", "!/admin/inbound/complaints/", "!/admin/"])
    yield ("an address that came back for good",
           ["UPDATE subscribers SET bounce_state = 'hard'", "UPDATE address_bounces SET address = 'one@canary-a1da.test'"], ["/user/subscribers/{subscriber}"])
    tables = ("inbound_mails", "inbound_events", "inbound_counts", "inbound_forwards", "inbound_rules", "complaint_meters")
    nothing = [f"DELETE FROM {table}" for table in tables]
    yield ("nothing came back", nothing,
           [*(f"!/admin/inbound/{page}" for page in ("", "mails", "unprocessed", "events", "rules/", "rules/trial", "complaints/")), "/user/bounces/",
            "/user/bounces/events", "/user/campaigns/{sent}/bounces", "/user/campaigns/{sent}/report", "/user/subscribers/{subscriber}"])


Mistake = tuple[str, str, dict[str, str]]
WHO = {"first_name": "", "last_name": "", "email": "no address", "username": "?", "password": "short", "group_id": "x", "servers-1": "many",
       "time_zone": "Mars"}
SERVER = {"name": "", "host": "a b", "port": "99999", "security": "none", "timeout_s": "999", "username": "u", "password": "p", "connections": "100",
          "per_second": "0"}


def mistakes() -> Iterator[Mistake]:
    """Yield (whose browser, where, what is typed): the forms of the house with something wrong in each field."""
    yield from (("", path, typed) for path, typed in _at_the_door())
    yield from (("super", f"/admin/{path}", typed) for path, typed in _of_administrators())
    yield from (("super", f"/admin/settings/{path}", typed) for path, typed in _of_settings())
    yield from (("a", f"/user/{path}", typed) for path, typed in _of_customers())
    yield "a", "/admin/", {}
    yield "sub", "/admin/settings/admin-account/", WHO | {"new_password": "short"}


def _at_the_door() -> Iterator[tuple[str, dict[str, str]]]:
    yield from (("/sign-in", {"name": "", "password": ""}), ("/sign-in", {"name": "nobody", "password": "wrong"}), ("/forgotten", {"name": ""}))
    yield from (("/reset/{reset}", {"password": "short"}), ("/reset/{reset}", {"password": "password1234"}), ("/reset/there-is-none", {}))


def _of_administrators() -> Iterator[tuple[str, dict[str, str]]]:
    yield from (("users/new", WHO), ("users/{user}", WHO | {"username": "bob", "email": "bob@people.test"}), ("administrators/new", WHO))
    for address in ("a" * 70 + "@x.example", "@x.example", "-a@x.example", '"a"@x.example', "a..b@x.example", "a@x", "é@x.example", "a=?@x.example"):
        yield "users/new", {"email": address}
    yield from (("inbound/rules/", {"pattern": pattern, "reason": "x", "bounce_class": "x", "priority": "many"}) for pattern in ("", "*", "x" * 201))
    yield "inbound/rules/", {"pattern": "out", "reason": "policy", "bounce_class": "block", "priority": "5000"}
    yield "inbound/rules/", {"pattern": "spoons", "reason": "mailbox_full", "bounce_class": "soft", "priority": "0", "try": "1"}
    yield "inbound/rules/{rule}", {"pattern": "nothing of the kind", "reason": "mailbox_full", "bounce_class": "soft", "priority": "0", "try": "1"}
    yield "administrators/{administrator}", WHO | {"is_super": ""}
    yield from (("user-groups/new", {"name": "", "limit_lists": "-1", "limit_subscribers": "many"}), ("user-groups/new", {"name": "Nobody"}))


def _of_settings() -> Iterator[tuple[str, dict[str, str]]]:
    yield "admin-account/", {"first_name": "", "email": "x", "username": "", "new_password": "short", "time_zone": "x", "language": "x"}
    yield "admin-account/", {"first_name": "R", "email": "new@house.test", "username": "super", "new_password": "short", "time_zone": "UTC", "language": "en"}
    yield from (("admin-account/api", {"password": "wrong"}), ("product/", {"name": ""}), ("product/", {"name": "x" * 100}))
    yield from (("email-addresses/", {"sender_name": "a\nb", "sender_email": ""}), ("email-addresses/", {"sender_email": "x y@z"}))
    yield "email-delivery/", {"x_mailer": "x" * 300, "default_channel": "pigeon", "preheader_template": "no tag"}
    yield "email-delivery/", {"default_channel": "smtp", "preheader_template": "<script>%PreHeader%</script>"}
    good = {"session_hours": "12", "retry_minutes": "5", "retry_hours": "72", "in_doubt_policy": "retry", "in_doubt_wait_minutes": "15",
            "transactional_in_doubt_policy": "retry", "transactional_in_doubt_wait_minutes": "0"}
    yield "system/", good | {"base_url": "x", "content_url": "ftp://x/", "session_hours": "0", "retry_hours": "x", "in_doubt_policy": "x"}
    yield "system/", good | {"base_url": "https://a.example", "content_url": "https://a.example", "retry_minutes": "soon"}
    yield "plugin.google_analytics.source/", {"source": "x" * 200, "medium": "a\nb"}
    yield "plug-ins/google_analytics/disable", {"confirm": "x"}
    server = "delivery-servers/{server}"
    yield from (("delivery-servers/new", SERVER), ("delivery-servers/new", SERVER | {"timeout_s": "x"}), (server, SERVER | {"name": "Test mailbox"}))
    yield f"{server}/domains", {"link_domain": "x", "open_domain": "x", "mfrom": "x@", "enforced_from": "x"}
    yield f"{server}/dkim", {"dkim_domain": "a.example", "dkim_selector": "", "key": "keep"}
    yield f"{server}/dkim", {"dkim_domain": "a.example", "dkim_selector": "L M", "key": "paste", "pasted": "x"}
    yield from ((f"{server}/test", {"address": "x"}), (f"{server}/test", {"address": "a@x.example"}))


def _of_customers() -> Iterator[tuple[str, dict[str, str]]]:
    yield "account/", {"first_name": "", "time_zone": "x", "language": "x", "new_password": "new words and others"}
    yield from (("lists/new", {"name": "", "sender_email": "x"}), ("lists/new", {"name": "List canary-a1da"}), ("lists/new", {"name": "y" * 200}))
    yield from (("lists/{list}/delete", {"confirm": "x"}), ("lists/{list}/fields", {"name": "", "alias": "1 2", "kind": "x"}))
    yield from (("lists/{list}/fields", {"name": "x", "alias": "email", "kind": "text"}), ("lists/{list}/imports", {}))
    yield from (("lists/{list}/subscribers/new", {"email": address}) for address in ("", "one@canary-a1da.test"))
    yield from (("suppression/", {"patterns": pattern}) for pattern in ("", "@x"))
    columns = "imports/{found}/columns"
    yield from ((columns, {"consent": ""}), (columns, {"column-0": "email", "column-1": "email", "consent": "x"}), (columns, {"column-0": "?"}))
    draft = "campaigns/{campaign}"
    yield from (("campaigns/new", {"name": ""}), (f"{draft}/test", {"addresses": ""}), (f"{draft}/test", {"addresses": "x"}))
    yield f"{draft}/edit", {"name": "", "from_email": "x", "reply_to": "x", "list_ids": "9999", "channel": "x", "time_zone": "x"}
    yield f"{draft}/test", {"addresses": ",".join(["a@x.example"] * 11)}
    yield from ((f"{draft}/send", {"send_at": "2020-01-01T10:00", "time_zone": "UTC"}), (f"{draft}/send", {"send_at": "soon"}))
    yield f"{draft}/send", {"send_at": "2030-03-31T02:30", "time_zone": "Europe/Oslo"}
    yield from ((f"{draft}/pause", {}), ("campaigns/{sent}/delete", {}), ("there-is-none", {}))
