"""The pixel that tells of an open, at the end of the HTML."""

from __future__ import annotations

from dataclasses import replace

from app.delivery.road import Mail, Trip


def add_pixel(mail: Mail, trip: Trip) -> Mail:
    """Add the pixel where opens are tracked; before ``</body>``, because some readers drop what comes after."""
    if mail.html is None or not trip.content.get("track_opens"):
        return mail
    pixel = ('<img src="', *trip.urls.open(), '" alt="" width="1" height="1" border="0">')
    last = mail.html[-1] if mail.html else ""
    end = last.lower().rfind("</body") if isinstance(last, str) else -1
    if end < 0:
        return replace(mail, html=(*mail.html, *pixel))
    return replace(mail, html=(*mail.html[:-1], last[:end], *pixel, last[end:]))
