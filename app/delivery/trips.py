"""What the road of a sending may look at, put together from the sending, its server, the settings and the house's addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import SenderDomain
from app.campaigns.personalisation import hashed_id, known_names
from app.delivery.doors import signer_of
from app.delivery.road import Trip
from app.delivery.sender import House as Ground
from app.delivery.sender import ListSender, Sender, covering, domain_of, resolve_sender
from app.delivery.urls import MailUrls, base_host
from app.mail.dkim import DkimSigner
from app.plugins.calls import merge_tags
from app.plugins.manager import EnabledPlugins
from app.settings.secrets import derive
from app.settings.sections.bounces import Bounces
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.spam_complaint import SpamComplaint
from app.settings.sections.system import SystemSettings
from app.settings.store import Settings

if TYPE_CHECKING:
    from app.house import House

DOMAINS: sa.Table = SenderDomain.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class DomainKey:
    """The DKIM key of a proven domain whose record was seen in DNS."""

    domain: str
    selector: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """The domains that are proven to be a user's, and the keys that sign for some of them."""

    domains: frozenset[str] = frozenset()
    keys: tuple[DomainKey, ...] = ()

    def key_for(self, domain: str) -> DomainKey | None:
        """Return the key that signs mail from this domain: its own, else the one of the nearest domain above it."""
        by_domain = {key.domain: key for key in self.keys}
        return by_domain.get(covering(domain, by_domain))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that a sending's mails depend on at one moment; read anew for each slice."""

    sending: Any
    server: Any
    settings: Settings
    enabled: EnabledPlugins
    verified: Verified

    @property
    def key(self) -> tuple[Any, ...]:
        """What changes whenever the compiled mail may no longer be what it would be now."""
        return (self.sending.id, self.sending.content_hash, self.server.id, self.server.revision, self.settings.revision,
                self.enabled.compile_key, self.verified)

    def variant(self, row: Any) -> int:
        """Return which variant of the mail this row gets: one for all, unless lists may name their own sender; of a stream each request's own."""
        if self.sending.kind == "transactional":
            return int(row.snapshot["first"])
        return (row.list_id or 0) if self.has_variants else 0

    def variants(self, rows: Iterable[Any]) -> set[int]:
        """Return the variants that these rows get."""
        return {self.variant(row) for row in rows} if self.has_variants or self.sending.kind == "transactional" else {0}

    @property
    def has_variants(self) -> bool:
        """Whether lists may name their own sender, so that their mails differ."""
        return bool(self.server.list_sender_as_from or self.server.list_sender_as_mfrom)


_PROVEN = sa.select(DOMAINS.c.domain, DOMAINS.c.dkim_selector, DOMAINS.c.dkim_key_sealed, DOMAINS.c.dkim_seen_at).where(
    DOMAINS.c.user_id == sa.bindparam("account"), DOMAINS.c.state == "enabled").order_by(DOMAINS.c.domain)


def verified_domains(connection: Connection, user_id: int) -> Verified:
    """Return the domains that are proven to be the user's."""
    rows = connection.execute(_PROVEN, {"account": user_id}).all()
    keys = (DomainKey(found.domain, found.dkim_selector, found.dkim_key_sealed) for found in rows if found.dkim_seen_at and found.dkim_key_sealed)
    return Verified(frozenset(found.domain for found in rows), tuple(keys))


def base_url(house: House, settings: Settings) -> str:
    """Return where people reach this house, without a trailing slash."""
    return settings.get(SystemSettings).base_url or house.config.base_url


def sender_of(house: House, now: Circumstances, variant: int = 0) -> Sender:
    """Return who the mail comes from, for recipients of the list ``variant`` (0: for all)."""
    content = now.sending.content
    named = content.get("lists", {}).get(str(variant), {})
    from_list = ListSender(named.get("sender_name", ""), named.get("sender_email", ""))
    return resolve_sender(now.server, content, from_list, now.verified.domains, ground_of(house, now.settings))


def ground_of(house: House, settings: Settings) -> Ground:
    """Return the domains that the installation falls back on."""
    central, catch_all = settings.get(EmailDelivery).centralized_domain, settings.get(Bounces).catch_all_domain
    return Ground(base_host(base_url(house, settings)), central, catch_all)


def signer_for(house: House, now: Circumstances, variant: int = 0) -> DkimSigner | None:
    """Return who signs the mail: the key of its From domain where that is proven and its record was seen, else the server's."""
    own = now.verified.key_for(domain_of(sender_of(house, now, variant).from_email))
    if own is None:
        return signer_of(now.server, house.secrets)
    return DkimSigner(own.domain, own.selector, house.secrets.open(own.sealed))


def trip_of(house: House, now: Circumstances, variant: int = 0) -> Trip:
    """Return what the road may look at."""
    sending, content = now.sending, now.sending.content
    key = derive(house.key, "ids")
    outgoing, complaint = now.settings.get(EmailDelivery), now.settings.get(SpamComplaint)
    sender = sender_of(house, now, variant)
    tags = [tag.name for tag in merge_tags(now.enabled)]
    lists = _lists(key, content, sending.message_id_domain or sender.mfrom_domain)
    return Trip(
        sending_id=sending.id, kind=sending.kind, content=content, sender=sender,
        message_id_domain=sending.message_id_domain or sender.mfrom_domain,
        urls=MailUrls(base_url(house, now.settings), now.server.link_domain, now.server.open_domain),
        feedback_id=_feedback_id(key, sending), names=known_names(content.get("fields", ()), [*tags, *content.get("values", ())]),
        constants=_constants(key, sending, sender) | _of_the_only_list(lists), lists=lists, id_key=key,
        x_mailer=outgoing.x_mailer, complaints_address=complaint.complaints_address,
        unsubscribe_email=complaint.unsubscribe_email, preheader_template=outgoing.preheader_template)


def _feedback_id(key: bytes, sending: Any) -> str:
    """campaign:account:kind:installation, hashed: providers group complaints by it and nobody can count by it."""
    what = hashed_id(key, "campaign", sending.campaign_id or sending.id)
    return f"{what}:{hashed_id(key, 'user', sending.user_id)}:{sending.kind}:{hashed_id(key, 'installation', 0)}"


def _constants(key: bytes, sending: Any, sender: Sender) -> dict[str, str]:
    content, user = sending.content, sending.content.get("user", {})
    return {
        "Campaign:CampaignName": content.get("campaign_name", ""), "Campaign:CampaignID": str(sending.campaign_id or ""),
        "Campaign:HashedCampaignID": hashed_id(key, "campaign", sending.campaign_id),
        "Sender:Name": sender.from_name, "Sender:EmailAddress": sender.from_email,
        "User:FirstName": user.get("first_name", ""), "User:LastName": user.get("last_name", ""),
        "User:EmailAddress": user.get("email", ""), "User:CompanyName": user.get("company", ""), "User:UserID": str(sending.user_id),
        "User:HashedUserID": hashed_id(key, "user", sending.user_id)}


def _of_the_only_list(lists: Mapping[int, Mapping[str, str]]) -> dict[str, str]:
    """What a mail to one list says of it is the same for everybody."""
    return {name: value for values in lists.values() for name, value in values.items() if name.startswith("List:")} if len(lists) == 1 else {}


def _lists(key: bytes, content: Mapping[str, Any], domain: str) -> dict[int, dict[str, str]]:
    found = {}
    for number, one in content.get("lists", {}).items():
        hashed = hashed_id(key, "list", int(number))
        found[int(number)] = {"List:ListName": one["name"], "List:ListID": number, "List:HashedListID": hashed,
                              "@list_id": f"<{hashed}.{domain}>"}
    return found
