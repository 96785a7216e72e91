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
from app.words import words, words_of

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


def findings_of(session: Session, campaign: Campaign, more_tags: Collection[str] = (), more: Collection[Finding] = ()) -> list[Finding]:
    """Look at everything; what is bad comes first. ``more_tags``: the names of plug-ins' merge tags; ``more``: what others found."""
    found = [*more, *_envelope(campaign), *_content(campaign), *_tags(session, campaign, more_tags), *_links(campaign), *_people(session, campaign)]
    return sorted(found, key=lambda finding: ("bad", "warn", "ok").index(finding.tone))


def _in_html(campaign: Campaign, starts: list[int]) -> tuple[Place, ...]:
    """Return the first lines of the HTML in which something stands, each once."""
    lines = dict.fromkeys(campaign.html.count("\n", 0, at) + 1 for at in starts)
    return tuple(Place("html", line) for line in lines)[:SAID]


def _said_in(campaign: Campaign, tags: list[str]) -> tuple[Place, ...]:
    """Return where each of the first tags stands first."""
    found = []
    for tag in tags[:SAID]:
        name = next((name for name in _WITH_TAGS if tag in getattr(campaign, name)), "html")
        before, stands, _ = getattr(campaign, name).partition(tag)
        found.append(Place(name, before.count("\n") + 1 if stands and name in {"html", "plain"} else 0))
    return tuple(dict.fromkeys(found))


def _envelope(campaign: Campaign) -> Iterator[Finding]:
    yield Finding("ok", words("Lists are chosen")) if campaign.lists else Finding(
        "bad", words("No list is chosen"), words("Choose at least one under “To”."), places=(Place("list_ids"),))
    try:
        parse_address(campaign.from_email)
        yield Finding("ok", words("The From address is right"))
    except AddressError as error:
        yield Finding("bad", words("The From address is missing or wrong"), str(error), places=(Place("from_email"),))
    yield Finding("ok", words("There is a subject")) if campaign.subject.strip() else Finding(
        "bad", words("There is no subject"), words("Type what the mail is about."), places=(Place("subject"),))
    if not campaign.preheader.strip():
        yield Finding("warn", words("There is no pre-header"), words("Mailboxes then show the first words of the mail after the subject."),
                      places=(Place("preheader"),))


def _content(campaign: Campaign) -> Iterator[Finding]:
    if not campaign.html.strip() and not campaign.plain.strip():
        yield Finding("bad", words("The mail says nothing yet"), words("Write its HTML, its plain text, or both."), places=(Place("html"),))
        return
    for name, title in (("html", words("The HTML has no way out")), ("plain", words("The plain text has no way out"))):
        if getattr(campaign, name).strip() and UNSUBSCRIBE not in getattr(campaign, name):
            yield Finding("bad", title, words("Put %(tag)s where readers look for it: in the HTML as a link’s address.", tag=UNSUBSCRIBE),
                          places=(Place(name),), cure="unsubscribe")
    size = len(campaign.html.encode())
    if size > CUT_AT:
        yield Finding("warn", words("The HTML has %(size)s KB", size=size // 1024), words("Gmail shows the first 102 KB only. Make it shorter."),
                      places=(Place("html"),))
    bare = [tag for tag in _IMAGE.finditer(campaign.html) if not _ALT.search(tag[0])]
    if bare:
        yield Finding("warn", words_of(len(bare), "%(num)s picture has no words", "%(num)s pictures have no words"),
                      words("Give each an alt text: many readers see the words first, some hear them only."),
                      places=_in_html(campaign, [tag.start() for tag in bare]))


def _tags(session: Session, campaign: Campaign, more: Collection[str]) -> Iterator[Finding]:
    own = session.scalars(sa.select(CustomField.alias).where(CustomField.user_id == campaign.user_id)).all()
    texts = "\n".join((campaign.subject, campaign.preheader, campaign.from_name, campaign.html, campaign.plain))
    if unknown := unknown_tags(texts, known_names(own, more)):
        said = ", ".join(unknown[:SAID])
        yield Finding("warn", words_of(len(unknown), "%(num)s merge tag is not known", "%(num)s merge tags are not known"),
                      words("%(tags)s: readers would see it as it stands. Choose the tag from the list.", tags=said),
                      places=_said_in(campaign, unknown))


def _links(campaign: Campaign) -> Iterator[Finding]:
    nowhere = [(at, address) for at, address in placed_addresses(campaign.html) if not _LEADS_ON.match(address)]
    if nowhere:
        said = ", ".join(f"“{address[:80]}”" for _, address in nowhere[:SAID])
        yield Finding("warn", words_of(len(nowhere), "%(num)s link leads nowhere", "%(num)s links lead nowhere"),
                      words("%(links)s: in a mailbox only a whole address works. Begin it with https://", links=said),
                      places=_in_html(campaign, [at for at, _ in nowhere]))


def _people(session: Session, campaign: Campaign) -> Iterator[Finding]:
    ids = [found.id for found in campaign.lists]
    if ids and not any(found.active_count for found in campaign.lists):
        yield Finding("bad", words("Nobody is on the chosen lists"), words("Import subscribers, or choose another list."), places=(Place("list_ids"),))
    if not ids or not _FIRST_NAME.search(campaign.subject + campaign.preheader + campaign.html + campaign.plain):
        return
    if one := _nameless(session, ids):
        yield Finding("warn", words("Some people have no first name"),
                      words("%(address)s would read an empty place. Give the tag a stand-in: %(tag)s", address=one, tag="%Subscriber:FirstName|friend%"),
                      places=_said_in(campaign, ["%Subscriber:FirstName%"]), cure="fallback")


def _nameless(session: Session, list_ids: list[int]) -> str:
    """Return the address of somebody without a first name among the first and the newest thousand; looking at all would make the editor slow."""
    for order in (Subscriber.id.asc(), Subscriber.id.desc()):
        people = sa.select(Subscriber.email, Subscriber.first_name).where(
            Subscriber.list_id.in_(list_ids), Subscriber.state == "active").order_by(order).limit(LOOKED_AT).subquery()
        if one := session.scalar(sa.select(people.c.email).where(people.c.first_name == "").limit(1)):
            return str(one)
    return ""
