"""Users and their groups: what is ticked, typed and switched has its effect, and an administrator works in one account at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import first_run
from app.accounts.models import User, UserGroup
from app.accounts.permissions import OF_USER_GROUPS
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.models import Notice, Sending
from app.settings.models import AuditEntry
from tests.factories.customers import Customer, looking, words
from tests.factories.sending import addresses, make_campaign, make_list, make_server
from tests.factories.signing_in import PASSWORD, browser_of, give_password, make_administrator, sign_in
from workers.sweep import start_due_campaigns

ANNA = {"first_name": "Anna", "last_name": "Lake", "company": "Lake Ltd", "email": "Anna@Lake.example", "username": "Anna", "password": PASSWORD,
        "time_zone": "Europe/Berlin", "enabled": "y"}
SEND = {"choice": "now", "time_zone": "UTC"}


@pytest.fixture
def maya(app: Flask, paul: Customer) -> FlaskClient:
    """The browser of an administrator, in a house with a customer."""
    return browser_of(app, make_administrator(app))


@pytest.fixture
def draft(app: Flask, paul: Customer) -> str:
    """The address of a campaign of Paul's that is ready to go to three people."""
    with looking(app) as session:
        user = session.get_one(User, paul.user.id)
        make_server(session, 9)
        campaign = make_campaign(session, user, [make_list(session, user, "Readers", addresses(3))])
        session.commit()
        return f"/user/campaigns/{campaign.id}"


def _group(app: Flask, paul: Customer, maya: FlaskClient, *without: str, **limits: object) -> None:
    """Let the administrator save Paul's group with these permissions taken away and these limits typed."""
    data = {"name": "Group", "permissions": [name for name in OF_USER_GROUPS if name not in without]}
    data |= {f"limit_{name}": number for name, number in limits.items()}
    answer = maya.post(f"/admin/user-groups/{paul.user.group_id}", data=data)
    assert answer.status_code == 302, words(answer.text)


def _edit(maya: FlaskClient, user: User, **changes: str) -> str:
    """Save the form of this user, with these changes; return what the page says."""
    data = {"first_name": user.first_name, "last_name": user.last_name, "company": user.company, "email": user.email, "username": user.username,
            "group_id": str(user.group_id), "time_zone": "UTC", "enabled": "y"} | changes
    return words(maya.post(f"/admin/users/{user.id}", data={name: value for name, value in data.items() if value}).text)


def _sendings(app: Flask) -> list[str]:
    with looking(app) as session:
        return list(session.scalars(sa.select(Sending.state)))


def test_without_permission_to_send_nothing_is_sent(app: Flask, paul: Customer, maya: FlaskClient, draft: str) -> None:
    _group(app, paul, maya, "campaigns.send")

    paul.go(draft)
    assert paul.client.post(draft + "/send", data=SEND).status_code == 403
    assert paul.client.get(draft + "/send").status_code == 403
    assert _sendings(app) == []
    _group(app, paul, maya)
    assert paul.client.post(draft + "/send", data=SEND).status_code == 302
    assert _sendings(app) == ["freezing"]


PAGES = {"lists": "/user/lists/", "campaigns": "/user/campaigns/", "suppression": "/user/suppression/"}


@pytest.mark.parametrize("permission", sorted(PAGES))
def test_a_page_without_its_permission_is_refused_and_left_out_of_the_side_bar(app: Flask, paul: Customer, maya: FlaskClient, permission: str) -> None:
    assert f'href="{PAGES[permission]}"' in _side_bar(paul)
    _group(app, paul, maya, permission)

    assert {name: paul.client.get(page).status_code for name, page in PAGES.items()} == {name: 403 if name == permission else 200 for name in PAGES}
    assert f'href="{PAGES[permission]}"' not in _side_bar(paul)


def _side_bar(one: Customer) -> str:
    return one.go("/user/").partition("<main")[0]


def test_an_administrator_in_the_account_can_do_no_more_than_its_user(app: Flask, paul: Customer, maya: FlaskClient, draft: str) -> None:
    _group(app, paul, maya, "campaigns.send")
    maya.post(f"/admin/users/{paul.user.id}/open")

    assert maya.get(draft + "/edit").status_code == 200
    assert maya.post(draft + "/send", data=SEND).status_code == 403


