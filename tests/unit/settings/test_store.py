"""Settings as they are stored: what a save changes, who sees it, and what happens to two people who save at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import table_of, writing
from app.settings.locks import Lock
from app.settings.models import SettingChange, SettingValue
from app.settings.schema import Problem
from app.settings.store import Invalid, SettingsStore, Stale
from tests.unit.settings.conftest import WHO, Mill

MakeStore = Callable[..., SettingsStore]
VALUES, CHANGES = table_of(SettingValue), table_of(SettingChange)
FULL = Mill(name="Old mill", story="It stood\nby the river", stones=4, tax=Decimal("19.25"), open=True, power="steam", miller="ada@example.org",
            site="https://mill.example", depot="10.0.0.7", sign="#aabbcc", doors=("a.example", "b.example"), key="between stones", sacks=9)


def _put(engine: Engine, **values: Any) -> None:
    with writing(engine) as connection:
        for name, value in values.items():
            connection.execute(sa.insert(VALUES).values(scope="instance", section="mill", name=name, value=value, revision_id=1))


def _mill(store: SettingsStore) -> Mill:
    return store.load().get(Mill)


def test_before_anybody_saves_the_defaults_are_in_force(store: SettingsStore) -> None:
    assert _mill(store) == Mill()
    assert store.load().revision == 0


@pytest.mark.databases("sqlite", "mariadb")
def test_a_save_is_in_force_at_the_next_read_of_every_process(store: SettingsStore, make_store: MakeStore) -> None:
    before = store.load()
    saved = store.save(Mill, FULL, **WHO)

    assert _mill(make_store()) == FULL
    assert make_store().revision() == saved.revision == make_store().load().revision
    assert before.get(Mill) == Mill(), "a unit of work keeps what it read"


def test_only_what_changed_is_stored_and_named(store: SettingsStore, engine: Engine) -> None:
    saved = store.save(Mill, Mill(stones=3), **WHO)

    assert saved.changed == ("stones",)
    with engine.connect() as connection:
        assert connection.execute(sa.select(VALUES.c.name, VALUES.c.value)).all() == [("stones", 3)]


def test_a_save_that_changes_nothing_is_no_revision(store: SettingsStore) -> None:
    first = store.save(Mill, {"stones": 3}, **WHO)
    again = store.save(Mill, {"stones": 3}, **WHO)

    assert (again.revision, again.changed) == (first.revision, ())
    assert len(store.history("mill")) == 1


def test_bad_values_are_refused_all_at_once_and_nothing_is_stored(store: SettingsStore) -> None:
    with pytest.raises(Invalid) as refused:
        store.save(Mill, {"stones": 0, "tax": Decimal(101), "miller": "nobody", "sacks": 6}, **WHO)

    assert {problem.name for problem in refused.value.problems} == {"stones", "tax", "miller"}
    assert "from 1 to 10" in str(refused.value)
    assert _mill(store) == Mill()


def test_rules_across_settings_look_at_what_would_be_in_force(store: SettingsStore) -> None:
    store.save(Mill, {"miller": "ada@example.org"}, **WHO)

    with pytest.raises(Invalid) as refused:
        store.save(Mill, {"open": False}, **WHO)

    assert refused.value.problems == [Problem("miller", "A closed mill has no miller. Open it, or leave this empty.")]


@pytest.mark.parametrize("values", [{"stones": "3"}, {"stones": True}, {"open": 1}, {"doors": ["a.example"]}, {"name": None}])
def test_a_value_of_another_type_is_refused_whoever_hands_it_in(store: SettingsStore, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        store.save(Mill, values, **WHO)


def test_a_setting_that_nobody_declared_is_refused_by_name(store: SettingsStore) -> None:
    with pytest.raises(Invalid, match="wheels"):
        store.save(Mill, {"wheels": 3}, **WHO)


def test_choices_are_those_of_the_running_house(make_store: MakeStore) -> None:
    make_store().save(Mill, {"power": "steam"}, **WHO)

    with pytest.raises(Invalid, match="Choose one of: water, wind"):
        make_store(powers=list).save(Mill, {"power": "steam", "stones": 3}, **WHO)


def test_history_says_who_changed_what_from_where(store: SettingsStore) -> None:
    store.save(Mill, {"stones": 3}, **WHO)
    store.save(Mill, {"stones": 4, "doors": ("a.example",)}, based_on=None, by="Maya Lindqvist", via="api", address="10.4.0.9")

    newest, oldest = store.history("mill")
    assert (newest.actor, newest.via, newest.address) == ("Maya Lindqvist", "api", "10.4.0.9")
    assert [(change.name, change.old, change.new) for change in newest.changes] == [("stones", 3, 4), ("doors", [], ["a.example"])]
    assert [change.new for change in oldest.changes] == [3]
    assert store.history("mill", before=newest.id) == [oldest]
    assert store.history() == [newest, oldest]


def test_a_secret_is_sealed_and_its_history_says_only_that_it_changed(store: SettingsStore, engine: Engine) -> None:
    store.save(Mill, {"key": "between stones"}, **WHO)

    with engine.connect() as connection:
        everything = str(connection.execute(sa.select(VALUES)).all()) + str(connection.execute(sa.select(CHANGES)).all())
    assert "between" not in everything
    assert _mill(store).key == "between stones"
    assert [(change.old, change.new) for change in store.history("mill")[0].changes] == [("changed", "changed")]


# ------------------------------------------------------------------------------------------------- two people at once


def test_of_two_who_changed_the_same_setting_the_second_sees_all_three_values(store: SettingsStore) -> None:
    opened = store.save(Mill, {"stones": 5}, **WHO).revision
    theirs = store.save(Mill, {"stones": 7}, **WHO)

    with pytest.raises(Stale) as stale:
        store.save(Mill, Mill(stones=8), based_on=opened, by="Maya", via="form")

    (difference,) = stale.value.differences
    assert (difference.name, difference.opened, difference.theirs, difference.typed) == ("stones", 5, 7, 8)
    assert (stale.value.theirs.actor, stale.value.revision) == ("Jonas Weber", theirs.revision)
    assert _mill(store).stones == 7


def test_what_the_second_left_alone_keeps_what_the_first_saved(store: SettingsStore) -> None:
    opened = store.load().revision
    store.save(Mill, {"stones": 7}, **WHO)

    saved = store.save(Mill, Mill(sacks=6), based_on=opened, by="Maya", via="form")

    assert saved.changed == ("sacks",)
    assert (_mill(store).stones, _mill(store).sacks) == (7, 6)


def test_two_who_typed_the_same_do_not_stand_in_each_others_way(store: SettingsStore) -> None:
    opened = store.load().revision
    store.save(Mill, {"stones": 7}, **WHO)

    assert store.save(Mill, Mill(stones=7, sacks=6), based_on=opened, by="Maya", via="form").changed == ("sacks",)


def test_two_new_secrets_are_a_conflict_that_shows_neither(store: SettingsStore) -> None:
    opened = store.load().revision
    store.save(Mill, {"key": "theirs"}, **WHO)

    with pytest.raises(Stale) as stale:
        store.save(Mill, Mill(key="mine"), based_on=opened, by="Maya", via="form")

    assert stale.value.differences[0].theirs == stale.value.differences[0].typed == "changed"


@pytest.mark.databases("sqlite", "mariadb")
def test_saves_at_the_same_moment_take_turns_and_lose_nothing(store: SettingsStore, make_store: MakeStore) -> None:
    opened = store.save(Mill, {"stones": 1}, **WHO).revision
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def save(stones: int) -> None:
        start.wait()
        try:
            make_store().save(Mill, {"stones": stones}, based_on=opened, by=str(stones), via="form")
            outcomes.append("saved")
        except Stale:
            outcomes.append("stale")

    threads = [threading.Thread(target=save, args=(stones,)) for stones in (2, 3, 4, 5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(outcomes) == ["saved", "stale", "stale", "stale"]


# ---------------------------------------------------------------------------------------------------------- rolling back


def test_rolling_back_puts_back_what_a_save_changed_as_a_new_save(store: SettingsStore) -> None:
    store.save(Mill, {"stones": 3, "tax": Decimal("8.25"), "doors": ("a.example",)}, **WHO)
    second = store.save(Mill, {"stones": 4, "tax": Decimal(9), "doors": ()}, **WHO)

    back = store.roll_back(Mill, second.revision, by="Maya", via="form")

    assert back.revision > second.revision
    assert (_mill(store).stones, _mill(store).tax, _mill(store).doors) == (3, Decimal("8.25"), ("a.example",))


def test_one_setting_of_a_save_can_be_rolled_back_alone(store: SettingsStore) -> None:
    saved = store.save(Mill, {"stones": 3, "sacks": 6}, **WHO)

    store.roll_back(Mill, saved.revision, by="Maya", via="form", only="sacks")

    assert (_mill(store).stones, _mill(store).sacks) == (3, 5)


def test_a_secret_cannot_be_rolled_back_because_what_it_was_is_not_kept(store: SettingsStore) -> None:
    store.save(Mill, {"key": "first"}, **WHO)
    saved = store.save(Mill, {"key": "second", "stones": 3}, **WHO)

    assert store.roll_back(Mill, saved.revision, by="Maya", via="form").changed == ("stones",)
    assert _mill(store).key == "second"


def test_undo_does_not_take_away_what_others_saved_since(store: SettingsStore) -> None:
    mine = store.save(Mill, {"stones": 3}, **WHO)
    store.save(Mill, {"stones": 9}, **WHO)

    with pytest.raises(Stale):
        store.roll_back(Mill, mine.revision, by="Maya", via="form", unless_changed=True)

    assert _mill(store).stones == 9


def test_a_revision_of_another_section_cannot_be_rolled_back(store: SettingsStore) -> None:
    from app.settings.sections.product import ProductSettings

    other = store.save(ProductSettings, {"name": "Millpond"}, **WHO)

    with pytest.raises(LookupError):
        store.roll_back(Mill, other.revision, by="Maya", via="form")


# ------------------------------------------------------------------------------------ scopes, renames, locks, bad rows


def test_scopes_do_not_see_each_others_values(store: SettingsStore) -> None:
    store.save(Mill, {"stones": 3}, scope="campaign:7", **WHO)

    settings = store.load()
    assert settings.get(Mill).stones == 2
    assert settings.get(Mill, "campaign:7").stones == 3
    assert settings.get(Mill, "campaign:8").stones == 2


def test_a_renamed_setting_keeps_its_old_value_until_it_is_saved(store: SettingsStore, engine: Engine) -> None:
    store.save(Mill, {"stones": 3}, **WHO)
    _put(engine, bags=77)
    assert _mill(store).sacks == 77

    store.save(Mill, {"sacks": 78}, **WHO)

    with engine.connect() as connection:
        names = set(connection.scalars(sa.select(VALUES.c.name)))
    assert names == {"stones", "sacks"}
    assert _mill(store).sacks == 78


def test_what_the_environment_decides_is_in_force_and_cannot_be_saved(store: SettingsStore, make_store: MakeStore) -> None:
    store.save(Mill, {"stones": 3}, **WHO)
    locked = make_store(locks=[Lock("mill", "stones", 6, "MILL_STONES")])

    assert _mill(locked).stones == 6
    with pytest.raises(Invalid, match="MILL_STONES in the environment"):
        locked.save(Mill, {"stones": 4}, **WHO)
    assert locked.save(Mill, Mill(stones=6, sacks=6), **WHO).changed == ("sacks",)
    assert _mill(store).stones == 3


@pytest.mark.parametrize(("name", "value"), [("stones", "many"), ("stones", 99), ("open", 1), ("doors", "a.example"), ("tax", "much"),
                                             ("key", "v1:none"), ("key", "v9:x"), ("key", 7), ("name", None), ("sign", "red")])
def test_a_bad_row_gives_the_default_and_is_reported(store: SettingsStore, engine: Engine, name: str, value: Any) -> None:
    store.save(Mill, {"sacks": 6}, **WHO)
    _put(engine, **{name: value})

    settings = store.load()

    assert settings.get(Mill) == Mill(sacks=6)
    assert settings.broken == [f"mill.{name}"]
    assert list(settings.broken_in(Mill)) == [name]


def test_saving_the_form_mends_a_bad_row(store: SettingsStore, engine: Engine) -> None:
    store.save(Mill, {"sacks": 6}, **WHO)
    _put(engine, stones="many")

    saved = store.save(Mill, Mill(sacks=6), **WHO)

    assert saved.changed == ("stones",)
    assert not list(store.load().broken_in(Mill))


def test_a_secret_of_another_key_file_is_not_set_and_is_reported(store: SettingsStore, make_store: MakeStore) -> None:
    store.save(Mill, {"key": "between stones"}, **WHO)

    settings = make_store(key=bytes(32)).load()

    assert settings.get(Mill).key == ""
    assert settings.broken == ["mill.key"]


def test_loading_asks_the_database_once(store: SettingsStore, engine: Engine) -> None:
    store.save(Mill, FULL, **WHO)
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *heard: asked.append(heard[2]))

    settings = store.load()
    for _ in range(3):
        settings.get(Mill)

    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1
