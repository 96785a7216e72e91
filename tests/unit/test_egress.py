"""The only way out: no spelling of a forbidden address gets a connection, and no server can hold or flood us."""

from __future__ import annotations

import gzip
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import egress
from app.egress import EgressRefused, Endpoint, fetch, is_forbidden, resolve, resolve_all


def _words(text: str) -> list[str]:
    return text.split()


FORBIDDEN_ADDRESSES = _words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3 127.255.255.254 169.254.169.254 169.254.0.1
172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 0:0:0:0:0:ffff:c0a8:1
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1::7f00:1 100::1 2001::1 2001:0:7f00:1:: 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:1:: 3fff::1 5f00::1 fc00::1 fd00::1 fd12:3456::1 fe80::1 fe80::5efe:7f00:1 febf::1 fec0::1
ff00::1 ff02::1 ff0e::1 4000::1 8000::1
""")
SPELLINGS = _words("""
127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 0177.1 017700000001 127.0.0.1. 0 0x0 0.0 10.1 0xa000001 167772161
3232235521 0xc0a80001 192.168.1 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 [::1] [::ffff:127.0.0.1] [::] localhost
LOCALHOST localhost. LocalHost １２７.０.０.１ ①②⑦.⓪.⓪.① ⓛocalhost ｌｏｃａｌｈｏｓｔ 127。0。0。1 127．0．0．1 127｡0｡0｡1
""")
NO_HOSTS = ["", " ", ".", "a b", "host\r\nX: y", "host\x00.example.com", "user@127.0.0.1", "127.0.0.1#x", "127.0.0.1/", "127.0.0.1?",
            "127.0.0.1%25", "fe80::1%lo", "\\\\host", "a" * 300, "-" * 70 + ".example.com", "..", "exa mple.com", "[::1",
            "::1]", "<script>", "127.0.0.1:80"]


@pytest.fixture
def never_connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if anything is connected to, whatever is raised afterwards."""
    connected: list[object] = []
    monkeypatch.setattr(egress.socket, "create_connection", lambda address, *_rest: connected.append(address))
    yield
    assert connected == []


def answers(*addresses: str) -> Callable[..., list[object]]:
    """Return a resolver that gives these addresses for every name."""
    return lambda *_arguments, **_options: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(FORBIDDEN_ADDRESSES) + len(SPELLINGS) + len(NO_HOSTS) >= 100


@pytest.mark.usefixtures("never_connected")
@pytest.mark.parametrize("host", FORBIDDEN_ADDRESSES + SPELLINGS + NO_HOSTS)
def test_no_spelling_of_a_forbidden_place_gets_a_connection(host: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        resolve(host, 80)
    assert str(refused.value).endswith((".", "?"))
    bracketed = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    for scheme in ("http", "https"):
        with pytest.raises(EgressRefused):
            fetch(f"{scheme}://{bracketed}/", max_bytes=10, timeout=2)


@pytest.mark.usefixtures("never_connected")
@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_a_name_that_leads_to_a_forbidden_place_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress.socket, "getaddrinfo", answers(address))
    with pytest.raises(EgressRefused, match=r"public internet|nobody can be reached"):
        resolve("innocent.example.com", 25)


def test_one_forbidden_address_among_good_ones_spoils_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress.socket, "getaddrinfo", answers("8.8.8.8", "127.0.0.1"))
    with pytest.raises(EgressRefused):
        resolve("mixed.example.com", 25)


