"""DKIM signatures (RFC 6376, RFC 8463): relaxed headers, simple body, ed25519 or RSA with 2048 bits."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.words import words

KeyKind = Literal["rsa2048", "ed25519"]
PrivateKey = Ed25519PrivateKey | rsa.RSAPrivateKey

# What is signed where it stands in the message; From is named twice, so that a second one breaks the signature.
SIGNED = ("from", "reply-to", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding", "list-id",
          "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "x-mailer")
_SPACES = re.compile(rb"[ \t\r\n]+")
_FIELDS = re.compile(rb"([!-9;-~]+):((?:[^\r\n]|\r\n[ \t])*)\r\n")


class DkimKeyError(ValueError):
    """A key that cannot sign; the message says what to paste instead."""


def generate_key(kind: KeyKind) -> str:
    """Return a new private key as PEM (PKCS 8)."""
    key: PrivateKey = Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def load_key(pem: str) -> PrivateKey:
    """Return the private key of a PEM text; raise DkimKeyError in words for whoever pasted it."""
    try:
        key = serialization.load_pem_private_key(pem.strip().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DkimKeyError(words(
            "This is no private key. Paste the whole text from -----BEGIN PRIVATE KEY----- to its END line, without a password.")) from error
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < 1024 or key.key_size > 4096:
            raise DkimKeyError(words("This RSA key has %(bits)s bits. Receivers take 1024 to 4096; 2048 is right.", bits=str(key.key_size)))
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise DkimKeyError(words("Only RSA and Ed25519 keys can sign mail."))


def public_record(pem: str) -> str:
    """Return the value of the TXT record that publishes the key."""
    key = load_key(pem)
    if isinstance(key, Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


class DkimSigner:
    """Signs messages for one domain and selector."""

    def __init__(self, domain: str, selector: str, pem: str) -> None:
        self._key = load_key(pem)
        self._name = "ed25519-sha256" if isinstance(self._key, Ed25519PrivateKey) else "rsa-sha256"
        self._domain, self._selector = domain, selector

    def sign(self, message: bytes, timestamp: int) -> bytes:
        """Return the message with its DKIM-Signature in front. ``timestamp``: UTC seconds."""
        head, _, body = message.partition(b"\r\n\r\n")
        fields = _FIELDS.findall(head + b"\r\n")
        names = self._names(fields)
        unsigned = (f"DKIM-Signature: v=1; a={self._name}; c=relaxed/simple; d={self._domain}; s={self._selector};\r\n"
                    f" t={timestamp}; bh={_body_hash(body)};\r\n h={_folded(names)};\r\n b=")
        data = b"".join(_chosen(fields, names)) + _relaxed(b"dkim-signature", unsigned.partition(":")[2].encode()).removesuffix(b"\r\n")
        signature = base64.b64encode(self._raw_signature(data)).decode()
        wrapped = "\r\n ".join(signature[start:start + 72] for start in range(0, len(signature), 72))
        return unsigned.encode() + wrapped.encode() + b"\r\n" + message

    def _names(self, fields: Sequence[tuple[bytes, bytes]]) -> list[str]:
        present = {name.decode("ascii").lower() for name, _ in fields}
        return [name for name in SIGNED if name in present] + ["from"]

    def _raw_signature(self, data: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(hashlib.sha256(data).digest())  # RFC 8463 3: what is signed is the hash.
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _folded(names: Sequence[str]) -> str:
    lines, line = [], ""
    for name in names:
        if len(line) + len(name) > 68:
            lines.append(line)
            line = ""
        line += (":" if line or lines else "") + name
    return "\r\n ".join([*lines, line])


def _chosen(fields: Sequence[tuple[bytes, bytes]], names: Sequence[str]) -> list[bytes]:
    """Return the named headers, relaxed; a name that comes again takes the next one up, or none (RFC 6376 5.4.2)."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name.lower(), []).append(value)
    return [_relaxed(key, left[key].pop()) for name in names if left.get(key := name.encode())]


def _relaxed(name: bytes, value: bytes) -> bytes:
    return name.lower() + b":" + _SPACES.sub(b" ", value).strip() + b"\r\n"


def _body_hash(body: bytes) -> str:
    simple = body.rstrip(b"\r\n") + b"\r\n" if body.endswith(b"\r\n\r\n") else body if body.endswith(b"\r\n") else body + b"\r\n"
    return base64.b64encode(hashlib.sha256(simple).digest()).decode()
