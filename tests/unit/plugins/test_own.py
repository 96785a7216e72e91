"""What belongs to a plug-in, reached by the plug-in."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import writing
from app.plugins.manager import Plugins
from app.plugins.own import Own, PluginSilenced, current, join, speaking_for
from tests.unit.plugins.conftest import enabled

pytestmark = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def own(plugins: Plugins) -> Own:
    """What belongs to the guest book."""
    return enabled(plugins, "guestbook", "cautious").unit.own("guestbook")


def test_values_are_kept_changed_listed_and_forgotten(own: Own) -> None:
    own.data.put("guest:1", {"name": "Ada", "visits": [1, 2]})
    own.data.put("guest:1", None)
    own.data.put("guest:2", "Bob")
    own.data.put("Guest:2", "another, for keys are compared letter by letter")
    own.data.put("host", 1)

    assert own.data.get("guest:1", "absent") is None
    assert own.data.get("guest:2") == "Bob"
    assert own.data.keys("guest:") == ["guest:1", "guest:2"]

    own.data.delete("guest:2")
    own.data.delete("guest:2")
    assert own.data.get("guest:2", "absent") == "absent"


def test_a_percent_sign_in_a_key_is_a_percent_sign(own: Own) -> None:
    own.data.put("50%", 1)
    own.data.put("500", 2)

    assert own.data.keys("50%") == ["50%"]


def test_two_plug_ins_with_the_same_key_do_not_meet(plugins: Plugins, own: Own) -> None:
    own.data.put("last", "Ada")

    assert plugins.snapshot(plugins.ground.engine).unit.own("cautious").data.get("last") is None


def test_in_a_request_that_writes_a_plug_in_joins_its_transaction(plugins: Plugins, own: Own) -> None:
    engine = plugins.ground.engine
    with Session(engine) as session:
        session.execute(sa.text("SELECT 1"))
        join(session.connection)
        try:
            own.data.put("last", "Ada")
            session.rollback()
            assert own.data.get("last") is None
            own.data.put("last", "Bob")
            session.commit()
        finally:
            join(None)

    assert own.data.get("last") == "Bob"


def test_a_transaction_that_fails_leaves_nothing(own: Own) -> None:
    def fails() -> None:
        with own.writing() as connection:
            connection.execute(sa.text("INSERT INTO plugin_guestbook_guests (email) VALUES ('ada@example.com')"))
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        fails()

    with own.reading() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM plugin_guestbook_guests")) == 0


def test_what_is_erased_under_a_plug_ins_hands_stays_erased(plugins: Plugins, own: Own) -> None:
    from app.plugins.own import STATES

    with writing(plugins.ground.engine) as connection:
        connection.execute(sa.update(STATES).where(STATES.c.name == "guestbook").values(state="erasing"))

    with pytest.raises(PluginSilenced), own.writing():
        pass


def test_current_is_for_pages_only(own: Own) -> None:
    with pytest.raises(RuntimeError):
        current()
    speaking_for(own)
    try:
        assert current() is own
    finally:
        speaking_for(None)
