"""Why a mail came back, from a text for people: the first part of it that says something decides."""

from __future__ import annotations

from app.inbound.said import step_of, what_is_said
from app.mail.reasons import Judgement, Rules, judge

SHOWN = 600


def verdict(text: str, status: str, rules: Rules) -> tuple[str, Judgement]:
    """Return what decided and what it means; where nothing says anything, the whole text."""
    step = step_of(text)
    for words in what_is_said(text):
        judgement = judge(words, status, step=step, rules=rules)
        if judgement.reason != "undetermined":
            return words[:SHOWN].strip(), judgement
    return text[:SHOWN].strip(), judge(text, status, step=step, rules=rules)
