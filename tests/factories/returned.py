"""Mail that comes back from a campaign that was really sent: written as mail servers write it, and put through the whole way in."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app.audience.models import Subscriber, Suppression
from app.delivery.server_models import DeliveryServer
from app.inbound.models import AddressBounces, Forward, InboundCount, InboundEvent, InboundMail
from app.inbound.reading import read_waiting
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in
from app.mail.mfrom import read_mfrom
from tests.factories import sending as factory
from tests.factories.mailed import Mailed

GONE = "550 5.1.1 <{address}>: Recipient address rejected: User unknown"
FULL = "452 4.2.2 <{address}>: Mailbox full"
SPAM = "550 5.7.1 Message rejected as spam by content filtering"


class Returned(Mailed):
    """A campaign whose mails come back."""

    def __init__(self, *arguments: object, **values: object) -> None:
        super().__init__(*arguments, **values)  # type: ignore[arg-type]
        people: list[str] = arguments[2]  # type: ignore[assignment]
        self.first, self.second = people[0], people[-1]
        self.go_out()
        self.spool = Spool(self.house.config.data)

    def save(self, section: type, **values: object) -> None:
        """Save settings."""
        self.house.settings.save(section, values, based_on=None, by="tests", via="tests")

    # ------------------------------------------------------------------------------------------------------- writing

    def mfrom(self, address: str) -> str:
        """Return the envelope sender of the mail that an address got."""
        return next(taken.mfrom for taken in self.sink.taken if taken.rcpt_to == address)

    def source(self, address: str) -> bytes:
        """Return the mail that an address got."""
        return next(taken.data for taken in self.sink.taken if taken.rcpt_to == address)

    def bounce(self, address: str, says: str = GONE, *, action: str = "failed", returned: bytes | None = None) -> bytes:
        """Return a status report (RFC 3464) about the mail to an address; ``returned`` is what stands in its third part."""
        said = says.format(address=address)
        status = next((word for word in said.split() if word.count(".") == 2 and word[0] in "245"), "5.0.0")
        head = self.source(address).partition(b"\r\n\r\n")[0] if returned is None else returned
        text = (f"From: MAILER-DAEMON@mx.example.net\r\nTo: {self.mfrom(address)}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
                "MIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"
                'Content-Type: multipart/report; report-type=delivery-status; boundary="XX"\r\n\r\n'
                "--XX\r\nContent-Type: text/plain\r\n\r\nI'm sorry to have to inform you that your message could not be delivered.\r\n\r\n"
                "--XX\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
                f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}\r\n\r\n"
                "--XX\r\nContent-Type: text/rfc822-headers\r\n\r\n")
        return text.encode() + head + b"\r\n\r\n--XX--\r\n"

    def complaint(self, address: str, kind: str = "abuse", *, redacted: bool = True) -> bytes:
        """Return a feedback report (RFC 5965) about the mail to an address, the address blotted out as providers do."""
        source = self.source(address)
        named = "redacted@redacted.invalid" if redacted else address
        if redacted:
            source = source.replace(address.encode(), named.encode())
        text = (f"From: feedback@loops.example\r\nTo: fbl@localhost\r\nSubject: FW: mail\r\nMIME-Version: 1.0\r\n"
                'Content-Type: multipart/report; report-type=feedback-report; boundary="YY"\r\n\r\n'
                "--YY\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\r\n"
                f"--YY\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: Loops/1\r\nVersion: 1\r\n"
                f"Original-Rcpt-To: {named}\r\n\r\n"
                "--YY\r\nContent-Type: message/rfc822\r\n\r\n")
        return text.encode() + source + b"\r\n--YY--\r\n"

    def bare_complaint(self, address: str) -> bytes:
        """Return a feedback report that names an address, and brings no mail back."""
        return (b"From: feedback@arf.loops.example\r\nTo: fbl@localhost\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
                b'Content-Type: multipart/report; report-type=feedback-report; boundary="Z"\r\n\r\n--Z\r\nContent-Type: message/feedback-report\r\n\r\n'
                b"Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Rcpt-To: " + address.encode() + b"\r\n\r\n--Z--\r\n")

    # ------------------------------------------------------------------------------------------------------ arriving

    def arrive(self, recipient: str, data: bytes, mfrom: str = "") -> InboundMail:
        """Put a mail into the spool and let it be read; return its row."""
        return self.arrive_for([recipient], data, mfrom)

    def arrive_for(self, recipients: Sequence[str], data: bytes, mfrom: str = "") -> InboundMail:
        """The same for a mail to several recipients."""
        name = self.spool.put(data, arrived(mfrom=mfrom, recipients=tuple(recipients), way="smtp", client="192.0.2.1", helo="mx.example.net"))
        self.read()
        return self.one(InboundMail, digest=name)  # type: ignore[return-value]

    def bounced(self, address: str, says: str = GONE, **options: object) -> InboundMail:
        """Let a report about the mail to an address come to its return path."""
        return self.arrive(self.mfrom(address), self.bounce(address, says, **options))  # type: ignore[arg-type]

    def read(self) -> None:
        """Take in and read what waits."""
        with factory.every_tenant():
            take_in(self.house, self.spool)
            read_waiting(self.house, 0, 2**31)

    # ------------------------------------------------------------------------------------------------------ looking

    def events(self) -> list[InboundEvent]:
        """Return what was decided so far, oldest first."""
        return self._all(sa.select(InboundEvent).order_by(InboundEvent.id))

    def decisions(self) -> list[tuple[str, str, str, str]]:
        """Return (kind, class, matched by, decision) of each event."""
        return [(event.kind, event.bounce_class, event.matched_by, event.decision) for event in self.events()]

    def suppressed(self) -> dict[str, str]:
        """Return what is suppressed, by pattern, with the reason."""
        return {row.pattern: row.reason for row in self._all(sa.select(Suppression))}

    def bounce_states(self) -> dict[str, str]:
        """Return what is known of everybody's mailbox."""
        return {person.email: person.bounce_state for person in self._all(sa.select(Subscriber).where(Subscriber.list_id == self.list_id))}

    def soft(self, address: str) -> int:
        """Return how many soft bounces of an address count."""
        return next((row.number for row in self._all(sa.select(AddressBounces)) if row.address == address), 0)

    def counted(self, dimension: str) -> dict[tuple[str, str], int]:
        """Return what is counted for the whole house by one dimension: (value, what) -> number."""
        rows = self._all(sa.select(InboundCount).where(InboundCount.user_id == 0, InboundCount.dimension == dimension))
        return {(row.value, row.what): row.number for row in rows if row.number}

    @property
    def server(self) -> str:
        """The number of the one delivery server, as counts have it."""
        return str(self._all(sa.select(DeliveryServer.id))[0])

    def forwards(self) -> list[Forward]:
        """Return what is to be sent on."""
        return self._all(sa.select(Forward).order_by(Forward.id))

    def token(self, address: str) -> str:
        """Return the token of a mail's return path."""
        return read_mfrom(self.mfrom(address)) or ""

    def _all(self, query: object) -> list:  # type: ignore[type-arg]
        with factory.every_tenant(), factory.session_of(self.house) as session:
            return list(session.scalars(query))  # type: ignore[call-overload]


