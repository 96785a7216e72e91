"""The house is built here: ``build`` reads as a list of what it has."""

from __future__ import annotations

from flask import Flask
from redis import Redis

from app.config import Config, from_environment
from app.db import db, engine_options, prepare
from app.delivery.channels import channel_titles
from app.extensions import csrf, login_manager
from app.house import House
from app.jobs import Jobs
from app.mail.tokens import TokenKeys
from app.plugins.manager import Plugins
from app.settings.locks import environment_locks
from app.settings.registry import Registry
from app.settings.secrets import SecretBox, derive, load_key
from app.settings.store import SettingsStore
from app.web import actor, identity, logs
from app.web.catalogues import SHIPPED, folders_of
from app.web.emails import mail_writer
from app.web.errors import init_errors
from app.web.headers import init_headers
from app.web.i18n import init_i18n
from app.web.numbers import init_numbers
from app.web.plugin_rooms import guard_plugin_rooms
from app.web.policy import init_policy, require_policies
from app.web.rights import init_rights
from app.web.sessions import init_sessions
from app.web.shell import init_shell
from app.web.theme import init_theme


def build(config: Config | None = None, *, pages: bool = True) -> Flask:
    """Return the house, built from the deployment that ``config`` describes (by default, the environment).

    ``pages`` False: without views and commands, for a process that answers nobody and is to be back at once after a kill.
    """
    config = config or from_environment()
    app = Flask(__name__)
    house = build_house(app, config)
    logs.init_logs(app, config)
    init_numbers(app)
    folders = [SHIPPED, *house.plugins.translation_folders(), *(theme / "translations" for theme in reversed(config.themes))]
    init_i18n(app, identity.locale, lambda: str(actor.reader_zone()), folders_of(folders, config.data / "translations"))
    init_theme(app, config.themes, house.plugins.template_folders)
    init_headers(app)
    init_sessions(app)
    login_manager.init_app(app)
    identity.init_identity(login_manager)
    guard_plugin_rooms(app)
    init_policy(app)
    csrf.init_app(app)
    init_errors(app)
    init_shell(app)
    init_rights(app)
    if pages:
        _open_doors(app, house)
    return app


def _open_doors(app: Flask, house: House) -> None:
    """Add the views and the commands. Imported here: whoever does without them does not pay for them."""
    from app import cli
    from app.blueprints import doors
    from app.migrating import migrate

    migrate.init_app(app, db)
    doors.register(app, house.plugins)
    require_policies(app)
    cli.register(app)


def build_house(app: Flask, config: Config) -> House:
    """Open the database and Redis, load the key and the plug-ins, and put the house where requests and jobs find it."""
    key = load_key(config.data, config.key)
    app.config.update(SECRET_KEY=derive(key, "sessions"), SQLALCHEMY_DATABASE_URI=config.database_url,
                      SQLALCHEMY_ENGINE_OPTIONS=engine_options(config.database_url), TESTING=config.testing,
                      SESSION_COOKIE_SECURE=config.is_https, WTF_CSRF_TIME_LIMIT=None, MAX_CONTENT_LENGTH=600 * 1024 * 1024)
    db.init_app(app)
    with app.app_context():
        engine = prepare(db.engine)
    redis = Redis.from_url(config.redis_url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=15)
    plugins = Plugins.load()
    secrets = SecretBox(key)
    # Which channels there are changes when a plug-in is enabled or paused: the settings ask each time.
    channels = {"channels": lambda: list(channel_titles(plugins.snapshot(engine)).items())}
    settings = SettingsStore(engine, secrets, Registry(lambda: plugins.sections, channels), environment_locks(config))
    plugins.move_in(engine, redis, settings, config.data)
    house = House(config=config, engine=engine, redis=redis, jobs=Jobs(redis), secrets=secrets, settings=settings, plugins=plugins,
                  tokens=TokenKeys(derive(key, "tokens")), key=key, write_mail=mail_writer(app))
    app.extensions["lettermill"] = house
    return house
