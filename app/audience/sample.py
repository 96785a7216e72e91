"""Generated people, at addresses that belong to nobody (RFC 2606): for the first campaign, for the demo, for measuring."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience import lists
from app.audience.models import Subscriber, SubscriberList
from app.db import table_of, utcnow, writing

_FIRST = ("Anna", "Per", "Søren", "Lena", "Tomáš", "Aylin", "José", "Mei", "Fatima", "Oskar", "Zoë", "Noah", "Ines", "Kofi", "Sanna", "Ravi")
_LAST = ("Karlsson", "Berge", "Fjord", "Lindqvist", "Novák", "Yılmaz", "García", "Chen", "Haddad", "Müller", "O’Brien", "Silva", "Okafor", "Patel")
_DOMAINS = ("mail.test", "post.test", "example.com", "example.net", "example.org")
CHUNK = 2000


def _person(number: int) -> dict[str, str]:
    first, last = _FIRST[number % len(_FIRST)], _LAST[(number // len(_FIRST) + number) % len(_LAST)]
    # Every twelfth has no first name: what a mail does with an empty value should be seen before real people see it.
    address = f"person{number}@{_DOMAINS[number % len(_DOMAINS)]}"
    return {"email": address, "dedupe_key": address, "first_name": "" if number % 12 == 1 else first, "last_name": last}


def make_sample_list(session: Session, owner: User, product_name: str, count: int = 12) -> SubscriberList:
    """Add the sample list of a new house, with ``count`` people; its mail comes from whatever the product is called."""
    found = lists.create(session, owner, name="Sample list", sender_name=product_name, sender_email="hello@sample.test")
    session.add_all(Subscriber(user_id=owner.id, list_id=found.id, source="sample", fields={}, **_person(number)) for number in range(count))
    found.active_count = found.total_count = count
    session.flush()
    return found


def generate_subscribers(engine: Engine, found: SubscriberList, count: int) -> None:
    """Add ``count`` generated people to a list that has none of them yet, in transactions of 2,000."""
    table, of = table_of(Subscriber), table_of(SubscriberList)
    same = {"user_id": found.user_id, "list_id": found.id, "state": "active", "bounce_state": "none", "fields": {}, "source": "sample",
            "subscribed_ip": ""}
    for start in range(0, count, CHUNK):
        rows = [same | _person(number) | {"subscribed_at": utcnow()} for number in range(start, min(count, start + CHUNK))]
        with writing(engine) as connection:
            connection.execute(sa.insert(table), rows)
            connection.execute(sa.update(of).where(of.c.id == found.id).values(
                active_count=of.c.active_count + len(rows), total_count=of.c.total_count + len(rows)))
