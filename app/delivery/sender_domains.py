"""A user's sender domains: added with a token and a DKIM key, proven by a TXT record, looked after daily.

Who proves a domain has it for its subdomains, too, as DMARC aligns them. Each account has a token of its own: that another one has proven
the same domain neither helps nor hinders.
"""

from __future__ import annotations

import logging
import secrets as random_secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import SenderDomain
from app.delivery.dns_look import Answer, LookUpAnswer, is_published
from app.delivery.sender import covering
from app.mail.address import AddressError, parse_domain
from app.mail.dkim import KeyKind, generate_key, public_record
from app.settings.secrets import SecretBox
from app.words import words

log = logging.getLogger(__name__)

PENDING, ENABLED, DISABLED, SUSPENDED = "pending", "enabled", "disabled", "suspended"
# The name in front of the domain, and what stands in its record before the token.
PROOF_NAME, PROOF_MARK = "_lettermill", "lettermill-proof="
# A click looks into DNS once in so many seconds at most, for each domain.
NOT_AGAIN_S = 10
# So long a proof may be missing, at every look, until the domain is suspended.
MISSING_FOR = timedelta(days=3)
MOST = 200
PAGE = 50
# Names below which others register domains, as far as a rule of thumb goes: we have no list of them. A short label under a country is one
# where it is a usual word for it, as in co.uk and com.au; and so are some hosts that give names away.
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "go", "gv", "id", "ltd", "me", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc",
                           "sch"})
_GIVEN_AWAY = frozenset({"azurewebsites.net", "blogspot.com", "cloudfront.net", "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "netlify.app",
                         "onrender.com", "pages.dev", "vercel.app", "web.app", "wordpress.com", "workers.dev"})


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A TXT record to publish."""

    name: str
    value: str


def is_public_suffix(domain: str) -> bool:
    """Whether anybody may register names below this one, so that it is nobody's to prove: single labels, and what is known as such."""
    labels = domain.split(".")
    return len(labels) < 2 or domain in _GIVEN_AWAY or (len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL)


def organisational(domain: str) -> str:
    """Return the domain that its owner registered: the one right below a public suffix, as far as that is known here."""
    labels = domain.split(".")
    return next((name for start in range(len(labels) - 2, -1, -1) if not is_public_suffix(name := ".".join(labels[start:]))), domain)


def problem_with(session: Session, user_id: int, typed: str) -> str:
    """Return what keeps this domain from being added, in words, or the empty text."""
    try:
        domain = parse_domain(typed.strip().rstrip("."))
    except AddressError:
        return words("Type a domain name, such as example.com.")
    if is_public_suffix(domain):
        return words("%(domain)s belongs to everybody who has a name below it. Type your own domain.", domain=domain)
    mine = {found.domain: found for found in of_account(session, user_id)}
    if domain in mine:
        return words("This domain is in your list already.")
    if above := covering(domain, [name for name, found in mine.items() if is_held(found)]):
        return words("An administrator suspended %(domain)s, and the names below it with it.", domain=above)
    return words("An account has %(most)s sender domains at most. Delete one first.", most=str(MOST)) if len(mine) >= MOST else ""


def add(session: Session, secrets: SecretBox, user_id: int, typed: str, kind: KeyKind) -> SenderDomain:
    """Add a domain that ``problem_with`` found nothing wrong with; it is pending until its record is seen."""
    found = SenderDomain(user_id=user_id, domain=parse_domain(typed.strip().rstrip(".")), proof=random_secrets.token_hex(20))
    renew_key(secrets, found, kind)
    session.add(found)
    session.flush()
    return found


def renew_key(secrets: SecretBox, found: SenderDomain, kind: KeyKind) -> None:
    """Give the domain a new key under a new selector; it signs once its record is seen."""
    found.dkim_selector, found.dkim_kind, found.dkim_seen_at = f"lm{random_secrets.token_hex(4)}", kind, None
    found.dkim_key_sealed = secrets.seal(generate_key(kind))


