"""The members of a JSON request, read one by one; what is wrong with one is kept under its name, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.mail.address import AddressError, parse_address
from app.words import words

Errors = dict[str, str]
LONGEST_NAME = 120
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


class Members:
    """One object of a request. ``errors``: what was wrong so far, the first fault of each member; ``seen``: the members asked for."""

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._sent = sent
        self.errors: Errors = {}
        self.seen: set[str] = set()

    def refuse(self, name: str, said: str) -> None:
        """Keep what is wrong with a member, unless something was already."""
        self.errors.setdefault(name, said)

    def member(self, name: str) -> Any:
        """Return a member as it was sent; null is as good as left out."""
        self.seen.add(name)
        return self._sent.get(name)

    def text(self, name: str, *, longest: int, needed: str = "") -> str:
        """Return a text; ``needed`` is what is said where there is none."""
        sent = self.member(name)
        if sent is not None and not isinstance(sent, str):
            self.refuse(name, words("Send a text."))
            return ""
        text = sent or ""
        if needed and not text.strip():
            self.refuse(name, needed)
        elif len(text) > longest:
            self.refuse(name, words("It has at most %(most)s characters.", most=longest))
        elif _UNWANTED.search(text):
            self.refuse(name, words("It holds control characters. Take them out."))
        return text

    def switch(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        sent = self.member(name)
        if sent is not None and not isinstance(sent, bool):
            self.refuse(name, words("Send true or false."))
        return default if sent is None else bool(sent)

    def mailbox(self, name: str) -> tuple[str, str]:
        """Return a name and an address, sent as an object or as an address alone."""
        return self.mailbox_of(name, self.member(name))

    def mailbox_of(self, where: str, sent: object, more: Sequence[str] = ()) -> tuple[str, str]:
        """Return the name and the address of what was sent at this place; ``more``: other members that it may have."""
        if isinstance(sent, str):
            return "", self._address(where, sent)
        if not isinstance(sent, dict):
            self.refuse(where, words("Send an address, or an object with email and name."))
            return "", ""
        for unknown in sorted(set(map(str, sent)) - {"email", "name", *more})[:1]:
            self.refuse(f"{where}.{unknown[:60]}", words("There is no such member here."))
        name = sent.get("name") or ""
        if not isinstance(name, str) or len(name) > LONGEST_NAME or _NOT_IN_NAMES.search(name):
            self.refuse(f"{where}.name", words("A name is one line of at most %(most)s characters.", most=LONGEST_NAME))
            name = ""
        return name, self._address(f"{where}.email", sent.get("email"))

    def _address(self, where: str, sent: object) -> str:
        try:
            return str(parse_address(sent.strip() if isinstance(sent, str) else ""))
        except AddressError as error:
            self.refuse(where, error.args[0])
            return ""

    def refuse_unknown(self) -> None:
        """Refuse what nobody asked for: a misspelt member must not be passed over in silence."""
        for name in sorted(set(map(str, self._sent)) - self.seen):
            self.refuse(name[:60], words("There is no such member. Known are %(known)s.", known=", ".join(sorted(self.seen))))
