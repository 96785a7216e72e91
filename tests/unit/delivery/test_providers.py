"""Who is behind a domain, by its MX records: looked up behind everybody's back, read by the freeze."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import utcnow
from app.delivery import providers
from app.delivery.models import Batch, MailProvider
from app.delivery.providers import group_of_hosts, look_for_providers
from app.house import House
from tests.factories.sending import addresses
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]


@pytest.mark.parametrize(("hosts", "group"), [
    (["aspmx.l.google.com.", "alt1.aspmx.l.google.com."], "google"), (["Example-org.mail.protection.outlook.com."], "microsoft"),
    (["mta5.am0.yahoodns.net"], "yahoo"), (["us-smtp-inbound-1.mimecast.com"], "mimecast"), (["mx1.example.pphosted.com."], "proofpoint"),
    (["mx.nobody.example.", "aspmx.l.google.com."], "google"), (["mx.nobody.example."], ""), (["notgoogle.com."], ""), (["com."], ""), ([], "")])
def test_a_provider_is_known_by_the_end_of_its_hosts_names(hosts: list[str], group: str) -> None:
    assert group_of_hosts(hosts) == group


def kept(session: Session) -> dict[str, str]:
    found = {row.domain: row.pacing_group for row in session.scalars(sa.select(MailProvider).execution_options(populate_existing=True))}
    session.commit()
    return found


def groups(stage: Stage, sending_id: int) -> set[str]:
    found = set(stage.session.scalars(sa.select(Batch.pacing_group).where(Batch.sending_id == sending_id)))
    stage.session.commit()
    return found


@pytest.mark.databases("sqlite", "mariadb")
def test_the_first_campaign_notes_large_domains_and_the_next_knows_who_is_behind_them(stage: Make) -> None:
    people = [*addresses(150, "one.example"), *addresses(150, "two.example"), *addresses(4, "small.example"), *addresses(10, "gmail.com")]
    campaign = stage(people)
    assert groups(campaign, campaign.frozen().id) == {""}
    assert kept(campaign.session) == {"one.example": "", "two.example": ""}

    looked = look_for_providers(campaign.house.engine, lambda _domain: ["aspmx.l.google.com."])
    assert (looked, kept(campaign.session)) == (2, {"one.example": "google", "two.example": "google"})

    campaign.campaign.state = "draft"
    campaign.session.commit()
    assert groups(campaign, campaign.frozen().id) == {"google", ""}


def test_a_freeze_never_asks_dns(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a freeze waits for nobody")

    monkeypatch.setattr(providers.dns.resolver, "resolve", refuse)
    campaign = stage(addresses(300, "one.example"))
    campaign.frozen()
    assert kept(campaign.session) == {"one.example": ""}


def add(session: Session, domain: str, group: str = "", age: timedelta | None = None) -> None:
    session.add(MailProvider(domain=domain, pacing_group=group, looked_at=None if age is None else utcnow() - age))
    session.commit()


def test_what_was_looked_at_lately_is_left_alone_and_a_round_is_bounded(house: House, session: Session) -> None:
    add(session, "fresh.example", "google", timedelta(days=29))
    add(session, "stale.example", "google", timedelta(days=31))
    for number in range(30):
        add(session, f"new{number}.example")
    asked: list[str] = []
    for _ in range(3):
        look_for_providers(house.engine, lambda domain: asked.append(domain) or [], most=20)  # type: ignore[func-returns-value]
    assert len(asked) == len(set(asked)) == 31
    assert "fresh.example" not in asked
    assert kept(session)["stale.example"] == ""


def test_a_dns_that_is_silent_changes_nothing_and_is_asked_again_tomorrow(house: House, session: Session) -> None:
    add(session, "stale.example", "google", timedelta(days=31))
    assert look_for_providers(house.engine, lambda _domain: None) == 1
    assert kept(session) == {"stale.example": "google"}
    assert look_for_providers(house.engine, lambda _domain: None) == 0
    looked_at = session.scalars(sa.select(MailProvider.looked_at)).one()
    assert looked_at is not None
    assert utcnow() - looked_at > timedelta(days=28)
    session.execute(sa.update(MailProvider).values(looked_at=utcnow() - timedelta(days=30, hours=1)))
    session.commit()
    assert look_for_providers(house.engine, lambda _domain: []) == 1
