"""The first test of a delivery server: reach it, sign in, and hand it one real mail; each step with its result and what was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.delivery.doors import smtp_server
from app.delivery.notices import own_message, server_mail
from app.delivery.transports.flask_mail import DeliveryFailed
from app.delivery.transports.smtp_check import check_server
from app.delivery.trips import base_url
from app.delivery.urls import base_host
from app.egress import EgressRefused, resolve

if TYPE_CHECKING:
    from app.house import House

PASSED, FAILED = "PASSED", "FAILED"
_PHASES = (("connect", "Connect and greeting"), ("hello", "EHLO"), ("starttls", "STARTTLS and certificate"), ("auth", "Sign in"))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the test: its name, its result, and the reason or fact."""

    name: str
    result: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Tested:
    """All steps in order and the transcript, secrets hidden."""

    steps: list[Step]
    transcript: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether the server took the mail."""
        return all(step.result != FAILED for step in self.steps) and self.steps[-1].result == PASSED

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """The transcript as pages show it: no time is kept, a side and what it said."""
        return [("", side, words) for side, words in self.transcript]


def test_server(house: House, server: Any, address: str) -> Tested:
    """Test the server for real; the mail goes to ``address``. Ends within the server's time-outs."""
    try:
        endpoint = resolve(server.host, server.port, internal=server.internal)
    except EgressRefused as refused:
        return Tested([Step("Resolve the host", FAILED, str(refused))], ())
    steps = [Step("Resolve the host", PASSED, endpoint.address)]
    helo = base_host(base_url(house, house.settings.load()))
    checked = check_server(smtp_server(server, house.secrets, helo))
    steps += _phases(server, checked.failed_at, checked.why)
    if checked.failed_at is not None:
        return Tested(steps, checked.transcript)
    return Tested([*steps, _mail(house, server, address)], checked.transcript)


test_server.__test__ = False  # type: ignore[attr-defined]


def _phases(server: Any, failed_at: str | None, why: str) -> list[Step]:
    steps: list[Step] = []
    for phase, name in _PHASES:
        if (phase == "starttls" and server.security != "starttls") or (phase == "auth" and not server.username):
            continue
        if phase == failed_at:
            return [*steps, Step(name, FAILED, why)]
        steps.append(Step(name, PASSED))
    return steps if failed_at is None else [*steps, Step("SMTP", FAILED, why)]


def _mail(house: House, server: Any, address: str) -> Step:
    settings = house.settings.load()
    message = own_message(settings, address, f"Test of {server.name}", f"This mail went through the delivery server “{server.name}”.\n\nIt works.\n")
    try:
        server_mail(house, server, settings).send(message)
    except DeliveryFailed as failed:
        return Step("A real mail", FAILED, str(failed))
    return Step("A real mail", PASSED, f"The server took it for {address}.")
