"""A message of Amazon SNS as it is posted: which hosts it may name, and what its signature stands over (SNS developer guide, verifying signatures).

Hosts and paths are held against one pattern as they were written, never parsed: where two parsers read an address differently, a stranger
would choose which one is right.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.inbound.webhooks.refused import Refused
from app.words import words

NOTIFICATION, CONFIRMATION, GOODBYE = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    GOODBYE: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
# SHA-1 is what SNS signs with unless the topic says otherwise. A second message of the same hash as a signed one is not within reach.
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303
_REGION = r"([a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2})"
_ARN = re.compile(rf"arn:aws(?:-us-gov)?:sns:{_REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}", re.ASCII)
_CERTIFICATE = re.compile(rf"https://sns\.{_REGION}\.amazonaws\.com/[A-Za-z0-9_-]{{1,200}}\.pem", re.ASCII)
_SUBSCRIBE = re.compile(rf"https://sns\.{_REGION}\.amazonaws\.com/\?Action=ConfirmSubscription&[A-Za-z0-9_.~%&=:+/-]{{1,2000}}", re.ASCII)


def region_of(topic_arn: str) -> str:
    """Return the region of a topic; empty where the text is no topic's ARN."""
    found = _ARN.fullmatch(topic_arn)
    return found[1] if found else ""


def is_certificate(url: str, topic_arn: str) -> bool:
    """Whether an address is one of a certificate of SNS in the topic's own region."""
    found = _CERTIFICATE.fullmatch(url)
    return found is not None and found[1] == region_of(topic_arn)


def is_subscription(url: str, topic_arn: str) -> bool:
    """Whether an address confirms a subscription at SNS in the topic's own region."""
    found = _SUBSCRIBE.fullmatch(url)
    return found is not None and found[1] == region_of(topic_arn)


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """A message whose form is right; nothing is said of its signature yet."""

    type: str
    members: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.members.get(name, "")


def read_message(sent: Any, topic_arn: str) -> SnsMessage:
    """Return a message of this topic; raise Refused where it is none, or of another one."""
    if not isinstance(sent, dict) or sent.get("Type") not in _SIGNED:
        raise Refused(400, words("This is no message of Amazon SNS. If raw message delivery is on, switch it off: raw messages are not signed."))
    kind = str(sent["Type"])
    members = {name: value for name, value in sent.items() if isinstance(value, str)}
    missing = [name for name in (*_SIGNED[kind], "SignatureVersion", "Signature", "SigningCertURL") if name not in members and name != "Subject"]
    if missing:
        raise Refused(400, words("The message lacks %(name)s.", name=missing[0]))
    if not topic_arn or members["TopicArn"] != topic_arn:
        raise Refused(403, words("The message is of the topic %(topic)s, which is not the one of this webhook.", topic=members["TopicArn"][:120]))
    if not is_certificate(members["SigningCertURL"], topic_arn):
        raise Refused(403, words("The certificate is not at Amazon SNS in the topic’s region: %(url)s", url=members["SigningCertURL"][:120]))
    return SnsMessage(kind, members)


def signed_text(message: SnsMessage) -> bytes:
    """Return what the signature stands over: names and values in turn, a line each."""
    lines = [f"{name}\n{message[name]}\n" for name in _SIGNED[message.type] if name in message.members]
    return "".join(lines).encode("utf-8", "surrogatepass")


def check_signature(message: SnsMessage, key: RSAPublicKey) -> None:
    """Raise Refused where the message was not signed with this key."""
    algorithm = _HASHES.get(message["SignatureVersion"])
    if algorithm is None:
        raise Refused(403, words("The signature has a version that is not known: %(version)s", version=message["SignatureVersion"][:20]))
    try:
        key.verify(base64.b64decode(message["Signature"], validate=True), signed_text(message), PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise Refused(403, words("The signature does not fit the message.")) from error
