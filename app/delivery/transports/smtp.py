"""The bulk SMTP client: a few connections, the next envelope behind end-of-data where the server offers PIPELINING (RFC 2920).

Each message goes MAIL, RCPT, DATA, body; then the journal is told; then the dot. A connection that breaks before the dot leaves its
message unstarted, one that breaks after it leaves it in doubt: nothing in between is guessed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.delivery.transports.outcome import Outcome, in_doubt, of_reply, unstarted
from app.delivery.transports.smtp_session import SessionFailed, SmtpServer, SmtpSession
from app.delivery.transports.transport import Journal
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Fate, Phase, Reply, classify

BODY_S, DOT_S = 180.0, 600.0  # RFC 5321 4.5.3.2.5 and .6: a shorter wait for the last reply makes doubles.
DOT_GRACE_S = 2.0
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 1.0, 60.0
_WATCH_EVERY_S = 0.1


@dataclass(slots=True)
class _Run:
    """One call of ``deliver``: where messages come from, where outcomes go, and whether the server lets us in."""

    source: Iterator[WireMessage]
    journal: Journal
    outcomes: deque[Outcome] = field(default_factory=deque)
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str = ""

    def take(self) -> WireMessage | None:
        """Return the next message that may still be begun, None when there are no more or the server is in trouble."""
        for message in self.source:
            if self.trouble:
                self.put(unstarted(message.position, self.trouble, server_at_fault=True))
            elif message.deadline is not None and time.monotonic() > message.deadline:
                self.put(unstarted(message.position, "its time was up before it could be begun"))
            else:
                return message
        return None

    def put(self, outcome: Outcome) -> None:
        """Hand an outcome over."""
        self.outcomes.append(outcome)
        self.fresh.set()


class _Lane:
    """One connection's share of a transport: a session that is reused, and a watch over how long it may wait."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self.session: SmtpSession | None = None
        self._expires = float("inf")

    def expect_within(self, seconds: float) -> None:
        """Give the server so many seconds for what comes next."""
        self._expires = time.monotonic() + seconds

    def check(self) -> None:
        """Cut the connection if it has waited too long."""
        if time.monotonic() > self._expires and self.session is not None:
            self._expires = float("inf")
            self.session.wire.abort("the server did not answer in time")

    async def ready(self) -> SmtpSession:
        """Return a session that takes mail; raise SessionFailed."""
        if self.session is None or not self.session.is_alive:
            self.drop(politely=True)
            self.session = SmtpSession(self._server)
            self.expect_within(self._server.timeout * 3)
            try:
                await asyncio.wait_for(self.session.open(), self._server.timeout * 3)
            except TimeoutError as error:
                raise SessionFailed("The server did not answer in time.", "connect") from error
        return self.session

    def drop(self, *, politely: bool = False) -> None:
        """Let the session go."""
        if self.session is not None:
            self.session.close(politely=politely)
            self.session = None


