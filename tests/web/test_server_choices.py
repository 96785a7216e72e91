"""Delivery servers chosen with weights on the pages of groups, users and campaigns, and what is said of one that takes no mail."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User, UserGroup
from app.accounts.permissions import OF_USER_GROUPS
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.models import DeliveryServer, ServerChoice, ServerHealth
from tests.factories.customers import Customer, looking, words
from tests.factories.sending import make_campaign, make_list, make_server
from tests.factories.signing_in import browser_of, make_administrator


@dataclass
class Yard:
    """Servers one (the default) and two, Paul with a draft, and an administrator."""

    app: Flask
    paul: Customer
    maya: FlaskClient
    one: int
    two: int
    campaign: int

    def chosen(self) -> set[tuple[str, int, int]]:
        with looking(self.app) as session:
            return {(row.owner_kind, row.server_id, row.weight) for row in session.scalars(sa.select(ServerChoice))}

    def typed(self, one: str = "", two: str = "") -> dict[str, str]:
        return {f"servers-{self.one}": one, f"servers-{self.two}": two}

    def save_user(self, **weights: str) -> str:
        user = self.paul.user
        return words(self.maya.post(f"/admin/users/{user.id}", data={
            "email": user.email, "username": user.username, "group_id": str(user.group_id), "time_zone": "UTC", "enabled": "y"} | self.typed(**weights)).text)

    def save_group(self, **weights: str) -> int:
        return self.maya.post(f"/admin/user-groups/{self.paul.user.group_id}", data={
            "name": "Group of Paul", "permissions": list(OF_USER_GROUPS)} | self.typed(**weights)).status_code

    def group_page(self) -> str:
        return words(self.maya.get(f"/admin/user-groups/{self.paul.user.group_id}").text)


@pytest.fixture
def yard(app: Flask, paul: Customer) -> Yard:
    """The yard."""
    with looking(app) as session:
        one, two = make_server(session, 9, name="One").id, make_server(session, 9, name="Two", is_default=False).id
        user = session.get_one(User, paul.user.id)
        campaign = make_campaign(session, user, [make_list(session, user, "Readers", ["anna@example.org"])]).id
        session.commit()
    return Yard(app, paul, browser_of(app, make_administrator(app)), one, two, campaign)


def test_a_group_and_a_user_choose_and_who_chooses_nothing_is_told_whose_choice_holds(yard: Yard) -> None:
    assert "Empty: the default server (One)." in yard.group_page()
    assert yard.save_group(one="3", two="1") == 302
    assert yard.chosen() == {("group", yard.one, 3), ("group", yard.two, 1)}
    assert ("75 %" in yard.group_page(), "25 %" in yard.group_page()) == (True, True)
    assert "Empty: as the user group Group of Paul has it (One, Two)." in yard.save_user()
    yard.save_user(two="1", one="0")
    assert yard.chosen() >= {("user", yard.two, 1), ("user", yard.one, 0)}
    assert "stands in" in yard.save_user(two="1", one="0")
    yard.save_user()
    assert {kind for kind, *_ in yard.chosen()} == {"group"}


@pytest.mark.parametrize(("weight", "says"), [("-1", "whole number from 0 to 1000"), ("many", "whole number"), ("1001", "whole number"), ("1.5", "number"),
                                              ("0", "Give at least one server a weight of 1")])
def test_a_weight_that_is_none_is_refused_and_stays_in_its_field(yard: Yard, weight: str, says: str) -> None:
    assert says in yard.save_user(two=weight)
    answer = yard.maya.post(f"/admin/user-groups/{yard.paul.user.group_id}", data={"name": "Kept"} | yard.typed(two=weight))
    assert (answer.status_code, f'value="{weight}"' in answer.text, "Kept" in answer.text) == (422, True, True)
    assert yard.chosen() == set()


def test_a_deleted_group_lets_go_of_its_choice(yard: Yard) -> None:
    yard.maya.post("/admin/user-groups/new", data={"name": "Empty"} | yard.typed(two="1"))
    with looking(yard.app) as session:
        number = session.scalars(sa.select(UserGroup.id).where(UserGroup.name == "Empty")).one()
    assert yard.chosen() == {("group", yard.two, 1)}
    yard.maya.post(f"/admin/user-groups/{number}/delete")
    assert yard.chosen() == set()


def test_a_campaign_chooses_where_the_group_may_and_a_copy_has_the_choice(yard: Yard) -> None:
    send = f"/user/campaigns/{yard.campaign}/send"
    assert "Save the choice" in yard.paul.go(send)
    assert "whole number" in words(yard.paul.post(f"/user/campaigns/{yard.campaign}/servers", yard.typed(two="x"), 422))
    yard.paul.post(f"/user/campaigns/{yard.campaign}/servers", yard.typed(two="2"))
    assert yard.chosen() == {("campaign", yard.two, 2)}
    yard.paul.post(f"/user/campaigns/{yard.campaign}/copy")
    with looking(yard.app) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ServerChoice)) == 2
        session.execute(sa.update(UserGroup).values(permissions=[name for name in OF_USER_GROUPS if name != "campaigns.servers"]))
        session.commit()
    yard.paul.post(f"/user/campaigns/{yard.campaign + 1}/delete")
    assert yard.chosen() == {("campaign", yard.two, 2)}
    assert "Save the choice" not in yard.paul.go(send)
    assert yard.paul.client.post(f"/user/campaigns/{yard.campaign}/servers", data=yard.typed(one="1")).status_code == 403
    assert yard.paul.client.post(f"/user/campaigns/{yard.campaign}/servers/administrator", data=yard.typed(one="1")).status_code == 403


def test_an_administrator_in_the_account_chooses_always(yard: Yard) -> None:
    with looking(yard.app) as session:
        session.execute(sa.update(UserGroup).values(permissions=[name for name in OF_USER_GROUPS if name != "campaigns.servers"]))
        session.commit()
    yard.maya.post(f"/admin/users/{yard.paul.user.id}/open")
    page = yard.maya.get(f"/user/campaigns/{yard.campaign}/send").text
    address = f"/user/campaigns/{yard.campaign}/servers/administrator"
    assert address in page
    assert yard.maya.post(address, data=yard.typed(two="1")).status_code == 303
    assert yard.chosen() == {("campaign", yard.two, 1)}


def test_a_server_that_a_campaign_chose_is_in_use_until_that_is_over(yard: Yard) -> None:
    yard.paul.post(f"/user/campaigns/{yard.campaign}/servers", yard.typed(two="1"))
    gone = f"/admin/settings/delivery-servers/{yard.two}/delete"
    assert "0 groups, 1 campaign and 0 running" in words(yard.maya.post(gone, follow_redirects=True).text)
    with looking(yard.app) as session:
        session.execute(sa.update(Campaign).values(state="finished"))
        session.commit()
    yard.maya.post(gone)
    with looking(yard.app) as session:
        assert session.scalars(sa.select(DeliveryServer.name)).all() == ["One"]
    assert yard.chosen() == set()


# -------------------------------------------------------------------------------------------------------------- health


def _fail(app: Flask, server: int, why: str) -> None:
    with looking(app) as session:
        session.add(ServerHealth(server_id=server, failures=2, failing_since=utcnow(), open_until=utcnow(), why=why))
        session.commit()


@pytest.mark.parametrize(("why", "says"), [("535 5.7.8 who are you", "It refuses the password since"), ("554 5.7.1 blocked", "It refuses mail since"),
                                           ("Nothing listens there: the connection was refused. Check the port.", "It cannot be reached since")])
def test_the_list_says_why_a_server_takes_no_mail_and_a_banner_says_so_of_the_default(yard: Yard, why: str, says: str) -> None:
    banner = "The default delivery server, One, takes no mail now."
    _fail(yard.app, yard.two, why)
    page = words(yard.maya.get("/admin/settings/delivery-servers/").text)
    assert ("Takes no mail" in page, says in page, why in page, banner in page) == (True, True, True, False)
    assert says in words(yard.maya.get(f"/admin/settings/delivery-servers/{yard.two}").text)
    _fail(yard.app, yard.one, why)
    assert banner in words(yard.maya.get("/admin/").text)
    assert banner not in words(yard.paul.go("/user/"))


def test_saving_a_server_lets_it_be_asked_at_once(yard: Yard) -> None:
    _fail(yard.app, yard.two, "535 no")
    yard.maya.post(f"/admin/settings/delivery-servers/{yard.two}/domains", data={"mfrom": "bounces.example.com"})
    with looking(yard.app) as session:
        assert session.scalars(sa.select(ServerHealth)).all() == []
        assert session.get_one(DeliveryServer, yard.two).mfrom == "bounces.example.com"
