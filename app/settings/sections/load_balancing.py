"""Load balancing: so many emails, then a pause, for every delivery server."""

from __future__ import annotations

from collections.abc import Iterator

from app.settings.schema import Problem, integer, section
from app.words import words

HOUR_S = 3600


@section("load-balancing", title="Load balancing", group="Sending", place=31)
class LoadBalancing:
    """Each delivery server gets so many emails, then nothing for a while; all senders on all machines count together."""

    emails: int = integer("Send", default=0, min=0, max=1_000_000, unit="emails", help="Through each delivery server, before it rests. 0: no pauses.")
    pause_s: int = integer("Then wait", default=0, min=0, max=86_400, unit="seconds",
                           help="Counted from the answer to the last of these emails.")

    def check(self) -> Iterator[Problem]:
        """A round without a pause would be no round."""
        if self.emails and not self.pause_s:
            yield Problem("pause_s", words("Type how many seconds to wait, from 1 to 86,400. With 0 emails there is no pause."))

    @property
    def per_hour(self) -> int | None:
        """The most that one server gets in an hour; None where there is no pause."""
        if not self.emails:
            return None
        return max(self.emails, self.emails * HOUR_S // self.pause_s)