class SmtpTransport:
    """Delivers over SMTP. Keeps its connections from one call to the next; belongs to one thread."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._lanes = [_Lane(server) for _ in range(server.connections)]
        self._back_off = 0.0
        self._not_before = 0.0

    def deliver(self, messages: Iterable[WireMessage], journal: Journal) -> Iterator[Outcome]:
        """Deliver; yield outcomes as they become known. While the server is backed off from, every message is unstarted."""
        run = _Run(iter(messages), journal)
        if time.monotonic() < self._not_before:
            run.trouble = "the server failed a moment ago; it is tried again soon"
        workers = [self._loop.create_task(self._work(lane, run)) for lane in self._lanes]
        watch = self._loop.create_task(self._watch())
        try:
            while not self._loop.run_until_complete(self._some(run, workers)):
                while run.outcomes:
                    yield run.outcomes.popleft()
            yield from run.outcomes
        finally:
            self._loop.run_until_complete(_end([watch, *workers]))

    async def _some(self, run: _Run, workers: list[asyncio.Task[None]]) -> bool:
        """Wait for an outcome or the end; return whether all is over."""
        run.fresh.clear()
        if not run.outcomes:
            waiter = asyncio.ensure_future(run.fresh.wait())
            await asyncio.wait([waiter, asyncio.gather(*workers, return_exceptions=True)], return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
        if all(worker.done() for worker in workers):
            for worker in workers:
                worker.result()
            return True
        return False

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            for lane in self._lanes:
                lane.check()

    async def _work(self, lane: _Lane, run: _Run) -> None:
        message = run.take()
        while message is not None:
            try:
                session = await lane.ready()
                self._back_off = 0.0
            except SessionFailed as failed:
                lane.drop()
                self._step_back(run, failed)
                run.put(unstarted(message.position, failed.why, server_at_fault=True))
                message = run.take()
                continue
            message = await self._converse(lane, session, run, message)

    def _step_back(self, run: _Run, failed: SessionFailed) -> None:
        self._back_off = min(max(FIRST_BACK_OFF_S, self._back_off * 2), LONGEST_BACK_OFF_S)
        self._not_before = time.monotonic() + self._back_off
        run.trouble = failed.why

    async def _converse(self, lane: _Lane, session: SmtpSession, run: _Run, message: WireMessage | None) -> WireMessage | None:
        """Send messages on one session until it ends or there are no more; return a message that must go on another session."""
        pipelined = "PIPELINING" in session.features
        begun = False
        while message is not None:
            talk = _Talk(lane, session, run, message)
            try:
                refused = await talk.envelope(begun, pipelined)
            except SessionFailed as failed:
                return self._lost_before_dot(lane, run, message, failed)
            following: WireMessage | None = None
            if refused is None:
                try:
                    following, begun = await talk.body(pipelined)
                except SessionFailed as failed:
                    lane.drop()
                    self._after_loss(run, talk, failed)
                    return talk.following
            else:
                run.put(refused)
                begun = False
                if refused.reply.code == 421 or session.wire.lost:
                    lane.drop()
                    return run.take()
            message = following if following is not None else run.take()
            if message is not None and not session.is_alive and not begun:
                return message
        lane.expect_within(float("inf"))
        return None

    def _lost_before_dot(self, lane: _Lane, run: _Run, message: WireMessage, failed: SessionFailed) -> WireMessage | None:
        lane.drop()
        run.put(unstarted(message.position, failed.why))
        return run.take()

    def _after_loss(self, run: _Run, talk: _Talk, failed: SessionFailed) -> None:
        position = talk.message.position
        outcome = in_doubt(position, failed.why) if talk.dotted else unstarted(position, failed.why)
        if talk.dotted:
            run.journal.reply(position, outcome)
        run.put(outcome)

    def close(self) -> None:
        """Say goodbye on every connection and end."""
        for lane in self._lanes:
            lane.drop(politely=True)
        if not self._loop.is_closed():
            self._loop.run_until_complete(asyncio.sleep(0.01))
            self._loop.close()


class _Talk:
    """One message on one session."""

    def __init__(self, lane: _Lane, session: SmtpSession, run: _Run, message: WireMessage) -> None:
        self.lane, self.session, self.run, self.message = lane, session, run, message
        self.dotted = False
        self.following: WireMessage | None = None

    def write_envelope(self, message: WireMessage, pipelined: bool) -> bytes:
        """Return MAIL, RCPT and DATA in one piece (PIPELINING), or MAIL alone."""
        return self._mail(message) + (self._rcpt(message) + b"DATA\r\n" if pipelined else b"")

    def _mail(self, message: WireMessage) -> bytes:
        options = ""
        if "SIZE" in self.session.features:
            options += f" SIZE={len(message.data)}"
        if not message.rcpt_to.isascii() and "SMTPUTF8" in self.session.features:
            options += " SMTPUTF8"
        return f"MAIL FROM:<{message.mfrom}>{options}\r\n".encode()

    @staticmethod
    def _rcpt(message: WireMessage) -> bytes:
        return f"RCPT TO:<{message.rcpt_to}>\r\n".encode()

    async def envelope(self, begun: bool, pipelined: bool) -> Outcome | None:
        """Take the envelope's replies (sending it first unless it has gone); return an outcome where it was refused."""
        self.lane.expect_within(self.session.server.timeout)
        if pipelined:
            if not begun:
                self.session.wire.write(self.write_envelope(self.message, True))
            return await self._pipelined_replies()
        for phase, line in (("mail", self._mail(self.message)), ("rcpt", self._rcpt(self.message)), ("data", b"DATA\r\n")):
            self.session.wire.write(line)
            reply = await self.session.wire.reply(phase)  # type: ignore[arg-type]
            if reply.code not in ({354} if phase == "data" else {250, 251, 252}):
                return await self._refused(reply, phase)  # type: ignore[arg-type]
        return None

    async def _pipelined_replies(self) -> Outcome | None:
        wire = self.session.wire
        mail, rcpt, data = await wire.reply("mail"), await wire.reply("rcpt"), await wire.reply("data")
        for reply, phase, good in ((mail, "mail", {250}), (rcpt, "rcpt", {250, 251, 252}), (data, "data", {354})):
            if reply.code not in good:
                if data.code == 354:
                    # The server waits for a body although the envelope failed: an empty one is refused or goes to nobody (RFC 2920 3.1).
                    wire.write(b".\r\n")
                    await wire.reply("dot")
                return await self._refused(reply, phase)  # type: ignore[arg-type]
        return None

    async def _refused(self, reply: Reply, phase: Phase) -> Outcome:
        if reply.code != 421:
            self.session.wire.write(b"RSET\r\n")
            await self.session.wire.reply("mail")
        return of_reply(self.message.position, reply, classify(reply, phase))

    async def body(self, pipelined: bool) -> tuple[WireMessage | None, bool]:
        """Send the body, tell the journal, send the dot with the next envelope behind it; return the next message and whether it is begun."""
        wire, message = self.session.wire, self.message
        self.lane.expect_within(BODY_S if message.deadline is None else min(BODY_S, max(0.0, message.deadline + DOT_GRACE_S - time.monotonic())))
        wire.write(_stuffed(message.data))
        await wire.flushed()
        if wire.lost:
            raise SessionFailed(wire.lost, "data")
        if message.deadline is not None and time.monotonic() > message.deadline + DOT_GRACE_S:
            wire.abort("its time was up before its last byte")
            raise SessionFailed(wire.lost, "data")
        self.run.journal.dot(message.position)
        self.dotted = True
        self.session.delivered += 1
        begun = self._next(pipelined)
        wire.write(b".\r\n" + (self.write_envelope(self.following, True) if begun and self.following else b""))
        self.lane.expect_within(DOT_S)
        reply = await wire.reply("dot")
        outcome = of_reply(message.position, reply, classify(reply, "dot"))
        self.run.journal.reply(message.position, outcome)
        self.run.put(outcome)
        if reply.code == 421:
            self.lane.drop()
            begun = False
        return self.following, begun

    def _next(self, pipelined: bool) -> bool:
        if not pipelined or not self.session.is_alive:
            return False
        self.following = self.run.take()
        return self.following is not None


def _stuffed(data: bytes) -> bytes:
    """Return the body with a dot before each line that begins with one (RFC 5321 4.5.2), ending in CRLF."""
    if data.startswith(b".") or b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
        data = b"." + data if data.startswith(b".") else data
    return data if data.endswith(b"\r\n") else data + b"\r\n"


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["Fate", "SmtpServer", "SmtpTransport"]
