"""A sample that decides: skips one domain, defers another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.plugins.api import About, Allow, Defer, MessageView, RecipientView, Skip, Verdict, hookimpl

PLUGIN = About(title="Cautious", version="0.3.0", author="Sample authors", description="Skips and defers recipients by their domain.")


def _verdict(email: str) -> Verdict:
    if email.endswith("@blocked.example"):
        return Skip("their domain is blocked")
    return Defer(60, "their domain is slow") if email.endswith("@slow.example") else Allow()


@hookimpl
def lettermill_filter_recipients(recipients: Sequence[RecipientView]) -> Mapping[int, Verdict]:
    return {one.position: _verdict(one.email) for one in recipients}


@hookimpl
def lettermill_filter_message(message: MessageView) -> Verdict:
    return _verdict(message.email)
