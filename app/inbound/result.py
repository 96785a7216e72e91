"""What the reader says about one mail."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from app.mail.reasons import Judgement


@dataclass(frozen=True, slots=True)
class Event:
    """One recipient of a bounce, a delay or a complaint. ``found_in`` names the field or text that the recipient came from."""

    recipient: str
    found_in: str
    kind: str = ""
    reason: str = ""
    status: str = ""
    diagnostic: str = ""
    rule: str = ""


def judged(recipient: str, found_in: str, diagnostic: str, judgement: Judgement) -> Event:
    """Return the event of a recipient with what its diagnostic means."""
    return Event(recipient, found_in, judgement.kind, judgement.reason, judgement.status, diagnostic[:1000], judgement.rule)


@dataclass(slots=True)
class Reading:
    """A mail as it was read. ``keys`` is what matching needs; ``why`` says what decided the kind."""

    kind: str
    why: str
    events: list[Event] = field(default_factory=list)
    feedback_type: str = ""
    keys: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the reading as plain values: each event also says ``hard``, true or false."""
        rows = [asdict(event) | {"class": event.kind, "hard": event.kind == "hard"} for event in self.events]
        for row in rows:
            del row["kind"]
        return {"kind": self.kind, "why": self.why, "feedback_type": self.feedback_type, "events": rows, "keys": self.keys}
