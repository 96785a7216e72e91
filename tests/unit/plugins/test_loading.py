"""What is found, what is refused, and that nothing a plug-in does while it is loaded takes the platform down."""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from app.plugins.api import About, MenuItem, hookimpl, section, text
from app.plugins.installed import Source
from app.plugins.loading import start, start_all
from app.plugins.manager import Plugins
from app.plugins.sources import find_sources


def about(**fields: Any) -> About:
    return About(**({"title": "Sample", "version": "1.0", "author": "Ada", "description": "A sample."} | fields))


def module(**attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(PLUGIN=attributes.pop("about", about()), **attributes)


def source(name: str = "sample", what: Any = None) -> Source:
    return Source(name=name, load=lambda: what if what is not None else module())


def test_packages_and_our_own_are_found(plugins: Plugins) -> None:
    assert {"guestbook", "grumpy", "broken", "google_analytics"} <= {one.name for one in plugins.installed}


def test_a_package_that_cannot_be_imported_is_kept_with_its_traceback(plugins: Plugins) -> None:
    broken = plugins.find("broken")

    assert broken is not None
    assert broken.is_broken
    assert "No module named 'a_package_that_nobody_has'" in broken.traceback
    assert (broken.version, broken.author, broken.description) == ("2.0.0", "Broken Software Ltd", "Cannot be imported.")


def test_a_misspelt_hook_is_refused_by_name(plugins: Plugins) -> None:
    misspelt = plugins.find("misspelt")

    assert misspelt is not None
    assert "lettermill_filter_recipents" in misspelt.traceback


def test_a_plug_in_that_ends_the_process_while_it_is_loaded_is_broken_like_any_other() -> None:
    assert "SystemExit" in start(Source(name="rude", load=sys.exit)).traceback


@pytest.mark.parametrize("name", ["Sample", "1sample", "sample-x", "s", "x" * 41, ""])
def test_a_name_that_cannot_stand_in_tables_and_keys_is_refused(name: str) -> None:
    assert "a plug-in's name has" in start(source(name)).traceback


def test_of_two_plug_ins_with_one_name_the_first_is_kept() -> None:
    first, second = start_all([source("sms"), source("sms")])

    assert not first.is_broken
    assert "calls its plug-in sms too" in second.traceback
    assert second.name != first.name


@pytest.mark.parametrize("names", [("sms", "sms_x"), ("sms_x", "sms")])
def test_two_names_whose_tables_could_be_mistaken_for_each_others_are_not_both_started(names: tuple[str, str]) -> None:
    first, second = start_all(source(name) for name in names)

    assert not first.is_broken
    assert "could not be told apart" in second.traceback


@pytest.mark.parametrize("api", ["2.0", "0.9", "1.99", "one"])
def test_a_plug_in_for_another_version_of_the_interface_is_refused(api: str) -> None:
    assert start(source(what=module(about=about(api=api)))).is_broken


def test_a_table_of_another_name_is_refused() -> None:
    tables = sa.MetaData()
    sa.Table("users_extra", tables, sa.Column("id", sa.Integer, primary_key=True))

    assert "plugin_sample_" in start(source(what=module(about=about(tables=tables)))).traceback


def test_a_settings_section_of_another_name_is_refused() -> None:
    @section("bounces", title="Bounces", group="Email delivery")
    class Stolen:
        """Somebody else's section."""

        word: str = text("Word", default="")

    @hookimpl
    def lettermill_settings_sections() -> list[type]:
        return [Stolen]

    assert "plugin.sample." in start(source(what=module(lettermill_settings_sections=lettermill_settings_sections))).traceback


def test_a_menu_item_that_leads_elsewhere_is_refused() -> None:
    @hookimpl
    def lettermill_menu_items() -> list[MenuItem]:
        return [MenuItem(label="Settings", url="/admin/settings")]

    assert "/plugins/sample/" in start(source(what=module(lettermill_menu_items=lettermill_menu_items))).traceback


def test_a_wrapper_around_others_is_refused() -> None:
    @hookimpl(wrapper=True)
    def lettermill_filter_message() -> Any:
        return (yield)

    assert "wrappers are not part" in start(source(what=module(lettermill_filter_message=lettermill_filter_message))).traceback


def test_an_argument_that_the_hook_does_not_have_is_refused() -> None:
    @hookimpl
    def lettermill_filter_message(mail: object) -> None:
        del mail

    assert "mail" in start(source(what=module(lettermill_filter_message=lettermill_filter_message))).traceback


def test_the_order_on_disk_changes_nothing(sample_packages: object) -> None:
    sources = find_sources()
    known = [(one.name, one.is_broken, one.hooks) for one in Plugins.load(sources).installed]

    for seed in range(5):
        shuffled = random.Random(seed).sample(sources, len(sources))
        assert [(one.name, one.is_broken, one.hooks) for one in Plugins.load(shuffled).installed] == known


def test_the_fingerprint_tells_what_this_process_can_call(plugins: Plugins) -> None:
    told = plugins.fingerprint().split(",")

    assert "guestbook=1.2.0" in told
    assert not [one for one in told if one.startswith("broken")]
