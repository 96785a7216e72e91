"""Looking at a server as a person does: open a session, say which step failed, show what was said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.delivery.transports.smtp_opening import open_channel
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer
from app.mail.reply import Phase


@dataclass(frozen=True, slots=True)
class Checked:
    """What opening a session showed. ``failed_at`` None: it takes mail. ``transcript``: ("us" or "them", what was said), secrets hidden."""

    failed_at: Phase | None
    why: str
    features: dict[str, str]
    transcript: tuple[tuple[str, str], ...]


def check_server(server: SmtpServer) -> Checked:
    """Connect, greet, encrypt and sign in as the server's settings say; send no mail. Ends within its time-outs."""
    transcript: list[tuple[str, str]] = []
    try:
        features = asyncio.run(_open(server, transcript))
    except SessionFailed as failure:
        return Checked(failure.phase, failure.why, {}, tuple(transcript))
    return Checked(None, "", features, tuple(transcript))


async def _open(server: SmtpServer, transcript: list[tuple[str, str]]) -> dict[str, str]:
    dialogue = await open_channel(server, transcript)
    dialogue.channel.quit()
    return dialogue.features
