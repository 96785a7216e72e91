"""Starting, pausing, resuming and cancelling: one guarded UPDATE each, harmless twice, committed by the caller.

Each change of state raises the sending's epoch: an intent that was prepared under the old one is refused by the database. The caller
rings for the job that the returned sending wants (``FREEZE`` after a start, ``SEND`` after resume and cancel); a lost bell is rung again
by the sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.channels import SMTP
from app.delivery.content import Content, content_of
from app.delivery.freeze import insert_recipients
from app.delivery.ledger import KINDS, SENDINGS, State
from app.delivery.models import Sending
from app.delivery.plan import PLAN, plan_for
from app.delivery.routing import route
from app.delivery.trips import Circumstances, sender_of, verified_domains
from app.mail.address import normalise
from app.settings.sections.email_delivery import EmailDelivery

if TYPE_CHECKING:
    from app.house import House

STARTABLE = ("draft", "scheduled")
ENDED = ("finished", "cancelled")
TEST = "test"
TEST_MARK = "[Test]"


@dataclass(frozen=True, slots=True)
class TestRecipient:
    """Somebody who gets a test, and whose values it shows: a subscriber's, or made-up ones."""

    __test__ = False

    email: str
    first_name: str = ""
    last_name: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def start_campaign_sending(house: House, session: Session, campaign: Campaign, *, only_if_due: bool = False,
                           on_their_clock: bool = False) -> Sending | None:
    """Start the campaign's run; return it, or None where somebody else did, or (``only_if_due``) its time has not come.

    ``on_their_clock``: a campaign for an hour of each recipient's own zone keeps it; else it goes to everybody at once.
    """
    where = [Campaign.id == campaign.id, Campaign.state.in_(STARTABLE)]
    if only_if_due:
        where += [Campaign.state == "scheduled", Campaign.send_at <= utcnow(), Campaign.held_why == ""]
    won = session.execute(sa.update(Campaign).where(*where).values(state="sending", held_why="").execution_options(synchronize_session=False))
    if not won.rowcount:  # type: ignore[attr-defined]
        return None
    session.refresh(campaign)
    plan = plan_for(session, house.settings.load(), campaign, on_their_clock=on_their_clock)
    sending = _sending(house, session, campaign, "campaign", content_of(session, campaign) | {PLAN: plan})
    sending.list_ids = [found.id for found in campaign.lists]
    session.flush()
    _freeze_domain(house, session, sending)
    return sending


def start_test_sending(house: House, session: Session, campaign: Campaign, people: Iterable[TestRecipient]) -> Sending:
    """Send the campaign as it stands, marked in its subject, to a few addresses: a sending of its own, counted in no report."""
    content = content_of(session, campaign)
    sending = _sending(house, session, campaign, TEST, {**content, "subject": f"{TEST_MARK} {content['subject']}".strip()})
    # A test that may have arrived is not sent again by itself: the author looks and repeats it.
    sending.in_doubt_policy = "park"
    session.flush()
    _freeze_domain(house, session, sending)
    rows = {normalise(person.email): person for person in people}
    list_id = campaign.lists[0].id if campaign.lists else None
    insert_recipients(session.connection(), sending.id, 0, [_test_row(sending.id, key, person, list_id) for key, person in rows.items()])
    sending.total = len(rows)
    session.flush()
    return sending


def _test_row(sending_id: int, key: str, person: TestRecipient, list_id: int | None) -> dict[str, Any]:
    kept = {"first_name": person.first_name, "last_name": person.last_name, "fields": dict(person.fields)}
    return {"sending_id": sending_id, "kind": KINDS["recipient"], "dedupe_key": key, "email": person.email, "subscriber_id": None,
            "list_id": list_id, "reason": "", "state": State.PENDING, "settled_at": None, "snapshot": kept}


def _sending(house: House, session: Session, campaign: Campaign, kind: str, content: Content) -> Sending:
    settings = house.settings.load()
    sending = Sending(user_id=campaign.user_id, kind=kind, campaign_id=campaign.id, state="freezing", content=content,
                      channel=campaign.channel or settings.get(EmailDelivery).default_channel or SMTP)
    session.add(sending)
    return sending


def _freeze_domain(house: House, session: Session, sending: Sending) -> None:
    """Fix the domain of the Message-IDs, so that a second copy of a mail can be recognised by its first one's number."""
    connection = session.connection()
    server = route(connection, sending.user_id, sending.delivery_server_id, sending.campaign_id)
    row = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending.id)).one()
    if server is not None:
        now = Circumstances(row, server, house.settings.load(), house.plugins.snapshot(house.engine),
                            verified_domains(connection, sending.user_id))
        sending.message_id_domain = sender_of(house, now).mfrom_domain
        session.flush()


def pause(session: Session, campaign: Campaign) -> Sending | None:
    """Let no further mail begin; return the run, or None where it is not under way."""
    return _change(session, campaign, ("freezing", "sending"), "paused")


def resume(session: Session, campaign: Campaign) -> Sending | None:
    """Go on where it was paused: with the freeze if that was not over. Return the run, or None where it is not paused."""
    run = running(session, campaign)
    return _change(session, campaign, ("paused",), "sending" if run is not None and run.started_at else "freezing", "sending")


def cancel(session: Session, campaign: Campaign) -> Sending | None:
    """End it for good; who was not reached is skipped by the next job. Return the run, or None where it is over already."""
    return _change(session, campaign, ("freezing", "sending", "paused"), "cancelled")


def running(session: Session, campaign: Campaign) -> Sending | None:
    """Return the campaign's run as the database has it now."""
    query = sa.select(Sending).where(Sending.campaign_id == campaign.id, Sending.kind == "campaign").order_by(Sending.id.desc()).limit(1)
    return session.scalar(query.execution_options(populate_existing=True))


def _change(session: Session, campaign: Campaign, states: tuple[str, ...], to: str, of_campaign: str = "") -> Sending | None:
    run = running(session, campaign)
    if run is None:
        return None
    ended = {"finished_at": utcnow()} if to in ENDED else {}
    changed = session.execute(sa.update(Sending).where(Sending.id == run.id, Sending.state.in_(states))
                              .values(state=to, epoch=Sending.epoch + 1, **ended).execution_options(synchronize_session=False))
    if not changed.rowcount:  # type: ignore[attr-defined]
        return None
    session.execute(sa.update(Campaign).where(Campaign.id == campaign.id).values(state=of_campaign or to, held_why="")
                    .execution_options(synchronize_session=False))
    session.refresh(campaign)
    session.refresh(run)
    return run
