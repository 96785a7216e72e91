"""The headers that we answer for: who, to whom, when, by which number, and how to leave (RFC 5322, 2369, 2919, 8058)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from app.campaigns.personalisation import parse
from app.delivery.road import Headers, Mail, Trip
from app.mail.address import LONGEST_LOCAL, parse_address
from app.mail.message import Mailbox, Pieces, Slot
from app.mail.tokens import LENGTH

# What may stand as it is in the address of a mailto: link (RFC 6068).
_IN_MAILTO = "+!$'*-._~"


def stamp_headers(mail: Mail, trip: Trip) -> Mail:
    """Write every header of the message but its signature."""
    return replace(mail, headers=(*_envelope(mail, trip), *_mailing(trip), *_further(mail, trip)))


def _envelope(mail: Mail, trip: Trip) -> Headers:
    sender = trip.sender
    name = parse(sender.from_name, kind="header", names=trip.names, constants=trip.constants)
    headers: Headers = (("From", Mailbox(name, (sender.from_email,))), ("To", _to(trip)))
    if sender.reply_to:
        headers += (("Reply-To", Mailbox((), (sender.reply_to,))),)
    return (*headers, ("Subject", mail.subject), ("Date", (Slot("@date", "ready"),)),
            ("Message-ID", ("<", Slot("@message_id", "ready"), f"@{trip.message_id_domain}>")))


def _to(trip: Trip) -> Mailbox | Pieces:
    """The address; with a name before it in a mail to one person, whose name was sent along."""
    if trip.kind == "transactional":
        return Mailbox((Slot("@to_name", "header"),), (Slot("@to", "raw_header"),))
    return (Slot("@to", "ready"),)


def _mailing(trip: Trip) -> Headers:
    """The way out and the list, for mail that goes to many; a mail that somebody's own act caused has neither."""
    if trip.kind not in {"campaign", "test"}:
        return ()
    ways = ("<mailto:", *_by_mail(trip), ">, <", *trip.urls.leave(), ">")
    headers: Headers = (("List-Unsubscribe", ways), ("List-Unsubscribe-Post", ("List-Unsubscribe=One-Click",)))
    if trip.lists:
        ids = {values["@list_id"] for values in trip.lists.values()}
        headers += (("List-ID", tuple(ids) if len(ids) == 1 else (Slot("@list_id", "ready"),)),)
    return (*headers, ("Feedback-ID", (trip.feedback_id,)))


def _by_mail(trip: Trip) -> Pieces:
    """Where to leave by mail: the token stands behind a plus, or in the subject where there is no room for it or a plus already."""
    token = Slot("@unsubscribe", "ready")
    if not trip.unsubscribe_email:
        return ("u+", token, f"@{trip.sender.mfrom_domain}?subject=unsubscribe")
    local, _, domain = str(parse_address(trip.unsubscribe_email)).rpartition("@")
    typed = quote(local, safe=_IN_MAILTO)
    if "+" in local or len(local) + 1 + LENGTH > LONGEST_LOCAL:
        return (f"{typed}@{domain}?subject=unsubscribe%20", token)
    return (f"{typed}+", token, f"@{domain}?subject=unsubscribe")


def _further(mail: Mail, trip: Trip) -> Headers:
    own: Headers = (("X-Mailer", (trip.x_mailer,)),) if trip.x_mailer else ()
    return own + tuple((name, (value,)) for name, value in mail.further)
