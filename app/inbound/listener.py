"""The listener: takes mail by SMTP and LMTP, answers 250 once the spool has it on the disk, and 451 on any trouble of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, TLSVersion
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.delivery.crash import crash_point
from app.inbound.policy import Known, judge
from app.inbound.protocol import Doorkeeper, StrictLMTP, StrictSMTP, client_of
from app.inbound.spool import Spool, SpoolFull, Way, arrived

log = logging.getLogger(__name__)

MOST_RECIPIENTS = 100
# Refused recipients in one session: whoever guesses addresses is hung up on.
MOST_REFUSED = 100
# RFC 5321 6.3: a mail that went through so many hosts goes in circles.
MOST_HOPS = 100
_LATER = "451 4.3.0 Not now; try again later"
_FULL = "451 4.3.1 The spool is full; try again later"
_AT_ONCE = 16


class Intake:
    """aiosmtpd's handler. ``ours`` says what is ours at this moment; it and the spool are asked beside the loop. ``on_kept`` is told of each mail."""

    def __init__(self, ours: Callable[[], Known], spool: Spool, way: Way = "smtp", on_kept: Callable[[], None] = lambda: None) -> None:
        self._ours, self._spool, self._way, self._on_kept = ours, spool, way, on_kept
        self._writers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="spool")

    async def handle_EHLO(self, _server: Any, session: Any, _envelope: Any, hostname: str,  # noqa: N802 - aiosmtpd looks for these names
                          responses: list[str]) -> list[str]:
        """Say what this server can; signing in is not among it."""
        session.host_name = hostname
        offered = [line[4:] for line in responses if line[4:].partition(" ")[0] not in {"AUTH", "HELP"}]
        offered.append("PIPELINING")
        return [f"250{'-' if number < len(offered) else ' '}{line}" for number, line in enumerate(offered, 1)]

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        """Take any sender, ``<>`` too, and look at what is ours now: a saved setting counts from the next mail on."""
        try:
            session.known = await server.loop.run_in_executor(None, self._ours)
        except SQLAlchemyError:
            log.exception("mail was put off: the database does not say what is ours")
            return _LATER
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802
        """Answer what the policy says of the recipient."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients; send to the rest in another mail"
        verdict = judge(address, session.known)
        if not verdict.is_refused:
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 OK"
        session.refused = getattr(session, "refused", 0) + 1
        if session.refused > MOST_REFUSED:
            server.hang_up()
            return "421 4.7.0 Too many recipients were refused"
        return verdict.reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Answer 250 when the mail is on the disk; for LMTP, once for each recipient."""
        reply = await self._keep(server.loop, session, envelope)
        return "\r\n".join([reply] * len(envelope.rcpt_tos)) if self._way == "lmtp" else reply

    async def handle_exception(self, error: Exception) -> str:
        """Put off what went wrong in a way that nobody foresaw."""
        log.error("unforeseen error in a session", exc_info=error)
        return _LATER

    async def _keep(self, loop: asyncio.AbstractEventLoop, session: Any, envelope: Any) -> str:
        data: bytes = envelope.content
        if _hops(data) >= MOST_HOPS:
            return "554 5.4.6 The mail goes in circles"
        mfrom = "" if envelope.mail_from == "<>" else envelope.mail_from
        made = arrived(mfrom=mfrom, recipients=tuple(envelope.rcpt_tos), way=self._way, client=client_of(session.peer), helo=session.host_name or "")
        try:
            name = await loop.run_in_executor(self._writers, self._spool.put, data, made)
        except SpoolFull as full:
            log.warning("mail was put off: the spool is full (%s)", full)
            return _FULL
        except OSError:
            log.exception("mail was put off: the spool cannot be written")
            return _LATER
        crash_point("after_keep")
        self._on_kept()
        return f"250 2.0.0 Kept as {name[:16]}"


def _hops(data: bytes) -> int:
    head = (b"\r\n" + data).partition(b"\r\n\r\n")[0].lower()
    return head.count(b"\nreceived:")


class Certificate:
    """A certificate and its key in files, loaded anew when they change; none where no file is named."""

    def __init__(self, chain: Path | None, key: Path | None) -> None:
        self._chain, self._key = chain, key or chain
        self._context: SSLContext | None = None
        self._loaded = 0.0

    def context(self) -> SSLContext | None:
        """Return what STARTTLS is done with; the last one that could be loaded where the files are wrong now."""
        if self._chain is None or self._key is None:
            return None
        try:
            changed = max(self._chain.stat().st_mtime, self._key.stat().st_mtime)
            if changed != self._loaded:
                context = SSLContext(PROTOCOL_TLS_SERVER)
                context.minimum_version = TLSVersion.TLSv1_2
                context.load_cert_chain(self._chain, self._key)
                self._context, self._loaded = context, changed
        except OSError:  # SSLError is one, too.
            log.exception("the certificate of the inbound server cannot be loaded")
        return self._context


async def listen_smtp(intake: Intake, host: str, port: int, name: str, certificate: Certificate, doorkeeper: Doorkeeper) -> asyncio.Server:
    """Listen to the internet; raise OSError where the port is taken. ``name``: what this server calls itself."""
    return await asyncio.get_running_loop().create_server(lambda: StrictSMTP(intake, doorkeeper, name, certificate.context()), host, port)


async def listen_lmtp(intake: Intake, host: str, port: int, name: str) -> asyncio.Server:
    """Listen to a mail server in front of this one."""
    return await asyncio.get_running_loop().create_server(partial(StrictLMTP, intake, Doorkeeper(per_address=0), name), host, port)
