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
from app.words import words

if TYPE_CHECKING:
    from app.house import House

PASSED, FAILED = "PASSED", "FAILED"
_PHASES = (("connect", words("Connect and greeting")), ("hello", words("EHLO")), ("starttls", words("STARTTLS and certificate")), ("auth", words("Sign in")))


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


def test_server(house: House, server: Any, address: str, mail: tuple[str, str]) -> Tested:
    """Test the server for real; the mail, subject and text, goes to ``address``. Ends within the server's time-outs."""
    try:
        endpoint = resolve(server.host, server.port, internal=server.internal)
    except EgressRefused as refused:
        return Tested([Step(words("Resolve the host"), FAILED, str(refused))], ())
    steps = [Step(words("Resolve the host"), PASSED, endpoint.address)]
    helo = base_host(base_url(house, house.settings.load()))
    checked = check_server(smtp_server(server, house.secrets, helo))
    steps += _phases(server, checked.failed_at, checked.why)
    if checked.failed_at is not None:
        return Tested(steps, checked.transcript)
    return Tested([*steps, _mail(house, server, address, mail)], checked.transcript)


test_server.__test__ = False  # type: ignore[attr-defined]


def _phases(server: Any, failed_at: str | None, why: str) -> list[Step]:
    steps: list[Step] = []
    for phase, name in _PHASES:
        if (phase == "starttls" and server.security != "starttls") or (phase == "auth" and not server.username):
            continue
        if phase == failed_at:
            return [*steps, Step(name, FAILED, why)]
        steps.append(Step(name, PASSED))
    return steps if failed_at is None else [*steps, Step(words("SMTP"), FAILED, why)]


def _mail(house: House, server: Any, address: str, mail: tuple[str, str]) -> Step:
    settings = house.settings.load()
    message = own_message(settings, address, *mail)
    try:
        server_mail(house, server, settings).send(message)
    except DeliveryFailed as failed:
        reply = failed.outcome.reply
        said = words("%(address)s: %(reply)s", address=failed.recipient, reply=str(reply) if reply.code else reply.text)
        return Step(words("A real mail"), FAILED, said)
    return Step(words("A real mail"), PASSED, words("The server took it for %(address)s.", address=address))
