"""The process that takes mail in: SMTP for the internet, LMTP for a mail server of this machine, until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading

from flask import Flask

from app.delivery.trips import base_url
from app.delivery.urls import base_host
from app.house import House
from app.inbound.domains import Ours
from app.inbound.listener import Certificate, Intake, listen_lmtp, listen_smtp
from app.inbound.protocol import Doorkeeper
from app.inbound.spool import Spool
from app.inbound.take_in import take_in

log = logging.getLogger(__name__)

LMTP_HOST = "127.0.0.1"
# So long after a mail was kept, at most, it begins its way into the database; a mail that comes rings at once.
LOOK_EVERY_S = 1.0


def run(app: Flask) -> int:
    """Listen until SIGTERM or Ctrl-C; say in one line which port is taken, if one is."""
    house: House = app.extensions["lettermill"]
    try:
        asyncio.run(_listen(house))
    except OSError as error:
        config = house.config
        where = f"{config.inbound_host}:{config.inbound_port}" + (f" or {LMTP_HOST}:{config.lmtp_port}" if config.lmtp_port else "")
        sys.stderr.write(f"The inbound server cannot listen on {where} ({error.strerror}). Choose another port: ./run --inbound-port 2527\n")
        return 1
    return 0


class Drain(threading.Thread):
    """Moves what the listeners keep into the database, in a thread of its own; what fails lies in the spool and is tried again."""

    def __init__(self, house: House, spool: Spool) -> None:
        super().__init__(name="drain", daemon=True)
        self._house, self._spool = house, spool
        self._rung, self._ended = threading.Event(), threading.Event()

    def ring(self) -> None:
        """Say that a mail lies in the spool."""
        self._rung.set()

    def end(self) -> None:
        """Stop after what is in hand."""
        self._ended.set()
        self._rung.set()
        self.join()

    def run(self) -> None:
        """Take in what waits, each time somebody rings and each second."""
        while not self._ended.is_set():
            self._rung.wait(LOOK_EVERY_S)
            self._rung.clear()
            try:
                take_in(self._house, self._spool)
            except Exception:
                # Neither a database that is away nor a bug may end the listener; the mails are on the disk.
                log.exception("mail waits in the spool: it could not be written into the database")
                self._ended.wait(LOOK_EVERY_S)


async def _listen(house: House) -> None:
    config, ended, loop = house.config, asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    ours = Ours(house.engine, house.settings, house.tokens, config.base_url)
    spool, name = Spool(config.data), base_host(base_url(house, house.settings.load()))
    certificate = Certificate(config.inbound_certificate, config.inbound_key)
    drain = Drain(house, spool)
    drain.start()
    doors = [await listen_smtp(Intake(ours.now, spool, on_kept=drain.ring), config.inbound_host, config.inbound_port, name, certificate, Doorkeeper())]
    if config.lmtp_port:
        doors.append(await listen_lmtp(Intake(ours.now, spool, "lmtp", on_kept=drain.ring), LMTP_HOST, config.lmtp_port, name))
    await ended.wait()
    for door in doors:
        door.close()
    await loop.run_in_executor(None, drain.end)
