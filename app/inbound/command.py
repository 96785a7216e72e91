"""``flask inbound pipe``: a mail server hands over a mail on the standard input, and learns from the exit status what became of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from app.inbound.domains import Ours
from app.inbound.policy import RELAYING_DENIED, judge
from app.inbound.protocol import LARGEST
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

# sysexits.h, which mail servers read: 75 lets them try again later, the others let them bounce the mail.
BAD_DATA, NO_USER, LATER = 65, 67, 75

def inbound_cli(house: Callable[[], House]) -> click.Group:
    """Return the group of commands; ``house`` is asked for when one of them runs."""
    group = click.Group("inbound", help="Take mail from a mail server on this machine.")
    group.add_command(_pipe(house))
    return group

def _pipe(house: Callable[[], House]) -> click.Command:
    @click.command("pipe")
    @click.option("--recipient", required=True, help="The address that the mail is for, as in the envelope.")
    @click.option("--sender", default="", help="The envelope sender; leave it out for <>.")
    def pipe(recipient: str, sender: str) -> None:
        """Read one mail from the standard input. Exit 0: kept; 75: try again later; 67: no such address; 65: not for us, or not fit."""
        try:
            status, why = _taken(house(), recipient, sender, sys.stdin.buffer.read(LARGEST + 1))
        except Exception:
            # Whatever it is: any other status than this one would let the mail server throw the mail away.
            log.exception("a mail from the pipe was put off")
            status, why = LATER, "Not now; try again later"
        if why:
            click.echo(why, err=True)
        raise SystemExit(status)

    return pipe

def _taken(house: House, recipient: str, sender: str, data: bytes) -> tuple[int, str]:
    ours = Ours(house.engine, house.settings, house.tokens, house.config.base_url)
    verdict = judge(recipient, ours.now())
    if verdict.is_refused:
        return (BAD_DATA if verdict.reply == RELAYING_DENIED else NO_USER), verdict.reply
    if len(data) > LARGEST:
        return BAD_DATA, "552 5.3.4 The mail is larger than 10 MB"
    mfrom = "" if sender == "<>" else sender
    spool = Spool(house.config.data)
    spool.put(_as_on_the_wire(data), arrived(mfrom=mfrom, recipients=(recipient,), way="pipe"))
    _take_in(house, spool)
    return 0, ""

def _take_in(house: House, spool: Spool) -> None:
    """Move it on at once; where that fails, the mail is kept all the same, and the schedule of this machine moves it."""
    try:
        take_in(house, spool)
    except Exception:
        log.exception("a mail waits in the spool: it could not be written into the database")

def _as_on_the_wire(data: bytes) -> bytes:
    """Return a mail with the line ends of the wire, without the line that mailbox files begin with."""
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    return data if b"\r\n" in data else data.replace(b"\n", b"\r\n")
