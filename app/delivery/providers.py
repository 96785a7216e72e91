"""Which mailbox provider is behind a domain of its own, by its MX records: Google's and Microsoft's customers are slowed as Google and Microsoft.

The freeze reads what is known and notes which domains with many people are not; the schedule's process looks them up afterwards. So
nobody who sends ever waits for DNS, and the next campaign knows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

import dns.exception
import dns.resolver
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection, Engine

from app.db import reading, table_of, utcnow
from app.delivery.again import write_again
from app.delivery.models import MailProvider
from app.delivery.pacing import is_known

log = logging.getLogger(__name__)

PROVIDERS = table_of(MailProvider)
PATIENCE_S = 2.0
# A domain is worth a look from so many people in one chunk of a freeze; at most so many looks a round.
MANY, AT_ONCE = 5, 20
FRESH, SOON = timedelta(days=30), timedelta(days=1)

# The end of an MX host's name, and whose it is.
_HOSTS = {
    "google": "google.com googlemail.com psmtp.com",
    "microsoft": "protection.outlook.com mx.microsoft olc.protection.outlook.com",
    "yahoo": "yahoodns.net",
    "apple": "mail.icloud.com",
    "gmx": "gmx.net web.de",
    "t-online": "t-online.de",
    "orange": "orange.fr",
    "free": "free.fr",
    "libero": "libero.it",
    "proton": "protonmail.ch",
    "mailru": "mail.ru",
    "yandex": "yandex.net yandex.ru",
    "qq": "qq.com",
    "netease": "163.com netease.com",
    "naver": "naver.com",
    "zoho": "zoho.com zoho.eu zoho.in",
    "comcast": "comcast.net",
    "mimecast": "mimecast.com",
    "proofpoint": "pphosted.com ppe-hosted.com",
    "barracuda": "barracudanetworks.com",
    "cisco": "iphmx.com",
    "messagelabs": "messagelabs.com",
    "trendmicro": "trendmicro.com trendmicro.eu",
    "hornetsecurity": "hornetsecurity.com antispameurope.com",
    "ionos": "kundenserver.de ionos.com ionos.de 1and1.com perfora.net",
    "strato": "rzone.de",
    "ovh": "ovh.net",
    "godaddy": "secureserver.net",
    "rackspace": "emailsrvr.com",
    "fastmail": "messagingengine.com",
    "gandi": "gandi.net",
    "infomaniak": "infomaniak.ch",
    "namecheap": "privateemail.com registrar-servers.com",
    "hostinger": "hostinger.com",
    "amazon": "amazonaws.com awsapps.com",
}
_SUFFIXES = {suffix: group for group, suffixes in _HOSTS.items() for suffix in suffixes.split()}

LookUp = Callable[[str], list[str] | None]


def group_of_hosts(hosts: Iterable[str]) -> str:
    """Return the provider of the first MX host that is known, "" where none is."""
    for host in hosts:
        labels = host.rstrip(".").lower().split(".")
        for start in range(len(labels) - 1):
            if group := _SUFFIXES.get(".".join(labels[start:])):
                return group
    return ""


def mx_hosts(domain: str) -> list[str] | None:
    """Return the MX hosts of a domain, the preferred first; none where it has none, None where DNS does not answer in time."""
    try:
        answer = dns.resolver.resolve(domain, "MX", lifetime=PATIENCE_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [record.exchange.to_text() for record in sorted(answer, key=lambda record: record.preference)]


def groups_of(connection: Connection, domains: Collection[str]) -> dict[str, str]:
    """Return the providers that are known of these domains, in one query; of the big ones' own domains none is asked."""
    asked = [domain for domain in domains if not is_known(domain)]
    if not asked:
        return {}
    found = connection.execute(sa.select(PROVIDERS.c.domain, PROVIDERS.c.pacing_group).where(PROVIDERS.c.domain.in_(asked), PROVIDERS.c.pacing_group != ""))
    return {row.domain: row.pacing_group for row in found}


def known_groups(connection: Connection, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the known providers of a chunk's normalised addresses; domains with many people that nobody looked at are noted."""
    people = Counter(key.rpartition("@")[2] for key in keys)
    large = sorted(domain for domain, number in people.items() if number >= MANY and not is_known(domain) and "." in domain)
    if large:
        connection.execute(_unless_there(connection), [{"domain": domain, "pacing_group": "", "looked_at": None} for domain in large])
    return groups_of(connection, people)


def _unless_there(connection: Connection) -> sa.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(PROVIDERS).on_conflict_do_nothing()
    return mysql.insert(PROVIDERS).prefix_with("IGNORE")


def look_for_providers(engine: Engine, look_up: LookUp = mx_hosts, most: int = AT_ONCE) -> int:
    """Look up domains that are unknown, or were looked at a month ago; return how many. One that DNS is silent about is tried tomorrow."""
    with reading(), engine.connect() as connection:
        due = connection.execute(
            sa.select(PROVIDERS).where(sa.or_(PROVIDERS.c.looked_at.is_(None), PROVIDERS.c.looked_at < utcnow() - FRESH))
            .order_by(PROVIDERS.c.looked_at).limit(most)).all()
    for row in due:
        hosts = look_up(row.domain)
        group = row.pacing_group if hosts is None else group_of_hosts(hosts)
        looked_at = utcnow() - (FRESH - SOON if hosts is None else timedelta())
        _keep(engine, row.domain, {"pacing_group": group, "looked_at": looked_at})
    return len(due)


def _keep(engine: Engine, domain: str, values: dict[str, object]) -> None:
    write_again(engine, lambda connection: connection.execute(sa.update(PROVIDERS).where(PROVIDERS.c.domain == domain).values(values)))
