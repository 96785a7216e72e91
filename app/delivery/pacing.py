"""Pacing groups: the mailbox provider behind an address, because it is the provider that slows a sender down, not the domain.

The big providers are known by their domains, their customers' domains by what ``providers.py`` keeps; any other domain is a group of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from app.words import words

LONGEST = 64

_DOMAINS = {
    "google": "gmail.com googlemail.com",
    "microsoft": "outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es live.co.uk live.fr "
                 "live.nl live.it outlook.de outlook.fr outlook.es passport.com windowslive.com",
    "yahoo": "yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.in yahoo.co.in yahoo.com.br yahoo.com.mx ymail.com "
             "rocketmail.com aol.com aol.de aol.fr aol.co.uk aim.com verizon.net netscape.net",
    "apple": "icloud.com me.com mac.com",
    "comcast": "comcast.net",
    "gmx": "gmx.de gmx.net gmx.at gmx.ch gmx.com web.de mail.com",
    "t-online": "t-online.de magenta.de",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "libero": "libero.it virgilio.it iol.it",
    "proton": "proton.me protonmail.com pm.me protonmail.ch",
    "mailru": "mail.ru bk.ru list.ru inbox.ru internet.ru",
    "yandex": "yandex.ru yandex.com ya.ru yandex.by yandex.kz",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "bt": "btinternet.com btopenworld.com talk21.com",
    "att": "att.net sbcglobal.net bellsouth.net pacbell.net ameritech.net swbell.net",
    "uol": "uol.com.br bol.com.br",
    "naver": "naver.com",
    "zoho": "zoho.com zohomail.com",
}
_GROUPS = {domain: group for group, domains in _DOMAINS.items() for domain in domains.split()}


_NOTHING: Mapping[str, str] = MappingProxyType({})

# How people call a group; any other is called by its own name, which is a domain.
_TITLES = {
    "google": "Gmail", "microsoft": "Microsoft", "yahoo": "Yahoo, AOL", "apple": "iCloud", "comcast": "Comcast", "gmx": "GMX, Web.de",
    "t-online": "T-Online", "orange": "Orange", "free": "Free", "libero": "Libero", "proton": "Proton", "mailru": "Mail.ru", "yandex": "Yandex",
    "qq": "QQ", "netease": "NetEase", "bt": "BT", "att": "AT&T", "uol": "UOL", "naver": "Naver", "zoho": "Zoho", "mimecast": "Mimecast",
    "proofpoint": "Proofpoint", "barracuda": "Barracuda", "cisco": "Cisco", "messagelabs": "MessageLabs", "trendmicro": "Trend Micro",
    "hornetsecurity": "Hornetsecurity", "ionos": "IONOS", "strato": "Strato", "ovh": "OVH", "godaddy": "GoDaddy", "rackspace": "Rackspace",
    "fastmail": "Fastmail", "gandi": "Gandi", "infomaniak": "Infomaniak", "namecheap": "Namecheap", "hostinger": "Hostinger", "amazon": "Amazon",
}


def pacing_group(dedupe_key: str, known: Mapping[str, str] = _NOTHING) -> str:
    """Return the group of a normalised address, at most 64 characters. ``known``: cached providers by domain."""
    domain = dedupe_key.rpartition("@")[2]
    group = _GROUPS.get(domain) or known.get(domain, domain)
    return group if len(group) <= LONGEST else hashlib.sha256(group.encode()).hexdigest()


def is_known(domain: str) -> bool:
    """Whether a domain is a big provider's own."""
    return domain in _GROUPS


def group_title(group: str) -> str:
    """Return how people call a group; the empty one holds the many small domains together, "*" is everybody."""
    if group in {"", "*"}:
        return words("Everyone else") if not group else words("Everybody")
    return _TITLES.get(group, group)
