"""Every string that a person reads goes through the catalogues: the house is walked in a language of brackets, and what stands outside is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from app.db import check_server, db
from app.plugins.builtin.google_analytics import SourceSettings
from app.house import House
from app.settings.schema import specs
from app.settings.sections import CORE
from tests.contracts.conftest import Inhabited, settled
from tests.factories.addresses import pages
from tests.factories.pseudo import CODE, forgotten, write_language

# What the town's people, and the deployment, have typed: columns by table.
TYPED = {
    "users": ("first_name", "last_name", "company", "email", "username"), "administrators": ("first_name", "last_name", "email", "username"),
    "user_groups": ("name",), "lists": ("name", "sender_name", "sender_email"), "subscribers": ("email", "first_name", "last_name"),
    "custom_fields": ("name", "alias"), "suppressions": ("pattern", "note"), "campaigns": ("name", "subject", "from_name", "from_email", "preheader"),
    "delivery_servers": ("name", "host", "username", "dkim_domain"), "links": ("url", "label"), "test_mails": ("subject", "sender", "rcpt_to", "mfrom"),
    "imports": ("file_name", "consent", "header"), "recipients": ("email", "reply"), "api_keys": ("prefix",), "login_sessions": ("user_agent", "address"), "shunted_jobs": ("job", "error"), "plugin_states": ("title", "name", "version"),
}
# The product's name, this machine, and the zone of whoever has not chosen one.
KNOWN = {"Millpond", "127.0.0.1", "UTC"}
# What a setting holds before anybody types: an address, a list of minutes, a word in a link.
DEFAULTS = {str(getattr(section(), name)) for section in (*CORE, SourceSettings) for name, spec in specs(section).items() if spec.kind in {"text", "email", "url"}}
# What the statements below put in.
HERE = {"Gone", "gone", "nobody", "a@b@c", "transform_link", "lm1", "%Subscriber:Shoe%", "%Link:Unsubscribe%", "%Subscriber:FirstName|friend%",
        "shop.example", "büro", "Google Analytics", "google_analytics"}
READS_IT = {"HTTP_ACCEPT_LANGUAGE": CODE}


@pytest.fixture(scope="module")
def abroad(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_server: str) -> Iterator[Inhabited]:
    """The house full of people who all read the language of brackets, which came with a theme."""
    folder = tmp_path_factory.mktemp("abroad")
    write_language(folder / "theme/translations")
    with settled(request.getfixturevalue("_sqlite_tables"), folder, valkey_server, themes=(folder / "theme",)) as house:
        with house.app.app_context(), db.engine.begin() as connection:
            for table in ("users", "administrators"):
                connection.execute(sa.text(f"UPDATE {table} SET language = '{CODE}'"))  # noqa: S608 - our own words
        house.keep()
        yield house


def _data(house: Inhabited) -> set[str]:
    with house.app.app_context():
        found = {*KNOWN, *DEFAULTS, check_server(db.engine)}
    for table, columns in TYPED.items():
        for row in house.watcher.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - our own tables' names
            found |= {text for value in row if value for text in (json.loads(value) if str(value).startswith("[") else [str(value)])}
    return found


def _open(house: Inhabited, method: str, path: str, cookie: str, **more: object) -> TestResponse:
    return house.knock(method, path, cookie=cookie, environ_overrides=READS_IT, **more)


def test_no_page_says_anything_that_no_catalogue_knows(abroad: Inhabited) -> None:
    data, found = _data(abroad), {}
    for address in pages(abroad.app, abroad.town):
        answer = _open(abroad, "GET", address.path, address.cookie)
        if answer.mimetype == "text/html" and answer.status_code not in {301, 302, 303} and not address.path.startswith("/content/"):
            found |= dict.fromkeys(forgotten(answer.text, data), address.path)
        abroad.put_back()

    assert not found, "\n".join(f"{text!r} on {path}" for text, path in sorted(found.items()))


LOST = "Traceback (most recent call last):\nOSError: it broke"
BAD_HTML = ('<p>Hello %Subscriber:FirstName% %Subscriber:Shoe%</p><img src="a.png"><a href="shop.example">shop</a>' + "x" * 110_000).replace("'", "")
# What has happened in the house, and the pages that tell of it: {campaign} is the draft, {sent} the sent one, {import} the one that is over.
HAPPENED: dict[str, tuple[list[str], list[str]]] = {
    "campaigns of every state": (
        [f"INSERT INTO campaigns (user_id, name, state, from_name, from_email, reply_to, subject, preheader, html, plain, plain_is_derived, track_opens, "
         f"track_links, channel, time_zone, revision, send_at, created_at, updated_at) SELECT user_id, name, '{state}', '', '', '', '', '', '', '', 1, 1, 1, "
         f"'', 'UTC', 1, updated_at, created_at, updated_at FROM campaigns WHERE id = {{campaign}}" for state in
         ("draft", "scheduled", "sending", "paused", "finished", "cancelled")], ["/user/campaigns/", "/user/"]),
    "a campaign with every fault": (
        [f"UPDATE campaigns SET html = '{BAD_HTML}', plain = 'Hello', from_email = 'nobody', preheader = '' WHERE id = {{campaign}}",
         "UPDATE subscribers SET first_name = '' WHERE user_id = {user}",
         "UPDATE user_groups SET limits = '{\"campaigns_per_month\": 0, \"mails_per_month\": 1}'"],
        ["/user/campaigns/{campaign}/edit", "/user/campaigns/{campaign}/send"]),
    "a campaign that says nothing": (
        ["UPDATE campaigns SET html = '', plain = '', subject = '', from_email = 'a@b@c' WHERE id = {campaign}", "DELETE FROM campaign_lists",
         "UPDATE users SET enabled = 1"], ["/user/campaigns/{campaign}/edit", "/user/campaigns/{campaign}/send", "/user/campaigns/{campaign}/preview"]),
    "a campaign at a time": (["UPDATE campaigns SET state = 'scheduled', send_at = '2030-01-01 10:00:00' WHERE id = {campaign}"],
                             ["/user/campaigns/{campaign}/send"]),
    **{f"a sending that is {state}": (
        [f"UPDATE sendings SET state = '{state}', finished_at = '2026-01-01 10:00:00'", f"UPDATE campaigns SET state = '{shown}' WHERE id = {{sent}}"],
        ["/user/campaigns/{sent}/report", "/user/campaigns/{sent}/preview"]) for state, shown in
        (("freezing", "sending"), ("paused", "paused"), ("finished", "finished"), ("cancelled", "cancelled"))},
    **{f"recipients of state {state}": (
        [f"UPDATE recipients SET state = {state}, reason = '{reason}', reply = ''"], ["/user/campaigns/{sent}/recipients", "/user/campaigns/{sent}/report"])
        for state, reason in ((0, ""), (1, ""), (3, "expired"), (4, "suppressed"), (4, "unsubscribed"), (4, "plugin"), (5, ""), (3, "blocked"))},
    **{f"an import that is {state}": (
        [f"UPDATE imports SET state = '{state}', problem = 'The file is no longer on the server. Import it again; nobody is added twice.' WHERE id = {{import}}"],
        ["/user/imports/{import}", "/user/lists/{list}/imports"]) for state in ("waiting", "running", "cancelling", "cancelled", "failed")},
    "lines that were not taken": (
        [f"INSERT INTO import_rejections (import_id, line, reason, raw) VALUES ({{import}}, {line}, '{reason}', '{raw}')" for line, reason, raw in (
            (3, "There is no address in this line.", ",x"), (4, "büro is no domain name. Type it as example.com.", "a@büro,x"),
            (5, "The address or its domain is suppressed.", "one@a.test,x"))], ["/user/imports/{import}"]),
    "consent of every kind": (
        [f"INSERT INTO consent_events (user_id, subscriber_id, list_id, kind, via, evidence, at) SELECT user_id, subscriber_id, list_id, '{kind}', '{via}', '{{}}', "
         "at FROM consent_events LIMIT 1" for kind, via in (("subscribed", "user"), ("confirmed", "form"), ("unsubscribed", "footer-link"),
                                                             ("unsubscribed", "one-click"), ("imported", "import"))], ["/user/subscribers/{subscriber}"]),
    "suppressed for every reason": (
        [f"INSERT INTO suppressions (user_id, list_id, pattern, reason, note, created_at) SELECT user_id, 0, '{reason}@x.test', '{reason}', '', created_at "
         "FROM suppressions LIMIT 1" for reason in ("unsubscribed", "complaint", "hard_bounce", "import")], ["/user/suppression/"]),
    "nothing yet": (
        ["DELETE FROM campaign_lists", "DELETE FROM suppressions", "DELETE FROM custom_fields", "DELETE FROM test_mails", "DELETE FROM shunted_jobs",
         "DELETE FROM api_keys", "UPDATE campaigns SET user_id = 99", "UPDATE lists SET user_id = 99 WHERE id <> {list}", "DELETE FROM subscribers"],
        ["/user/", "/user/campaigns/", "/user/campaigns/?state=draft", "/user/suppression/", "/user/suppression/?q=x", "/user/lists/{list}",
         "/user/lists/{list}/fields", "/user/lists/", "!/admin/test-mailbox/", "!/admin/test-mailbox/?q=x", "!/admin/system/shunted-jobs",
         "!/admin/settings/admin-account/api", "!/admin/users/?q=nobody"]),
    "a server that fails": (
        ["UPDATE delivery_servers SET last_test_passed = 0, security = 'none', internal = 0, dkim_domain = 'a.test', dkim_selector = 'lm1'",
         "UPDATE plugin_states SET state = 'paused', reason = 'transform_link failed 10 times in a row', failed_hook = 'lettermill_transform_link', "
         f"failing = '{{\"lettermill_transform_link\": 10}}', failed_at = changed_at, traceback = '{LOST}'",
         "UPDATE setting_values SET value = '17'"],
        ["!/admin/", "!/admin/settings/", "!/admin/settings/delivery-servers/", "!/admin/settings/delivery-servers/{server}", "!/admin/settings/plug-ins/",
         "!/admin/settings/product/", "!/admin/settings/plug-ins/google_analytics/disable"]),
    "no server but the test mailbox": (["DELETE FROM delivery_servers WHERE NOT is_test_mailbox"], ["!/admin/settings/delivery-servers/", "!/admin/"]),
    **{f"a plug-in that is {state}, {len(erasing)}": ([f"UPDATE plugin_states SET state = '{state}', erasing = '{erasing}'"], ["!/admin/settings/plug-ins/", "!/admin/"])
       for state, erasing in (("disabled", "{}"), ("erasing", "{}"), ("erasing", '{"tried_at": "x", "left": {"keys": 3}, "problems": []}'), ("paused", "{}"))},
    "a plug-in that is gone": (["UPDATE plugin_states SET name = 'gone', title = 'Gone'"], ["!/admin/settings/plug-ins/"]),
    "somebody who never came": (["UPDATE users SET last_login_at = NULL, enabled = 0 WHERE id <> {user}"], ["!/admin/users/", "!/admin/administrators/"]),
    "a mailing in the test mailbox": (
        ["UPDATE test_mails SET sending_id = {sending}, position = 0",
         *(f"INSERT INTO tracking_events (sending_id, position, kind, at, machine, address, user_agent) SELECT sending_id, position, '{kind}', at, 1, "
           "address, user_agent FROM tracking_events LIMIT 1" for kind in ("click", "view", "unsubscribe"))], ["!/admin/test-mailbox/{mail}"]),
}


@pytest.mark.parametrize("what", [*HAPPENED])
def test_no_page_about_what_happened_says_anything_that_no_catalogue_knows(abroad: Inhabited, what: str) -> None:
    numbers = abroad.town.a.numbers | {"user": abroad.town.a.user_id, "server": abroad.town.things["server_id"], "mail": abroad.town.things["mail_id"]}
    numbers |= {short: numbers[long] for short, long in (("campaign", "campaign_id"), ("sent", "sent_campaign"), ("list", "list_id"),
                                                         ("import", "finished_import"), ("subscriber", "subscriber_id"))}
    statements, paths = HAPPENED[what]
    for statement in statements:
        abroad.watcher.execute(_filled(statement, numbers))
    abroad.watcher.commit()
    data, found = _data(abroad) | HERE, {}
    with House.alive(abroad.app.extensions["lettermill"], "delivery"):
        for path in paths:
            answer = _open(abroad, "GET", _filled(path.lstrip("!"), numbers), "super" if path.startswith("!") else "a")
            assert answer.status_code == 200, path
            found |= dict.fromkeys(forgotten(answer.text, data), path)
    abroad.put_back()

    assert not found, "\n".join(f"{text!r} on {path}" for text, path in sorted(found.items()))


def _filled(text: str, numbers: dict[str, int]) -> str:
    for name, number in numbers.items():
        text = text.replace("{" + name + "}", str(number))
    return text
