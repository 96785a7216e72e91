"""How mail reaches us that others are to send: what the sections of bounces and of complaints have in common.

``method`` says which way is meant; a mailbox is looked into only where it is ``mailbox``. The values stand for one mailbox each, so two
sections have two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.settings.schema import Problem, choice, host, integer, secret, switch, text
from app.words import marked, words

SERVER, MAILBOX, PIPE = "server", "mailbox", "pipe"
IMAP, POP3 = "imap", "pop3"
NO_TLS, STARTTLS, TLS = "none", "starttls", "tls"
DELETE, MOVE = "delete", "move"


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """A section whose mail comes by the built-in server, is fetched from a mailbox, or is handed over by a pipe."""

    method: str = choice(
        "Monitoring method", default=SERVER,
        choices=((SERVER, marked("Built-in inbound SMTP server")), (MAILBOX, marked("POP3 or IMAP mailbox")), (PIPE, marked("Pipe of a mail server"))),
        help="How this mail gets here. The built-in server and the pipe take it whatever is chosen; a mailbox is looked into where it is chosen here.")
    mailbox_protocol: str = choice("Protocol", default=IMAP, choices=((IMAP, "IMAP"), (POP3, "POP3")), help="IMAP where the server offers both.")
    mailbox_host: str = host("Host", help="The mail server’s name, such as imap.example.com, or its IP address.")
    mailbox_internal: bool = switch("Internal server", default=False, help="It stands in our own network, at an address that is not on the public internet.")
    mailbox_port: int = integer("Port", default=993, min=1, max=65_535, help=(
        "Usual are 993 for IMAP and 995 for POP3 with TLS; 143 for IMAP and 110 for POP3 with STARTTLS."))
    mailbox_security: str = choice(
        "Security", default=TLS, choices=((TLS, "TLS"), (STARTTLS, "STARTTLS"), (NO_TLS, marked("None"))),
        help="With TLS and STARTTLS the server’s certificate is verified. “None” sends the password in clear.")
    mailbox_user: str = text("User name", help="As the mail server wants it; often the whole address.")
    mailbox_password: str = secret("Password", help="Kept sealed, and shown to nobody.")
    mailbox_folder: str = text("Folder", default="INBOX", help="The folder to look into, by IMAP. POP3 has one folder only.")
    mailbox_after: str = choice("When a mail was fetched", default=DELETE, choices=((DELETE, marked("Delete it")), (MOVE, marked("Move it to a folder"))),
                                help="It is kept here before that. POP3 can only delete.")
    mailbox_move_to: str = text("Move to folder", default="Processed", help="Where fetched mails go, by IMAP. The folder is made where there is none.")
    mailbox_minutes: int = integer("Look every", default=5, min=1, max=1440, unit="minutes", help="How often the mailbox is looked into.")

    def check(self) -> Iterator[Problem]:
        """A mailbox that is chosen can be reached and signed in to, and has somewhere to put what was fetched."""
        if self.method == MAILBOX:
            yield from self._missing()
            yield from self._after()

    def _missing(self) -> Iterator[Problem]:
        needed = {"mailbox_host": words("Type the mail server’s name, such as imap.example.com."), "mailbox_user": words("Type the mailbox’s user name."),
                  "mailbox_password": words("Type the mailbox’s password.")}
        if self.mailbox_protocol == IMAP:
            needed["mailbox_folder"] = words("Type the folder to look into, such as INBOX.")
        yield from (Problem(name, why) for name, why in needed.items() if not getattr(self, name))

    def _after(self) -> Iterator[Problem]:
        if self.mailbox_after != MOVE:
            return
        if self.mailbox_protocol == POP3:
            yield Problem("mailbox_after", words("POP3 has no folders. Choose “Delete it”, or IMAP."))
        elif not self.mailbox_move_to:
            yield Problem("mailbox_move_to", words("Type the folder that fetched mails go to."))
        elif self.mailbox_move_to == self.mailbox_folder:
            yield Problem("mailbox_move_to", words("Type another folder than the one that is looked into."))
