"""Who a mail comes from: From, Reply-To and MFROM, in the order of precedence of settings.md 4 ("Sender precedence")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.mail.address import AddressError, parse_domain


@dataclass(frozen=True, slots=True)
class ListSender:
    """The sender that a list names for itself; empty where it names none."""

    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class House:
    """What the installation falls back on: domains, each empty where it is not set, and the host of the base URL."""

    base_host: str
    centralized_domain: str = ""
    catch_all_domain: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """From, Reply-To (empty: no such header), and MFROM: a fixed address, or a domain for ``b+<token>@``."""

    from_name: str
    from_email: str
    reply_to: str
    mfrom_domain: str
    mfrom_fixed: str = ""


def resolve_sender(server: Any, content: Mapping[str, Any], list_sender: ListSender, verified: Collection[str], house: House) -> Sender:
    """Return who the mail comes from.

    ``server`` has mfrom, enforced_from, list_sender_as_mfrom and list_sender_as_from; ``verified`` are the user's proven domains, each of
    which stands for its subdomains, too.
    """
    name, address = _from(server, content, list_sender, verified, house)
    author = content["from_email"]
    reply_to = content.get("reply_to") or (author if address.lower() != author.lower() else "")
    domain, fixed = _mfrom(server, list_sender, verified, house)
    return Sender(name, address, reply_to, domain, fixed)


def return_domain(server: Any, house: House) -> str:
    """Return the domain of MFROM for mail through this server that is no list's: where what bounces comes back to us."""
    return _mfrom(server, ListSender(), (), house)[0]


def _from(server: Any, content: Mapping[str, Any], list_sender: ListSender, verified: Collection[str], house: House) -> tuple[str, str]:
    name, author = content.get("from_name") or "", content["from_email"]
    if server.enforced_from:
        return name, server.enforced_from
    if server.list_sender_as_from and covering(domain_of(list_sender.email), verified):
        return list_sender.name or name, list_sender.email
    if not house.centralized_domain or covering(domain_of(author), verified):
        return name, author
    return name, f"{author.rpartition('@')[0]}@{house.centralized_domain}"


def _mfrom(server: Any, list_sender: ListSender, verified: Collection[str], house: House) -> tuple[str, str]:
    """Return the domain of MFROM, and the whole address where it is used as it is."""
    if "@" in server.mfrom:
        return domain_of(server.mfrom), server.mfrom
    if server.list_sender_as_mfrom and covering(domain_of(list_sender.email), verified):
        return domain_of(list_sender.email), list_sender.email
    return server.mfrom or house.centralized_domain or house.catch_all_domain or house.base_host, ""


def domain_of(address: str) -> str:
    """Return the domain of an address as DNS writes it, empty where there is none."""
    domain = address.rpartition("@")[2].strip().lower()
    try:
        return domain if domain.isascii() else parse_domain(domain)
    except AddressError:
        return ""


def covering(domain: str, verified: Collection[str]) -> str:
    """Return the nearest of the proven domains that this one is, or is below of; empty where it is nobody's (as DMARC aligns, RFC 7489 3.1)."""
    while "." in domain and domain not in verified:
        domain = domain.partition(".")[2]
    return domain if domain in verified else ""