def proof_record(found: SenderDomain) -> DnsRecord:
    """Return the record that proves the domain."""
    return DnsRecord(f"{PROOF_NAME}.{found.domain}", f"{PROOF_MARK}{found.proof}")


def dkim_record(secrets: SecretBox, found: SenderDomain) -> DnsRecord | None:
    """Return the record that publishes its key; None for a domain without one."""
    if not found.dkim_key_sealed:
        return None
    return DnsRecord(f"{found.dkim_selector}._domainkey.{found.domain}", public_record(secrets.open(found.dkim_key_sealed)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into DNS found; None: DNS did not answer, which says nothing."""

    proof: bool | None
    key: bool | None


def look(secrets: SecretBox, found: SenderDomain, look_up: LookUpAnswer) -> Seen:
    """Look for both records of a domain. It takes seconds where DNS is slow, so no transaction may be open."""
    proof, key = proof_record(found), dkim_record(secrets, found)
    texts = look_up(proof.name)
    published: Answer = [] if key is None else look_up(key.name)
    return Seen(None if texts is None else bool(found.proof) and any(text.strip() == proof.value for text in texts),
                None if key is None or published is None else is_published(key.value, published))


def heed(found: SenderDomain, seen: Seen, now: datetime) -> bool:
    """Draw the conclusions of a look; return whether the domain was suspended by it. A domain that its user switched off stays off."""
    found.checked_at = now
    if seen.key is not None:
        found.dkim_seen_at = (found.dkim_seen_at or now) if seen.key else None
    if seen.proof is None or found.state == DISABLED or is_held(found):
        return False
    if seen.proof:
        found.state, found.why, found.missed_since = ENABLED, "", None
        return False
    return _missed(found, now)


def _missed(found: SenderDomain, now: datetime) -> bool:
    if found.state != ENABLED:
        return False
    found.missed_since = found.missed_since or now
    if now - found.missed_since < MISSING_FOR:
        return False
    found.state, found.why = SUSPENDED, words("Its record was not found in DNS for three days.")
    log.info("a sender domain is suspended: its proof is gone", extra={"domain": found.domain, "account": found.user_id})
    return True


def is_held(found: SenderDomain) -> bool:
    """Whether an administrator suspended it: no record brings it back."""
    return found.state == SUSPENDED and found.missed_since is None


def wait_s(found: SenderDomain, now: datetime) -> int:
    """Return how many seconds are left until a click may look again; 0: now."""
    if found.checked_at is None:
        return 0
    return max(0, NOT_AGAIN_S - int((now - found.checked_at).total_seconds()))


def switch(found: SenderDomain, *, on: bool) -> bool:
    """Let the user switch a domain off, or on: then it has to be seen again. Return whether it was done: a suspended one stays so."""
    if found.state == SUSPENDED:
        return False
    found.state = PENDING if on and found.state == DISABLED else found.state if on else DISABLED
    found.missed_since = None
    return True


def suspend(found: SenderDomain, why: str) -> None:
    """Let an administrator take the domain away, with the reason that its user reads."""
    found.state, found.why, found.missed_since = SUSPENDED, why[:200], None


def release(found: SenderDomain) -> None:
    """Let the domain be proven again."""
    found.state, found.why, found.missed_since = PENDING, "", None


def page_of_all(session: Session, after: int, state: str, start: str) -> list[SenderDomain]:
    """Return the next domains of all users by number, one more than a page holds. ``start``: the beginning of the domain."""
    query = sa.select(SenderDomain).where(SenderDomain.id > after).order_by(SenderDomain.id).limit(PAGE + 1)
    if state:
        query = query.where(SenderDomain.state == state)
    if start:
        query = query.where(SenderDomain.domain.startswith(start.strip().lower(), autoescape=True))
    return list(session.scalars(query))


def of_account(session: Session, user_id: int) -> list[SenderDomain]:
    """Return the account's domains by name."""
    return list(session.scalars(sa.select(SenderDomain).where(SenderDomain.user_id == user_id).order_by(SenderDomain.domain)))
