"""The checklist's look into DNS: green by the record itself, and grey again when it is gone."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask

from app.db import db, table_of
from app.delivery import servers
from app.delivery.dns_look import is_published, look_for_records
from app.delivery.models import DeliveryServer
from app.house import House
from app.mail.dkim import generate_key, public_record

VALUES = {"name": "Relay", "host": "smtp.example.com", "port": 587, "security": "starttls", "timeout_s": 10, "connections": 2,
          "dkim_domain": "example.com", "dkim_selector": "lm1"}


def test_a_record_is_recognised_however_it_is_written() -> None:
    record = public_record(generate_key("ed25519"))
    assert is_published(record, ["v=spf1 -all", record.replace("; ", ";").replace("p=", "p= ")])


def test_another_key_or_an_empty_one_is_not_ours() -> None:
    record = public_record(generate_key("ed25519"))
    assert not is_published(record, [public_record(generate_key("ed25519")), "v=DKIM1; k=ed25519; p=", "nonsense"])


def test_a_server_s_record_is_seen_when_it_is_published_and_forgotten_when_it_is_gone(app: Flask) -> None:
    house: House = app.extensions["lettermill"]
    with app.app_context():
        server = DeliveryServer()
        servers.save(db.session(), house.secrets, server, VALUES, dkim_key=generate_key("ed25519"))
        db.session.commit()
        name, value = servers.dns_record(house.secrets, server) or ("", "")
        zone = {name: [value]}
        look_for_records(house.engine, house.secrets, lambda wanted: zone.get(wanted, []))
        assert _seen(house, server.id)
        zone.clear()
        look_for_records(house.engine, house.secrets, lambda wanted: zone.get(wanted, []))
        assert not _seen(house, server.id)


def _seen(house: House, server_id: int) -> bool:
    with house.engine.connect() as connection:
        return connection.scalar(sa.select(table_of(DeliveryServer).c.dns_seen_at).where(table_of(DeliveryServer).c.id == server_id)) is not None
