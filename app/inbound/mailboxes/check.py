"""The test of a mailbox: reach it, sign in and look, and say each step; nothing is fetched and nothing changed."""

from __future__ import annotations

from app.inbound.mailboxes.imap import ImapFolder, opened_imap
from app.inbound.mailboxes.pop3 import opened_pop3
from app.inbound.mailboxes.steps import MailboxFailed, Step, Steps
from app.settings.monitoring import IMAP, MOVE, Monitored
from app.words import words

# A person waits for it.
ANSWER_S, WHOLE_S = 8.0, 20.0


def test_mailbox(account: Monitored) -> list[Step]:
    """Return the steps that were made; the last one has not passed where something is wrong."""
    steps = Steps()
    try:
        _try(account, steps)
    except MailboxFailed as failed:
        return [*steps, Step(failed.step, passed=False, text=failed.why)]
    return steps


test_mailbox.__test__ = False  # type: ignore[attr-defined]


def _try(account: Monitored, steps: Steps) -> None:
    if account.mailbox_protocol != IMAP:
        with opened_pop3(account, steps, answer_s=ANSWER_S, whole_s=WHOLE_S):
            return
    with opened_imap(account, steps, answer_s=ANSWER_S, whole_s=WHOLE_S) as folder:
        if account.mailbox_after == MOVE:
            _target(folder, account, steps)


def _target(folder: ImapFolder, account: Monitored, steps: Steps) -> None:
    with steps.step(words("Folder for fetched mails")):
        is_there = folder.has(account.mailbox_move_to)
    steps.note(words("It is there.") if is_there else words("It is not there yet, and is made when the first mail was fetched."))
