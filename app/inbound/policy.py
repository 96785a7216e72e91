"""Who mail is taken for, decided at RCPT: addresses with our tokens, roles, aliases; never another host's (inbound.md 5 and 6).

A local part is opaque: ``%``, ``!``, quotation marks and a second ``@`` in it mean nothing here, so nobody is relayed for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.mail.address import AddressError, parse_domain
from app.mail.aliases import AliasRule, first_match
from app.mail.tokens import LedgerId, Purpose, TokenKeys

Kind = Literal["bounce", "unsubscribe", "srs", "dmarc", "role", "complaints", "alias", "refused"]
NO_SUCH_ADDRESS = "550 5.1.1 No such address here"
RELAYING_DENIED = "550 5.7.1 Relaying denied"
ROLES = frozenset({"abuse", "postmaster", "root"})
_TOKENS: Mapping[str, tuple[Kind, Purpose]] = {"b": ("bounce", "mfrom"), "u": ("unsubscribe", "unsubscribe")}
# Where aggregate reports of DMARC come to (app/inbound/dmarc/address.py).
REPORTS = "dmarc"
_SENT_ON = ("srs0=", "srs1=")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
LONGEST_LOCAL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the decision is taken by. Domains are in ASCII and lower case; addresses are, too, but for their local parts as typed.

    ``return_paths``: MFROM addresses that are used as they are, without a token; ``complaints``: those given to feedback loops;
    ``unsubscribe``: those for leaving by mail, whose token stands behind a plus or in the subject; ``servers``: domains of return paths
    that one delivery server alone has.
    """

    tokens: TokenKeys
    domains: frozenset[str] = frozenset()
    return_paths: frozenset[str] = frozenset()
    complaints: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    rules: tuple[AliasRule, ...] = ()
    servers: Mapping[str, int] = field(default_factory=dict)

    def server_of(self, address: str) -> int | None:
        """Return the delivery server whose return paths are at an address's domain; None where that may be several."""
        return self.servers.get(address.rpartition("@")[2].lower())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a recipient is. ``reply`` is what to say where it is refused; ``about`` whom its token names; ``rule`` the alias that holds."""

    kind: Kind
    reply: str = ""
    about: LedgerId | None = None
    rule: AliasRule | None = field(default=None)

    @property
    def is_refused(self) -> bool:
        """Whether mail to it is not taken."""
        return self.kind == "refused"


_UNKNOWN = Verdict("refused", NO_SUCH_ADDRESS)


def judge(address: str, known: Known) -> Verdict:
    """Return what a recipient is to us; the address is as it stood between the angle brackets of RCPT TO."""
    if address.lower() == "postmaster":
        return Verdict("role")
    local, at, typed = address.rpartition("@")
    if not at or not local or _UNSAFE.search(address) or len(local.encode()) > LONGEST_LOCAL:
        return _UNKNOWN
    try:
        domain = parse_domain(typed)
    except AddressError:
        return Verdict("refused", RELAYING_DENIED)
    return _exact(local.lower(), domain, known) or _leaving(local.lower(), domain, known) or _ours(local.lower(), domain, known)


def _exact(local: str, domain: str, known: Known) -> Verdict | None:
    """The addresses that are ours wherever they are, with a plus-address behind them or not."""
    plain = {f"{local}@{domain}", f"{local.partition('+')[0]}@{domain}"}
    if plain & known.complaints:
        return Verdict("complaints")
    return Verdict("bounce") if plain & known.return_paths else None


def _leaving(local: str, domain: str, known: Known) -> Verdict | None:
    """The addresses for leaving: as they are, or with a token of ours behind a plus."""
    if f"{local}@{domain}" in known.unsubscribe:
        return Verdict("unsubscribe")
    plain, plus, token = local.partition("+")
    if not plus or f"{plain}@{domain}" not in known.unsubscribe:
        return None
    about = known.tokens.read("unsubscribe", token)
    return Verdict("unsubscribe", about=about) if about else _UNKNOWN


def _ours(local: str, domain: str, known: Known) -> Verdict:
    if domain not in known.domains:
        return Verdict("refused", RELAYING_DENIED)
    mark, plus, token = local.partition("+")
    if plus and mark in _TOKENS:
        # Said in the same words as for any other address: who forges learns nothing.
        kind, purpose = _TOKENS[mark]
        about = known.tokens.read(purpose, token)
        return Verdict(kind, about=about) if about else _UNKNOWN
    if local.startswith(_SENT_ON):
        return Verdict("srs") if known.tokens.srs.reverse(f"{local}@{domain}", time.time()) else _UNKNOWN
    if mark == REPORTS:
        return Verdict("dmarc")
    if mark in ROLES:
        return Verdict("role")
    rule = first_match(known.rules, local, domain)
    return Verdict("alias", rule=rule) if rule else _UNKNOWN
