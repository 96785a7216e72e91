"""Delivery servers: added, changed, copied, tested, made default, deleted; one validation for pages, API and command line."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy.orm import Session

from app.db import table_of, utcnow
from app.delivery import choices, health
from app.delivery.models import DeliveryServer, Sending
from app.mail.address import AddressError, parse_address, parse_domain
from app.mail.dkim import DkimKeyError, generate_key, load_key, public_record
from app.settings.secrets import SecretBox
from app.words import words, words_of

TEST_MAILBOX = "Test mailbox"
NUMBERS = {"port": (1, 65535), "timeout_s": (1, 300), "connections": (1, 20)}
LIMITS = ("messages_per_connection", "per_second", "per_minute", "per_hour", "per_day")
TEXTS = ("name", "host", "security", "username", "link_domain", "open_domain", "mfrom", "enforced_from", "dkim_domain", "dkim_selector")
DOMAINS = ("link_domain", "open_domain", "mfrom", "enforced_from", "dkim_domain")
SWITCHES = ("verify_certificate", "internal", "list_sender_as_mfrom", "list_sender_as_from")
SECURITIES = ("none", "starttls", "tls")
_SELECTOR = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class InUse:
    """What keeps a server from being deleted."""

    users: int
    groups: int
    campaigns: int
    sendings: int

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.campaigns or self.sendings)


def all_servers(session: Session) -> list[DeliveryServer]:
    """Return every server, the default first."""
    return list(session.scalars(sa.select(DeliveryServer).order_by(DeliveryServer.is_default.desc(), DeliveryServer.name)))


def problems(session: Session, values: Mapping[str, Any], but: DeliveryServer | None = None) -> dict[str, str]:
    """Return what is wrong with a server's values, by name, in words that say what to type instead."""
    found = {name: problem for name, check in _CHECKS.items() if (problem := check(values.get(name)))}
    other = session.scalar(sa.select(DeliveryServer).where(DeliveryServer.name == values.get("name", "")))
    if other is not None and other is not but:
        found["name"] = words("Another server has this name. Choose another one.")
    if values.get("username") and values.get("security") == "none" and not values.get("internal"):
        found["security"] = words("A password is sent over TLS only. Choose STARTTLS or TLS.")
    if bool(values.get("dkim_domain")) != bool(values.get("dkim_selector")):
        found["dkim_selector" if values.get("dkim_domain") else "dkim_domain"] = words("Domain and selector belong together: type both, or neither.")
    return found


def would_tell_others(server: DeliveryServer, values: Mapping[str, Any]) -> bool:
    """Whether these values would hand the stored password to another host, or to one that need not prove who it is.

    Who may change a server may not, by that, read its password: secrets are never shown again (settings.md).
    """
    if not server.password_sealed:
        return False
    other = str(values.get("host", "")).strip().lower() != server.host.lower() or values.get("port") != server.port
    return other or (server.verify_certificate and not values.get("verify_certificate")) or (server.security != "none" and values.get("security") == "none")


def _name(value: Any) -> str:
    return "" if value and len(value) <= 120 else words("Give the server a name of at most 120 characters.")


def _host(value: Any) -> str:
    text = str(value or "").strip()
    if text == "localhost" or _is_domain(text) or _is_ip(text):
        return ""
    return words("Type a host name, such as smtp.example.com, or an IP address.")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_domain(text: str) -> bool:
    try:
        parse_domain(text)
    except AddressError:
        return False
    return True


def _domain(value: Any) -> str:
    return "" if not value or _is_domain(str(value)) else words("Type a domain name, such as links.example.com, or leave it empty.")


def _mfrom(value: Any) -> str:
    if not value or _is_domain(str(value)):
        return ""
    return _address(value) and words("Type a domain, such as bounces.example.com, or a whole address.")


def _address(value: Any) -> str:
    if not value:
        return ""
    try:
        parse_address(str(value))
    except AddressError as error:
        return str(error)
    return ""


def _between(least: int, most: int) -> Any:
    return lambda value: "" if isinstance(value, int) and least <= value <= most else words(
        "Type a number from %(least)s to %(most)s.", least=str(least), most=str(most))


def _limit(value: Any) -> str:
    return "" if value is None or (isinstance(value, int) and 1 <= value <= 100_000_000) else words("Type a number from 1, or leave it empty for no limit.")


_CHECKS: dict[str, Any] = {
    "name": _name, "host": _host, "link_domain": _domain, "open_domain": _domain, "mfrom": _mfrom, "enforced_from": _address, "dkim_domain": _domain,
    "security": lambda value: "" if value in SECURITIES else words("Choose none, STARTTLS or TLS."),
    "dkim_selector": lambda value: "" if not value or _SELECTOR.match(value) else words("Use lower-case letters, digits and hyphens, such as lm1."),
    **{name: _between(*limits) for name, limits in NUMBERS.items()}, **dict.fromkeys(LIMITS, _limit)}


def save(session: Session, secrets: SecretBox, server: DeliveryServer, values: Mapping[str, Any], *, password: str | None = None,
         dkim_key: str | None = None) -> None:
    """Store values that ``problems`` found nothing wrong with; None keeps a secret, the empty text removes it. Senders notice by the revision."""
    record_name = (server.dkim_selector, server.dkim_domain)
    for name, value in values.items():
        if name in {*TEXTS, *SWITCHES, *NUMBERS, *LIMITS}:
            setattr(server, name, _as_stored(name, value))
    if (server.dkim_selector, server.dkim_domain) != record_name:
        server.dns_seen_at = None
    if password is not None:
        server.password_sealed = secrets.seal(password)
    if dkim_key is not None:
        _set_key(secrets, server, dkim_key)
    if not server.id:
        server.is_default = not session.scalar(sa.select(DeliveryServer.id).where(DeliveryServer.is_default).limit(1))
        session.add(server)
    server.revision = (server.revision or 0) + 1
    session.flush()
    # What was wrong may be mended by what was saved.
    health.forget(session.connection(), server.id)


