"""A house without its web, an account, and a list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import SubscriberList
from app.config import Config
from app.house import House
from tests.factories.sending import every_tenant, make_house, make_list, make_user, session_of


@pytest.fixture
def house(config: Config) -> Iterator[House]:
    made = make_house(config)
    yield made
    made.engine.dispose()
    made.redis.close()


@pytest.fixture
def session(house: House) -> Iterator[Session]:
    with every_tenant(), session_of(house) as opened:
        yield opened


@pytest.fixture
def user(session: Session) -> User:
    made = make_user(session)
    session.commit()
    return made


@pytest.fixture
def found(session: Session, user: User) -> SubscriberList:
    made = make_list(session, user, "Readers", [])
    session.commit()
    return made
