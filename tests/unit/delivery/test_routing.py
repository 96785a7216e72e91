"""Which servers may take a sending's mail, and how they share it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.campaigns.models import Campaign
from app.db import table_of
from app.delivery import choices
from app.delivery.clock import db_now
from app.delivery.models import DeliveryServer, ServerHealth
from app.delivery.routing import Candidate, Shares, candidates, pick, route
from app.house import House
from tests.factories import sending as factory

both = pytest.mark.databases("sqlite", "mariadb")


@dataclass
class Depot:
    """Servers named d (the default), a, b and c, and one campaign of a user."""

    session: Session
    user: User
    campaign: Campaign
    servers: dict[str, int]

    def choose(self, kind: str, **weights: int) -> None:
        owner = {"campaign": self.campaign.id, "user": self.user.id, "group": self.user.group_id}[kind]
        choices.choose(self.session, kind, owner, {self.servers[name]: weight for name, weight in weights.items()})
        self.session.commit()

    def set(self, name: str, **values: Any) -> None:
        self.session.execute(sa.update(DeliveryServer).where(DeliveryServer.id == self.servers[name]).values(**values))
        self.session.commit()

    def fail(self, *names: str, seconds: int = 60) -> None:
        """Let these servers be left alone for so long from now, by the database's clock; a time that is over lets them be asked."""
        connection = self.session.connection()
        for name in names:
            connection.execute(sa.insert(table_of(ServerHealth)).values(server_id=self.servers[name], failures=1, why="451 no",
                                                                        open_until=db_now(connection, seconds)))
        self.session.commit()

    def found(self, chosen: str = "") -> list[Candidate]:
        found = candidates(self.session.connection(), self.user.id, self.servers.get(chosen), self.campaign.id)
        self.session.commit()
        return found

    def names(self, chosen: str = "") -> list[str]:
        return [candidate.server.name for candidate in self.found(chosen)]

    def picked(self) -> Any:
        """The name of the server that takes the next slice, or the seconds to wait."""
        picked = pick(self.found(), Shares())
        return picked if isinstance(picked, float) else picked.name


@pytest.fixture
def depot(house: House, session: Session) -> Depot:
    """The servers."""
    user = factory.make_user(session)
    servers = {name: factory.make_server(session, 9, name=name, is_default=name == "d").id for name in "dabc"}
    made = Depot(session, user, factory.make_campaign(session, user, [factory.make_list(session, user, "L", [])]), servers)
    session.commit()
    return made


@both
def test_the_nearest_owner_who_chose_decides(depot: Depot) -> None:
    assert depot.names() == ["d"]
    depot.choose("group", a=1)
    assert depot.names() == ["a"]
    depot.choose("user", b=1, c=2)
    assert depot.names() == ["b", "c"]
    depot.choose("campaign", a=1)
    assert depot.names() == ["a"]
    assert depot.names(chosen="c") == ["c"]
    assert candidates(depot.session.connection(), None)[0].server.name == "d"
    depot.choose("campaign")
    assert depot.names() == ["b", "c"]


@both
def test_a_switched_off_server_is_passed_over_and_then_the_next_owner_asked(depot: Depot) -> None:
    depot.choose("user", b=1, c=1)
    depot.choose("group", a=1)
    depot.set("b", enabled=False)
    assert depot.names() == ["c"]
    assert depot.names(chosen="b") == ["c"]
    depot.set("c", enabled=False)
    assert depot.names() == ["a"]
    depot.set("a", enabled=False)
    assert depot.names() == ["d"]
    depot.set("d", enabled=False)
    assert depot.names() == []


@both
def test_mail_of_a_server_that_fails_waits_and_leaves_by_nobody_elses(depot: Depot) -> None:
    depot.choose("user", b=1)
    depot.fail("b", seconds=40)
    assert depot.names() == ["b"]
    assert 30 < depot.picked() <= 40
    assert route(depot.session.connection(), depot.user.id).name == "b"


@both
def test_one_that_failed_is_asked_again_when_its_time_has_come_before_the_healthy_ones(depot: Depot) -> None:
    depot.choose("user", a=1, b=1)
    depot.fail("a", seconds=40)
    assert {depot.picked() for _ in range(10)} == {"b"}
    depot.session.execute(sa.delete(ServerHealth))
    depot.fail("a", seconds=-1)
    assert {depot.picked() for _ in range(10)} == {"a"}


@both
def test_one_of_weight_zero_stands_in_while_none_of_the_others_takes_mail(depot: Depot) -> None:
    depot.choose("user", a=1, b=1, c=0)
    assert {depot.picked() for _ in range(20)} == {"a", "b"}
    depot.fail("a")
    assert {depot.picked() for _ in range(10)} == {"b"}
    depot.fail("b")
    assert depot.picked() == "c"
    depot.fail("c", seconds=20)
    assert 10 < depot.picked() <= 20


def _well(key: int, weight: int) -> Candidate:
    return Candidate(SimpleNamespace(id=key, failures=None, open_until=None), weight)


WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=4)


@given(WEIGHTS, st.lists(st.integers(1, 200), min_size=400, max_size=400))
def test_weights_hold_within_a_few_per_cent_over_slices_of_any_size(weights: list[int], slices: list[int]) -> None:
    found, shares, given_to = [_well(key, weight) for key, weight in enumerate(weights)], Shares(), Counter[int]()
    for mails in slices:
        server = pick(found, shares)
        shares.add(server.id, mails)
        given_to[server.id] += mails
    for key, weight in enumerate(weights):
        assert abs(given_to[key] / sum(slices) - weight / sum(weights)) < 0.02


@pytest.mark.parametrize(("weights", "slices"), [((3, 1), 1), ((3, 1), 2), ((5, 3, 2), 1), ((5, 3, 2), 3)])
def test_weights_hold_over_many_jobs_that_carry_a_slice_or_two_each(weights: tuple[int, ...], slices: int) -> None:
    found, given_to = [_well(key, weight) for key, weight in enumerate(weights)], Counter[int]()
    for _ in range(6000):
        shares = Shares()
        for _slice in range(slices):
            server = pick(found, shares)
            shares.add(server.id, 50)
            given_to[server.id] += 50
    # Five times the spread that chance alone would make.
    for key, weight in enumerate(weights):
        assert abs(given_to[key] / given_to.total() - weight / sum(weights)) < 0.033


def test_a_server_that_comes_back_makes_up_for_nothing() -> None:
    both_of_them, one, shares, given_to = [_well(1, 1), _well(2, 1)], [_well(1, 1)], Shares(), Counter[int]()
    for found in [one] * 50 + [both_of_them] * 20:
        server = pick(found, shares)
        shares.add(server.id, 100)
        given_to[server.id] += 1
    assert abs(given_to[2] - 10) <= 1