def _as_stored(name: str, value: Any) -> Any:
    """Return a value as it is stored: an international domain in IDNA's ASCII, as DNS and envelopes take it."""
    text = value.strip() if isinstance(value, str) else value
    if name not in DOMAINS or not text or text.isascii():
        return text
    return str(parse_address(text)) if "@" in text else parse_domain(text)


def _set_key(secrets: SecretBox, server: DeliveryServer, pem: str) -> None:
    server.dkim_key_sealed = secrets.seal(pem)
    server.dkim_kind = _kind_of(pem) if pem else ""
    server.dns_seen_at = None


def _kind_of(pem: str) -> str:
    key = load_key(pem)
    return f"rsa{key.key_size}" if isinstance(key, RSAPrivateKey) else "ed25519"


def new_key(kind: str) -> str:
    """Return a new DKIM key."""
    return generate_key("ed25519" if kind == "ed25519" else "rsa2048")


def problem_with_key(pem: str) -> str:
    """Return what is wrong with a pasted key, in words, or the empty text."""
    try:
        load_key(pem)
    except DkimKeyError as error:
        return str(error)
    return ""


def dns_record(secrets: SecretBox, server: DeliveryServer) -> tuple[str, str] | None:
    """Return the name and the value of the TXT record to publish, None for a server that signs nothing."""
    if not (server.dkim_key_sealed and server.dkim_domain and server.dkim_selector):
        return None
    return f"{server.dkim_selector}._domainkey.{server.dkim_domain}", public_record(secrets.open(server.dkim_key_sealed))


def copy(session: Session, server: DeliveryServer) -> DeliveryServer:
    """Add a disabled server with the same values, secrets included."""
    columns = {column.key: getattr(server, column.key) for column in table_of(DeliveryServer).columns}
    for name in ("id", "created_at", "last_test_at", "last_test_passed", "dns_seen_at"):
        columns.pop(name)
    twin = DeliveryServer(**columns | {"name": _free_name(session, server.name), "enabled": False, "is_default": False, "is_test_mailbox": False})
    session.add(twin)
    session.flush()
    return twin


def _free_name(session: Session, name: str) -> str:
    taken = set(session.scalars(sa.select(DeliveryServer.name)))
    return next(free for number in range(2, 10_000) if (free := f"{name[:110]} {number}") not in taken)


def make_default(session: Session, server: DeliveryServer) -> None:
    """Let everything go through this server that names no other; it must be enabled."""
    session.execute(sa.update(DeliveryServer).values(is_default=False).execution_options(synchronize_session=False))
    server.is_default, server.enabled = True, True
    session.flush()


def set_enabled(server: DeliveryServer, enabled: bool) -> bool:
    """Switch a server on or off; the default cannot be switched off. Return whether it was done."""
    if server.is_default and not enabled:
        return False
    server.enabled = enabled
    return True


def in_use(session: Session, server: DeliveryServer) -> InUse:
    """Return what refers to the server."""
    running = session.scalar(sa.select(sa.func.count()).select_from(Sending).where(
        Sending.delivery_server_id == server.id, Sending.state.in_(("freezing", "sending", "paused")))) or 0
    owners = choices.owners_of(session, server.id)
    return InUse(owners.get("user", 0), owners.get("group", 0), owners.get("campaign", 0), running)


def delete(session: Session, server: DeliveryServer) -> str:
    """Delete the server; return why not, in words, where it must stay."""
    if server.is_default:
        return words("This is the default server. Make another one the default first.")
    if found := in_use(session, server):
        return words("It is used by %(users)s, %(groups)s, %(campaigns)s and %(sendings)s. Give them another server first.",
                     users=words_of(found.users, "%(num)s user", "%(num)s users"), groups=words_of(found.groups, "%(num)s group", "%(num)s groups"),
                     campaigns=words_of(found.campaigns, "%(num)s campaign", "%(num)s campaigns"),
                     sendings=words_of(found.sendings, "%(num)s running sending", "%(num)s running sendings"))
    session.execute(sa.update(Sending).where(Sending.delivery_server_id == server.id).values(delivery_server_id=None)
                    .execution_options(synchronize_session=False))
    choices.forget_server(session, server.id)
    health.forget(session.connection(), server.id)
    session.delete(server)
    return ""


def note_test(session: Session, server: DeliveryServer, passed: bool) -> None:
    """Keep when the server was tested last, and whether it took the mail; if it did, senders ask it again at once."""
    server.last_test_at, server.last_test_passed = utcnow(), passed
    if passed:
        health.forget(session.connection(), server.id)
    session.flush()


def settle_test_mailbox(session: Session, port: int) -> None:
    """See that a new installation has a server that leads to the built-in test mailbox, and that it knows the mailbox's port."""
    server = session.scalar(sa.select(DeliveryServer).where(DeliveryServer.is_test_mailbox))
    if server is None:
        has_default = session.scalar(sa.select(DeliveryServer.id).where(DeliveryServer.is_default).limit(1)) is not None
        session.add(DeliveryServer(name=TEST_MAILBOX, host="127.0.0.1", port=port, security="none", internal=True, is_test_mailbox=True,
                                   is_default=not has_default, connections=4))
    elif server.port != port and server.host == "127.0.0.1":
        server.port, server.revision = port, server.revision + 1
    session.flush()
