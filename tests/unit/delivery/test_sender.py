"""Sender precedence, rule by rule as settings.md 4 has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# Every combination there is, against the order of settings.md 4, written down as one list each.
PRESENT = st.fixed_dictionaries({name: st.booleans() for name in (
    "whole", "domain", "enforced", "list_mfrom", "list_from", "list_proven", "author_proven", "central", "catch_all", "author_reply")})


@given(PRESENT)
def test_the_order_of_precedence_holds_in_every_combination(there: dict[str, bool]) -> None:
    has = SimpleNamespace(**there)
    of_server = server(mfrom="back@own.example" if has.whole else "m.example" if has.domain else "", enforced_from="all@forced.example" if has.enforced else "",
                       list_sender_as_mfrom=has.list_mfrom, list_sender_as_from=has.list_from)
    verified = {name for name, is_proven in (("lists.example", has.list_proven), ("shop.example", has.author_proven)) if is_proven}
    house = House("base.example", "central.example" if has.central else "", "catch.example" if has.catch_all else "")
    found = resolve_sender(of_server, CONTENT | {"reply_to": "help@shop.example" if has.author_reply else ""}, LIST, verified, house)

    mfrom = [(has.whole, ("own.example", "back@own.example")), (has.list_mfrom and has.list_proven, ("lists.example", "list@lists.example")),
             (has.domain, ("m.example", "")), (has.central, ("central.example", "")), (has.catch_all, ("catch.example", "")), (True, ("base.example", ""))]
    sender = [(has.enforced, "all@forced.example"), (has.list_from and has.list_proven, "list@lists.example"),
              (has.author_proven or not has.central, "news@shop.example"), (True, "news@central.example")]
    assert (found.mfrom_domain, found.mfrom_fixed) == next(value for holds, value in mfrom if holds)
    assert found.from_email == next(value for holds, value in sender if holds)
    replaced = "" if found.from_email == "news@shop.example" else "news@shop.example"
    assert found.reply_to == ("help@shop.example" if has.author_reply else replaced)


@pytest.mark.parametrize(("base", "host"), [
    ("https://mail.example.com:8443", "mail.example.com"), ("http://127.0.0.1:8000", LOCAL_DOMAIN), ("http://localhost:8000", LOCAL_DOMAIN),
    ("http://[::1]:8000", LOCAL_DOMAIN)])
def test_a_host_that_cannot_stand_behind_an_at_is_replaced(base: str, host: str) -> None:
    assert base_host(base) == host
