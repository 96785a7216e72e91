"""A house with people in it: administrators of every kind, two customers with one of everything, and one of each thing of the house.

Everything that belongs to a customer carries that customer's canary, so that a page that shows it to somebody else gives itself away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.accounts import keys, links, sessions
from app.accounts.models import Administrator, SenderDomain, User, UserGroup
from app.accounts.passwords import hash_password
from app.accounts.permissions import OF_USER_GROUPS
from app.audience.models import ConsentEvent, CustomField, Import, ImportRejection, Subscriber, SubscriberList, Suppression
from app.audience.sample import make_sample_list
from app.campaigns.models import Campaign
from app.campaigns.sample import make_sample_campaign
from app.db import EVERY_TENANT, scoped_to, utcnow
from app.delivery.ledger import State
from app.delivery.models import Batch, DeliveryServer, Link, Recipient, Sending, SendingMinute, TestMail, TrackingEvent, TransactionalMail
from app.house import House
from app.inbound.dmarc.models import DmarcReport, DmarcRow
from app.inbound.webhooks.models import InboundWebhook
from app.plugins.models import PluginState
from app.processes.models import ShuntedJob
from app.settings.sections.product import ProductSettings
from tests.factories.came_back import account_came_back, house_came_back

Row = TypeVar("Row")

ABSENT = 999_999
# Of the super administrator and of both customers.
PASSWORD = "mill pond heron stone"
MAIL = (b"From: Shop <shop@a.test>\r\nTo: <reader@mail.test>\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <a href=\"http://127.0.0.1/x\">there</a></p>\r\n")
HTML_OF_ONE = "<p>Thank you, %Value:Name%</p>"
HTML = '<p>Hello %Subscriber:FirstName% <a href="https://shop.example/">shop</a> <a href="%Link:Unsubscribe%">leave</a></p>'


@dataclass(slots=True)
class Account:
    """A customer: the number of the account, and of one of each thing that it has."""

    user_id: int
    canary: str
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Town:
    """Who lives in the house, and what is in it. ``cookies`` are signed-in browsers by name, ``keys`` keys of the API."""

    a: Account
    b: Account
    people: dict[str, int] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    things: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def settle(app: Flask) -> Town:
    """Fill an empty house."""
    house: House = app.extensions["lettermill"]
    with app.app_context(), scoped_to(EVERY_TENANT), Session(house.engine, expire_on_commit=False) as session:
        town = _customers(session, house)
        _administrators(session, town)
        _things(session, town)
        _secrets(session, house, town)
        session.commit()
        _sign_everybody_in(session, house, town)
    house.settings.save(ProductSettings, {"name": "Millpond"}, based_on=None, by="Root", via="form", address="")
    town.things["revision"] = house.settings.revision()
    return town


def _customers(session: Session, house: House) -> Town:
    owner = _user(session, "house", is_house=True, first_name="House")
    make_sample_campaign(session, owner, make_sample_list(session, owner, "Millpond"))
    town = Town(_account(session, house, "ada", "canary-a1da"), _account(session, house, "bob", "canary-b0b2"))
    disabled = _user(session, "dora", enabled=False)
    town.people = {"house": owner.id, "a": town.a.user_id, "b": town.b.user_id, "disabled": disabled.id}
    return town


def _user(session: Session, name: str, **values: object) -> User:
    group = UserGroup(name=f"Group of {name}", permissions=list(OF_USER_GROUPS), limits={})
    user = User(**({"first_name": name.title(), "last_name": "Berg", "email": f"{name}@people.test", "username": name, "group": group} | values))
    session.add(user)
    session.flush()
    return user


def _account(session: Session, house: House, name: str, canary: str) -> Account:
    user = _user(session, name, company=canary, last_name=canary, password_hash=hash_password(PASSWORD))
    account = Account(user.id, canary)
    _audience(session, house, account)
    _campaigns(session, account)
    _stream(session, account)
    _came_back(session, account)
    return account


def _audience(session: Session, house: House, account: Account) -> None:
    canary, mine = account.canary, {"user_id": account.user_id}
    found = _add(session, SubscriberList(**mine, public_id=f"list-{canary}", name=f"List {canary}", active_count=3, total_count=3))
    custom = _add(session, CustomField(**mine, list_id=found.id, name=f"Field {canary}", alias=canary.replace("-", "_")))
    people = [_add(session, Subscriber(**mine, list_id=found.id, email=f"{word}@{canary}.test", dedupe_key=f"{word}@{canary}.test", first_name=canary,
                                       fields={custom.alias: canary})) for word in ("one", "two", "three")]
    session.add(ConsentEvent(**mine, subscriber_id=people[0].id, list_id=found.id, kind="subscribed", via="form", evidence={"page": canary}))
    suppressed = _add(session, Suppression(**mine, pattern=f"never@{canary}.test", reason="manual"))
    waiting, over = (_import(session, house, account, found, state) for state in ("uploaded", "finished"))
    session.add(ImportRejection(import_id=over.id, line=2, reason="Type a whole address, such as name@example.com.", raw=f"nobody,{canary}"))
    # Looked for just now, so that nobody asks DNS.
    domain = _add(session, SenderDomain(**mine, domain=f"{canary}.test", proof=canary, dkim_selector="lm1", checked_at=utcnow() + timedelta(hours=1)))
    account.numbers["proven_domain"] = _proven(session, account)
    account.numbers |= {"domain_id": domain.id, "list_id": found.id, "field_id": custom.id, "subscriber_id": people[0].id, "suppression_id": suppressed.id,
                        "found_id": waiting.id, "finished_import": over.id}


def _proven(session: Session, account: Account) -> int:
    """A domain that is proven, and what a receiver reported of it yesterday."""
    canary = account.canary
    domain = _add(session, SenderDomain(user_id=account.user_id, domain=f"proven.{canary}.test", state="enabled", proof=canary,
                                        checked_at=utcnow() + timedelta(hours=1)))
    begin = utcnow() - timedelta(days=1)
    report = _add(session, DmarcReport(org=f"receiver-{canary}", report_id="1", domain=domain.domain, organisational=f"{canary}.test", day=begin.date(),
                                       begin_at=begin, end_at=begin + timedelta(days=1), policy="none", mails=70))
    session.add_all([DmarcRow(report_id=report.id, source_ip="192.0.2.1", count=60, disposition="none", dkim=True, spf=True, header_from=domain.domain),
                     DmarcRow(report_id=report.id, source_ip="2001:db8::1", count=10, disposition="quarantine", header_from=domain.domain)])
    account.numbers["report_id"] = report.id
    return domain.id


def _import(session: Session, house: House, account: Account, found: SubscriberList, state: str) -> Import:
    name = f"{account.canary}-{state}.csv"
    text = f"email,first\nfour@{account.canary}.test,{account.canary}\n"
    folder = house.config.uploads / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return _add(session, Import(user_id=account.user_id, list_id=found.id, file_name=name, stored_as=name, size_bytes=len(text),
                                header=["email", "first"], sample=[[f"four@{account.canary}.test", account.canary]],
                                mapping={"0": "email", "1": "first_name"}, consent="They asked for it.", state=state, rejected=1, lines=2))


def _campaigns(session: Session, account: Account) -> None:
    people = session.scalars(sa.select(SubscriberList).where(SubscriberList.user_id == account.user_id)).all()
    says = {"user_id": account.user_id, "from_name": account.canary, "from_email": f"news@{account.canary}.test", "subject": f"News {account.canary}",
            "html": HTML, "plain": "Hello\nLeave: %Link:Unsubscribe%\n"}
    draft = _add(session, Campaign(**says, name=f"Draft {account.canary}", lists=list(people)))
    sent = _add(session, Campaign(**says, name=f"Sent {account.canary}", state="sending", lists=list(people)))
    run = _add(session, Sending(user_id=account.user_id, kind="campaign", campaign_id=sent.id, state="sending", total=3, on_several_lists=2, opens=2,
                                opened=1, clicks=1, clicked=1, content={"from_name": account.canary, "links": []}, list_ids=[people[0].id],
                                started_at=utcnow()))
    session.add(Batch(sending_id=run.id, first=0, last=2, state="done", sent=2, failed=1))
    session.add(Link(sending_id=run.id, number=0, url=f"https://shop.example/{account.canary}", label="shop", clicks=1, clicked=1))
    session.add(SendingMinute(sending_id=run.id, minute=utcnow() - timedelta(minutes=2), opens=2, clicks=1))
    session.add(TrackingEvent(sending_id=run.id, position=0, kind="open", at=utcnow()))
    _recipients(session, account, run)
    account.numbers |= {"campaign_id": draft.id, "sent_campaign": sent.id, "sending": run.id}


def _recipients(session: Session, account: Account, run: Sending) -> None:
    people = session.scalars(sa.select(Subscriber).where(Subscriber.user_id == account.user_id).order_by(Subscriber.id)).all()
    for position, person in enumerate(people):
        failed = position == 2
        session.add(Recipient(sending_id=run.id, position=position, dedupe_key=person.dedupe_key, email=person.email, subscriber_id=person.id,
                              list_id=person.list_id, state=State.FAILED if failed else State.SENT, reason="bounced_hard" if failed else "",
                              attempts=1, code=550 if failed else 250, reply="no such user" if failed else "queued", settled_at=utcnow(),
                              opened_at=None if position else utcnow()))


def _stream(session: Session, account: Account) -> None:
    canary = account.canary
    content = {"from_name": canary, "from_email": f"shop@{canary}.test", "subject": canary, "html": HTML_OF_ONE, "plain": "Thank you\n",
               "tag": canary, "count": 1, "values": ["Value:Name"], "links": [], "headers": [], "track_opens": True, "track_links": True}
    stream = _add(session, Sending(user_id=account.user_id, kind="transactional", stream="2026-01-31", state="finished", total=1, opens=1, opened=1,
                                   started_at=utcnow(), finished_at=utcnow(), message_id_domain="house.test"))
    session.add(Batch(sending_id=stream.id, first=1, last=1, state="done", sent=1))
    session.add(Recipient(sending_id=stream.id, position=1, dedupe_key=f"{canary}:0", email=f"buyer@{canary}.test", state=State.SENT, attempts=1, code=250,
                          settled_at=utcnow(), opened_at=utcnow(), snapshot={"first": 1, "name": canary, "values": {"Name": canary}}))
    session.add(TransactionalMail(user_id=account.user_id, sending_id=stream.id, position=1, key=f"key-{canary}", request_hash="0" * 64, content=content))
    account.numbers |= {"stream_id": stream.id, "position": 1}


def _came_back(session: Session, account: Account) -> None:
    account.numbers |= account_came_back(session, account.user_id, account.canary, account.numbers)


def _administrators(session: Session, town: Town) -> None:
    for name, is_super in (("super", True), ("sub", False), ("other_sub", False)):
        made = _add(session, Administrator(first_name=name, last_name="Root", email=f"{name}@house.test", username=name, is_super=is_super,
                                           password_hash=hash_password(PASSWORD)))
        town.people[name] = made.id


def _things(session: Session, town: Town) -> None:
    server = {"host": "127.0.0.1", "port": 9, "security": "none", "internal": True, "timeout_s": 1}
    _add(session, DeliveryServer(name="Test mailbox", is_default=True, is_test_mailbox=True, **server))
    spare = _add(session, DeliveryServer(name="Spare", username="someone", **server))
    mail = _add(session, TestMail(mfrom="b@a.test", rcpt_to="reader@mail.test", subject="Hello", sender="shop@a.test", source=MAIL, size_bytes=len(MAIL)))
    job = _add(session, ShuntedJob(job="send_notices", ids={}, error="OSError: it broke", traceback="Traceback"))
    empty = _add(session, UserGroup(name="Nobody", permissions=[], limits={}))
    session.add(PluginState(name="google_analytics", title="Google Analytics", state="enabled", version="1.0.0"))
    # With the problem that a post of nothing has: the same one again is not written.
    webhook = _add(session, InboundWebhook(name="Relay", kind="generic", public_id="0" * 32,
                                           last_problem="Send the header X-Lettermill-Timestamp with the time in seconds since 1970 (UTC)."))
    town.things = {"webhook_id": webhook.id, "server_id": spare.id, "mail_id": mail.id, "job_id": job.id, "group_id": empty.id, "user_id": town.a.user_id,
                   "administrator_id": town.people["other_sub"], **house_came_back(session, town.a.canary)}


def _secrets(session: Session, house: House, town: Town) -> None:
    user, root = session.get_one(User, town.a.user_id), session.get_one(Administrator, town.people["super"])
    town.secrets = {"public_id": "0" * 32, "reset": links.make(session, links.RESET, user), "sign_in": links.make(session, links.SIGN_IN, root),
                    "confirm": links.make(session, links.CONFIRM_EMAIL, root, email="new@house.test", side="old"),
                    "token": house.tokens.make("unsubscribe", town.a.numbers["sending"], 0)}
    for account in (town.a, town.b):
        town.keys["a" if account is town.a else "b"] = keys.make_key(session, session.get_one(User, account.user_id))
    for name in ("super", "sub"):
        holder = session.get_one(Administrator, town.people[name])
        town.keys[f"{name}_revoked"] = keys.make_key(session, holder)
        session.flush()
        town.keys[name] = keys.make_key(session, holder)
    town.keys["wrong"] = keys.PREFIX + keys.new_secret()
    session.flush()
    # Used just now, so that a request with the key does not have to note it.
    session.execute(sa.update(keys.ApiKey).values(last_used_at=utcnow() + timedelta(hours=1)))


def _sign_everybody_in(session: Session, house: House, town: Town) -> None:
    house_account = town.people["house"]
    signed_in = {"a": ("user", "a", None), "b": ("user", "b", None), "disabled": ("user", "disabled", None),
                 "super": ("administrator", "super", house_account), "sub": ("administrator", "sub", house_account),
                 "super_in_a": ("administrator", "super", town.a.user_id), "sub_in_a": ("administrator", "sub", town.a.user_id)}
    for name, (kind, person, account) in signed_in.items():
        number = town.people[person]
        data = {"_user_id": f"{kind}:{number}", "_fresh": True, "csrf_token": "0" * 40} | ({"account_id": account} if account else {})
        town.cookies[name] = "s." + sessions.begin(house.engine, (kind, number, 1), data, "127.0.0.1", "tests")
    # Seen just now, and for a while: no request has to note it.
    session.execute(sa.update(sessions.LoginSession).values(seen_at=utcnow() + timedelta(hours=1)))
    session.commit()
    town.things["session_id"] = session.scalar(sa.select(sa.func.max(sessions.LoginSession.id))) or 0


def _add(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row
