"""DKIM: other people's verifiers accept what we sign, and nothing that was changed on the way."""

from __future__ import annotations

import base64
import hashlib
import re

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.mail.dkim import DkimKeyError, DkimSigner, generate_key, load_key, public_record
from app.mail.headers import encode_text
from app.mail.message import build_message

RSA, ED25519 = generate_key("rsa2048"), generate_key("ed25519")
HEADERS = [
    ("From", "Shop <news@example.com>"),
    ("To", "maya@example.com"),
    ("Subject", encode_text("Grüße " * 20)),
    ("Date", "Mon, 23 Nov 2026 15:00:00 +0000"),
    ("Message-ID", "<1@example.com>"),
    ("List-Unsubscribe", "<https://x.test/u>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
]
MESSAGE = build_message(HEADERS, html="<p>Hello</p>\n\n", plain="Hello\n")
BODIES = st.lists(st.sampled_from([b"", b"line", b" ", b"trailing blank ", b"\tx", b"x" * 900, b".dot"]), max_size=12).map(b"\r\n".join)


def _verifies(signed: bytes, pem: str) -> bool:
    """Ask dkimpy for RSA; for Ed25519 do what RFC 8463 and RFC 6376 say by hand, because dkimpy needs another library for it."""
    record = public_record(pem)
    if "k=rsa" in record:
        return bool(dkim.verify(signed, dnsfunc=lambda name, **_: record.encode() if name == b"lm._domainkey.example.com." else None))
    return _verifies_ed25519(signed, record)


def _verifies_ed25519(signed: bytes, record: str) -> bool:
    head, _, body = signed.partition(b"\r\n\r\n")
    fields = re.findall(rb"([^:\r\n]+):((?:[^\r\n]|\r\n[ \t])*)", head)
    (_, signature), *others = fields
    tags = dict(re.findall(r"(\w+)=([^;]*)", re.sub(r"\s", "", signature.decode())))
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    body = b"\r\n" if body == b"" else body if body.endswith(b"\r\n") else body + b"\r\n"
    if base64.b64encode(hashlib.sha256(body).digest()).decode() != tags["bh"]:
        return False
    data, left = b"", [(name.lower(), value) for name, value in others]
    for name in tags["h"].encode().split(b":"):
        at = next((index for index in range(len(left) - 1, -1, -1) if left[index][0] == name), None)
        if at is not None:
            data += _relaxed(*left.pop(at)) + b"\r\n"
    data += _relaxed(b"dkim-signature", re.sub(rb"(?<=[; \n])b=[^;]*$", b"b=", signature, flags=re.DOTALL))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(record.rpartition("p=")[2]))
    try:
        key.verify(base64.b64decode(tags["b"]), hashlib.sha256(data).digest())
    except InvalidSignature:
        return False
    return True


def _relaxed(name: bytes, value: bytes) -> bytes:
    return name + b":" + re.sub(rb"[ \t\r\n]+", b" ", value).strip()


def _sign(message: bytes, pem: str) -> bytes:
    return DkimSigner("example.com", "lm", pem).sign(message, 1_795_000_000)


@pytest.mark.parametrize("pem", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_verifier_accepts_what_was_signed(pem: str) -> None:
    signed = _sign(MESSAGE, pem)

    assert signed.endswith(MESSAGE)
    assert _verifies(signed, pem)
    assert all(len(line) <= 78 for line in signed.removesuffix(MESSAGE).split(b"\r\n"))


@pytest.mark.parametrize("pem", [RSA, ED25519], ids=["rsa", "ed25519"])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"Hello", b"Hallo"),
        lambda data: data.replace(b"news@example.com", b"boss@example.com"),
        lambda data: data.replace(b"From: ", b"From: Evil <e@example.net>\r\nFrom: ", 1),
        lambda data: data.replace(b"To: maya", b"To: per", 1),
        lambda data: data.replace(b"Post: List", b"Post: Lost"),
        lambda data: data + b"more\r\n",
        lambda data: data.replace(b"t=1795000000", b"t=1795000001"),
        lambda data: data.replace(b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\nFrom: Evil <e@example.net>\r\n"),
    ],
)
def test_a_changed_message_is_refused(pem: str, change: object) -> None:
    signed = _sign(MESSAGE, pem)
    changed = change(signed)  # type: ignore[operator]

    assert changed != signed
    assert not _verifies(changed, pem)


@pytest.mark.parametrize("pem", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_what_relaxed_forgives_is_forgiven(pem: str) -> None:
    signed = _sign(MESSAGE, pem)
    changed = signed.replace(b"From: Shop <", b"FROM:   Shop\r\n  <") + b"\r\n\r\n"

    assert _verifies(changed, pem)


@given(body=BODIES)
@example(body=b"")
@example(body=b"\r\n\r\n\r\n")
@example(body=b"text\r\n\r\n\r\n")
@example(body=b"no line end")
@example(body=b"x" * 500_000)
@settings(max_examples=60)
def test_any_body_is_canonicalised_as_a_verifier_does(body: bytes) -> None:
    message = b"From: a@example.com\r\nSubject: x\r\n\r\n" + body

    assert _verifies(_sign(message, ED25519), ED25519)
    assert _verifies(_sign(message, RSA), RSA)


@given(words=st.lists(st.sampled_from([b"Hello", b"\xc3\xa9", b"a:b", b" ", b"  ", b"\t", b"\r\n ", b" \r\n\t ", b"\r\n \r\n ", b"%"]), max_size=9))
@example(words=[])
@example(words=[b" \r\n\t ", b"\r\n ", b" "])
@settings(max_examples=60)
def test_any_header_is_canonicalised_as_a_verifier_does(words: list[bytes]) -> None:
    message = b"From: a@example.com\r\nSubject:" + b"".join(words) + b"\r\nTo:b@example.com\r\nTo: c@example.com\r\n\r\nHello\r\n"

    assert _verifies(_sign(message, ED25519), ED25519)
    assert _verifies(_sign(message, RSA), RSA)


@given(data=st.binary(max_size=200))
@settings(max_examples=30)
def test_libsodium_signs_as_openssl_does(data: bytes) -> None:
    key = load_key(ED25519)

    assert isinstance(key, Ed25519PrivateKey)
    assert DkimSigner("example.com", "lm", ED25519)._raw_signature(data) == key.sign(hashlib.sha256(data).digest())


def test_the_record_is_what_a_verifier_looks_up() -> None:
    assert public_record(ED25519).startswith("v=DKIM1; k=ed25519; p=")
    assert len(base64.b64decode(public_record(ED25519).rpartition("p=")[2])) == 32
    assert public_record(RSA).startswith("v=DKIM1; k=rsa; p=MII")


def _pem(key: object) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "pem", ["", "nonsense", RSA[:100], "ö", _pem(ec.generate_private_key(ec.SECP256R1())), RSA.replace("MII", "MIJ", 1), RSA.replace("PRIVATE", "PUBLIC")],
    ids=["empty", "nonsense", "cut off", "another letter", "another kind", "damaged", "public"],
)
def test_what_is_no_key_is_refused_in_words(pem: str) -> None:
    with pytest.raises(DkimKeyError, match=r"\.$"):
        load_key(pem)


def test_a_key_that_receivers_do_not_take_is_refused_with_its_size() -> None:
    with pytest.raises(DkimKeyError, match="5120 bits"):
        load_key(_pem(rsa.generate_private_key(65537, 5120)))
