"""The process that takes mail in: SMTP for the internet, LMTP for a mail server of this machine, until it is told to end."""

from __future__ import annotations

import asyncio
import signal
import sys

from flask import Flask

from app.delivery.trips import base_url
from app.delivery.urls import base_host
from app.house import House
from app.inbound.domains import Ours
from app.inbound.listener import Certificate, Intake, listen_lmtp, listen_smtp
from app.inbound.protocol import Doorkeeper
from app.inbound.spool import Spool

LMTP_HOST = "127.0.0.1"


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


async def _listen(house: House) -> None:
    config, ended, loop = house.config, asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    ours = Ours(house.engine, house.settings, house.tokens, config.base_url)
    spool, name = Spool(config.data), base_host(base_url(house, house.settings.load()))
    certificate = Certificate(config.inbound_certificate, config.inbound_key)
    doors = [await listen_smtp(Intake(ours.now, spool), config.inbound_host, config.inbound_port, name, certificate, Doorkeeper())]
    if config.lmtp_port:
        doors.append(await listen_lmtp(Intake(ours.now, spool, "lmtp"), LMTP_HOST, config.lmtp_port, name))
    await ended.wait()
    for door in doors:
        door.close()
