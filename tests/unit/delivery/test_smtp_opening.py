"""How a session is opened: TLS that is required and verified, a password that is never shown, a host that is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.delivery.transports.smtp import SmtpServer, SmtpTransport
from app.delivery.transports.smtp_check import Checked, check_server
from app.delivery.transports.transport import NoJournal
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Fate, Phase
from tests.smtp_sink import Faults, Sink, running, self_made_certificate

USERS = {"mailer": "s3cret wörd"}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running(Sink()) as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path, sink: Sink) -> Path:
    """Give the server a certificate that nobody signed; return the file to trust."""
    sink.tls, file = self_made_certificate(tmp_path)
    return file


def check(sink: Sink, **changes: object) -> Checked:
    options = {"host": "127.0.0.1", "port": sink.port, "internal": True, "timeout": 2} | changes
    return check_server(SmtpServer(**options))  # type: ignore[arg-type]


def test_starttls_with_a_trusted_certificate_opens_and_greets_again(sink: Sink, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert check(sink, security="starttls").failed_at is None
    assert sink.hears("QUIT")
    assert [command.split(" ")[0] for command in sink.commands] == ["EHLO", "STARTTLS", "EHLO", "QUIT"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_signed_is_refused_before_a_password_goes(tmp_path: Path, security: str) -> None:
    context, _ = self_made_certificate(tmp_path)
    with running(Sink(tls=context, implicit_tls=security == "tls", features=("AUTH PLAIN",), users=USERS)) as sink:
        checked = check(sink, security=security, username="mailer", password=USERS["mailer"])
        assert checked.failed_at is (Phase.CONNECT if security == "tls" else Phase.STARTTLS)
        assert "certificate is not trusted" in checked.why
        assert not any(command.startswith("AUTH") for command in sink.commands)


def test_a_certificate_for_another_host_is_refused(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink.tls, file = self_made_certificate(tmp_path, "mail.elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    checked = check(sink, security="starttls")
    assert checked.failed_at is Phase.STARTTLS
    assert "certificate" in checked.why


def test_verification_can_be_turned_off_by_the_setting(sink: Sink, certificate: Path) -> None:
    assert check(sink, security="starttls", verify=False).failed_at is None


def test_tls_from_the_start_carries_mail(tmp_path: Path) -> None:
    context, _ = self_made_certificate(tmp_path)
    with running(Sink(tls=context, implicit_tls=True)) as sink:
        transport = SmtpTransport(SmtpServer(host="127.0.0.1", port=sink.port, security="tls", verify=False, internal=True, connections=2))
        mails = [WireMessage(number, "b@mfrom.example", f"p{number}@example.com", b"x" * 300_000 + b"\r\n") for number in range(20)]
        assert {outcome.state for outcome in transport.deliver(mails, NoJournal())} == {"sent"}
        transport.close()
        assert len(sink.taken) == 20
        assert all(len(data) == 300_002 for _, _, data in sink.taken)


def test_a_server_without_starttls_gets_nothing_in_clear(sink: Sink) -> None:
    transport = SmtpTransport(SmtpServer(host="127.0.0.1", port=sink.port, security="starttls", internal=True))
    outcomes = list(transport.deliver([WireMessage(0, "b@mfrom.example", "p@example.com", b"secret\r\n")], NoJournal()))
    transport.close()
    assert [(outcome.state, outcome.server_at_fault, outcome.fate) for outcome in outcomes] == [("unstarted", True, Fate.OURS)]
    assert "does not offer STARTTLS" in outcomes[0].reply.text
    assert not any(command.startswith("MAIL") for command in sink.commands)


@pytest.mark.parametrize("injected", [
    b"250-evil.example\r\n250 AUTH PLAIN\r\n", b"250-evil.example\r\n250-AUTH PLAIN\r\n", b"250-evil.example\r\n250-AUTH PLAIN\r\n250-",
])
def test_what_was_slipped_in_before_tls_is_dropped(sink: Sink, certificate: Path, injected: bytes) -> None:
    sink.features = ("PIPELINING",)
    sink.faults = Faults(injected_after_starttls=injected)
    checked = check(sink, security="starttls", verify=False)
    assert checked.failed_at is None
    assert "AUTH" not in checked.features
    assert "PIPELINING" in checked.features


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_each_way_of_signing_in_works(sink: Sink, certificate: Path, way: str) -> None:
    sink.features, sink.users = (f"AUTH {way}",), USERS
    good = check(sink, security="starttls", verify=False, username="mailer", password=USERS["mailer"])
    bad = check(sink, security="starttls", verify=False, username="mailer", password="another")
    assert good.failed_at is None
    assert bad.failed_at is Phase.AUTH
    assert "535" in bad.why


def test_old_servers_write_auth_with_an_equals_sign(sink: Sink) -> None:
    sink.features, sink.users = ("AUTH=LOGIN",), USERS
    assert check(sink, security="none", username="mailer", password=USERS["mailer"]).failed_at is None


def test_a_transcript_shows_no_secret(sink: Sink) -> None:
    for way in ("PLAIN", "LOGIN", "CRAM-MD5"):
        sink.features, sink.users = (f"AUTH {way}",), USERS
        checked = check(sink, security="none", username="mailer", password=USERS["mailer"])
        ours = [text for who, text in checked.transcript if who == "us"]
        secrets = [command for command in sink.commands if command.startswith("AUTH PLAIN ")]
        assert any("••••" in text for text in ours)
        assert not any(secret in text for secret in secrets for text in ours)
        assert "s3cret" not in repr(checked)


def test_the_password_is_not_in_the_repr_of_a_server() -> None:
    assert "s3cret" not in repr(SmtpServer(host="mail.example.com", username="mailer", password="s3cret"))


@pytest.mark.parametrize(("offered", "goes"), [("PLAIN LOGIN", False), ("CRAM-MD5 PLAIN", True)])
def test_in_clear_and_outside_only_cram_md5_signs_in(sink: Sink, monkeypatch: pytest.MonkeyPatch, offered: str, goes: bool) -> None:
    sink.features, sink.users = (f"AUTH {offered}",), USERS
    monkeypatch.setattr("app.egress.is_forbidden", lambda _address: False)  # The loopback stands for an address out there.
    checked = check(sink, security="none", internal=False, username="mailer", password=USERS["mailer"])
    assert (checked.failed_at is None) is goes
    assert not any("PLAIN" in command or "LOGIN" in command for command in sink.commands)
    if not goes:
        assert "in clear" in checked.why


def test_a_server_that_offers_no_sign_in_is_said_to(sink: Sink) -> None:
    checked = check(sink, security="none", username="mailer", password="x")
    assert checked.failed_at is Phase.AUTH
    assert "offers no signing in" in checked.why


def test_a_private_host_that_is_not_marked_as_internal_gets_no_connection(sink: Sink) -> None:
    checked = check(sink, security="none", internal=False)
    assert checked.failed_at is Phase.CONNECT
    assert "internal" in checked.why
    assert sink.connections == 0


@pytest.mark.parametrize(("verb", "phase"), [
    ("BANNER", Phase.CONNECT), ("EHLO", Phase.HELLO), ("STARTTLS", Phase.STARTTLS), ("AUTH", Phase.AUTH)])
@pytest.mark.parametrize("fault", ["STALL", "CUT", "421 4.3.2 closing", "554 5.7.1 no"])
def test_the_step_that_fails_is_named(sink: Sink, certificate: Path, verb: str, phase: Phase, fault: str) -> None:
    sink.features, sink.users, sink.faults = ("AUTH PLAIN",), USERS, Faults(replies={verb: fault})
    checked = check(sink, security="starttls", verify=False, username="mailer", password=USERS["mailer"], timeout=2 if fault == "STALL" else 10)
    assert checked.failed_at is phase
    assert checked.why


def test_tls_to_a_port_that_speaks_clear_says_what_to_check(sink: Sink) -> None:
    checked = check(sink, security="tls", timeout=0.5)
    assert checked.failed_at is Phase.CONNECT
    assert "STARTTLS" in checked.why
