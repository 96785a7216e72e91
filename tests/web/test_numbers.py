"""Numbers that no row can have, in addresses and in forms: not there, or not asked for, and never a page about a mistake of ours."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories.customers import Customer
from tests.factories.signing_in import browser_of, make_administrator

TOO_LARGE = "99999999999999999999"
both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def maya(app: Flask) -> FlaskClient:
    """A browser of an administrator."""
    return browser_of(app, make_administrator(app))


@both
def test_a_number_that_no_row_can_have_is_not_there(app: Flask, paul: Customer, maya: FlaskClient) -> None:
    for rule in app.url_map.iter_rules():
        if "<int:" not in rule.rule or "GET" not in (rule.methods or ()):
            continue
        values = {name: TOO_LARGE if type(converter).__name__ == "RowNumber" else "x" for name, converter in rule._converters.items()}
        _, path = rule.build(values) or ("", "")
        assert TOO_LARGE in path
        for browser in (paul.client, maya):
            assert browser.get(path).status_code == 404, path


@both
@pytest.mark.parametrize("number", [TOO_LARGE, "-" + TOO_LARGE, "9223372036854775808", "1e9", "²", "", "%00"])
def test_a_place_in_a_list_that_no_row_has_is_not_asked_for(paul: Customer, maya: FlaskClient, number: str) -> None:
    url = paul.lands("/user/lists/new", {"name": "Readers"}).split("?")[0]
    for page in (f"/user/campaigns/?before={number}", f"/user/suppression/?before={number}", f"{url}?after={number}"):
        paul.go(page)
    for page in (f"/admin/users/?after={number}", f"/admin/test-mailbox/?before={number}"):
        assert maya.get(page, follow_redirects=True).status_code == 200


@both
@pytest.mark.parametrize("revision", [TOO_LARGE, "-1", "²", "x", ""])
def test_a_campaign_saved_from_a_revision_that_never_was_is_a_conflict(paul: Customer, revision: str) -> None:
    url = paul.lands("/user/campaigns/new", {"name": "January"})
    typed = {"name": "February", "channel": "smtp", "time_zone": "UTC", "revision": revision}
    assert "January" in paul.post(url, typed, 409)