def test_the_limit_of_lists_is_said_in_words(app: Flask, paul: Customer, maya: FlaskClient) -> None:
    _group(app, paul, maya, lists=1)
    paul.lands("/user/lists/new", {"name": "One", "opt_in": "double"})

    assert "may have 1 list." in words(paul.post("/user/lists/new", {"name": "Two", "opt_in": "double"}, 422))
    _group(app, paul, maya, lists="")
    paul.lands("/user/lists/new", {"name": "Two", "opt_in": "double"})


@pytest.mark.parametrize(("limits", "says"), [({"campaigns_per_month": 0}, "may send 0 campaigns in 30 days"),
                                              ({"mails_per_month": 2}, "2 are left, and this campaign has 3")])
def test_the_limits_of_sending_are_said_and_nothing_goes(app: Flask, paul: Customer, maya: FlaskClient, draft: str, limits: dict[str, int], says: str) -> None:
    _group(app, paul, maya, **limits)

    assert says in words(paul.post(draft + "/send", SEND, 422))
    assert _sendings(app) == []


@pytest.mark.parametrize(("typed", "says"), [({"name": ""}, "Give the group a name"), ({"name": "group of paul"}, "a group of this name already"),
                                             ({"limit_lists": "-1"}, "Type a number from 0"), ({"limit_lists": "many"}, "integer"),
                                             ({"permissions": "administrators"}, "is not a valid choice")])
def test_a_group_that_cannot_be_is_refused(app: Flask, maya: FlaskClient, typed: dict[str, str], says: str) -> None:
    answer = maya.post("/admin/user-groups/new", data={"name": "New"} | typed)

    assert answer.status_code == 422
    assert says in words(answer.text)
    with looking(app) as session:
        assert session.scalars(sa.select(UserGroup.name)).all() == ["group of paul"]


def test_a_group_goes_only_when_nobody_is_in_it(app: Flask, paul: Customer, maya: FlaskClient) -> None:
    maya.post("/admin/user-groups/new", data={"name": "Empty", "permissions": ["lists"]})
    with looking(app) as session:
        empty = session.scalars(sa.select(UserGroup.id).where(UserGroup.name == "Empty")).one()
    refused = maya.post(f"/admin/user-groups/{paul.user.group_id}/delete", follow_redirects=True)
    gone = maya.post(f"/admin/user-groups/{empty}/delete", follow_redirects=True)

    assert "1 user is in this group" in words(refused.text)
    assert "group of paul" in gone.text
    assert "Empty" not in gone.text


@pytest.mark.databases("sqlite", "mariadb")
def test_a_new_user_signs_in_to_an_empty_account_of_their_own(app: Flask, paul: Customer, maya: FlaskClient, draft: str) -> None:
    answer = maya.post("/admin/users/new", data=ANNA | {"group_id": paul.user.group_id})
    assert answer.status_code == 302
    assert "anna@lake.example" in maya.get(answer.location).text
    anna = app.test_client()

    assert sign_in(anna, "anna").location == "/user/"
    assert "January" not in anna.get("/user/campaigns/").text
    assert anna.get(draft).status_code == 404
    assert [word for word in ("anna", "paul") if f"{word}@" in maya.get("/admin/users/?q=lake").text] == ["anna"]


@pytest.mark.parametrize(("field", "typed", "says"), [
    ("email", "paul@example.com", "Somebody else has this address"), ("email", "maya@example.com", "Somebody else has this address"),
    ("username", "PAUL", "Somebody else has this user name"), ("username", "house", "Somebody else has this user name"),
    ("email", "gone@example.com", "Somebody else has this address"), ("email", "anna", "whole address"), ("username", "a", "letters, digits"),
    ("password", "", "Use 12 characters"), ("password", "Anna@Lake.example", "your own name or address"), ("group_id", "777", "valid choice"),
    ("company", "x" * 121, "120")])
def test_a_user_who_cannot_be_is_refused_beside_the_field(app: Flask, paul: Customer, maya: FlaskClient, field: str, typed: str, says: str) -> None:
    with looking(app) as session:
        session.add(first_run.house_account(session, {"first_name": "Old", "last_name": "Boss", "email": "gone@example.com", "time_zone": "UTC"}))
        session.commit()
    answer = maya.post("/admin/users/new", data=ANNA | {"group_id": str(paul.user.group_id), field: typed})

    assert answer.status_code == 422
    assert says in words(">" + answer.text.partition(f'id="{field}-error"')[2][:400])
    with looking(app) as session:
        assert session.scalars(sa.select(User.username).order_by(User.id)).all() == ["paul", "house"]