@pytest.mark.usefixtures("never_connected")
@pytest.mark.parametrize("url", [
    "http://user@127.0.0.1/", "http://user:password@example.com/", "http://example.com@127.0.0.1/", "http://127.0.0.1#@example.com/",
    "http://127.0.0.1\\@example.com/", "file:///etc/passwd", "gopher://127.0.0.1:25/_MAIL", "ftp://example.com/", "//127.0.0.1/",
    "/etc/passwd", "http:127.0.0.1", "http:///127.0.0.1", "http://:80/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1",
    "javascript:alert(1)", "http://127.0.0.1\t/", "", "dict://127.0.0.1/", "http://0/", "http://127.0.0.1%2f@example.com",
    "http://localhost:25/%0d%0aMAIL", "http://[::ffff:7f00:1]:80/", "http://[0:0:0:0:0:0:0:1]/", "http://①②⑦.⓪.⓪.①/",
])
def test_no_url_leads_to_a_forbidden_place(url: str) -> None:
    with pytest.raises(EgressRefused):
        fetch(url, max_bytes=10, timeout=2)


@pytest.mark.parametrize("address", [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_public_internet_is_allowed(address: str) -> None:
    assert not is_forbidden(ip_address(address))
    assert resolve(address, 25) == Endpoint(str(ip_address(address)), 25, address)


@given(st.ip_addresses(v=4))
def test_every_way_of_writing_an_ipv4_address_in_ipv6_is_judged_as_it(address: IPv4Address) -> None:
    mapped, nat64, compatible = (ip_address(f"{head}{address}") for head in ("::ffff:", "64:ff9b::", "::"))
    assert is_forbidden(mapped) is is_forbidden(nat64) is is_forbidden(address)
    assert is_forbidden(compatible)
    assert is_forbidden(ip_address(0x2002 << 112 | int(address) << 80))
    if not address.is_global:
        assert is_forbidden(address)


def test_what_is_internal_may_be_private_but_must_be_somewhere() -> None:
    for host in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "fd00::1", "::1", "100.64.1.1"):
        assert resolve(host, 25, internal=True).address == host
    for host in ("0.0.0.0", "0.1.1.1", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0"):
        with pytest.raises(EgressRefused, match="nobody can be reached"):
            resolve(host, 25, internal=True)


def test_a_name_is_looked_up_once_and_the_judged_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    connected: list[object] = []

    def turning(name: str, *_arguments: object, **_options: object) -> list[object]:
        looked_up.append(name)
        return answers("8.8.8.8" if len(looked_up) == 1 else "127.0.0.1")()

    def refuse(address: object, *_rest: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(egress.socket, "getaddrinfo", turning)
    monkeypatch.setattr(egress.socket, "create_connection", refuse)
    with pytest.raises(EgressRefused):
        fetch("http://rebinding.example.com/", max_bytes=10, timeout=2)
    assert looked_up == ["rebinding.example.com"]
    assert connected == [("8.8.8.8", 80)]


@pytest.mark.parametrize("port", [0, -1, 65_536, 100_000])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(EgressRefused, match="1 to 65535"):
        resolve("8.8.8.8", port)


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wake = threading.Event()
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *_a, **_o: wake.wait(5) and [])
    started = time.monotonic()
    with pytest.raises(EgressRefused, match="did not answer"):
        resolve("slow.example.com", 25, timeout=0.1)
    assert time.monotonic() - started < 1
    wake.set()


def test_every_address_of_a_host_is_given_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress.socket, "getaddrinfo", answers("2606:4700::1", "8.8.8.8", "8.8.8.8"))
    assert [each.address for each in resolve_all("two.example.com", 25)] == ["2606:4700::1", "8.8.8.8"]


# ------------------------------------------------------------------------------------------------------------- fetch


class Site:
    """A web server that answers as each path says."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.hosts: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.paths.append(self.path)
                site.hosts.append(self.headers["Host"])
                site.answer(self)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        place = request.path
        if place.startswith("/to/"):
            self.send(request, 302, {"Location": place.removeprefix("/to/").replace("~", "/")})
        elif place.startswith("/round"):
            self.send(request, 302, {"Location": f"/round{len(self.paths)}"})
        elif place == "/large":
            self.send(request, 200, {}, b"x" * 200_000)
        elif place == "/gzip":
            self.send(request, 200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 1_000_000))
        elif place.startswith("/drip"):
            self.drip(request, in_head=place == "/drip-head")
        elif place == "/continue":
            request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 300)
        else:
            self.send(request, 404 if place == "/none" else 200, {"Content-Type": "text/plain"}, b"hello")

    @staticmethod
    def send(request: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    @staticmethod
    def drip(request: http.server.BaseHTTPRequestHandler, *, in_head: bool) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\n" + (b"X-Slow: " if in_head else b"\r\n"))
        for _ in range(300):
            try:
                request.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.03)


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    yield server
    server.close()


def test_a_page_is_fetched_with_its_kind_and_status(site: Site) -> None:
    fetched = fetch(site.url + "/page?q=a b&x=ü", max_bytes=100, timeout=2, internal=True)
    assert (fetched.status, fetched.content_type, fetched.body) == (200, "text/plain", b"hello")
    assert site.paths == ["/page?q=a%20b&x=%C3%BC"]
    assert site.hosts == [f"127.0.0.1:{site.port}"]
    assert fetch(site.url + "/none", max_bytes=100, timeout=2, internal=True).status == 404


def test_up_to_three_redirects_are_followed(site: Site) -> None:
    fetched = fetch(f"{site.url}/to/{site.url.replace('/', '~')}~to~~to~~page", max_bytes=100, timeout=2, internal=True)
    assert fetched.body == b"hello"
    with pytest.raises(EgressRefused, match="3 times"):
        fetch(site.url + "/round", max_bytes=100, timeout=2, internal=True)
    assert len([place for place in site.paths if place.startswith("/round")]) == 4


def test_who_wants_no_redirect_gets_none(site: Site) -> None:
    with pytest.raises(EgressRefused, match="0 times"):
        fetch(site.url + "/round", max_bytes=100, timeout=2, internal=True, most_redirects=0)
    assert len(site.paths) == 1


def test_a_redirect_to_a_forbidden_place_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look_up(name: str, *arguments: object, **options: object) -> object:
        return answers("8.8.8.8")() if name == "outside.example.com" else real(name, *arguments, **options)  # type: ignore[arg-type]

    connect = socket.create_connection
    connected: list[str] = []

    def pretend(address: tuple[str, int], *rest: object) -> socket.socket:
        connected.append(address[0])
        return connect(("127.0.0.1", site.port), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(egress.socket, "getaddrinfo", look_up)
    monkeypatch.setattr(egress.socket, "create_connection", pretend)
    for target in ("http:~~127.0.0.1~", "http:~~[::1]~", "http:~~2130706433~", "~~localhost~", "file:~~~etc~passwd", "http:~~u@127.0.0.1~"):
        with pytest.raises(EgressRefused):
            fetch(f"http://outside.example.com/to/{target}", max_bytes=100, timeout=2)
    assert set(connected) == {"8.8.8.8"}


def test_too_much_is_refused(site: Site) -> None:
    with pytest.raises(EgressRefused, match="larger than 1,000 bytes"):
        fetch(site.url + "/large", max_bytes=1_000, timeout=2, internal=True)
    assert len(fetch(site.url + "/large", max_bytes=200_000, timeout=2, internal=True).body) == 200_000


def test_what_is_compressed_is_refused(site: Site) -> None:
    with pytest.raises(EgressRefused, match="compressed"):
        fetch(site.url + "/gzip", max_bytes=10_000_000, timeout=2, internal=True)


@pytest.mark.parametrize("place", ["/drip-head", "/drip-body", "/continue"])
def test_a_server_that_drips_is_left_when_the_time_is_up(site: Site, place: str) -> None:
    started = time.monotonic()
    with pytest.raises(EgressRefused):
        fetch(site.url + place, max_bytes=1_000_000, timeout=0.2, internal=True)
    assert time.monotonic() - started < 5


def test_nobody_there_is_said_in_words() -> None:
    with pytest.raises(EgressRefused, match="could not be read"):
        fetch("http://127.0.0.1:1/", max_bytes=10, timeout=1, internal=True)
