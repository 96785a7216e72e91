"""A house without its web, and what a sending needs: an account, lists with people, a campaign, a delivery server."""

from __future__ import annotations

from secrets import token_hex

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import Session

import app.accounts.models
import app.processes.models  # noqa: F401
from app.accounts.models import User, UserGroup
from app.accounts.permissions import OF_USER_GROUPS
from app.audience.models import Subscriber, SubscriberList
from app.campaigns.models import Campaign
from app.config import Config
from app.db import EVERY_TENANT, make_engine, scoped_to
from app.delivery import engine
from app.delivery.doors import Doors
from app.delivery.freeze import freeze_chunk
from app.delivery.models import DeliveryServer
from app.delivery.prepare import prepare
from app.house import House
from app.jobs import Jobs
from app.mail.tokens import TokenKeys
from app.plugins.manager import Plugins
from app.settings.registry import Registry
from app.settings.secrets import SecretBox, derive
from app.settings.store import SettingsStore

KEY = bytes(range(32))
HTML = ('<html><body><p>Hello %Subscriber:FirstName|friend%</p><a href="https://shop.example/a?who=%Subscriber:EmailAddress%">Shop</a>'
        '<a href="%Link:WebBrowser%">view</a> <a href="%Link:Unsubscribe%">leave</a></body></html>')
PLAIN = "Hello %Subscriber:FirstName|friend%\nhttps://shop.example/plain\nLeave: %Link:Unsubscribe%\n"


def make_house(config: Config, plugins: Plugins | None = None) -> House:
    """Return the house on this deployment, as a worker has it."""
    engine = make_engine(config.database_url)
    redis = Redis.from_url(config.redis_url, socket_timeout=5)
    plugins = plugins or Plugins([])
    secrets = SecretBox(KEY)
    settings = SettingsStore(engine, secrets, Registry(plugins.sections))
    plugins.move_in(engine, redis, settings, config.data)
    return House(config=config, engine=engine, redis=redis, jobs=Jobs(redis), secrets=secrets, tokens=TokenKeys(derive(KEY, "tokens")),
                 settings=settings, plugins=plugins, key=KEY)


def make_user(session: Session, name: str = "paul") -> User:
    """Add an account in a group of its own."""
    group = UserGroup(name=f"group of {name}", permissions=list(OF_USER_GROUPS))
    user = User(first_name="Paul", last_name="Miller", email=f"{name}@example.com", username=name, company="Example Ltd", group=group)
    session.add(user)
    session.flush()
    return user


def make_list(session: Session, user: User, name: str, addresses: list[str]) -> SubscriberList:
    """Add a list with these people on it."""
    made = SubscriberList(user_id=user.id, public_id=token_hex(16), name=name, active_count=0, total_count=0)
    session.add(made)
    session.flush()
    add_people(session, made, addresses)
    return made


def add_people(session: Session, people: SubscriberList, addresses: list[str]) -> None:
    """Put these people on a list."""
    if addresses:
        session.execute(sa.insert(Subscriber), [
            {"user_id": people.user_id, "list_id": people.id, "email": address, "dedupe_key": address.lower(),
             "first_name": address.partition("@")[0], "fields": {}} for address in addresses])
    people.active_count += len(addresses)
    people.total_count += len(addresses)
    session.flush()


def make_campaign(session: Session, user: User, lists: list[SubscriberList], **values: object) -> Campaign:
    """Add a draft to these lists."""
    wanted = {"name": "January", "from_name": "Example", "from_email": "news@example.com", "subject": "Hi %Subscriber:FirstName%",
              "preheader": "What is new", "html": HTML, "plain": PLAIN} | values
    campaign = Campaign(user_id=user.id, lists=lists, **wanted)
    session.add(campaign)
    session.flush()
    return campaign


def make_server(session: Session, port: int, **values: object) -> DeliveryServer:
    """Add the default delivery server: something that listens on this machine."""
    wanted = {"name": f"sink {port}", "host": "127.0.0.1", "port": port, "security": "none", "internal": True, "is_default": True,
              "connections": 4} | values
    server = DeliveryServer(**wanted)
    session.add(server)
    session.flush()
    return server


def freeze_whole(house: House, sending_id: int) -> None:
    """Prepare a sending and write down everybody who gets it."""
    prepare(house.engine, sending_id, house.plugins.snapshot(house.engine))
    while not freeze_chunk(house.engine, sending_id):
        continue


def send_whole(house: House, sending_id: int) -> None:
    """Send what is frozen, until nothing is left to do now."""
    doors = Doors(house.secrets, "lettermill.localhost")
    with every_tenant():
        while engine.send(house, doors, sending_id):
            continue
    doors.close()


def addresses(number: int, domain: str = "example.org") -> list[str]:
    """Return that many different addresses."""
    return [f"p{index}@{domain}" for index in range(1, number + 1)]


def session_of(house: House) -> Session:
    """Return a session that sees every account's rows, for making things and for looking at them."""
    return Session(house.engine, expire_on_commit=False)


every_tenant = lambda: scoped_to(EVERY_TENANT)  # noqa: E731 - a name for the block that tests open
