"""X-Complaints-To: where people and providers may complain, at the domain of the sender if the setting says so."""

from __future__ import annotations

from dataclasses import replace

from app.delivery.road import Mail, Trip
from app.delivery.sender import domain_of
from app.mail.complaints import complaints_address


def name_complaints_address(mail: Mail, trip: Trip) -> Mail:
    """Add the header, where an address for complaints is set."""
    if not trip.complaints_address:
        return mail
    address = complaints_address(trip.complaints_address, domain_of(trip.sender.from_email))
    return replace(mail, headers=(*mail.headers, ("X-Complaints-To", (address,))))
