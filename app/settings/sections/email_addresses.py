"""Who the platform's own mails come from."""

from __future__ import annotations

from app.settings.schema import email, section, text
from app.words import words


@section("email-addresses", title="Email addresses", group="System and you", place=20)
class EmailAddresses:
    """The sender of notifications, password resets and billing mail, to administrators and users."""

    sender_name: str = text("System sender name", default="", max=120, help="Empty: the product's name.")
    sender_email: str = email("System sender email", default="noreply@lettermill.test",
                              required=words("Type the address that the platform's mails come from."), help="Answers to such mails go there.")
