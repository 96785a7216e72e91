"""Complaints: the addresses that mail names for them, where they come to, and how many are too many."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from app.mail.address import AddressError
from app.mail.complaints import complaints_address
from app.settings import rules
from app.settings.monitoring import Monitored
from app.settings.schema import Problem, email, integer, lines, number, section, text
from app.words import words

HUNDRED = Decimal(100)


@section("spam-complaint", title="SPAM complaint", group="Sending", place=32)
class SpamComplaint(Monitored):
    """Complaints about mail, and requests to leave that come as mail."""

    abuse_email: str = email("Abuse reports address", help="Reports of abuse are forwarded to this address. No mail names it. Empty: they are kept and listed.")
    complaints_address: str = text("Complaints address", max=254, placeholder="abuse@%sender_domain%", help=(
        "Stands in campaigns and transactional mail as X-Complaints-To. %sender_domain% is the domain of the mail’s From address. "
        "Empty: the header is left out."))
    fbl_email: str = email("FBL email", help=(
        "The address that you give to feedback loops. Of a complaint that comes to it, the subscriber is suppressed and the complaint is counted."))
    feedback_domains: tuple[str, ...] = lines("Feedback loops’ domains", each=rules.domain, most=100, default=("arf.mail.yahoo.com",), help=(
        "One domain a line. A complaint that names an address only, and carries none of our marks, counts where its own DKIM signature is by one of "
        "these domains and the address was mailed within 30 days."))
    unsubscribe_email: str = email("List-unsubscribe email", help=(
        "The address for leaving by mail in the header List-Unsubscribe; each mail adds its own mark to it. This mailbox also gets a copy of each "
        "request. Empty: an address at the MFROM domain."))
    warn_percent: Decimal = number("Warn at", default=Decimal("0.08"), min=Decimal(0), max=HUNDRED, unit="%", help=(
        "Complaints, in per cent of the mails delivered, from which a user and the administrators are warned."))
    pause_percent: Decimal = number("Pause at", default=Decimal("0.3"), min=Decimal(0), max=HUNDRED, unit="%", help=(
        "Complaints, in per cent of the mails delivered, from which a user’s campaigns are paused."))
    least_delivered: int = integer("Of at least", default=1000, min=1, max=1_000_000, unit="mails delivered", help=(
        "With fewer, complaints neither warn nor pause: one of ten would be much."))

    def check(self) -> Iterator[Problem]:
        """The address makes one, the warning comes before the pause, and the mailbox can be reached."""
        try:
            if self.complaints_address:
                complaints_address(self.complaints_address, "example.com")
        except AddressError as error:
            yield Problem("complaints_address", str(error))
        if self.warn_percent >= self.pause_percent:
            yield Problem("warn_percent", words("Type less than “Pause at”: the warning comes before the pause."))
        if self.fbl_email and self.fbl_email.lower() == self.unsubscribe_email.lower():
            yield Problem("unsubscribe_email", words("Type another address than the FBL email: what comes to that one is a complaint."))
        yield from super().check()
