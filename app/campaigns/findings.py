"""What is looked at before a campaign goes: each finding says what was seen, and what to do where something is amiss."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import CustomField, Subscriber
from app.campaigns.models import Campaign
from app.campaigns.personalisation import known_names, unknown_tags
from app.mail.address import AddressError, parse_address
from app.mail.links import placed_addresses

# Gmail cuts a mail's HTML at 102 KB and hides the rest, the way out included.
CUT_AT = 102 * 1024
LOOKED_AT = 1000
# How many of the same fault are named.
SAID = 3
UNSUBSCRIBE = "%Link:Unsubscribe%"
_FIRST_NAME = re.compile(r"%Subscriber:FirstName%")
_IMAGE = re.compile(r"<img\b[^>]*>", re.I)
# Whole addresses, mail, telephones, places in the mail itself, and merge tags.
_LEADS_ON = re.compile(r"(?:https?://[^/\s]|mailto:.|tel:.|sms:.|#|%[A-Za-z])", re.I)
# The fields that merge tags are filled in, in the order of the editor.
_WITH_TAGS = ("subject", "preheader", "html", "plain", "from_name")
_ALT = re.compile(r"\balt\s*=", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """A field of the campaign, and in texts the line, from 1; 0 where the whole field is meant."""

    field: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``tone``: ok, warn, or bad, which keeps the campaign from going.

    ``places``: where it is mended, the first ones. ``cure``: what the editor can do about it by itself: ``unsubscribe`` puts the way out
    in, ``fallback`` gives the first name a stand-in; else a person goes to the places.
    """

    tone: str
    title: str
    text: str = ""
    places: tuple[Place, ...] = ()
    cure: str = ""


def findings_of(session: Session, campaign: Campaign, more_tags: Collection[str] = ()) -> list[Finding]:
    """Look at everything; what is bad comes first. ``more_tags``: the names of plug-ins' merge tags."""
    found = [*_envelope(campaign), *_content(campaign), *_tags(session, campaign, more_tags), *_links(campaign), *_people(session, campaign)]
    return sorted(found, key=lambda finding: ("bad", "warn", "ok").index(finding.tone))


def _in_html(campaign: Campaign, starts: list[int]) -> tuple[Place, ...]:
    """Return the first lines of the HTML in which something stands, each once."""
    lines = dict.fromkeys(campaign.html.count("\n", 0, at) + 1 for at in starts)
    return tuple(Place("html", line) for line in lines)[:SAID]


def _said_in(campaign: Campaign, words: list[str]) -> tuple[Place, ...]:
    """Return where each of the first words stands first."""
    found = []
    for word in words[:SAID]:
        name = next((name for name in _WITH_TAGS if word in getattr(campaign, name)), "html")
        before, stands, _ = getattr(campaign, name).partition(word)
        found.append(Place(name, before.count("\n") + 1 if stands and name in {"html", "plain"} else 0))
    return tuple(dict.fromkeys(found))


def _envelope(campaign: Campaign) -> Iterator[Finding]:
    yield Finding("ok", "Lists are chosen") if campaign.lists else Finding(
        "bad", "No list is chosen", "Choose at least one under “To”.", places=(Place("list_ids"),))
    try:
        parse_address(campaign.from_email)
        yield Finding("ok", "The From address is right")
    except AddressError as error:
        yield Finding("bad", "The From address is missing or wrong", str(error), places=(Place("from_email"),))
    yield Finding("ok", "There is a subject") if campaign.subject.strip() else Finding(
        "bad", "There is no subject", "Type what the mail is about.", places=(Place("subject"),))
    if not campaign.preheader.strip():
        yield Finding("warn", "There is no pre-header", "Mailboxes then show the first words of the mail after the subject.",
                      places=(Place("preheader"),))


def _content(campaign: Campaign) -> Iterator[Finding]:
    if not campaign.html.strip() and not campaign.plain.strip():
        yield Finding("bad", "The mail says nothing yet", "Write its HTML, its plain text, or both.", places=(Place("html"),))
        return
    for text, name in ((campaign.html, "HTML"), (campaign.plain, "plain text")):
        if text.strip() and UNSUBSCRIBE not in text:
            yield Finding("bad", f"The {name} has no way out", f"Put {UNSUBSCRIBE} where readers look for it: in the HTML as a link’s address.",
                          places=(Place("html" if name == "HTML" else "plain"),), cure="unsubscribe")
    size = len(campaign.html.encode())
    if size > CUT_AT:
        yield Finding("warn", f"The HTML has {size // 1024} KB", "Gmail shows the first 102 KB only. Make it shorter.", places=(Place("html"),))
    bare = [tag for tag in _IMAGE.finditer(campaign.html) if not _ALT.search(tag[0])]
    if bare:
        yield Finding("warn", f"{len(bare)} pictures have no words", "Give each an alt text: many readers see the words first, some hear them only.",
                      places=_in_html(campaign, [tag.start() for tag in bare]))


def _tags(session: Session, campaign: Campaign, more: Collection[str]) -> Iterator[Finding]:
    own = session.scalars(sa.select(CustomField.alias).where(CustomField.user_id == campaign.user_id)).all()
    texts = "\n".join((campaign.subject, campaign.preheader, campaign.from_name, campaign.html, campaign.plain))
    if unknown := unknown_tags(texts, known_names(own, more)):
        said = ", ".join(unknown[:SAID])
        yield Finding("warn", f"{len(unknown)} merge tags are not known", f"{said}: readers would see it as it stands. Choose the tag from the list.",
                      places=_said_in(campaign, unknown))


def _links(campaign: Campaign) -> Iterator[Finding]:
    nowhere = [(at, address) for at, address in placed_addresses(campaign.html) if not _LEADS_ON.match(address)]
    if nowhere:
        said = ", ".join(f"“{address[:80]}”" for _, address in nowhere[:SAID])
        yield Finding("warn", f"{len(nowhere)} links lead nowhere", f"{said}: in a mailbox only a whole address works. Begin it with https://",
                      places=_in_html(campaign, [at for at, _ in nowhere]))


def _people(session: Session, campaign: Campaign) -> Iterator[Finding]:
    ids = [found.id for found in campaign.lists]
    if ids and not any(found.active_count for found in campaign.lists):
        yield Finding("bad", "Nobody is on the chosen lists", "Import subscribers, or choose another list.", places=(Place("list_ids"),))
    if not ids or not _FIRST_NAME.search(campaign.subject + campaign.preheader + campaign.html + campaign.plain):
        return
    if one := _nameless(session, ids):
        yield Finding("warn", "Some people have no first name", f"{one} would read an empty place. Give the tag a stand-in: %Subscriber:FirstName|friend%",
                      places=_said_in(campaign, ["%Subscriber:FirstName%"]), cure="fallback")


def _nameless(session: Session, list_ids: list[int]) -> str:
    """Return the address of somebody without a first name among the first and the newest thousand; looking at all would make the editor slow."""
    for order in (Subscriber.id.asc(), Subscriber.id.desc()):
        people = sa.select(Subscriber.email, Subscriber.first_name).where(
            Subscriber.list_id.in_(list_ids), Subscriber.state == "active").order_by(order).limit(LOOKED_AT).subquery()
        if one := session.scalar(sa.select(people.c.email).where(people.c.first_name == "").limit(1)):
            return str(one)
    return ""
