"""Every string that a person reads goes through the catalogues: the house is walked in a language of brackets, and what stands outside is named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from babel.dates import format_skeleton
from itsdangerous import URLSafeTimedSerializer
from markupsafe import escape
from werkzeug.test import TestResponse

from app.accounts.models import User
from app.campaigns.findings import Finding
from app.db import check_server, db, utcnow
from app.delivery.canary import Lines, Standing
from app.house import House
from app.plugins.builtin.google_analytics import SourceSettings
from app.settings.schema import specs
from app.settings.sections import CORE
from app.words import words
from tests.contracts.conftest import Inhabited, settled
from tests.factories.addresses import pages
from tests.factories.happenings import PUT_IN, happenings, mistakes
from tests.factories.pseudo import CODE, forgotten, write_language

# What is data: columns that the town's people typed, by table.
TYPED = {
    "users": ("first_name", "last_name", "company", "email", "username"), "administrators": ("first_name", "last_name", "email", "username"),
    "user_groups": ("name",), "lists": ("name", "sender_name", "sender_email"), "subscribers": ("email", "first_name", "last_name"),
    "custom_fields": ("name", "alias"), "suppressions": ("pattern", "note"), "campaigns": ("name", "subject", "from_name", "from_email", "preheader"),
    "delivery_servers": ("name", "host", "username", "dkim_domain"), "links": ("url", "label"), "test_mails": ("subject", "sender", "rcpt_to", "mfrom"),
    "imports": ("file_name", "consent", "header"), "recipients": ("email", "reply"), "api_keys": ("prefix",), "login_sessions": ("user_agent", "address"),
    "shunted_jobs": ("job", "error"), "plugin_states": ("title", "name", "version"), "sender_domains": ("domain", "why"),
    "inbound_mails": ("mfrom", "recipients", "client", "helo", "sender", "subject"), "inbound_events": ("address", "domain", "diagnostic"),
    "inbound_counts": ("value",), "inbound_rules": ("pattern", "note", "created_by"), "inbound_forwards": ("target", "reason"),
    "inbound_webhooks": ("name", "topic_arn", "last_problem"), "dmarc_reports": ("org", "report_id", "domain"), "dmarc_rows": ("source_ip", "header_from"),
}
# An example of a topic, the product's name, this machine, the zone of whoever has not chosen one, the name of a plug-in.
KNOWN = {"arn:aws:sns:eu-west-1:123456789012:bounces", "Millpond", "127.0.0.1", "UTC", "Google Analytics"}
# What a setting holds before anybody types: an address, a list of minutes, a word in a link.
DEFAULTS = {str(getattr(section(), name)) for section in (*CORE, SourceSettings) for name, spec in specs(section).items()
            if spec.kind in {"text", "email", "url"}}
READS_IT = {"HTTP_ACCEPT_LANGUAGE": CODE}
HAPPENED = {name: (statements, paths) for name, statements, paths in happenings()}
MISTAKES = list(mistakes())


@pytest.fixture(scope="module")
def abroad(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_server: str) -> Iterator[Inhabited]:
    """The house full of people who all read the language of brackets, which came with a theme."""
    folder = tmp_path_factory.mktemp("abroad")
    write_language(folder / "theme/translations")
    with settled(request.getfixturevalue("_sqlite_tables"), folder, valkey_server, themes=(folder / "theme",)) as house:
        for table in ("users", "administrators"):
            house.watcher.execute(f"UPDATE {table} SET language = '{CODE}'")  # noqa: S608 - our own words
        house.watcher.commit()
        house.keep()
        yield house


def _data(house: Inhabited) -> set[str]:
    with house.app.app_context():
        found = {*KNOWN, *DEFAULTS, *PUT_IN, check_server(db.engine)}
    # Under a chart stand days, as the locale has them.
    found |= {format_skeleton("MMMd", utcnow() - timedelta(days=back), locale=CODE) for back in range(100)}
    for table, columns in TYPED.items():
        for row in house.watcher.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - our own tables' names
            found |= {text for value in row if value for text in (json.loads(value) if str(value).startswith("[") else [str(value)])}
    return found


def _numbers(house: Inhabited) -> dict[str, object]:
    town = house.town
    named = {"campaign": "campaign_id", "sent": "sent_campaign", "list": "list_id", "import": "finished_import", "found": "found_id",
             "subscriber": "subscriber_id", "sending": "sending", "event": "event_id"}
    of_house = {"server": "server_id", "mail": "mail_id", "administrator": "administrator_id", "inbound": "inbound_mail",
                "rule": "rule_id"}
    return {"user": town.a.user_id, **town.secrets, **{short: town.a.numbers[long] for short, long in named.items()},
            **{short: town.things[long] for short, long in of_house.items()}}


def _filled(text: str, numbers: Mapping[str, object]) -> str:
    for name, number in numbers.items():
        text = text.replace("{" + name + "}", str(number))
    return text


def _open(house: Inhabited, method: str, path: str, cookie: str, **more: object) -> TestResponse:
    return house.knock(method, path, cookie=cookie, environ_overrides=READS_IT, **more)


def test_no_page_says_anything_that_no_catalogue_knows(abroad: Inhabited) -> None:
    data, found, seen = _data(abroad), {}, 0
    for address in pages(abroad.app, abroad.town):
        answer = _open(abroad, "GET", address.path, address.cookie)
        if answer.mimetype == "text/html" and answer.status_code not in {301, 302, 303} and not address.path.startswith("/content/"):
            found |= dict.fromkeys(forgotten(answer.text, data), address.path)
            seen += "⟦" in answer.text
        abroad.put_back()

    assert seen > 60
    assert not found, "\n".join(f"{text!r} on {path}" for text, path in sorted(found.items()))


@pytest.mark.parametrize("what", [*HAPPENED])
def test_no_page_about_what_happened_says_anything_that_no_catalogue_knows(abroad: Inhabited, what: str) -> None:
    statements, paths = HAPPENED[what]
    for statement in statements:
        abroad.watcher.execute(_filled(statement, _numbers(abroad)))
    abroad.watcher.commit()
    data, found = _data(abroad), {}
    with abroad.app.extensions["lettermill"].alive("delivery"):
        for path in paths:
            answer = _open(abroad, "GET", _filled(path.lstrip("!"), _numbers(abroad)), "super" if path.startswith("!") else "a")
            assert answer.status_code == 200, path
            found |= dict.fromkeys(forgotten(answer.text, data), path)
    abroad.put_back()

    assert not found, "\n".join(f"{text!r} on {path}" for text, path in sorted(found.items()))


@pytest.mark.parametrize(("cookie", "path", "typed"), MISTAKES, ids=[f"{number} {path}" for number, (_cookie, path, _typed) in enumerate(MISTAKES)])
def test_no_answer_to_a_mistake_says_anything_that_no_catalogue_knows(abroad: Inhabited, cookie: str, path: str, typed: dict[str, str]) -> None:
    answer = _open(abroad, "POST", _filled(path, _numbers(abroad)), cookie, data=typed)
    data = _data(abroad) | {*typed.values()}
    abroad.put_back()

    assert answer.status_code in {200, 404, 405, 409, 422, 429}
    assert forgotten(answer.text, data) == set()


def test_help_is_shown_as_it_was_typed(inhabited: Inhabited, abroad: Inhabited) -> None:
    for house in (inhabited, abroad):
        page = _open(house, "GET", "/admin/settings/email-delivery/", "super").text
        assert "Goes right after &lt;body&gt; of HTML mail" in page
        assert page.count("<body") == 1


def test_everybody_chooses_among_the_languages_that_there_are(abroad: Inhabited) -> None:
    typed = {"first_name": "Ada", "last_name": "", "time_zone": "UTC", "new_password": "", "password": ""}
    form = _open(abroad, "GET", "/user/account/", "a").text
    assert re.findall(r'<option (?:selected )?value="(\w\w)">([^<]+)', form) == [("en", "English"), ("eo", "Esperanto")]
    assert _open(abroad, "POST", "/user/account/", "a", data=typed | {"language": "de"}).status_code == 422
    assert _open(abroad, "POST", "/user/account/", "a", data=typed | {"language": "en"}).status_code == 303
    assert "⟦" not in _open(abroad, "GET", "/user/account/", "a").text
    abroad.put_back()


def test_what_flashes_after_an_act_is_said_by_the_catalogues(abroad: Inhabited) -> None:
    numbers, client = abroad.town.a.numbers, abroad.app.test_client()
    client.set_cookie("lettermill", abroad.town.cookies["a"])
    token = {"X-CSRFToken": str(URLSafeTimedSerializer(abroad.app.secret_key or "", salt="wtf-csrf-token").dumps("0" * 40))}
    draft = f"/user/campaigns/{numbers['campaign_id']}"
    acts = ((f"{draft}/copy", {}), ("/user/suppression/", {"patterns": "@x.test"}), (f"/user/suppression/{numbers['suppression_id']}/remove", {}),
            (f"/user/subscribers/{numbers['subscriber_id']}/erase", {}), (f"{draft}/test", {"addresses": "a@x.test"}))
    data = _data(abroad) | {"@x.test"}
    for path, typed in acts:
        answer = client.post(path, data=typed, headers=token, environ_overrides=READS_IT, follow_redirects=True)
        assert answer.status_code == 200
        assert forgotten(answer.text, data) == set()
    abroad.put_back()


def test_mails_of_the_platform_are_written_in_the_language_of_who_gets_them(abroad: Inhabited) -> None:
    house: House = abroad.app.extensions["lettermill"]
    with abroad.app.app_context():
        reader = db.session.get_one(User, abroad.town.a.user_id)
    findings = [Finding("bad", words("The HTML has %(size)s KB", size=3), words("Choose at least one under “To”."))]
    values = {"link": "https://x.example/reset", "minutes": 30, "old": "a@x.example", "new": "b@x.example", "campaign": "January", "findings": findings,
              "lines": Lines(Decimal("2.0"), Decimal("0.1")), "standing": Standing(100, 90, 9, 0, 1, 9, 3),
              "account": "Shop", "complaints": 3, "delivered": 1000, "share": Decimal("0.003"), "warn": Decimal("0.08"), "pause": Decimal("0.3"),
              "number": 2, "mails": [], "url": "https://x.example/mails"}
    data = _data(abroad) | {text for text in values.values() if isinstance(text, str)}
    names = sorted(folder.name for folder in (Path(abroad.app.root_path) / "templates/weefive/email").iterdir() if folder.is_dir())

    assert "campaign_not_sent" in names
    for name in names:
        subject, plain, html = house.write_mail(name, reader, values)
        assert forgotten(html, data) | forgotten(f"<p>{escape(subject)} {escape(plain)}</p>", data) == set()
        assert not any("⟦" in text for text in house.write_mail(name, User(first_name="Ada", last_name="", language="en"), values))
