"""Where reports come to, and the records that ask for them."""

from __future__ import annotations

from app.delivery.sender_domains import DnsRecord, organisational
from app.delivery.urls import LOCAL_DOMAIN, base_host
from app.inbound.policy import REPORTS
from app.mail.address import AddressError, parse_domain
from app.settings.sections.bounces import Bounces
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.system import SystemSettings
from app.settings.values import Settings

LOCAL_PART = REPORTS


def report_domain(settings: Settings, base_url: str) -> str:
    """Return the domain that reports are asked for at, one that mail is taken for; empty where there is none that mail could reach."""
    delivery = settings.get(EmailDelivery)
    host = base_host(settings.get(SystemSettings).base_url or base_url)
    for name in (*delivery.relay_domains, delivery.centralized_domain, settings.get(Bounces).catch_all_domain, host):
        try:
            domain = parse_domain(name)
        except AddressError:
            continue
        if domain != LOCAL_DOMAIN:
            return domain
    return ""


def record_for(domain: str, at: str) -> DnsRecord:
    """Return the record of a domain that asks receivers for reports, and for nothing else (RFC 9989 4.7)."""
    return DnsRecord(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:{LOCAL_PART}@{at}")


def is_elsewhere(domain: str, at: str) -> bool:
    """Whether receivers want to see, before they report, that ``at`` takes reports about the domain (RFC 9990 4)."""
    return organisational(domain) != organisational(at)


def permission_record(at: str) -> DnsRecord:
    """Return the record of the domain where reports come to that lets them be about any domain."""
    return DnsRecord(f"*._report._dmarc.{at}", "v=DMARC1;")
