"""The process of the test mailbox: listens on the loopback until it is told to end."""

from __future__ import annotations

import signal
import sys
import threading

from flask import Flask

from app.house import House
from app.mailbox.listener import HOST, Mailbox, MailboxController


def run(app: Flask) -> int:
    """Listen until SIGTERM or Ctrl-C; say in one line which port is taken, if it is."""
    house: House = app.extensions["lettermill"]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    controller = MailboxController(Mailbox(house), hostname=HOST, port=house.config.smtp_port, ready_timeout=20)
    try:
        controller.start()
    except OSError as error:
        sys.stderr.write(f"The test mailbox cannot listen on {HOST}:{house.config.smtp_port} ({error.strerror}). Choose another port: ./run --smtp-port 2530\n")
        return 1
    ended.wait()
    controller.stop()
    return 0
