"""Go anywhere: what is found by which words, by whom, and what is never found by anybody else."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import sessions
from app.accounts.models import UserGroup
from app.accounts.permissions import OF_USER_GROUPS
from app.audience.models import SubscriberList
from app.audience.subscribers import page_of_subscribers
from tests.factories.customers import Customer, looking, words
from tests.factories.sending import make_campaign, make_list, make_server
from tests.factories.signing_in import make_administrator

HREF = re.compile(r'<a href="([^"]*)" data-go-to')


def _found(customer: Customer, text: str) -> list[str]:
    return HREF.findall(customer.go(f"/user/go/?q={text}"))


@pytest.fixture
def things(app: Flask, paul: Customer) -> tuple[int, int]:
    """A campaign and a list of Paul's."""
    with looking(app) as session:
        user = session.merge(paul.user)
        found = make_list(session, user, "Readers of the mill", ["anna@lake.example", "annika@lake.example", "per@lake.example"])
        campaign = make_campaign(session, user, [found], name="Winter coats 50%")
        session.commit()
        return campaign.id, found.id


def test_campaigns_and_lists_are_found_by_any_words_of_their_names(paul: Customer, things: tuple[int, int]) -> None:
    campaign, found = things
    assert _found(paul, "ter%20COATS") == [f"/user/campaigns/{campaign}"]
    assert _found(paul, "the%20mill") == [f"/user/lists/{found}"]
    assert _found(paul, "50%25") == [f"/user/campaigns/{campaign}"]
    assert _found(paul, "5%25") == []  # A percent sign is a percent sign, not "anything".


def test_people_are_found_by_the_beginning_of_their_address(paul: Customer, things: tuple[int, int]) -> None:
    assert len(_found(paul, "ann")) == 2
    assert len(_found(paul, "Anna@")) == 1
    assert "per@lake.example" in words(paul.go("/user/go/?q=per@"))
    assert _found(paul, "lake.example") == []


def test_nothing_of_another_customer_is_found(eve: Customer, things: tuple[int, int]) -> None:
    for text in ("coats", "mill", "ann", "paul"):
        assert _found(eve, text) == []


def test_without_words_every_page_is_there_that_opens(app: Flask, paul: Customer) -> None:
    assert _found(paul, "") == ["/user/", "/user/campaigns/", "/user/lists/", "/user/transactional/", "/user/bounces/", "/user/suppression/",
                                "/user/sender-domains/", "/user/dmarc/", "/user/campaigns/new", "/user/lists/new"]
    with looking(app) as session:
        session.execute(sa.update(UserGroup).values(permissions=[name for name in OF_USER_GROUPS if not name.startswith("campaigns")]))
        session.commit()
    assert _found(paul, "") == ["/user/", "/user/lists/", "/user/transactional/", "/user/bounces/", "/user/suppression/", "/user/sender-domains/",
                                "/user/dmarc/", "/user/lists/new"]
    assert _found(paul, "coats") == []


def _asked(app: Flask, administrator: int, account: int, text: str) -> list[str]:
    """Ask as an administrator who has that account in hand."""
    house = app.extensions["lettermill"]
    values = {"_user_id": f"administrator:{administrator}", "account_id": account}
    client = app.test_client()
    client.set_cookie("lettermill", "s." + sessions.begin(house.engine, ("administrator", administrator, 1), values, "192.0.2.1", "tests"))
    return HREF.findall(client.get(f"/user/go/?q={text}").text)


def test_administrators_find_settings_servers_and_users_as_far_as_their_rights_go(app: Flask, paul: Customer) -> None:
    with looking(app) as session:
        session.merge(paul.user).is_house = True  # The house's own account is what an administrator has in hand.
        server = make_server(session, 9, name="Amber relay").id
        session.commit()
    user, maya, anna = paul.user.id, make_administrator(app), make_administrator(app, "anna", is_super=False, permissions=["users"])
    assert _asked(app, maya, user, "mailer") == ["/admin/settings/email-delivery/#row-x_mailer"]
    assert _asked(app, maya, user, "amber") == [f"/admin/settings/delivery-servers/{server}"]
    assert f"/admin/users/{user}" in _asked(app, maya, user, "paul")

    assert _asked(app, anna, user, "mailer") == []
    assert _asked(app, anna, user, "amber") == []
    assert f"/admin/users/{user}" in _asked(app, anna, user, "paul")


def test_htmx_gets_the_places_alone(paul: Customer) -> None:
    answer = paul.client.get("/user/go/?q=lists", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert HREF.findall(answer.text) == ["/user/lists/"]


@pytest.mark.parametrize("start", ["%", "_", "an\U0010ffff", "\ud7ff", "ann\U0001f600"])
def test_odd_letters_find_nothing_and_break_nothing(app: Flask, things: tuple[int, int], start: str) -> None:
    with looking(app) as session:
        assert page_of_subscribers(session, session.get_one(SubscriberList, things[1]), words=start) == []
