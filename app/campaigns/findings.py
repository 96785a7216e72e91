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
from app.mail.links import addresses
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
_ALT = re.compile(r"\balt\s*=", re.I)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``tone``: ok, warn, or bad, which keeps the campaign from going."""

    tone: str
    title: str
    text: str = ""


def findings_of(session: Session, campaign: Campaign, more_tags: Collection[str] = ()) -> list[Finding]:
    """Look at everything; what is bad comes first. ``more_tags``: the names of plug-ins' merge tags."""
    found = [*_envelope(campaign), *_content(campaign), *_tags(session, campaign, more_tags), *_links(campaign), *_people(session, campaign)]
    return sorted(found, key=lambda finding: ("bad", "warn", "ok").index(finding.tone))


def _envelope(campaign: Campaign) -> Iterator[Finding]:
    yield Finding("ok", words("Lists are chosen")) if campaign.lists else Finding(
        "bad", words("No list is chosen"), words("Choose at least one under “To”."))
    try:
        parse_address(campaign.from_email)
        yield Finding("ok", words("The From address is right"))
    except AddressError as error:
        yield Finding("bad", words("The From address is missing or wrong"), str(error))
    yield Finding("ok", words("There is a subject")) if campaign.subject.strip() else Finding(
        "bad", words("There is no subject"), words("Type what the mail is about."))
    if not campaign.preheader.strip():
        yield Finding("warn", words("There is no pre-header"), words("Mailboxes then show the first words of the mail after the subject."))


def _content(campaign: Campaign) -> Iterator[Finding]:
    if not campaign.html.strip() and not campaign.plain.strip():
        yield Finding("bad", words("The mail says nothing yet"), words("Write its HTML, its plain text, or both."))
        return
    for text, title in ((campaign.html, words("The HTML has no way out")), (campaign.plain, words("The plain text has no way out"))):
        if text.strip() and UNSUBSCRIBE not in text:
            yield Finding("bad", title, words("Put %(tag)s where readers look for it: in the HTML as a link’s address.", tag=UNSUBSCRIBE))
    size = len(campaign.html.encode())
    if size > CUT_AT:
        yield Finding("warn", words("The HTML has %(size)s KB", size=size // 1024), words("Gmail shows the first 102 KB only. Make it shorter."))
    bare = [tag for tag in _IMAGE.findall(campaign.html) if not _ALT.search(tag)]
    if bare:
        yield Finding("warn", words_of(len(bare), "%(num)s picture has no words", "%(num)s pictures have no words"),
                      words("Give each an alt text: many readers see the words first, some hear them only."))


def _tags(session: Session, campaign: Campaign, more: Collection[str]) -> Iterator[Finding]:
    own = session.scalars(sa.select(CustomField.alias).where(CustomField.user_id == campaign.user_id)).all()
    texts = "\n".join((campaign.subject, campaign.preheader, campaign.from_name, campaign.html, campaign.plain))
    if unknown := unknown_tags(texts, known_names(own, more)):
        yield Finding("warn", words_of(len(unknown), "%(num)s merge tag is not known", "%(num)s merge tags are not known"),
                      words("%(tags)s: readers would see it as it stands. Choose the tag from the list.", tags=", ".join(unknown[:SAID])))


def _links(campaign: Campaign) -> Iterator[Finding]:
    nowhere = [address for address in addresses(campaign.html) if not _LEADS_ON.match(address)]
    if nowhere:
        said = ", ".join(f"“{address[:80]}”" for address in nowhere[:SAID])
        yield Finding("warn", words_of(len(nowhere), "%(num)s link leads nowhere", "%(num)s links lead nowhere"),
                      words("%(links)s: in a mailbox only a whole address works. Begin it with https://", links=said))


def _people(session: Session, campaign: Campaign) -> Iterator[Finding]:
    ids = [found.id for found in campaign.lists]
    if ids and not any(found.active_count for found in campaign.lists):
        yield Finding("bad", words("Nobody is on the chosen lists"), words("Import subscribers, or choose another list."))
    if not ids or not _FIRST_NAME.search(campaign.subject + campaign.preheader + campaign.html + campaign.plain):
        return
    if one := _nameless(session, ids):
        yield Finding("warn", words("Some people have no first name"),
                      words("%(address)s would read an empty place. Give the tag a stand-in: %(tag)s", address=one, tag="%Subscriber:FirstName|friend%"))


def _nameless(session: Session, list_ids: list[int]) -> str:
    """Return the address of somebody without a first name among the first and the newest thousand; looking at all would make the editor slow."""
    for order in (Subscriber.id.asc(), Subscriber.id.desc()):
        people = sa.select(Subscriber.email, Subscriber.first_name).where(
            Subscriber.list_id.in_(list_ids), Subscriber.state == "active").order_by(order).limit(LOOKED_AT).subquery()
        if one := session.scalar(sa.select(people.c.email).where(people.c.first_name == "").limit(1)):
            return str(one)
    return ""