def test_the_houses_own_account_can_be_changed_though_it_shares_an_administrators_address(app: Flask, maya: FlaskClient) -> None:
    with looking(app) as session:
        session.add(first_run.house_account(session, {"first_name": "Maya", "last_name": "", "email": "maya@example.com", "time_zone": "UTC"}))
        session.commit()
        house = session.scalars(sa.select(User).where(User.is_house)).one()

    assert "in force now" in _edit(maya, house, company="Millpond")
    assert "Saved" in words(maya.post("/admin/settings/admin-account/", follow_redirects=True, data={
        "first_name": "Maya", "email": "maya@example.com", "username": "maya", "time_zone": "UTC", "language": "en"}).text)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_user_who_is_switched_off_is_out_and_sends_nothing_until_switched_on(app: Flask, paul: Customer, maya: FlaskClient, draft: str) -> None:
    give_password(app, paul.user)
    paul.post(draft + "/send", SEND)
    assert "in force now" in _edit(maya, paul.user, enabled="")

    assert paul.client.get("/user/").status_code == 302
    assert sign_in(paul.client, "paul").status_code == 422
    assert _sendings(app) == ["paused"]
    maya.post(f"/admin/users/{paul.user.id}/open")
    assert maya.post(draft + "/resume").status_code == 409
    _edit(maya, paul.user)
    assert sign_in(paul.client, "paul").status_code == 302
    assert _sendings(app) == ["paused"], "who was switched off decides what goes on"
    assert paul.client.post(draft + "/resume").status_code == 302
    assert _sendings(app) == ["freezing"]


@pytest.mark.databases("sqlite", "mariadb")
def test_what_a_switched_off_user_has_scheduled_is_a_draft_again_when_its_time_comes(app: Flask, paul: Customer, maya: FlaskClient, draft: str) -> None:
    with looking(app) as session:
        session.execute(sa.update(Campaign).values(state="scheduled", send_at=utcnow() - timedelta(seconds=1)))
        session.commit()
    _edit(maya, paul.user, enabled="")
    start_due_campaigns(app.extensions["lettermill"])
    assert _sendings(app) == []

    maya.post(f"/admin/users/{paul.user.id}/open")
    assert "switched off" in words(maya.post(draft + "/send", data=SEND).text)
    _edit(maya, paul.user)
    start_due_campaigns(app.extensions["lettermill"])
    assert _sendings(app) == []
    with looking(app) as session:
        assert session.scalar(sa.select(Campaign.state)) == "draft"
        assert "switched off" in session.scalars(sa.select(Notice.plain)).one()


def test_an_administrator_works_in_one_account_at_a_time_and_goes_back(app: Flask, paul: Customer, eve: Customer, maya: FlaskClient) -> None:
    with looking(app) as session:
        session.add(first_run.house_account(session, {"first_name": "Maya", "last_name": "", "email": "maya@example.com", "time_zone": "UTC"}))
        session.commit()
    for one in (paul, eve):
        one.lands("/user/lists/new", {"name": f"List of {one.user.username}", "opt_in": "double"})
    assert maya.post(f"/admin/users/{paul.user.id}/open").location == "/user/"

    page = maya.get("/user/lists/").text
    assert "List of paul" in page
    assert "List of eve" not in page
    assert 'action="/admin/users/leave"' in page
    assert maya.get("/user/lists/2").status_code == 404
    assert maya.post("/admin/users/leave").location == "/admin/"
    assert "List of paul" not in maya.get("/user/lists/").text
    with looking(app) as session:
        opened = session.scalars(sa.select(AuditEntry).where(AuditEntry.act == "account.opened")).all()
    assert [(one.subject, "maya@example.com" in one.actor) for one in opened] == [("paul@example.com", True)]


def test_a_customer_opens_no_account(app: Flask, paul: Customer, eve: Customer) -> None:
    assert eve.client.post(f"/admin/users/{paul.user.id}/open").status_code == 404
    assert eve.client.post("/admin/users/leave").status_code == 404
