"""Invented mails of the mail systems' families, short, and what each must be read as."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A mail and its kind, its recipients, the class and the reason of its first event."""

    name: str
    raw: str
    kind: str
    people: tuple[str, ...] = ()
    class_: str = ""
    reason: str = ""


def _mail(body: str, sender: str = "MAILER-DAEMON@mx.example.net", subject: str = "Undelivered Mail Returned to Sender", more: str = "") -> str:
    return f"Return-Path: <>\nFrom: {sender}\nTo: b+token@news.example.com\nSubject: {subject}\n{more}\n{body}"


_BACK = "\nReceived: from app by news.example.com\nFrom: news@news.example.com\nTo: lou@example.org\nMessage-ID: <token@news.example.com>\n\nhello\n"


def _report(groups: str, text: str = "Sorry.", more: str = "") -> str:
    body = (
        f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: message/delivery-status\n\n{groups}\n"
        f"--b\nContent-Type: message/rfc822\n\n{_BACK.lstrip()}\n--b--\n"
    )
    return _mail(body, more='Content-Type: multipart/report; report-type=delivery-status; boundary="b"\nAuto-Submitted: auto-replied\n' + more)


def _feedback(fields: str) -> str:
    body = f"--b\nContent-Type: text/plain\n\nA report.\n--b\nContent-Type: message/feedback-report\n\n{fields}\n"
    body += f"--b\nContent-Type: message/rfc822\n\n{_BACK.lstrip()}\n--b--\n"
    return _mail(body, "feedback@fbl.example.net", "Report", 'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n')


_ONE = (
    "Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: q77\n\nFinal-Recipient: rfc822; lou@example.org\n"
    "Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}\n"
)
_GONE = _ONE.format(action="failed", status="5.1.1", said="550 5.1.1 User unknown")
_LOU = ("lou@example.org",)

CASES = [
    Case("status report", _report(_GONE), "bounce", _LOU, "hard", "invalid_recipient"),
    Case("status report with CR only", _report(_GONE).replace("\n", "\r"), "bounce", _LOU, "hard", "invalid_recipient"),
    Case(
        "rfc/822 and blanks before colons",
        _report(_GONE.replace("rfc822;", "rfc/822;").replace("Action:", "Action :")),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case("unicode address", _report(_GONE.replace("rfc822; lou@", "utf-8; l\\x{f6}u@")), "bounce", ("löu@example.org",), "hard", "invalid_recipient"),
    Case(
        "delay",
        _report(_ONE.format(action="delayed", status="4.4.1", said="connect to mx.example.org: Connection timed out")),
        "delay",
        _LOU,
        "soft",
        "network_timeout",
    ),
    Case("delivered", _report(_ONE.format(action="delivered", status="2.0.0", said="250 ok")), "delivered", _LOU),
    Case(
        "two people",
        _report(_GONE + "\nFinal-Recipient: rfc822; kim@example.org\nAction: failed\nStatus: 5.2.2\n"),
        "bounce",
        ("lou@example.org", "kim@example.org"),
        "hard",
        "invalid_recipient",
    ),
    Case(
        "one failed, one delayed",
        _report(_GONE + "\nFinal-Recipient: rfc822; kim@example.org\nAction: delayed\nStatus: 4.2.2\n"),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case(
        "qmail",
        _mail(
            "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
            "<lou@example.org>:\n"
            "Sorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n" + _BACK,
            subject="failure notice",
        ),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case(
        "exim",
        _mail(
            "This message was created automatically by mail delivery software.\n\n  lou@example.org\n"
            "    SMTP error from remote mail server after RCPT TO:<lou@example.org>:\n"
            "    552 5.2.2 Mailbox full\n",
            more="X-Failed-Recipients: lou@example.org\n",
        ),
        "bounce",
        _LOU,
        "soft",
        "mailbox_full",
    ),
    Case(
        "sendmail",
        _mail(
            "   ----- The following addresses had permanent fatal errors -----\n<lou@example.org>\n\n   ----- Transcript of session follows -----\n"
            "550 5.1.2 <lou@example.org>... Host unknown (Name server: example.org: host not found)\n",
            subject="Returned mail: Host unknown",
        ),
        "bounce",
        _LOU,
        "hard",
        "invalid_domain",
    ),
    Case(
        "exchange 5.5",
        _mail(
            "Your message\n\n  To: lou@example.org\n\ndid not reach the following recipient(s):\n\nlou@example.org on Mon, 1 Jan 2024 10:00:00\n"
            "    The recipient name is not recognized\n",
            "System Administrator <postmaster@example.org>",
            "Undeliverable: news",
        ),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case(
        "domino",
        _mail(
            "Your message\n\n  Subject: news\n\nwas not delivered to:\n\n  lou@example.org\n\nbecause:\n\n  User lou not listed in Domino Directory\n",
            "postmaster@example.org",
            "DELIVERY FAILURE: User not listed",
        ),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case(
        "groupwise",
        _mail(
            "The message that you sent was undeliverable to the following:\n\tlou@example.org (user not found)\n",
            "Mailer-Daemon@example.org",
            "Message status - undeliverable",
        ),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case(
        "carrier",
        _mail(
            "Your mail sent on: Thu, 1 Feb 2024\n     Could not be delivered to: <lou@example.org>\n     As their mailbox is full.\n",
            "postmaster@carrier.example",
        ),
        "bounce",
        _LOU,
        "soft",
        "mailbox_full",
    ),
    Case(
        "imail",
        _mail("Unknown user: lou@example.org\n\nOriginal message follows.\n" + _BACK, '"Postmaster" <postmaster@example.org>', "Undeliverable Mail"),
        "bounce",
        _LOU,
        "hard",
        "invalid_recipient",
    ),
    Case("complaint", _feedback("Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: lou@example.org\n"), "complaint", _LOU),
    Case("complaint, redacted", _feedback("Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: redacted\n"), "complaint", _LOU),
    Case("authentication report", _feedback("Feedback-Type: auth-failure\nVersion: 1\n"), "report", _LOU),
    Case("not spam", _feedback("Feedback-Type: not-spam\nVersion: 1\n"), "report", _LOU),
    Case("unsubscribe", "From: Lou <lou@example.org>\nTo: u+token@news.example.com\nSubject: unsubscribe\n\n", "unsubscribe", _LOU),
    Case("person", "From: Lou <lou@example.org>\nTo: news@example.com\nSubject: Re: news\n\nThank you, I could not find the shop.\n", "other"),
]

AWAY = [
    "Automatic reply: news",
    "Out of Office: news",
    "Abwesenheitsnotiz: news",
    "Automatische Antwort: news",
    "Réponse automatique : news",
    "Respuesta automática: news",
    "Risposta automatica: news",
    "Resposta automática: news",
    "Automatisch antwoord: news",
    "Autosvar: news",
    "Automatisk svar: news",
    "Automaattinen vastaus: news",
    "Automatyczna odpowiedź: news",
    "Automatická odpověď: news",
    "Automatikus válasz: news",
    "Răspuns automat: news",
    "Otomatik yanıt: news",
    "Автоматический ответ: news",
    "自動返信: news",
    "自动回复: news",
    "자동 회신: news",
    "Αυτόματη απάντηση: news",
]
