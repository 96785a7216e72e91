"""The one way the supervisor refuses: a line that says what is wrong and what to do."""

from __future__ import annotations


class Refusal(Exception):
    """Starting is not possible; the message is one line for the person at the console."""
