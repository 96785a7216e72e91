"""Sentences by which mail systems begin a bounce for people. Each is written in small letters; one of them in a mail from a mail system makes a bounce."""

from __future__ import annotations

MARKS: dict[str, tuple[str, ...]] = {
    "qmail": ("hi. this is the ", "i'm afraid i wasn't able to deliver your message", "i wasn't able to deliver your message", "this is the qmail-send program"),
    "exim": ("this message was created automatically by mail delivery software", "could not be delivered to one or more of its", "mail could not be delivered to"),
    "postfix": ("this is the postfix program", "this is the mail system at host", "could not be delivered to one or more recipients"),
    "sendmail": ("the following addresses had", "transcript of session follows", "fatal errors -----", "----- unsent message follows", "transient non-fatal errors"),
    "exchange": ("did not reach the following recipient", "delivery has failed to these recipients", "your message did not reach", "couldn't be delivered", "wasn't delivered",
                 "the following recipient(s) cannot be reached", "the following recipient(s) could not be reached", "there was a problem delivering your message"),
    "microsoft": ("delivery to the following recipients failed", "delivery to the following recipient failed", "this is an automatically generated delivery status notification",
                  "unfortunately, some messages from your application were not successfully delivered"),
    "google": ("delivery to the following recipient", "delivery to the following recipient failed permanently", "address not found", "message not delivered", "recipient inbox full"),
    "yahoo": ("message from yahoo", "unable to deliver message to the following address", "we were unable to deliver your message", "sorry, we were unable to deliver"),
    "aol": ("your mail could not be delivered to", "the mail could not be delivered"),
    "domino": ("your message could not be delivered because", "was not delivered to:", "failed to deliver to recipient"),
    "groupwise": ("the message that you sent was undeliverable to the following", "undeliverable to the following"),
    "courier": ("unable to deliver your message", "your message was not delivered to the following", "undelivered mail"),
    "mimecast": ("an email that you attempted to send to the following address could not be", "email delivery failure"),
    "barracuda": ("your message to:", "was blocked by our spam firewall", "was considered unsolicited bulk e-mail"),
    "proofpoint": ("your message was not delivered", "reached the maximum hops", "message could not be delivered"),
    "dragonfly": ("there was an error delivering your mail to", "dragonfly mail agent"),
    "opensmtpd": ("this is the mailer-daemon, please do not reply", "a message sent by you could not be delivered", "an error has occurred while attempting to deliver a message"),
    "imail": ("unknown user:", "invalid final delivery user", "user mailbox exceeds allowed size", "undeliverable to"),
    "mdaemon": ("the following data may contain sections which represent bmp", "the attached message had permanent fatal delivery errors", "the attached message had permanent"),
    "mailenable": ("message could not be delivered to some recipients", "the following recipient(s) could not be reached", "mailenable"),
    "surgemail": ("your message cannot be delivered to the following recipients", "failed to deliver to"),
    "carriers": ("could not be delivered to the following", "could not be delivered. mailbox", "your mail sent on", "as their mailbox is full", "could not be delivered to: <", "次のあて先へのメッセージ", "配信できませんでした",
                 "送信できませんでした", "お届けできませんでした", "宛先不明"),
    "zimbra": ("this message was undeliverable", "undeliverable for the following reason", "your message was not delivered for the following"),
    "mailru": ("is unable to deliver", "was not delivered to", "письмо не доставлено", "не может быть доставлено", "не удалось доставить"),
    "others": (
        "did not exactly match",
        "delivery failed", "delivery failure", "delivery error", "could not be delivered", "cannot be delivered", "can not be delivered", "can't be delivered", "could not deliver", "unable to deliver",
        "undeliverable", "not be delivered", "not delivered", "failed to deliver", "failed addresses", "failed recipient", "had permanent", "permanent error", "returned to you", "being returned",
        "has been returned", "returned mail", "message rejected", "was rejected", "has been rejected", "user unknown", "unknown user", "does not exist", "no such user", "not known at", "is not a valid",
        "mailbox full", "mailbox is full", "over quota", "quota exceeded", "undelivered", "problems with your mail", "errors occurred", "was undeliverable", "non-existent", "no longer",
        "error while delivering", "mail delivery problem", "could not send", "not found", "has been delayed", "not yet been delivered", "have failed", "has failed", "failed permanently",
        "konnte nicht zugestellt", "nicht zugestellt werden", "unzustellbar", "n'a pas pu être", "n'a pu être", "non remis", "no se pudo entregar", "no se ha podido entregar", "no ha podido ser entregado",
        "impossibile recapitare", "non è stato possibile", "não pôde ser entregue", "não foi possível entregar", "kon niet worden", "kunde inte levereras", "kunne ikke leveres", "nie można dostarczyć",
        "nie została dostarczona", "nelze doručit", "teslim edilemedi", "无法投递", "退信", "無法", "전달되지",
    ),
}

DELAYS = (
    "has not yet been delivered", "not yet been delivered", "do not need to resend", "will continue to try", "will keep trying", "still trying", "delivery is delayed", "has been delayed",
    "is only a warning", "this is a warning", "warning message only", "delivery attempts will continue", "will be retried", "will retry", "delivery to the following recipients has been delayed",
    "delivery incomplete", "could not be delivered within", "message is delayed", "wird weiterhin versucht",
)

# Where the returned mail begins in a text.
CUTS = (
    "below this line is a copy of the message", "this is a copy of the message", "this is a copy of your message", "message headers follow", "original message follows", "----- original message",
    "original message -----", "-----original message", "message header follows", "unsent message follows", "message headers:", "------ original message", "start of returned message", "returned message",
    "included is a copy", "returned text follows", "message text follows", "received: from", "received: by", "the original message headers", "message header:", "--- returned mail follows",
    "below is a copy of the original", "header information of", "original message headers", "message contents follow", "--- mail text", "the header of the original",
    "message transcript follows", "unsent message below", "---- begin of", "the first 50 lines of the original", "return-path:", "-- original",
)


def mark_in(text: str) -> str:
    """Return the family of the first mark that a text in small letters holds, "" without any."""
    for family, marks in MARKS.items():
        if any(mark in text for mark in marks):
            return family
    return ""


def cut(text: str) -> int:
    """Return where the returned mail begins in a text in small letters: its length where none is seen."""
    places = [at for mark in CUTS if (at := text.find(mark, 20)) > 0]
    return min(places, default=len(text))
