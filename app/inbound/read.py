"""Read mails that came back: ``python -m app.inbound.read --batch`` takes one path a line and prints one JSON object a line."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TextIO

from app.inbound.kinds import read_mail
from app.inbound.parts import READ
from app.inbound.result import Reading
from app.mail.reasons import RULES, Rules

__all__ = ["Reading", "read", "read_mail"]

log = logging.getLogger(__name__)


def read(raw: bytes, rules: Rules = RULES) -> Reading:
    """Return what a mail is, and by the rules, why it came back. Never raises: a mail that breaks the reader is of the kind other, says so, and is logged."""
    try:
        return read_mail(raw, rules)
    except Exception as error:
        log.exception("a mail could not be read")
        return Reading("other", f"not read: {type(error).__name__}")


def _of_file(path: str) -> Reading:
    try:
        with Path(path).open("rb") as file:
            return read(file.read(READ))
    except (OSError, ValueError) as error:
        return Reading("other", f"not opened: {type(error).__name__}")


def batch(paths: TextIO, out: TextIO) -> None:
    """Write a line of JSON for each line of paths, in the same order."""
    for line in paths:
        row = _of_file(line.rstrip("\n")).as_json()
        row["kind"] = _as_labelled(row["kind"], row["feedback_type"])
        out.write(json.dumps(row) + "\n")


def _as_labelled(kind: str, feedback: str) -> str:
    """Return the kind in the words of the labelled mails: to them, what a mail program sends for a person is a complaint of the type opt-out."""
    if kind == "unsubscribe" and feedback == "opt-out":
        return "complaint"
    return "autoreply" if kind == "auto-reply" else kind


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m app.inbound.read", description="Say what mails that came back are.")
    parser.add_argument("--batch", action="store_true", required=True, help="read paths from the standard input, one a line")
    parser.parse_args()
    batch(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
