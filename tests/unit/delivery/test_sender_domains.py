"""Sender domains: what may be added, what a look into DNS makes of them, and which key signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import SenderDomain
from app.delivery import domain_checks, sender_domains
from app.delivery.dns_look import Answer
from app.delivery.models import Notice
from app.delivery.sender import covering
from app.delivery.sender_domains import heed, organisational, proof_record
from app.delivery.trips import DomainKey, Verified, verified_domains
from app.house import House
from tests.factories import sending as factory
from tests.factories.customers import looking

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SEEN, MISSING, SILENT = (sender_domains.Seen(proof, None) for proof in (True, False, None))
DAY = timedelta(days=1)
Zone = dict[str, Answer]


def _domain(state: str = "enabled", **values: object) -> SenderDomain:
    return SenderDomain(**{"user_id": 1, "domain": "example.com", "proof": "x", "state": state, "why": "", "missed_since": None} | values)


@pytest.mark.parametrize(("name", "is_everybodys"), [
    ("com", True), ("uk", True), ("co.uk", True), ("com.au", True), ("github.io", True), ("example.com", False), ("example.co.uk", False),
    ("paul.github.io", False), ("news.example.com", False), ("bbc.uk", False)])
def test_a_public_suffix_is_nobodys_to_prove(name: str, is_everybodys: bool) -> None:
    assert sender_domains.is_public_suffix(name) is is_everybodys


@pytest.mark.parametrize(("name", "owners"), [
    ("a.b.example.com", "example.com"), ("example.com", "example.com"), ("news.example.co.uk", "example.co.uk"), ("x.paul.github.io", "paul.github.io"),
    ("com", "com")])
def test_the_organisational_domain_is_the_one_below_a_public_suffix(name: str, owners: str) -> None:
    assert organisational(name) == owners


@pytest.mark.parametrize(("name", "covered_by"), [
    ("example.com", "example.com"), ("news.example.com", "example.com"), ("a.b.lists.example.org", "lists.example.org"), ("example.org", ""),
    ("notexample.com", ""), ("com", ""), ("", "")])
def test_a_proven_domain_stands_for_the_names_below_it_and_no_others(name: str, covered_by: str) -> None:
    assert covering(name, {"example.com", "lists.example.org"}) == covered_by


def test_a_seen_proof_enables_a_pending_domain_and_a_missing_one_leaves_it() -> None:
    found = _domain("pending")
    assert (heed(found, MISSING, NOON), found.state, found.checked_at, found.missed_since) == (False, "pending", NOON, None)
    heed(found, SEEN, NOON)
    assert found.state == "enabled"


def test_three_days_in_a_row_without_the_proof_suspend_it_and_the_proof_brings_it_back() -> None:
    found = _domain()
    assert [heed(found, MISSING, NOON + days * DAY) for days in range(3)] == [False, False, False]
    assert found.state == "enabled"
    assert heed(found, MISSING, NOON + 3 * DAY) is True
    assert (found.state, found.why) == ("suspended", "Its record was not found in DNS for three days.")
    assert heed(found, MISSING, NOON + 4 * DAY) is False
    heed(found, SEEN, NOON + 5 * DAY)
    assert (found.state, found.why, found.missed_since) == ("enabled", "", None)


def test_a_proof_that_comes_back_in_between_begins_the_days_anew() -> None:
    found = _domain()
    for seen, days in ((MISSING, 0), (MISSING, 2), (SEEN, 3), (MISSING, 4), (MISSING, 6)):
        assert heed(found, seen, NOON + days * DAY) is False
    assert found.state == "enabled"


def test_dns_that_does_not_answer_says_nothing() -> None:
    found = _domain()
    assert [heed(found, SILENT, NOON + days * DAY) for days in range(9)] == [False] * 9
    assert (found.state, found.missed_since) == ("enabled", None)


def test_what_an_administrator_suspended_comes_back_by_no_record() -> None:
    found = _domain()
    sender_domains.suspend(found, "It was a lie.")
    heed(found, SEEN, NOON)
    assert (found.state, found.why) == ("suspended", "It was a lie.")
    assert not sender_domains.switch(found, on=False)
    sender_domains.release(found)
    heed(found, SEEN, NOON)
    assert found.state == "enabled"


def test_what_its_user_switched_off_stays_off() -> None:
    found = _domain()
    sender_domains.switch(found, on=False)
    heed(found, SEEN, NOON)
    assert found.state == "disabled"
    sender_domains.switch(found, on=True)
    assert found.state == "pending"


def test_the_nearest_key_signs() -> None:
    keys = Verified(frozenset({"example.com"}), (DomainKey("example.com", "a", ""), DomainKey("news.example.com", "b", "")))
    assert [getattr(keys.key_for(name), "selector", None) for name in ("example.com", "x.news.example.com", "shop.example.com", "example.org")] == \
        ["a", "b", "a", None]


# ------------------------------------------------------------------------------------------------------------ the daily job


@pytest.mark.databases("sqlite", "mariadb")
def test_two_accounts_prove_the_same_domain_each_by_its_own_token(app: Flask) -> None:
    house: House = app.extensions["lettermill"]
    with looking(app) as session:
        users = [factory.make_user(session, name).id for name in ("ada", "bob")]
        ada, bob = (sender_domains.add(session, house.secrets, user, "Example.COM.", "ed25519") for user in users)
        session.commit()
        zone: Zone = {proof_record(ada).name: ["v=spf1 -all", proof_record(ada).value]}
        assert domain_checks.check_due(house, lambda name: zone.get(name, [])) == 2
        assert _states(app) == {users[0]: "enabled", users[1]: "pending"}
        assert domain_checks.check_due(house, lambda name: zone.get(name, [])) == 0
        zone[proof_record(bob).name] = [proof_record(ada).value, proof_record(bob).value]
        _a_day_goes_by(app)
        domain_checks.check_due(house, lambda name: zone.get(name, []))
    assert _states(app) == {users[0]: "enabled", users[1]: "enabled"}


@pytest.mark.databases("sqlite", "mariadb")
def test_the_key_signs_only_while_its_record_is_seen(app: Flask) -> None:
    house: House = app.extensions["lettermill"]
    with looking(app) as session:
        user = factory.make_user(session).id
        found = sender_domains.add(session, house.secrets, user, "example.com", "rsa2048")
        key = sender_domains.dkim_record(house.secrets, found)
        session.commit()
        assert key is not None
        zone: Zone = {proof_record(found).name: [proof_record(found).value]}
        before = _verified(house, user, zone)
        zone[key.name] = [key.value]
        _a_day_goes_by(app)
        signs = _verified(house, user, zone)
        zone[key.name] = ["v=DKIM1; k=rsa; p="]
        _a_day_goes_by(app)
        after = _verified(house, user, zone)
    assert (before.domains, before.keys) == (frozenset({"example.com"}), ())
    assert [(one.domain, one.selector) for one in signs.keys] == [("example.com", found.dkim_selector)]
    assert (after.keys, before == after, signs == before) == ((), True, False)


def test_its_user_gets_a_mail_when_it_is_suspended_and_one_only(app: Flask) -> None:
    house: House = app.extensions["lettermill"]
    with looking(app) as session:
        user = factory.make_user(session).id
        session.add(SenderDomain(user_id=user, domain="example.com", proof="x", state="enabled", missed_since=datetime.now(UTC) - 3 * DAY))
        session.commit()
        domain_checks.check_due(house, lambda _name: [])
        _a_day_goes_by(app)
        domain_checks.check_due(house, lambda _name: [])
        notice = session.scalars(sa.select(Notice)).one()
    assert (notice.recipient, notice.subject) == ("paul@example.com", "example.com is suspended as a sender domain")
    assert "was not found in DNS for three days" in notice.plain


def test_what_is_held_or_switched_off_is_not_looked_for(app: Flask) -> None:
    with looking(app) as session:
        user = factory.make_user(session).id
        session.add_all(SenderDomain(user_id=user, domain=f"{state}.example", state=state) for state in ("pending", "enabled", "disabled", "suspended"))
        session.commit()
    assert len(domain_checks.due_domains(app.extensions["lettermill"].engine)) == 2


def _verified(house: House, user_id: int, zone: Zone) -> Verified:
    domain_checks.check_due(house, lambda name: zone.get(name, []))
    with house.engine.connect() as connection:
        return verified_domains(connection, user_id)


def _a_day_goes_by(app: Flask) -> None:
    with looking(app) as session:
        session.execute(sa.update(SenderDomain).values(checked_at=datetime.now(UTC) - 2 * DAY))
        session.commit()


def _states(app: Flask) -> dict[int, str]:
    with looking(app) as session:
        return {one.user_id: one.state for one in session.scalars(sa.select(SenderDomain))}
