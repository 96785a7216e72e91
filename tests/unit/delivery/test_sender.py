"""Sender precedence, rule by rule as settings.md 4 has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.delivery.sender import House, ListSender, resolve_sender
from app.delivery.urls import LOCAL_DOMAIN, base_host

CONTENT = {"from_name": "Shop", "from_email": "news@shop.example", "reply_to": ""}
LIST = ListSender("The list", "list@lists.example")
PLAIN = House("base.example")


def server(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"mfrom": "", "enforced_from": "", "list_sender_as_mfrom": False, "list_sender_as_from": False} | values)


@pytest.mark.parametrize(("of_server", "verified", "house", "mfrom"), [
    (server(mfrom="bounce@own.example", list_sender_as_mfrom=True), {"lists.example"}, PLAIN, ("own.example", "bounce@own.example")),
    (server(mfrom="m.example", list_sender_as_mfrom=True), {"lists.example"}, PLAIN, ("lists.example", "list@lists.example")),
    (server(mfrom="m.example", list_sender_as_mfrom=True), set(), PLAIN, ("m.example", "")),
    (server(), set(), House("base.example", "central.example", "catch.example"), ("central.example", "")),
    (server(), set(), House("base.example", "", "catch.example"), ("catch.example", "")),
    (server(), set(), PLAIN, ("base.example", "")),
])
def test_mfrom_is_the_first_that_there_is(of_server: Any, verified: set[str], house: House, mfrom: tuple[str, str]) -> None:
    found = resolve_sender(of_server, CONTENT, LIST, verified, house)
    assert (found.mfrom_domain, found.mfrom_fixed) == mfrom


@pytest.mark.parametrize(("of_server", "verified", "house", "address"), [
    (server(enforced_from="all@own.example", list_sender_as_from=True), {"lists.example"}, PLAIN, "all@own.example"),
    (server(list_sender_as_from=True), {"lists.example"}, PLAIN, "list@lists.example"),
    (server(list_sender_as_from=True), set(), PLAIN, "news@shop.example"),
    (server(), set(), House("base.example", "central.example"), "news@central.example"),
    (server(), {"shop.example"}, House("base.example", "central.example"), "news@shop.example"),
])
def test_from_is_the_first_that_there_is(of_server: Any, verified: set[str], house: House, address: str) -> None:
    assert resolve_sender(of_server, CONTENT, LIST, verified, house).from_email == address


def test_a_replaced_from_goes_to_reply_to_unless_the_author_set_one() -> None:
    of_server = server(enforced_from="all@own.example")
    assert resolve_sender(of_server, CONTENT, LIST, set(), PLAIN).reply_to == "news@shop.example"
    assert resolve_sender(of_server, CONTENT | {"reply_to": "help@shop.example"}, LIST, set(), PLAIN).reply_to == "help@shop.example"
    assert resolve_sender(server(), CONTENT, LIST, set(), PLAIN).reply_to == ""


@pytest.mark.parametrize(("base", "host"), [
    ("https://mail.example.com:8443", "mail.example.com"), ("http://127.0.0.1:8000", LOCAL_DOMAIN), ("http://localhost:8000", LOCAL_DOMAIN),
    ("http://[::1]:8000", LOCAL_DOMAIN)])
def test_a_host_that_cannot_stand_behind_an_at_is_replaced(base: str, host: str) -> None:
    assert base_host(base) == host
