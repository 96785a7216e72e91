"""MFROM: where bounces go, with a signed token in it, so that a bounce tells of whom it speaks and a forged one changes nothing."""

from __future__ import annotations

from dataclasses import replace

from app.delivery.road import Mail, Trip


def set_return_path(mail: Mail, trip: Trip) -> Mail:
    """Set the domain of the return path, or the whole address where the server's setting names one."""
    return replace(mail, mfrom_domain=trip.sender.mfrom_domain, mfrom_fixed=trip.sender.mfrom_fixed)
