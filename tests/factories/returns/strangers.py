"""Mail of strangers: forged numbers, numbers that mean something else, reports that anybody could write, and what everybody's postmaster gets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from app.mail.tokens import Purpose, TokenKeys
from tests.factories.returns.forms import FORMS, as_bytes
from tests.factories.returns.said import MEANT, Own
from tests.factories.returns.servers import postfix

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
DOMAIN = "localhost.example"
# So many letters of a number hold version, sending and position (72 bits); the rest is the signature.
NUMBERS = 15


class Strangers:
    """Whoever they are, they know who our subscribers are and what our numbers look like; the key they do not know. Always from the same dice."""

    def __init__(self, owns: Sequence[Own], tokens: TokenKeys, seed: int) -> None:
        self._owns, self._tokens, self._dice = owns, tokens, random.Random(seed)

    def mails(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Yield so many mails, each with its recipient."""
        kinds: list[Callable[[], tuple[str, bytes]]] = [
            self._forged_report, self._forged_report, self._report_with_other_number, self._report_about, self._complaint_about, self._forged_complaint,
            self._leaving, self._reply, self._newsletter, self._random, self._broken_report, self._auto_reply]
        for at in range(number):
            recipient, data = self._dice.choice(kinds)()
            yield recipient, data.replace(b"{n}", b"%d" % at)

    # ------------------------------------------------------------------------------------------------------- numbers

    def _false(self) -> str:
        """Return something like a number of ours: invented, or a true one with a letter changed or two parts of two."""
        own = self._dice.choice(self._owns)
        true = self._tokens.make("mfrom", own.sending_id, own.position)
        kind = self._dice.randrange(4)
        if kind == 0:
            return "".join(self._dice.choices(LETTERS, k=len(true)))
        if kind == 1:
            at = self._dice.randrange(len(true))
            return true[:at] + self._dice.choice(LETTERS.replace(true[at], "")) + true[at + 1:]
        if kind == 2:
            other = self._tokens.make("mfrom", own.sending_id, own.position + 1)
            return other[:NUMBERS] + true[NUMBERS:]
        return true[:NUMBERS] + "a" * (len(true) - NUMBERS)

    def _other(self, *purposes: str) -> str:
        """Return a true number that means something else than one of these purposes."""
        own = self._dice.choice(self._owns)
        purpose: Purpose = self._dice.choice([one for one in get_args(Purpose) if one not in purposes])
        return self._tokens.make(purpose, own.sending_id, own.position)

    def _recipient(self, token: str) -> str:
        return self._dice.choice([f"b+{token}@{DOMAIN}", f"u+{token}@{DOMAIN}", f"leave+{token}@leaving.example", "postmaster", f"abuse@{DOMAIN}",
                                  "fbl@loops.example"])

    def _of_nobody(self, token: str) -> Own:
        """Return what a stranger knows of a mail: a number, and headers of its own making."""
        head = (f"Return-Path: <b+{token}@{DOMAIN}>\r\nList-Unsubscribe: <mailto:u+{token}@{DOMAIN}?subject=unsubscribe>, <http://{DOMAIN}/u/{token}>\r\n"
                f"Message-ID: <{token}@example.com>\r\nSubject: Hi\r\n\r\nBody\r\n").encode()
        return Own(name="", address="nobody@nowhere.example", mfrom=f"b+{token}@{DOMAIN}", envid=token, source=head, sending_id=0, position=0, campaign_id=None)

    # --------------------------------------------------------------------------------------------------------- mails

    def _forged_report(self) -> tuple[str, bytes]:
        token = self._false()
        return self._recipient(token), self._report(self._of_nobody(token))

    def _report_with_other_number(self) -> tuple[str, bytes]:
        """A number stands where another purpose's belongs: nothing that a mail shows to everybody is a return path."""
        token = self._other("mfrom", "unsubscribe", "message_id")
        return self._recipient(token), self._report(self._of_nobody(token))

    def _report_about(self) -> tuple[str, bytes]:
        """A report that names one of our people, without any number."""
        own = self._dice.choice(self._owns)
        nobody = self._of_nobody(self._false())
        bare = Own(name="", address=own.address, mfrom=f"news@{DOMAIN}", envid="none", source=nobody.source, sending_id=0, position=0, campaign_id=None)
        return self._dice.choice(["postmaster", f"abuse@{DOMAIN}", "fbl@loops.example"]), self._report(bare)

    def _report(self, own: Own) -> bytes:
        written = postfix(own, self._dice.choice(list(MEANT)))
        return as_bytes(written, own, FORMS[self._dice.choice(list(FORMS))], self._dice.choice(["whole", "headers", "nothing"]), self._dice.randrange(1 << 30))

    def _complaint(self, named: str, returned: bytes) -> bytes:
        kind = self._dice.choice(["abuse", "fraud", "opt-out", "virus", "other", "not-spam"])
        return (f"From: feedback@arf.mail.yahoo.com\r\nSubject: complaint {{n}}\r\nMIME-Version: 1.0\r\n"
                f'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\r\n\r\n--B\r\nContent-Type: message/feedback-report\r\n\r\n'
                f"Feedback-Type: {kind}\r\nVersion: 1\r\nOriginal-Rcpt-To: {named}\r\n\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n").encode(
        ) + returned + b"\r\n--B--\r\n"

    def _complaint_about(self) -> tuple[str, bytes]:
        """A complaint that names one of our people; nobody has signed it."""
        address = self._dice.choice(self._owns).address
        return "fbl@loops.example", self._complaint(address, b"To: " + address.encode() + b"\r\nSubject: Hi\r\n\r\n")

    def _forged_complaint(self) -> tuple[str, bytes]:
        return "fbl@loops.example", self._complaint("redacted", self._of_nobody(self._false()).source)

    def _leaving(self) -> tuple[str, bytes]:
        """A wish to leave by a false number, from somebody who is on no list."""
        token = self._dice.choice([self._false(), self._other("unsubscribe")])
        subject = self._dice.choice([f"unsubscribe {token}", "unsubscribe", "Abmelden", "remove me"])
        to = self._dice.choice([f"u+{token}@{DOMAIN}", f"leave+{token}@leaving.example", "leave@leaving.example", "postmaster"])
        return to, f"From: nobody{{n}}@nowhere.example\r\nSubject: {subject}\r\n\r\nPlease.\r\n".encode()

    def _reply(self) -> tuple[str, bytes]:
        """One of our people answers, and quotes the mail, or speaks of mail that could not be delivered."""
        own = self._dice.choice(self._owns)
        text = self._dice.choice(["Thank you.", "My last mail was returned: user unknown, mailbox full.", "Could not be delivered? 550 5.1.1 I see that often.",
                                  "This is no spam, I like it."])
        quoted = "\r\n".join("> " + line for line in own.source.decode("latin-1").split("\r\n\r\n")[0].split("\r\n"))
        return self._dice.choice([f"abuse@{DOMAIN}", "postmaster"]), (
            f"From: {own.address}\r\nSubject: Re: Hi {{n}}\r\nIn-Reply-To: <x@y.example>\r\n\r\n{text}\r\n\r\n{quoted}\r\n").encode()

    def _newsletter(self) -> tuple[str, bytes]:
        return "postmaster", (b"From: news@other.example\r\nSubject: Undelivered mail and how to avoid it {n}\r\nList-Unsubscribe: <mailto:x@other.example>\r\n"
                              b"Precedence: bulk\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Mailbox full? User unknown? Read our tips.</p>\r\n")

    def _auto_reply(self) -> tuple[str, bytes]:
        own = self._dice.choice(self._owns)
        return "postmaster", (f"From: {own.address}\r\nSubject: Automatic reply: Hi {{n}}\r\nAuto-Submitted: auto-replied\r\n\r\n"
                              "I no longer work here; this mailbox does not exist any more.\r\n").encode()

    def _random(self) -> tuple[str, bytes]:
        head = self._dice.choice([b"", b"From: <>\r\n\r\n", b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n", b"Subject: =?utf-8?q?"])
        return "postmaster", head + self._dice.randbytes(self._dice.randrange(1, 3000))

    def _broken_report(self) -> tuple[str, bytes]:
        """A forged report with pieces cut out and put elsewhere."""
        data = self._report(self._of_nobody(self._false()))
        for _ in range(self._dice.randrange(1, 6)):
            first, second = sorted(self._dice.choices(range(len(data)), k=2))
            data = data[:first] + data[second:] + (data[first:second] if self._dice.random() < 0.5 else b"")
        return "postmaster", data
