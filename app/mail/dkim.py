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
from nacl.bindings import crypto_sign, crypto_sign_BYTES

from app.words import words

KeyKind = Literal["rsa2048", "ed25519"]
PrivateKey = Ed25519PrivateKey | rsa.RSAPrivateKey

# What is signed where it stands in the message; From is named twice, so that a second one breaks the signature.
SIGNED = (b"from", b"reply-to", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"content-transfer-encoding",
          b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id", b"x-mailer", b"x-complaints-to")
# What relaxed canonicalisation changes between two words: a fold, a tab, several blanks. Most headers have none of them.
_UNEVEN = re.compile(rb"[ \t]*(?:\r\n[ \t]+)+|[ \t]{2,}|\t")
_SIGNS_OF_UNEVEN = (b"\r\n ", b"\r\n\t", b"  ", b"\t")
_LINE = 72


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
        self._secret = _libsodium_key(self._key) if isinstance(self._key, Ed25519PrivateKey) else b""
        self._name = "ed25519-sha256" if isinstance(self._key, Ed25519PrivateKey) else "rsa-sha256"
        self._domain, self._selector = domain, selector
        # Mails of one sending have the same headers: what their signatures have in common is written once.
        self._forms: dict[tuple[bytes, ...], tuple[bytes, bytes]] = {}

    def sign(self, message: bytes, timestamp: int) -> bytes:
        """Return the message with its DKIM-Signature in front. ``timestamp``: UTC seconds."""
        end = message.find(b"\r\n\r\n")
        fields = _fields(message[:end] if end >= 0 else message)
        names = (*[name for name in SIGNED if name in fields], b"from")
        form, relaxed = self._forms.get(names) or self._new_form(names)
        filled = (timestamp, _body_hash(memoryview(message)[end + 4:] if end >= 0 else b"", message))
        chosen = [b"%s:%s\r\n" % (name, values.pop()) for name in names if (values := fields.get(name))]
        signature = base64.b64encode(self._raw_signature(b"".join((*chosen, relaxed % filled))))
        wrapped = b"\r\n ".join([signature[start:start + _LINE] for start in range(0, len(signature), _LINE)])
        return b"".join((form % filled, wrapped, b"\r\n", message))

    def _new_form(self, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """Return the signature's header without time, body's hash and signature, as it goes out and as it is signed."""
        whose = f"DKIM-Signature: v=1; a={self._name}; c=relaxed/simple; d={self._domain}; s={self._selector};\r\n".replace("%", "%%")
        form = f"{whose} t=%d; bh=%s;\r\n h={_folded([name.decode() for name in names])};\r\n b=".encode()
        made = self._forms[names] = form, b"dkim-signature:" + _UNEVEN.sub(b" ", form.partition(b": ")[2])
        return made

    def _raw_signature(self, data: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            # RFC 8463 3: what is signed is the hash. libsodium makes the same signature as OpenSSL (RFC 8032) in three fifths of the time.
            return crypto_sign(hashlib.sha256(data).digest(), self._secret)[:crypto_sign_BYTES]
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _libsodium_key(key: Ed25519PrivateKey) -> bytes:
    """Return the key as libsodium takes it: the seed, and the public key behind it."""
    raw, none = serialization.Encoding.Raw, serialization.NoEncryption()
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    return key.private_bytes(raw, serialization.PrivateFormat.Raw, none) + public


def _folded(names: Sequence[str]) -> str:
    lines, line = [], ""
    for name in names:
        if len(line) + len(name) > 68:
            lines.append(line)
            line = ""
        line += (":" if line or lines else "") + name
    return "\r\n ".join([*lines, line])


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """Return the header fields, relaxed (RFC 6376 3.4.2), in order by name: one that is signed again is the next one up (5.4.2)."""
    if any(sign in head for sign in _SIGNS_OF_UNEVEN):
        head = _UNEVEN.sub(b" ", head)
    fields: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        fields.setdefault(name.rstrip(b" ").lower(), []).append(value.strip(b" "))
    return fields


def _body_hash(body: bytes | memoryview, message: bytes) -> bytes:
    """Return the hash of the body, of which only empty lines at its end do not count, and which ends with a line's end (RFC 6376 3.4.3)."""
    if message.endswith(b"\r\n\r\n") or not message.endswith(b"\r\n"):
        text = bytes(body)
        while text.endswith(b"\r\n\r\n"):
            text = text[:-2]
        body = b"\r\n" if text == b"\r\n" else text if text.endswith(b"\r\n") else text + b"\r\n"
    return base64.b64encode(hashlib.sha256(body).digest())
