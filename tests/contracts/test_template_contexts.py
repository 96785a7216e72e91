"""docs/template-context.md says what each page template is given, as the views really give it: themes rely on it."""

from __future__ import annotations

import inspect
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request, template_rendered
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session

from app.accounts import first_run
from app.accounts.models import SenderDomain
from app.campaigning import start_due, watch_canary
from app.campaigns.models import Campaign
from app.db import EVERY_TENANT, db, scoped_to, utcnow
from app.delivery.domain_checks import tell_user
from app.inbound import meter
from app.inbound.digest import write_digest
from app.inbound.models import ComplaintMeter, InboundMail
from app.web.forms import SectionForm
from tests.contracts.conftest import Inhabited
from tests.contracts.matrix import ROUTES
from tests.factories.addresses import pages, values_of
from tests.factories.town import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/template-context.md"
TEMPLATES = ROOT / "app/templates/weefive"
WRITE = "LETTERMILL_WRITE_DOCS"
# What others include, extend or import, or of which only a block is drawn.
PARTS = ("layout/", "components/", "errors/notice.html", "email/frame.html", "audience/parts.html", "campaigns/state.html", "campaigns/parts.html",
         "campaigns/form_head.html", "reports/control.html", "reports/doubts.html", "reports/pacing.html", "reports/several_lists.html",
         "system/health.html", "auth/sessions.html", "settings/rows.html", "audience/came_back.html", "dmarc/record.html", "inbound/forwards.html",
         "inbound/mail_list.html", "inbound/meter.html", "inbound/parts.html", "inbound/rule_form.html", "inbound/set_up.html", "reports/came_back.html")

HEAD = """# What page templates are given

A theme that overrides a page may count on these names. This page is made from what the views really pass:
`LETTERMILL_WRITE_DOCS=1 ./test tests/contracts/test_template_contexts.py` writes it anew, and the same test holds it to the code.
Types are those of Python; the last column says where a type is defined. *Sometimes*: the name is not always there.

"""


@dataclass(slots=True)
class Seen:
    """What one template was given, over all the times that it was drawn."""

    times: int = 0
    by: set[str] = field(default_factory=set)
    names: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    count: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@contextmanager
def _watched(app: Flask, seen: dict[str, Seen]) -> Iterator[None]:
    def note(sender: Flask, template: Any, context: Mapping[str, Any], **_: object) -> None:
        entry = seen[template.name]
        entry.times += 1
        entry.by.add(request.endpoint or "")
        for name in context.keys() - _everywhere(sender):
            entry.count[name] += 1
            entry.names[name].update([_type(context[name])])

    with template_rendered.connected_to(note, app):
        yield


def _everywhere(app: Flask) -> set[str]:
    """The names that every template has: Flask's own, and what the shell gives."""
    known = {"navigation", "account", "visit", "home_url", "brand", "person", "product_name", "g", "request", "session", "current_user"}
    return known | {name for processor in app.template_context_processors[None] for name in app.ensure_sync(processor)()}


def _type(value: object) -> tuple[str, str]:
    """The name of a value's type and the module that defines it, where that is ours."""
    if isinstance(value, LazyString):
        return "str", ""
    if isinstance(value, SectionForm):
        return "SectionForm", "app.web.forms"
    if inspect.isroutine(value):
        return "function", value.__module__ if value.__module__.startswith("app.") else ""
    if isinstance(value, type):
        return "type", ""
    if isinstance(value, list | tuple):
        return _sequence(value)
    kind = next((kind for kind in type(value).__mro__ if kind.__module__.startswith("app.") or kind.__module__ == "builtins"), object)
    if isinstance(value, FlaskForm):
        return kind.__name__.rpartition(".")[2], kind.__module__
    return ("None" if value is None else kind.__name__), "" if kind.__module__ == "builtins" else kind.__module__


def _sequence(value: list[Any] | tuple[Any, ...]) -> tuple[str, str]:
    name = type(value).__name__ if type(value) in {list, tuple} else "list"
    if not value:
        return name, ""
    inside = [_type(one) for one in (value if type(value) is tuple else value[:1])]
    return f"{name}[{', '.join(word for word, _ in inside)}]", next((module for _, module in inside if module), "")


def _crawl(inhabited: Inhabited, seen: dict[str, Seen]) -> None:
    """Open every page, send every form empty, and do the few acts after which a template has more."""
    for address in pages(inhabited.app, inhabited.town):
        inhabited.knock("GET", address.path, cookie=address.cookie)
    for endpoint, method, cookie in _forms():
        with inhabited.app.test_request_context():
            rule = next(rule for rule in inhabited.app.url_map.iter_rules(endpoint) if method in (rule.methods or ()))
            values = values_of(inhabited.town, inhabited.town.a, endpoint, sorted(rule.arguments))
            path = inhabited.app.url_for(endpoint, **values)
        inhabited.knock(method, path, cookie=cookie)
        inhabited.put_back()
    for path in ("/nothing/here", "/reset/nothing"):
        inhabited.knock("GET", path, cookie="super")
    inhabited.knock("POST", "/forgotten", data={"name": "sub"})
    person = {"first_name": "Root", "last_name": "Root", "email": "new@house.test", "username": "super", "time_zone": "UTC", "language": "en",
              "password": PASSWORD}
    inhabited.knock("POST", "/admin/settings/admin-account/", cookie="super", data=person)
    numbers = inhabited.town.a.numbers
    inhabited.knock("POST", "/admin/system/in-doubt/", cookie="super", data={"one": "again:1.0"})
    inhabited.knock("POST", f"/user/campaigns/{numbers['sent_campaign']}/in-doubt", cookie="a", data={"one": f"again:{numbers['sending']}.0"})
    saved = inhabited.knock("POST", "/admin/settings/product/", cookie="super", data={"name": "Pond"})
    inhabited.knock("GET", saved.headers.get("Location", "/"), cookie="super")
    inhabited.put_back()


