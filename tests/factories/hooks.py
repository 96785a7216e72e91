"""Posts to a webhook: signed as a program signs them, and as Amazon SNS does, with a certificate made here."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

from app.db import utcnow
from app.egress import Fetched
from app.inbound.webhooks.signing import sign

ARN = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
SUBSCRIBE = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={ARN}&Token=2336412f37"
SIGNED = {"Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
          "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
          "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")}


def signed(secret: str, what: object, moment: int | None = None) -> tuple[bytes, dict[str, str]]:
    """Return a body and the headers that it goes with."""
    body, moment = json.dumps(what).encode(), int(time.time()) if moment is None else moment
    return body, {"X-Lettermill-Timestamp": str(moment), "X-Lettermill-Signature": sign(secret, moment, body), "Content-Type": "application/json"}


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key, made once: that takes a while."""
    return _rsa_key(bits)


@cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def certificate(name: str = "sns.amazonaws.com", *, bits: int = 2048, days: int = 10, from_days: int = -1) -> bytes:
    """Return a certificate as SNS hands it out."""
    key, subject = rsa_key(bits), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(utcnow() + timedelta(days=from_days)).not_valid_after(utcnow() + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sns(kind: str = "Notification", version: str = "1", *, key: rsa.RSAPrivateKey | None = None, **members: Any) -> dict[str, str]:
    """Return a message of SNS, signed; members of the value None are left out before it is."""
    sent = {"Type": kind, "MessageId": "22b80b92-fdea", "TopicArn": ARN, "Message": "hello", "Timestamp": "2026-03-31T10:00:00.000Z",
            "SignatureVersion": version, "SigningCertURL": CERTIFICATE}
    if kind != "Notification":
        sent |= {"Token": "2336412f37", "SubscribeURL": SUBSCRIBE}
    sent = {name: value for name, value in (sent | members).items() if value is not None}
    text = "".join(f"{name}\n{sent[name]}\n" for name in SIGNED[kind] if name in sent).encode()
    how = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303 - as SNS does
    return sent | {"Signature": base64.b64encode((key or rsa_key()).sign(text, PKCS1v15(), how)).decode()}


@dataclass
class Amazon:
    """What is found at Amazon's addresses, in place of the way out. ``asked``: what was asked for."""

    pages: dict[str, bytes | Exception] = field(default_factory=lambda: {CERTIFICATE: certificate(), SUBSCRIBE: b"<ok/>"})
    asked: list[str] = field(default_factory=list)
    status: int = 200
    # Forget what was asked for, and the certificates that are known from it.
    forget: Callable[[], None] = lambda: None

    def fetch(self, url: str, **how: Any) -> Fetched:
        """Answer as ``app.egress.fetch`` does."""
        assert how["most_redirects"] == 0
        assert how["timeout"] <= 10
        self.asked.append(url)
        found = self.pages[url]
        if isinstance(found, Exception):
            raise found
        return Fetched(url, self.status, "", found)


def ses(kind: str = "Bounce", *, event: bool = False, source: str = "", headers: Mapping[str, str] | None = None, **said: Any) -> dict[str, Any]:
    """Return what SES says, as a notification or as an event of a configuration set."""
    name = kind[0].lower() + kind[1:]
    mail = {"source": source, "messageId": "0102018-ses", "destination": ["anna@example.org"],
            "headers": [{"name": name, "value": value} for name, value in (headers or {}).items()]}
    return {"eventType" if event else "notificationType": kind, "mail": mail, name: said}


def bounced(kind: str = "Permanent", subtype: str = "General", diagnostic: str | None = None, *, event: bool = False, **more: Any) -> dict[str, Any]:
    """Return a bounce of SES of one recipient."""
    one = {"emailAddress": "anna@example.org", "action": "failed", "status": "5.0.0"} | ({"diagnosticCode": diagnostic} if diagnostic else {})
    return ses("Bounce", event=event, bounceType=kind, bounceSubType=subtype, bouncedRecipients=[one], **more)
