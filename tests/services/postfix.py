"""A real Postfix on this machine alone: it takes mail on a port of the loopback, keeps it in its own queue, and delivers into folders here.

Its configuration, queue and mailboxes are in a folder of their own; nothing in /etc is read but the list of Postfix's own files. Only root
may start a Postfix, whose parts run as different users: somebody else reads why this test was left out.
"""

from __future__ import annotations

import mailbox
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from launch.ports import free_port
from tests.services.processes import binary, server

PEOPLE, BOUNCES = "mail.test", "bounce.test"
# What is addressed to RETURNS goes by SMTP to a port that a test may listen on; the others never arrive, each in its way.
RETURNS, FULL, BLOCKED, LATER = "returns.test", "full.test", "blocked.test", "later.test"
WAITS_S = 30.0

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}
myhostname = mx.mail.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
# Nothing leaves this machine, whatever it is addressed to.
default_transport = error:this Postfix delivers to its own mailboxes only
relay_transport = error:this Postfix delivers to its own mailboxes only
transport_maps = inline:{{ {{{returns} = smtp:[127.0.0.1]:{returns_port}}}, {{{full} = error:5.2.2 the mailbox is full}},
    {{{blocked} = error:5.7.1 message rejected as spam}}, {{{later} = retry:4.4.1 the host does not answer}} }}
# Who waits is tried again at once, and its sender told after a second.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
delay_warning_time = 1s
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = {people}, {bounces}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
# An unknown user is found out after the mail was taken: that is what makes a bounce.
smtpd_reject_unlisted_recipient = no
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
smtp unix - - n - - smtp
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
showq unix n - n - - showq
pickup unix n - n 60 1 pickup
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """The server that runs: ``port`` takes mail; mailboxes of ``PEOPLE`` by their local part, one for everything at ``BOUNCES``.

    ``returns_port``: where it brings what is addressed to ``RETURNS``, as often as it takes until somebody listens there.
    """

    port: int
    returns_port: int
    folder: Path

    def mails(self, name: str, number: int = 1) -> list[EmailMessage]:
        """Return the mails of a mailbox, once there are that many; what Postfix logged is in the error if they do not come."""
        # Postfix makes the folder, as the user who may write there; made here, before it, it would be ours.
        folder, deadline = self.folder / "mail" / name, time.monotonic() + WAITS_S
        while not all((folder / part).is_dir() for part in ("tmp", "new", "cur")) or len(mailbox.Maildir(folder, create=False)) < number:
            assert time.monotonic() < deadline, (self.folder / "log/postfix.log").read_text()[-3000:]
            time.sleep(0.05)
        box = mailbox.Maildir(folder, create=False)
        return [message_from_bytes(box.get_bytes(key), policy=policy.default) for key in sorted(box.keys())]  # type: ignore[misc]

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log/postfix.log").read_text()


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A Postfix of its own for the tests of this process."""
    if os.geteuid() != 0:
        pytest.skip("Only root may start a Postfix; run this test as root")
    # Postfix's parts run as other users, who must reach their folders: pytest's own are closed to them.
    folder = Path(tempfile.mkdtemp(prefix="lettermill-postfix-"))
    try:
        folder.chmod(0o755)
        port, returns_port = free_port(), free_port()
        _configure(folder, port, returns_port)
        command = [binary("setsid"), binary("postfix"), "-c", str(folder / "etc"), "start-fg"]
        with server(command, lambda: _greets(port), folder / "out.log"):
            yield Postfix(port, returns_port, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"220 "
    except OSError:
        return False


def _configure(folder: Path, port: int, returns_port: int) -> None:
    for name in ("etc", "queue", "data", "mail", "log"):
        (folder / name).mkdir(mode=0o755)
    owner = subprocess.run([binary("postconf"), "-dh", "mail_owner"], check=True, capture_output=True, text=True).stdout.strip()
    shutil.chown(folder / "data", owner)
    shutil.chown(folder / "mail", 65534, 65534)
    (folder / "etc/mailboxes").write_text(f"anna@{PEOPLE} anna/\nbert@{PEOPLE} bert/\ndora@{PEOPLE} dora/\nemil@{PEOPLE} emil/\n@{BOUNCES} bounces/\n")
    (folder / "etc/main.cf").write_text(MAIN.format(
        folder=folder, people=PEOPLE, bounces=BOUNCES, returns=RETURNS, returns_port=returns_port, full=FULL, blocked=BLOCKED, later=LATER))
    (folder / "etc/master.cf").write_text(MASTER.format(port=port))
