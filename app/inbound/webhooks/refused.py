"""A post that is not taken."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """Why a post is not taken: the status for whoever posted, a sentence, and one for each member that is wrong."""

    def __init__(self, status: int, said: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(said)
        self.status, self.said, self.errors = status, said, dict(errors or {})
