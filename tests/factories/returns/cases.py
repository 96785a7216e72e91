"""Every way in which a mail can come back, and a sample of them in which every two properties meet."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.factories.returns import providers, servers
from tests.factories.returns.forms import FORMS, Returned, as_bytes
from tests.factories.returns.loops import LOOPS
from tests.factories.returns.said import MEANT, Own, Report

SYSTEMS: dict[str, Callable[[Own, str], Report | None]] = {
    "Postfix": servers.postfix, "Exim": servers.exim, "Exim of old": servers.exim_of_old, "Sendmail": servers.sendmail, "Courier": servers.courier,
    "OpenSMTPD": servers.opensmtpd, "KumoMTA": servers.kumomta, "PowerMTA": servers.powermta, "Amazon SES": servers.amazon_ses,
    "Microsoft 365": providers.microsoft, "Gmail": providers.gmail, "Yahoo": providers.yahoo, "qmail": providers.qmail, "Domino": providers.domino,
    "GroupWise": providers.groupwise, "IMail": providers.imail}
RETURNED: tuple[Returned, ...] = ("whole", "headers", "nothing")
PLACES = ("return path", "postmaster", "fbl")


@dataclass(frozen=True, slots=True)
class Case:
    """A mail that comes back: which one, from where, why, in which form, with how much of it, to which address."""

    own: Own
    system: str
    why: str
    form: str
    returned: Returned
    place: str

    @property
    def meant(self) -> tuple[str, str]:
        """The kind and the class that it has to be."""
        return ("complaint", "") if self.system in LOOPS else MEANT[self.why]

    @property
    def has_key(self) -> bool:
        """Whether something that we signed comes with it."""
        if self.place == "return path" or self.returned != "nothing" or self.system in LOOPS:
            return True
        report = SYSTEMS[self.system](self.own, self.why)
        return report is not None and any(self.own.envid in group or self.own.mfrom in group for group in report.groups)

    def recipient(self) -> str:
        """Return the address that it comes to."""
        return {"return path": self.own.mfrom, "postmaster": "postmaster@localhost.example", "fbl": "fbl@loops.example"}[self.place]

    def data(self, number: int) -> bytes:
        """Return its bytes; ``number`` makes them its own."""
        if self.system in LOOPS:
            return LOOPS[self.system](self.own, number).replace(b"\r\n", FORMS[self.form].end)
        report = SYSTEMS[self.system](self.own, self.why)
        assert report is not None
        return as_bytes(report, self.own, FORMS[self.form], self.returned, number)


def whole(owns: Sequence[Own]) -> list[Case]:
    """Return the whole product, without what does not exist: a server that never says that, a loop that knows one form."""
    reports = (Case(*values) for values in itertools.product(owns, SYSTEMS, MEANT, FORMS, RETURNED, PLACES))
    complaints = (Case(own, loop, "abuse", form, "whole", place) for own, loop, form, place in itertools.product(
        owns, LOOPS, ("us-ascii", "lf", "cr"), PLACES))
    return [case for case in (*reports, *complaints) if _exists(case)]


def _exists(case: Case) -> bool:
    """Whether it can be, and can be known.

    A mail that a person's own act caused (transactional) is on no list; of one that comes back to postmaster with nothing of it, and no
    number of ours, there is nothing to know it by: the address alone is looked for among subscribers.
    """
    if case.system in LOOPS:
        return True
    report = SYSTEMS[case.system](case.own, case.why)
    if report is None or (not report.groups and FORMS[case.form].packs_parts):
        return False
    return case.has_key or case.own.campaign_id is not None


def pairs(cases: Sequence[Case], seed: int = 4) -> Iterator[Case]:
    """Yield cases until every two properties that meet anywhere have met once: greedy, always from the same dice."""
    left = list(cases)
    random.Random(seed).shuffle(left)
    met: set[tuple[str, str]] = set()
    for case in left:
        new = set(itertools.combinations(_properties(case), 2)) - met
        if new:
            met |= new
            yield case


def _properties(case: Case) -> tuple[str, ...]:
    return (f"own {case.own.name}", f"from {case.system}", f"why {case.why}", f"form {case.form}", f"back {case.returned}", f"to {case.place}")