@contextmanager
def _worker(inhabited: Inhabited) -> Iterator[tuple[Any, Session]]:
    """A worker's work, undone afterwards."""
    with inhabited.app.test_request_context("/nowhere"), scoped_to(EVERY_TENANT):
        yield inhabited.app.extensions["lettermill"], db.session()
        db.session.rollback()
    inhabited.put_back()


def _let_the_platform_write(inhabited: Inhabited) -> None:
    """Workers write to authors of campaigns that cannot go, are late, or are held by their canary; and of a domain that is suspended."""
    numbers = inhabited.town.a.numbers
    for subject, late in (("", timedelta(0)), ("News", timedelta(hours=5))):
        with _worker(inhabited) as (house, session):
            campaign = session.get_one(Campaign, numbers["campaign_id"])
            campaign.state, campaign.subject, campaign.send_at = "scheduled", subject, utcnow() - late
            start_due(house, session, campaign)
    with _worker(inhabited) as (house, session):
        watch_canary(house, session, numbers["sending"])
    with _worker(inhabited) as (house, session):
        tell_user(house, session, SenderDomain(user_id=inhabited.town.a.user_id, domain="news.example", why="Its record is gone."))
    with _worker(inhabited) as (house, session):
        for state in ("warned", "paused"):
            meter.tell(session, house, house.settings.load(), ComplaintMeter(user_id=inhabited.town.a.user_id, state=state, delivered=1000, complaints=3))
        session.add(InboundMail(digest="0" * 64, way="smtp", state="unprocessed", problem="nobody", read_at=utcnow()))
        session.flush()
        assert write_digest(house, session, "https://mail.example")


def _forms() -> Iterator[tuple[str, str, str]]:
    for endpoint, route in sorted(ROUTES.items()):
        if "POST" in route.answers:
            yield endpoint, "POST", {"account": "a", "anyone": ""}.get(route.who.value, "super")


def _page(seen: dict[str, Seen], shared: set[str]) -> str:
    lines = [HEAD, "## Every page\n", "Once somebody is signed in: " + ", ".join(f"`{name}`" for name in sorted(shared)) + ".\n"]
    for name, entry in sorted(seen.items()):
        lines.append(f"\n## {name}\n")
        lines.append(f"Drawn by {', '.join(f'`{endpoint}`' for endpoint in sorted(filter(None, entry.by)))}.\n" if any(entry.by) else "")
        if entry.names:
            lines += ["| Name | Type | | From |", "|---|---|---|---|"]
        lines += [_row(variable, entry) for variable in sorted(entry.names)]
    return "\n".join(lines).rstrip() + "\n"


def _row(variable: str, entry: Seen) -> str:
    found = entry.names[variable]
    types = {name: module for name, module in found.items() if not any(other.startswith(f"{name}[") for other in found)}
    names = sorted(types, key=lambda name: (name == "None", name))
    modules = ", ".join(f"`{module}`" for module in sorted({module for module in types.values() if module}))
    how = "sometimes" if entry.count[variable] < entry.times else ""
    return f"| `{variable}` | {' or '.join(f'`{name}`' for name in names)} | {how} | {modules} |".replace("  |", " |")


@pytest.fixture(scope="module")
def seen() -> dict[str, Seen]:
    return defaultdict(Seen)


def test_the_page_for_designers_is_what_the_views_pass(inhabited: Inhabited, app: Flask, seen: dict[str, Seen]) -> None:
    with _watched(app, seen), app.app_context():
        secret = first_run.set_up_secret(db.session())
        db.session.commit()
        for path in ("/", f"/set-up/{secret}"):
            app.test_client().get(path)
    with _watched(inhabited.app, seen):
        _crawl(inhabited, seen)
        _let_the_platform_write(inhabited)
    with inhabited.app.test_request_context():
        shared = {"navigation", "account", "visit", "home_url", "brand", "person", "product_name", "request", "session", "current_user"}
        made = _page({name.removeprefix("weefive/"): entry for name, entry in seen.items()}, shared & (_everywhere(inhabited.app) | shared))
    if os.environ.get(WRITE):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, f"run: {WRITE}=1 ./test tests/contracts/test_template_contexts.py"


def test_every_page_template_is_drawn_by_something() -> None:
    there = {file.relative_to(TEMPLATES).as_posix() for suffix in ("html", "txt") for file in TEMPLATES.rglob(f"*.{suffix}")}
    written = {line.removeprefix("## ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")} - {"Every page"}
    pages_there = {name for name in there if not name.startswith(PARTS)}

    assert pages_there == written
