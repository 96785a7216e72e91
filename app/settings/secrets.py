"""Secrets at rest: AES-256-GCM under a key that is never in the database.

The key comes from ``LETTERMILL_KEY`` (32 bytes, base64) or from the file ``key`` in the data folder, made at the first start. All
other keys of the house (sessions, tokens in mails) are derived from it, one for each purpose, so that one file is all that a
backup must keep beside the data.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12


class KeyProblem(RuntimeError):
    """The master key cannot be used, or a sealed value was sealed under another one."""


def load_key(data: Path, given: str = "") -> bytes:
    """Return the master key: from the environment where given, else from the key file, which is made if there is none."""
    if given:
        return _decoded(given, "LETTERMILL_KEY")
    file = data / "key"
    if not file.exists():
        _make(file)
    return _decoded(file.read_text().strip(), str(file))


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    # Written whole beside its place and linked into it: of two first starts at once, one wins and the other reads its key.
    draft = file.with_name(f"key.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _decoded(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise KeyProblem(f"{source} does not hold a key: 32 random bytes in base64 are needed") from error
    if len(key) != KEY_BYTES:
        raise KeyProblem(f"{source} holds {len(key)} bytes; a key has {KEY_BYTES}")
    return key


def derive(key: bytes, purpose: str) -> bytes:
    """Return the 32-byte sub-key for one purpose (HKDF-SHA256, RFC 5869); different purposes share nothing."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"lettermill:" + purpose.encode()).derive(key)


class SecretBox:
    """Seals and opens texts. A sealed text names its version, so that a later way of sealing can stand beside it."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(derive(key, "secrets"))

    def seal(self, text: str) -> str:
        """Return ``text`` sealed; the empty text stays empty, which is how "not set" is stored."""
        if not text:
            return ""
        nonce = os.urandom(_NONCE_BYTES)
        return "v1:" + base64.b64encode(nonce + self._aead.encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed; raise KeyProblem where it was sealed under another key or altered."""
        if not sealed:
            return ""
        version, _, body = sealed.partition(":")
        if version != "v1":
            raise KeyProblem(f"a secret is sealed in a way that this version does not know ({version[:8]})")
        raw = base64.b64decode(body)
        try:
            return self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
        except InvalidTag as error:
            raise KeyProblem("a stored secret was sealed under another key: put the key file of this database back") from error
