"""The transports that this process keeps open, one for each server as it is saved, and the signer that goes with it."""

from __future__ import annotations

from typing import Any

from app.delivery.channels import SMTP, ChannelTransport
from app.delivery.health import is_probe
from app.delivery.transports.smtp import SmtpServer, SmtpTransport
from app.delivery.transports.transport import Transport
from app.mail.dkim import DkimSigner
from app.plugins.calls import delivery_channels
from app.plugins.manager import EnabledPlugins
from app.settings.secrets import SecretBox


class ChannelMissing(Exception):
    """The sending's channel belongs to a plug-in that is not enabled: it waits until it is."""


def smtp_server(row: Any, secrets: SecretBox, helo: str) -> SmtpServer:
    """Return how a delivery server is reached, its password opened."""
    return SmtpServer(
        host=row.host, port=row.port, security=row.security, verify=row.verify_certificate, timeout=row.timeout_s, username=row.username,
        password=secrets.open(row.password_sealed), connections=row.connections, messages_per_connection=row.messages_per_connection,
        helo=helo, internal=row.internal)


def signer_of(row: Any, secrets: SecretBox) -> DkimSigner | None:
    """Return who signs mail through this server, None where it has no key."""
    if not (row.dkim_domain and row.dkim_selector and row.dkim_key_sealed):
        return None
    return DkimSigner(row.dkim_domain, row.dkim_selector, secrets.open(row.dkim_key_sealed))


class Doors:
    """Keeps a transport for each server while that stays as it is: connections, and the patience with one that fails, outlive a job."""

    def __init__(self, secrets: SecretBox, helo: str) -> None:
        self._secrets, self._helo = secrets, helo
        self._open: dict[int, tuple[int, Transport]] = {}

    def transport(self, server: Any, channel: str, enabled: EnabledPlugins) -> Transport:
        """Return the way out; raise ChannelMissing."""
        if channel != SMTP:
            found = delivery_channels(enabled).get(channel)
            if found is None:
                raise ChannelMissing(channel)
            return ChannelTransport(found)
        revision, transport = self._open.get(server.id, (0, None))
        # Who asks a server that failed whether it is back begins anew: the old transport may still be waiting by its own clock.
        if transport is None or revision != server.revision or is_probe(server):
            if transport is not None:
                transport.close()
            transport = SmtpTransport(smtp_server(server, self._secrets, self._helo))
            self._open[server.id] = (server.revision, transport)
        return transport

    def close(self) -> None:
        """Say goodbye on all connections."""
        for _, transport in self._open.values():
            transport.close()
        self._open.clear()
