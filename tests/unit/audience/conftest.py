"""A house without its web, an account, and a list."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import SubscriberList
from tests.factories.sending import make_list, make_user


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
