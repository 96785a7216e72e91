"""Sending a campaign: the one place where writing, permission to send, delivery, plug-ins and jobs meet.

Each act is one guarded change of state below, in the caller's transaction; the job is rung for after its commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.campaigns.findings import Finding, Place, findings_of
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery import lifecycle
from app.delivery.alignment import misaligned
from app.delivery.lifecycle import TestRecipient
from app.delivery.models import Sending
from app.delivery.notices import queue_notice
from app.house import House
from app.jobs import FREEZE, SEND, SEND_TEST
from app.plugins.calls import campaign_problems
from app.plugins.views import CampaignView
from app.settings.audit import record
from app.words import words

A_MONTH = timedelta(days=30)


def problems(house: House, session: Session, campaign: Campaign) -> list[Finding]:
    """Return what keeps the campaign from going: its own faults, the account's limits, and what plug-ins say."""
    found = [finding for finding in findings_of(session, campaign) if finding.tone == "bad"]
    found += _switched_off(session, campaign) + _limits(session, campaign)
    enabled = house.plugins.snapshot(house.engine)
    return found + [Finding("bad", problem.text) for problem in campaign_problems(enabled, view_of(campaign))]


def warnings(house: House, session: Session, campaign: Campaign) -> list[Finding]:
    """Return what is worth knowing before the campaign goes, and does not keep it: mail that would not align for DMARC."""
    return [Finding("warn", words("Mail from %(domain)s would not align", domain=one.from_domain), words(
        "Through %(server)s, neither its return path (%(mfrom)s) nor its signature (%(signed)s) belongs to %(domain)s: receivers may refuse it. "
        "Prove the domain under Sender domains and publish its DKIM record.", server=", ".join(one.servers), mfrom=one.mfrom_domain,
        signed=one.signed_by or words("none"), domain=one.from_domain), places=(Place("from_email"),)) for one in misaligned(house, session, campaign)]


def view_of(campaign: Campaign) -> CampaignView:
    """Return what plug-ins may know of a campaign."""
    return CampaignView(
        id=campaign.id, account_id=campaign.user_id, name=campaign.name, from_name=campaign.from_name, from_email=campaign.from_email,
        reply_to=campaign.reply_to, subject=campaign.subject, preheader=campaign.preheader, html=campaign.html, plain=campaign.plain,
        list_ids=tuple(found.id for found in campaign.lists), track_links=campaign.track_links, track_opens=campaign.track_opens)


def _switched_off(session: Session, campaign: Campaign) -> list[Finding]:
    owner = session.get(User, campaign.user_id)
    return [] if owner and owner.enabled else [Finding("bad", words("The account is switched off: nothing of it is sent."))]


def _limits(session: Session, campaign: Campaign) -> list[Finding]:
    owner = session.get(User, campaign.user_id)
    limits = owner.group.limits if owner else {}
    recent = (Sending.user_id == campaign.user_id, Sending.kind == "campaign", Sending.created_at > utcnow() - A_MONTH)
    found = []
    if (most := limits.get("campaigns_per_month")) is not None:
        sent = session.scalar(sa.select(sa.func.count()).select_from(Sending).where(*recent)) or 0
        if sent >= most:
            found.append(Finding("bad", words("The account may send %(most)s campaigns in 30 days, and has sent %(sent)s.", most=most, sent=sent)))
    if (most := limits.get("mails_per_month")) is not None:
        mails = session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Sending.total), 0)).where(*recent)) or 0
        wanted = sum(people.active_count for people in campaign.lists)
        if mails + wanted > most:
            left = max(0, most - int(mails))
            found.append(Finding("bad", words("The account may send %(most)s mails in 30 days; %(left)s are left, and this campaign has %(wanted)s.",
                                              most=most, left=left, wanted=wanted)))
    return found


