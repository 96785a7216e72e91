"""The addresses that stand in mails: pixel, tracked links, web view, unsubscribe. They come from settings, never from a request.

The tracking domains of the delivery server come first (settings.md 3, Domains), else the house's own base URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.mail.message import Pieces, Slot

# Hosts that are no domain of the public DNS cannot stand behind an @ (RFC 5321 4.1.2); this name always means this machine (RFC 6761).
LOCAL_DOMAIN = "lettermill.localhost"


@dataclass(frozen=True, slots=True)
class MailUrls:
    """Builds the addresses of one delivery server's mails; each is text with the place for the recipient's token."""

    base_url: str
    link_domain: str = ""
    open_domain: str = ""

    def click(self, number: int) -> Pieces:
        """The tracked link of this number."""
        return (f"{self._at(self.link_domain)}/t/c/", Slot("@click", "ready"), f"/{number}")

    def open(self) -> Pieces:
        """The pixel."""
        return (f"{self._at(self.open_domain)}/t/o/", Slot("@open", "ready"), ".gif")

    def view(self) -> Pieces:
        """The mail in a browser."""
        return (f"{self._at(self.link_domain)}/t/v/", Slot("@webview", "ready"))

    def web_view(self, token: str) -> str:
        """The mail in a browser, of one recipient."""
        return f"{self._at(self.link_domain)}/t/v/{token}"

    def leave(self) -> Pieces:
        """The page that asks whether to unsubscribe."""
        return (f"{self.base_url}/u/", Slot("@unsubscribe", "ready"))

    def unsubscribe(self, token: str) -> str:
        """The page that asks, and the address of the one-click request (RFC 8058): a GET shows, a POST acts."""
        return f"{self.base_url}/u/{token}"

    def _at(self, domain: str) -> str:
        return f"{urlsplit(self.base_url).scheme}://{domain}" if domain else self.base_url


def base_host(base_url: str) -> str:
    """Return the host of the base URL as a domain that may stand behind an @."""
    host = (urlsplit(base_url).hostname or "").lower()
    return LOCAL_DOMAIN if "." not in host or _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
