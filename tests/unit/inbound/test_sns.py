"""Messages of Amazon SNS: which are believed. Whoever signs otherwise, or keeps the certificate elsewhere, is nobody."""

from __future__ import annotations

import pytest

from app.egress import EgressRefused
from app.inbound.webhooks import certificates
from app.inbound.webhooks.certificates import KEPT_S, Certificates
from app.inbound.webhooks.refused import Refused
from app.inbound.webhooks.sns import check_signature, is_certificate, is_subscription, read_message, region_of
from tests.factories.hooks import ARN, CERTIFICATE, SUBSCRIBE, Amazon, certificate, rsa_key, sns


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    made = Amazon()
    monkeypatch.setattr(certificates, "fetch", made.fetch)
    return made


def _believed(sent: dict[str, str]) -> bool:
    check_signature(read_message(sent, ARN), rsa_key().public_key())
    return True


# -------------------------------------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_message_that_sns_signed_is_believed(kind: str, version: str) -> None:
    assert _believed(sns(kind, version))
    assert _believed(sns(kind, version, Message="Grüße\n{\"a\": 1}\u2028"))


def test_a_subject_is_signed_where_there_is_one() -> None:
    assert _believed(sns(Subject="Amazon SES Email Event Notification"))
    with pytest.raises(Refused, match="does not fit"):
        _believed(sns() | {"Subject": "added later"})


@pytest.mark.parametrize("member", ["Message", "MessageId", "Timestamp"])
def test_what_was_changed_on_its_way_is_not_believed(member: str) -> None:
    sent = sns()
    with pytest.raises(Refused, match="does not fit"):
        _believed(sent | {member: sent[member] + " "})