def send_now(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Start the campaign; False where it is under way already, or something keeps it from going."""
    if problems(house, session, campaign):
        return False
    sending = lifecycle.start_campaign_sending(house, session, campaign)
    if sending is None:
        return False
    _note(session, by, "campaign.sent", campaign)
    house.jobs.after_commit(session, FREEZE, sending=sending.id)
    return True


def send_or_schedule(house: House, session: Session, campaign: Campaign, at: datetime | None, zone: str, *, by: str) -> bool:
    """Start the campaign now (``at`` None), or let it start at a moment (UTC); ``zone`` is the one it was typed in."""
    if at is None:
        return send_now(house, session, campaign, by=by)
    scheduled = session.execute(sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.state.in_(lifecycle.STARTABLE))
                                .values(state="scheduled", send_at=at, time_zone=zone).execution_options(synchronize_session=False))
    session.refresh(campaign)
    if not scheduled.rowcount:  # type: ignore[attr-defined]
        return False
    _note(session, by, "campaign.scheduled", campaign)
    return True


def start_due(house: House, session: Session, campaign: Campaign) -> bool:
    """Start a campaign whose time has come. Where something keeps it from going by now, it is a draft again, and its author gets a mail."""
    if found := problems(house, session, campaign):
        if unschedule(house, session, campaign, by="schedule"):
            _tell_author(house, session, campaign, found)
        return False
    sending = lifecycle.start_campaign_sending(house, session, campaign, only_if_due=True)
    if sending is None:
        return False
    house.jobs.after_commit(session, FREEZE, sending=sending.id)
    return True


def _tell_author(house: House, session: Session, campaign: Campaign, found: list[Finding]) -> None:
    owner = session.get_one(User, campaign.user_id)
    queue_notice(session, owner.email, *house.write_mail("campaign_not_sent", owner, {"campaign": campaign.name, "findings": found}))


def unschedule(_house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Make a draft of a campaign whose time has not come; False where it began meanwhile."""
    back = session.execute(sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.state == "scheduled")
                           .values(state="draft", send_at=None).execution_options(synchronize_session=False))
    session.refresh(campaign)
    _note(session, by, "campaign.unscheduled", campaign)
    return bool(back.rowcount)  # type: ignore[attr-defined]


def pause(_house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Let no further mail begin."""
    _note(session, by, "campaign.paused", campaign)
    return lifecycle.pause(session, campaign) is not None


def pause_account(session: Session, user: User, *, by: str) -> None:
    """Pause everything that the account is sending."""
    under_way = sa.select(Campaign).where(Campaign.user_id == user.id, Campaign.state == "sending")
    for campaign in session.scalars(under_way).unique():
        if lifecycle.pause(session, campaign) is not None:
            _note(session, by, "campaign.paused", campaign)


def resume(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Go on where it was paused, unless the account is switched off."""
    run = None if _switched_off(session, campaign) else lifecycle.resume(session, campaign)
    if run is None:
        return False
    _note(session, by, "campaign.resumed", campaign)
    house.jobs.after_commit(session, FREEZE if run.state == "freezing" else SEND, sending=run.id)
    return True


def cancel(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """End it for good; who was not reached is skipped."""
    run = lifecycle.cancel(session, campaign)
    if run is None:
        return False
    _note(session, by, "campaign.cancelled", campaign)
    house.jobs.after_commit(session, SEND, sending=run.id)
    return True


def send_test(house: House, session: Session, campaign: Campaign, addresses: list[str], *, by: str) -> None:
    """Send the campaign as it is saved to a few addresses, with the values of somebody made up in it."""
    people = [TestRecipient(email=address, first_name="Anna", last_name="Karlsson") for address in addresses]
    sending = lifecycle.start_test_sending(house, session, campaign, people)
    _note(session, by, "campaign.tested", campaign)
    house.jobs.after_commit(session, SEND_TEST, sending=sending.id)


def _note(session: Session, by: str, act: str, campaign: Campaign) -> None:
    record(session, by, "", act, campaign.name, {"campaign": campaign.id})
