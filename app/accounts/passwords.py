"""Passwords: argon2id hashes, and the few rules that make a password hard to guess."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.words import words

SHORTEST, LONGEST = 12, 256
_HASHER = PasswordHasher()
# Verified when nobody has the name that was typed, so that the answer takes as long either way. It is the hash of nothing that anybody
# could type, written down instead of computed: every process of the house begins with this module.
_NOBODY = f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}${'A' * 22}${'A' * 43}"
_COMMON = frozenset({"password", "passwort", "123456789012", "qwertyuiop", "letmein", "administrator", "lettermill", "welcome", "iloveyou"})


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    return _HASHER.hash(password)


def is_right(stored: str, password: str) -> bool:
    """Whether the password belongs to the stored hash; an empty hash belongs to none, in the same time."""
    try:
        return _HASHER.verify(stored or _NOBODY, password[:LONGEST]) and bool(stored)
    except (VerifyMismatchError, InvalidHashError):
        return False


def problem_with(password: str, *about: str) -> str:
    """Return what is wrong with a new password, in words that say what to do, or the empty text.

    ``about``: the person's own names and addresses, which the password must not be made of.
    """
    if len(password) < SHORTEST:
        return words("Use %(least)s characters or more. A few words in a row are easy to keep in mind.", least=SHORTEST)
    if len(password) > LONGEST:
        return words("Use %(most)s characters or fewer.", most=LONGEST)
    plain = password.lower().strip("0123456789!?.- ")
    if plain in _COMMON or len(set(password)) < 5:
        return words("This password is among the first that are tried. Choose another one.")
    if any(len(word) > 3 and plain == word.lower() for word in about):
        return words("Do not use your own name or address as the password.")
    return ""
