"""A real Dovecot on this machine alone: mailboxes by IMAP and POP3, in clear, with STARTTLS and with TLS, under a certificate made here.

It runs as a user without rights, with its configuration, sockets and mail in a folder of its own; nothing in /etc is read.
"""

from __future__ import annotations

import getpass
import grp
import itertools
import mailbox
import os
import pwd
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch.ports import free_port
from tests.services.processes import binary, server
from tests.smtp_sink import self_made_certificate

USER, PASSWORD = "back@mailbox.test", 'p"ss \\wörd'
NOBODY = "nobody"
_MOMENTS = itertools.count(1_700_000_000)

CONFIG = """
protocols = imap pop3
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{folder}/mail/%n
mail_max_userip_connections = 100
auth_mechanisms = plain login
disable_plaintext_auth = no
auth_failure_delay = 0
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{folder}/key.pem
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # Whoever types a wrong password waits for nothing here.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """The server that runs. ``certificate`` is to be trusted for ``localhost``; ports by protocol: ``imap``, ``imaps``, ``pop3``, ``pop3s``."""

    folder: Path
    certificate: Path
    ports: dict[str, int]
    owner: tuple[int, int]

    def box(self, name: str = USER) -> mailbox.Maildir:
        """The mailbox of a user, as files."""
        return mailbox.Maildir(self._maildir(name))

    def put(self, *mails: bytes, name: str = USER) -> None:
        """Deliver mails, in this order: Dovecot gives UIDs by the names of new files, and these have the order in them."""
        new = self._maildir(name) / "new"
        for mail in mails:
            path = new.parent / "tmp" / f"{next(_MOMENTS)}.M1.test"
            path.write_bytes(mail.replace(b"\r\n", b"\n"))
            os.chown(path, *self.owner)
            path.rename(new / path.name)

    def mails(self, folder: str = "", name: str = USER) -> list[bytes]:
        """Return what a mailbox holds, or a folder of it."""
        place = self._maildir(name) / (f".{folder}" if folder else "")
        files = [file for part in ("cur", "new") if (place / part).is_dir() for file in (place / part).iterdir()]
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in sorted(files, key=lambda file: file.name)]

    def empty(self, name: str = USER) -> None:
        """Throw a mailbox away with all that is known of it."""
        shutil.rmtree(self.folder / "mail" / name.partition("@")[0], ignore_errors=True)
        self._maildir(name)

    def count_anew(self, name: str = USER) -> None:
        """Forget the UIDs of a mailbox, so that it gets another UIDVALIDITY: Dovecot's is the second in which it is made."""
        time.sleep(1.1)
        for file in self._maildir(name).glob("dovecot*"):
            file.unlink()

    def _maildir(self, name: str) -> Path:
        place = self.folder / "mail" / name.partition("@")[0]
        for folder in (place, *(place / part for part in ("tmp", "new", "cur"))):
            folder.mkdir(exist_ok=True)
            os.chown(folder, *self.owner)
        return place


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[Dovecot]:
    """A Dovecot of its own for the tests of this process."""
    # Its user must reach the folder: pytest's own are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="lettermill-dovecot-"))
    try:
        made = _configure(folder)
        command = [*_as_nobody(), binary("dovecot"), "-F", "-c", str(folder / "dovecot.conf")]
        with server(command, lambda: all(_greets(made.ports[name]) for name in ("imap", "pop3")), folder / "out.log"):
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Dovecot:
    """The Dovecot of this test process, with an empty mailbox."""
    dovecot_server.empty()
    return dovecot_server


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam(NOBODY if os.geteuid() == 0 else getpass.getuser())


def _as_nobody() -> list[str]:
    """Give up root's rights where we have them. Linux forgets whose end a process is to follow when it changes its user: it is said once more."""
    if os.geteuid():
        return []
    user = _user()
    return [binary("setpriv"), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "SIGTERM"]


def _configure(folder: Path) -> Dovecot:
    user = _user()
    ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s")}
    _context, certificate = self_made_certificate(folder, "localhost")
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
    (folder / "dovecot.conf").write_text(CONFIG.format(
        folder=folder, certificate=certificate, user=user.pw_name, group=grp.getgrgid(user.pw_gid).gr_name, uid=user.pw_uid, gid=user.pw_gid, **ports))
    for name in ("run", "state", "log", "mail", "home"):
        (folder / name).mkdir()
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return Dovecot(folder, certificate, ports, (user.pw_uid, user.pw_gid))


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(3) in {b"* O", b"+OK"}
    except OSError:
        return False
