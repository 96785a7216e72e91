"""Where a tracked link leads: looked up by sending and number, filled in for the person where the author used merge tags in it."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa

from app.db import reading
from app.delivery.models import Link
from app.delivery.personal import personal_text
from app.delivery.posted import target_of
from app.house import House
from app.mail.tokens import LedgerId
from app.settings.sections.system import SystemSettings

_KEPT = 20_000


class Targets:
    """Finds targets; a frozen sending's links never change, so what was found is kept."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._url = lru_cache(maxsize=_KEPT)(self._look)

    def find(self, ledger_id: LedgerId, number: int) -> str | None:
        """Return the target of link ``number`` for this recipient, or None where the sending has no such link."""
        url = self._url(ledger_id.sending_id, number) or target_of(self._house, ledger_id, number)
        if url is None or "%" not in url:
            return url
        return personal_text(self._house, ledger_id, url, kind="url")

    def _look(self, sending_id: int, number: int) -> str | None:
        with reading(), self._house.engine.connect() as connection:
            return connection.scalar(sa.select(Link.url).where(Link.sending_id == sending_id, Link.number == number))

    def content_url(self, path: str) -> str:
        """Return the whole address of a page of the content app."""
        system = self._house.settings.load().get(SystemSettings)
        base = system.content_url or self._house.config.content_url or system.base_url or self._house.config.base_url
        return base + path
