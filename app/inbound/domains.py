"""Which domains and addresses are ours to take mail for, as the settings and the delivery servers say now (settings.md 4, relay domains)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading, table_of
from app.delivery.server_models import DeliveryServer
from app.delivery.urls import base_host
from app.inbound.policy import Known
from app.mail.address import AddressError, normalise, parse_domain
from app.mail.aliases import parse_rule
from app.mail.tokens import TokenKeys
from app.settings.sections.bounces import Bounces
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.spam_complaint import SpamComplaint
from app.settings.sections.system import SystemSettings
from app.settings.store import SettingsStore
from app.settings.values import Settings

# What the delivery servers say is read anew after so long; a saved setting counts at once.
SERVERS_S = 1.0
_MFROM = sa.select(table_of(DeliveryServer).c.id, table_of(DeliveryServer).c.mfrom)


@dataclass(frozen=True, slots=True)
class _Read:
    settings: Settings
    at: float
    known: Known


class Ours:
    """What is ours, asked for at each mail. ``base_url``: what the installation was started with."""

    def __init__(self, engine: Engine, settings: SettingsStore, tokens: TokenKeys, base_url: str) -> None:
        self._engine, self._settings, self._tokens, self._base_url = engine, settings, tokens, base_url
        self._turn = threading.Lock()
        self._last: _Read | None = None

    def now(self) -> Known:
        """Return what is ours now: one cheap query where nothing was saved; raise SQLAlchemyError where the database is away."""
        with self._turn, reading(), self._engine.connect() as connection:
            last = self._last
            settings = self._settings.load_on(connection, last.settings if last else None)
            if last is None or settings is not last.settings or time.monotonic() - last.at > SERVERS_S:
                servers = {int(row.id): str(row.mfrom) for row in connection.execute(_MFROM)}
                last = self._last = _Read(settings, time.monotonic(), self._known(settings, servers))
            return last.known

    def _known(self, settings: Settings, servers: Mapping[int, str]) -> Known:
        delivery, bounces, complaint = settings.get(EmailDelivery), settings.get(Bounces), settings.get(SpamComplaint)
        host = base_host(settings.get(SystemSettings).base_url or self._base_url)
        mfroms, otherwise = [mfrom for mfrom in servers.values() if mfrom], delivery.centralized_domain or bounces.catch_all_domain or host
        names = [*delivery.relay_domains, delivery.centralized_domain, bounces.catch_all_domain, host, *(one.rpartition("@")[2] for one in mfroms)]
        return Known(tokens=self._tokens, domains=frozenset(_domains(names)), return_paths=frozenset(_addresses(mfroms)),
                     complaints=frozenset(_addresses([complaint.fbl_email])), unsubscribe=frozenset(_addresses([complaint.unsubscribe_email])),
                     rules=tuple(parse_rule(line) for line in delivery.aliases), servers=_of_one({
                         number: mfrom.rpartition("@")[2] or otherwise for number, mfrom in servers.items()}))


def _of_one(domains: Mapping[int, str]) -> dict[str, int]:
    """Return the domains that one server alone has, each with its number."""
    counts = Counter(domain.lower() for domain in domains.values())
    return {domain.lower(): number for number, domain in domains.items() if counts[domain.lower()] == 1}


def _domains(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            yield parse_domain(name)
        except AddressError:  # Not set, or the name of this machine alone: no mail comes to it from anywhere.
            continue


def _addresses(mfroms: Iterable[str]) -> Iterable[str]:
    for mfrom in mfroms:
        try:
            yield normalise(mfrom)
        except AddressError:  # Not set, or a domain; its mail has tokens.
            continue
