"""The house itself: its addresses, its patience, what it keeps of visitors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from app.settings.schema import Problem, choice, integer, number, section, switch, text, url
from app.words import words

AFTER_DOUBT = (("retry", "Wait for evidence, then send once more"), ("park", "Keep them for me to decide"))
A_WEEK = 10080


def _minutes(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    if not all(re.fullmatch(r"\d{1,4}", part) and int(part) > 0 for part in parts):
        return words("Type minutes with commas between, such as 1, 5, 15, 60.")
    return ""


@section("system", title="System", group="System and you", place=90)
class SystemSettings:
    """Where the house is reached, how patient it is, and what it keeps."""

    base_url: str = url("Base URL", help="Where people reach the pages; links in mails begin with it. Empty: what the installation was started with.")
    content_url: str = url("Content URL", help="A second host name for mail that users wrote. Without one it is shown under the base URL.")
    session_hours: int = integer("Session lifetime", default=12, min=1, max=336, unit="hours", help="A browser that is not used this long is signed out.")
    retry_minutes: str = text("Retry schedule", default="1, 5, 15, 60", max=100, help="Minutes until the next tries of a mail that was put off; then hourly.")
    retry_hours: int = integer("Give up after", default=72, min=1, max=240, unit="hours", help="A mail that was put off this long has failed.")
    in_doubt_policy: str = choice("Campaign mails in doubt", default="retry", choices=AFTER_DOUBT,
                                  help="The connection broke after the last byte: the mail may have arrived.")
    in_doubt_wait_minutes: int = integer("Wait for evidence about campaign mails", default=15, min=0, max=A_WEEK, unit="minutes",
                                        help="An open, a click or a report that it was delivered.")
    transactional_in_doubt_policy: str = choice("Transactional mails in doubt", default="retry", choices=AFTER_DOUBT,
                                                help="Somebody waits for a receipt or a code: a second copy does less harm than none.")
    transactional_in_doubt_wait_minutes: int = integer("Wait for evidence about transactional mails", default=0, min=0, max=A_WEEK, unit="minutes",
                                                      help="0: once more at once.")
    late_start_minutes: int = integer("Ask about late campaigns after", default=60, min=0, max=10080, unit="minutes",
                                      help="A campaign whose time passed longer ago while nothing ran waits for its author. Within this time it goes at once.")
    canary_bounces: Decimal = number("Canary: bounces", default=Decimal("2.0"), min=Decimal(0), max=Decimal(100), unit="%",
                                     help="If more of the first mails bounce or are blocked, the campaign is held and its author asked.")
    canary_complaints: Decimal = number("Canary: complaints", default=Decimal("0.1"), min=Decimal(0), max=Decimal(100), unit="%",
                                        help="If more of the first readers complain, the campaign is held and its author asked.")
    shorten_addresses: bool = switch("Shorten visitors’ addresses", default=True,
                                      help="Keeps a region instead of a person: the last part of each address becomes zero.")

    def check(self) -> Iterator[Problem]:
        """The schedule is a list of minutes; the two addresses differ, or the second is left out."""
        if message := _minutes(self.retry_minutes):
            yield Problem("retry_minutes", message)
        if self.content_url and self.content_url == self.base_url:
            yield Problem("content_url", words("Type another host name than the base URL’s, or leave it empty."))
