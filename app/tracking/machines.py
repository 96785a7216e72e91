"""Whether a hit was a person's or a machine's. The raw event is kept, so that the verdict can be revised.

What is known of each machine stands in a rule with its word; a mail proxy that fetches a picture *because* somebody looks (Gmail's)
counts as that person, one that fetches everything at delivery (Apple's privacy protection, security scanners) does not.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

TOO_QUICK = timedelta(seconds=2)

_PERSONS_PROXY = re.compile(r"GoogleImageProxy|YahooMailProxy", re.I)
_MACHINE = re.compile(
    r"bot\b|crawl|spider|slurp|scanner|barracuda|proofpoint|mimecast|symantec|trendmicro|cloudmark|safelinks|bingpreview"
    r"|facebookexternalhit|whatsapp|telegram|slackbot|discordbot", re.I)
# Apple's privacy protection names no more than this, and fetches at delivery.
_APPLE_PRIVACY = "Mozilla/5.0"


def is_machine(user_agent: str, method: str, at: datetime, sent_at: datetime | None) -> bool:
    """Return the verdict on one hit. ``sent_at``: when the mail was accepted, where that is known."""
    if method == "HEAD" or not user_agent or user_agent.strip() == _APPLE_PRIVACY:
        return True
    if _PERSONS_PROXY.search(user_agent):
        return False
    if _MACHINE.search(user_agent):
        return True
    return sent_at is not None and at - sent_at < TOO_QUICK and "Mozilla" not in user_agent
