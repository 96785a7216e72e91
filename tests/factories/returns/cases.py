"""Every way in which a mail can come back, and a sample of them in which every two properties meet."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

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
    """A mail that comes back: which one, from where, why, in which form, with how much of it, to which address.

    ``others``: whom else the report is about, each with a reason of its own; the first stand before ours, the last behind it.
    """

    own: Own
    system: str
    why: str
    form: str
    returned: Returned
    place: str
    others: tuple[tuple[Own, str], ...] = ()

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
        if self.others:
            report = _joined([report, *(SYSTEMS[self.system](own, why) for own, why in self.others)])
        return as_bytes(report, self.own, FORMS[self.form], self.returned, number)


def _joined(reports: Sequence[Report | None]) -> Report:
    """Return one report about all: the second's people first, then the first's, then the rest's."""
    first, *rest = [report for report in reports if report is not None]
    ordered = [*rest[:1], first, *rest[1:]]
    return replace(first, text="\n".join(report.text for report in ordered), groups=(first.groups[0], *(group for one in ordered for group in one.groups[1:])))


def in_company(owns: Sequence[Own], strangers: Sequence[Own]) -> list[Case]:
    """Return reports about one of ours among people behind the same address (an alias, a list), who fare otherwise, to its return path."""
    fates = [(("unknown", "full"), ("spam", "too late")), (("delivered",), ("unknown",)), (("unknown",), ()), (("delayed",), ("full",))]
    found = []
    for own, (system, write), why, (before, behind) in itertools.product(owns, SYSTEMS.items(), MEANT, fates):
        others = tuple((stranger, other) for stranger, other in zip(strangers, (*before, *behind), strict=False) if write(stranger, other))
        report = write(own, why)
        # A report is of the kind of its worst news: of a delay among failures it says nothing.
        if report and report.groups and others and MEANT[why][0] == "bounce":
            found.append(Case(own, system, why, "us-ascii", "headers", "return path", others))
    return found


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
