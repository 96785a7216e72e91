"""Whose address a request comes from: what a proxy says counts only from the proxies that the deployment names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from app.config import ConfigError, from_environment
from app.web.proxies import TrustedProxies

TRUSTED = from_environment({"TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1, fd00::/8, ::1"}).trusted_proxies


def seen(peer: str, headers: dict[str, str] | None = None, networks: Any = TRUSTED) -> tuple[str, str]:
    """Return the address and the scheme that the house sees."""
    found: dict[str, Any] = {}

    def house(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.update(environ)
        start_response("200 OK", [])
        return []

    run_wsgi_app(TrustedProxies(house, networks), create_environ(headers=headers or {}, environ_overrides={"REMOTE_ADDR": peer}))
    assert not [name for name in found if name in {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}], "nobody further in may read them"
    return found["REMOTE_ADDR"], found["wsgi.url_scheme"]


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "192.0.2.2", "2001:db8::1", "::2", "", "unix:", "not an address"])
def test_what_a_stranger_says_is_not_believed(peer: str) -> None:
    assert seen(peer, {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}) == (peer, "http")


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.255.255", "192.0.2.1", "fd00::1", "::1", "::ffff:10.0.0.1"])
def test_what_a_proxy_of_ours_says_is_believed(peer: str) -> None:
    assert seen(peer, {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}) == ("198.51.100.7", "https")


@pytest.mark.parametrize(("said", "client"), [
    ("198.51.100.7", "198.51.100.7"),
    ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
    ("198.51.100.7, 10.2.2.2, 10.3.3.3", "198.51.100.7"),
    ("127.0.0.1, 6.6.6.6, 198.51.100.7,10.2.2.2", "198.51.100.7"),
    ("10.9.9.9, 10.2.2.2", "10.9.9.9"),
    ("2001:db8::7", "2001:db8::7"),
    ("2001:db8::7, fd00::2", "2001:db8::7"),
    ("::ffff:198.51.100.7, ::ffff:10.2.2.2", "198.51.100.7"),
    (" , 198.51.100.7 ,, ", "198.51.100.7"),
    ("", "10.0.0.1"),
    ("unknown", "10.0.0.1"),
    ("198.51.100.7:4711", "10.0.0.1"),
    ("[2001:db8::7]", "10.0.0.1"),
    ("198.51.100.7, <script>", "10.0.0.1"),
    ("198.51.100.7, nonsense, 10.2.2.2", "10.2.2.2"),
    ("fe80::1%" + "x" * 200, "fe80::1"),
])
def test_a_chain_is_read_from_our_end_and_only_as_far_as_we_know_the_hops(said: str, client: str) -> None:
    assert seen("10.0.0.1", {"X-Forwarded-For": said})[0] == client


@pytest.mark.parametrize("scheme", ["javascript", "HTTPS ", "https, http", "", "ws", "https\tx"])
def test_a_scheme_that_is_none_of_the_two_is_not_believed(scheme: str) -> None:
    assert seen("10.0.0.1", {"X-Forwarded-Proto": scheme})[1] == "http"


def test_other_headers_that_proxies_send_say_nothing() -> None:
    assert seen("10.0.0.1", {"Forwarded": "for=6.6.6.6;proto=https", "X-Real-IP": "6.6.6.6", "X-Forwarded-Ssl": "on"}) == ("10.0.0.1", "http")


def test_without_named_proxies_nobody_is_believed() -> None:
    assert from_environment({}).trusted_proxies == ()
    for peer in ("127.0.0.1", "::1", "10.0.0.1"):
        assert seen(peer, {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}, ()) == (peer, "http")


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(alphabet="0123456789.:, abcdef%[]", max_size=20))))
def test_whatever_is_said_the_address_is_a_hop_that_was_named_or_the_proxy_itself(hops: list[str]) -> None:
    said = ",".join(hops).strip()
    found, _ = seen("10.0.0.1", {"X-Forwarded-For": said})
    assert found == "10.0.0.1" or len(found) <= 45


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.internal", "10.0.0.1;10.0.0.2", "*"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start_with_what_to_set(text: str) -> None:
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES must be addresses or networks"):
        from_environment({"TRUSTED_PROXIES": text})