@pytest.mark.parametrize("changed", [
    {"SignatureVersion": "2"}, {"SignatureVersion": "3"}, {"SignatureVersion": ""}, {"Signature": ""}, {"Signature": "AAAA"}, {"Signature": "no base64!"},
    {"Type": "SubscriptionConfirmation", "Token": "x", "SubscribeURL": SUBSCRIBE},
])
def test_another_signature_is_none(changed: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        _believed(sns() | changed)
    assert refused.value.status == 403


def test_a_message_signed_with_another_key_is_not_believed() -> None:
    with pytest.raises(Refused, match="does not fit"):
        _believed(sns(key=rsa_key(2049)))


@pytest.mark.parametrize("sent", [
    None, [], "x", {}, {"notificationType": "Bounce", "mail": {}}, sns() | {"Type": "Something"}, {**sns(), "Message": 7}, {**sns(), "MessageId": None},
    {name: value for name, value in sns().items() if name != "Signature"}])
def test_what_has_not_the_form_is_refused(sent: object) -> None:
    with pytest.raises(Refused) as refused:
        read_message(sent, ARN)
    assert refused.value.status == 400


@pytest.mark.parametrize(("topic", "mine"), [
    ("arn:aws:sns:eu-west-1:999999999999:bounces", ARN), (ARN + "2", ARN), (ARN.replace("eu-west-1", "us-east-1"), ARN), (ARN.upper(), ARN), (ARN, "")])
def test_a_message_of_another_topic_is_refused(topic: str, mine: str) -> None:
    with pytest.raises(Refused, match="not the one of this webhook"):
        read_message(sns(TopicArn=topic), mine)


# ------------------------------------------------------------------------------------------------------------------- hosts

TRICKS = [
    "http://sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
    "https://evil.example@sns.eu-west-1.amazonaws.com/a.pem",
    "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
    "https://evil.example#sns.eu-west-1.amazonaws.com/a.pem",
    "https://evil.example?sns.eu-west-1.amazonaws.com/a.pem",
    "https://evil.example\\.sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
    "https://sns.eu-west-1.amazonaws.com:443/a.pem",
    "https://sns.eu-west-1.amazonaws.com./a.pem",
    "https://sns-eu-west-1.amazonaws.com/a.pem",
    "https://xsns.eu-west-1.amazonaws.com/a.pem",
    "https://x.sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.evil.amazonaws.com/a.pem",
    "https://sns.us-east-1.amazonaws.com/a.pem",
    "https://sns.amazonaws.com/a.pem",
    "https://sns..amazonaws.com/a.pem",
    "https://s3.eu-west-1.amazonaws.com/bucket/a.pem",
    "https://sns.eu-west-1.s3.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com/../a.pem",
    "https://sns.eu-west-1.amazonaws.com/%2e%2e/a.pem",
    "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
    "https://sns.eu-west-1.amazonaws.com/a.pem#",
    "https://sns.eu-west-1.amazonaws.com/a.pem\n",
    "https://sns.eu-west-1.amazonaws.com/a.pem ",
    " https://sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com/\na.pem",
    "https://sns.eu-west-1.amazonaws.com/a.PEM",
    "https://sns.eu-west-1.amazonaws.com/",
    "https://sns.eu-west-1.amazonaws.com//evil.example/a.pem",
    "HTTPS://SNS.EU-WEST-1.AMAZONAWS.COM/a.pem",
    "https://sns.eu-west-1.ａmazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.сom/a.pem",
    "https://sns.eu-west-１.amazonaws.com/a.pem",
    "https://sns.eu-west-1。amazonaws.com/a.pem",
    "https:/sns.eu-west-1.amazonaws.com/a.pem",
    "https:sns.eu-west-1.amazonaws.com/a.pem",
    "//sns.eu-west-1.amazonaws.com/a.pem",
    "ftp://sns.eu-west-1.amazonaws.com/a.pem",
    "file:///etc/ssl/a.pem",
    "",
]


@pytest.mark.parametrize("url", TRICKS)
def test_a_certificate_elsewhere_is_neither_fetched_nor_believed(url: str, amazon: Amazon) -> None:
    assert not is_certificate(url, ARN)
    with pytest.raises(Refused) as refused:
        read_message(sns(SigningCertURL=url), ARN)
    assert refused.value.status == 403
    assert amazon.asked == []


@pytest.mark.parametrize("url", [
    *(trick.replace("/a.pem", "/?Action=ConfirmSubscription&Token=1") for trick in TRICKS), CERTIFICATE, SUBSCRIBE.replace("/?", "/x?"),
    SUBSCRIBE.replace("ConfirmSubscription", "Unsubscribe"), SUBSCRIBE.replace("Action=", "Action=Unsubscribe&Action="), SUBSCRIBE + "@evil.example",
    SUBSCRIBE + "#x", SUBSCRIBE + "\r\nHost: evil.example", SUBSCRIBE.replace("eu-west-1.amazonaws", "eu-west-2.amazonaws")])
def test_a_subscription_elsewhere_is_not_visited(url: str) -> None:
    assert not is_subscription(url, ARN)


def test_the_addresses_of_sns_are_known() -> None:
    assert is_certificate(CERTIFICATE, ARN)
    assert is_subscription(SUBSCRIBE, ARN)
    gov = ARN.replace(":aws:", ":aws-us-gov:").replace("eu-west-1", "us-gov-west-1")
    assert is_certificate(CERTIFICATE.replace("eu-west-1", "us-gov-west-1"), gov)


@pytest.mark.parametrize("text", [
    "", "bounces", ARN + ":x", ARN.replace("sns", "sqs"), ARN.replace("123456789012", "12"), ARN + "\n", ARN.replace("aws:", "aws-cn:"),
    ARN.replace("eu-west-1", "*"), ARN + "/../x", ARN.replace("bounces", "")])
def test_what_is_no_topic_has_no_region(text: str) -> None:
    assert region_of(text) == ""
    assert region_of(ARN) == "eu-west-1"


# ------------------------------------------------------------------------------------------------------------ certificates


def test_a_certificate_is_fetched_once_a_day(amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, now = Certificates(), [1000.0]
    monkeypatch.setattr(certificates.time, "monotonic", lambda: now[0])
    assert {kept.key_at(CERTIFICATE).public_numbers() for _ in range(2)} == {rsa_key().public_key().public_numbers()}
    assert amazon.asked == [CERTIFICATE]
    now[0] += KEPT_S + 1
    kept.key_at(CERTIFICATE)
    assert amazon.asked == [CERTIFICATE] * 2


@pytest.mark.parametrize(("page", "status", "why"), [
    (b"", 403, "no certificate"), (b"<html>", 403, "no certificate"), (certificate("evil.example"), 403, "is of evil.example"),
    (certificate("sns.amazonaws.com.evil.example"), 403, "not of Amazon SNS"), (certificate(bits=1024), 403, "no RSA key of 2048 bits"),
    (certificate(days=-1, from_days=-9), 403, "not valid today"), (certificate(from_days=2), 403, "not valid today"),
    (EgressRefused("the name servers did not answer"), 503, "could not be fetched: the name servers")])
def test_a_certificate_that_is_nothing_to_trust_is_refused(amazon: Amazon, page: bytes | Exception, status: int, why: str) -> None:
    amazon.pages[CERTIFICATE] = page
    with pytest.raises(Refused, match=why) as refused:
        Certificates().key_at(CERTIFICATE)
    assert refused.value.status == status


def test_a_server_that_has_no_certificate_now_is_asked_again_later(amazon: Amazon) -> None:
    kept, amazon.status = Certificates(), 404
    with pytest.raises(Refused, match="answers 404"):
        kept.key_at(CERTIFICATE)
    amazon.status = 200
    assert kept.key_at(CERTIFICATE)


