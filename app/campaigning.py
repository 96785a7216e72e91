"""Sending a campaign: the one place where writing, permission to send, delivery, plug-ins and jobs meet.

Each act is one guarded change of state below, in the caller's transaction; the job is rung for after its commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.campaigns.findings import Finding, Place, findings_of
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery import canary, lifecycle, put_back
from app.delivery.again import write_again
from app.delivery.alignment import misaligned
from app.delivery.lifecycle import TestRecipient
from app.delivery.models import Sending
from app.delivery.notices import queue_notice
from app.delivery.plan import plan_of
from app.delivery.streams import sent_lately, set_paused
from app.delivery.zones import first_on_earth
from app.house import House
from app.inbound import meter
from app.jobs import FREEZE, PUT_BACK, SEND, SEND_TEST
from app.plugins.calls import campaign_problems
from app.plugins.views import CampaignView
from app.settings.audit import record, record_on
from app.settings.sections.system import SystemSettings
from app.words import words

A_MONTH = timedelta(days=30)
LATE = "late"


def problems(house: House, session: Session, campaign: Campaign) -> list[Finding]:
    """Return what keeps the campaign from going: its own faults, the account's limits, and what plug-ins say."""
    found = [finding for finding in findings_of(session, campaign) if finding.tone == "bad"]
    found += _switched_off(session, campaign) + _complained(session, campaign) + _limits(session, campaign)
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


def _complained(session: Session, campaign: Campaign) -> list[Finding]:
    if not meter.is_paused(session, campaign.user_id):
        return []
    return [Finding("bad", words("Too many people complained about mail of this account. An administrator has to let it go on."))]


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
        mails = sent_lately(session.connection(), campaign.user_id)
        wanted = sum(people.active_count for people in campaign.lists)
        if mails + wanted > most:
            left = max(0, most - mails)
            found.append(Finding("bad", words("The account may send %(most)s mails in 30 days; %(left)s are left, and this campaign has %(wanted)s.",
                                              most=most, left=left, wanted=wanted)))
    return found


def send_now(house: House, session: Session, campaign: Campaign, *, by: str, on_their_clock: bool = False) -> bool:
    """Start the campaign; False where it is under way already, or something keeps it from going."""
    if problems(house, session, campaign):
        return False
    sending = lifecycle.start_campaign_sending(house, session, campaign, on_their_clock=on_their_clock)
    if sending is None:
        return False
    _note(session, by, "campaign.sent", campaign)
    house.jobs.after_commit(session, FREEZE, sending=sending.id)
    return True


def send_or_schedule(house: House, session: Session, campaign: Campaign, at: datetime | None, zone: str, *, by: str) -> bool:
    """Start the campaign now (``at`` None), or let it start at a moment (UTC); ``zone`` is the one it was typed in."""
    if at is None:
        return send_now(house, session, campaign, by=by)
    if not _schedule(session, campaign, at, zone, on_their_clock=False):
        return False
    _note(session, by, "campaign.scheduled", campaign)
    return True


def send_on_their_clock(house: House, session: Session, campaign: Campaign, wall: datetime, zone: str, *, by: str) -> bool:
    """Let it go when the clock of each recipient shows ``wall``. Where that has begun on earth it starts now, for those it is over for too."""
    first = first_on_earth(wall)
    if not _schedule(session, campaign, first, zone, on_their_clock=True):
        return False
    _note(session, by, "campaign.scheduled", campaign)
    return first > utcnow() or send_now(house, session, campaign, by=by, on_their_clock=True)


def _schedule(session: Session, campaign: Campaign, at: datetime, zone: str, *, on_their_clock: bool) -> bool:
    """``at``: when it starts; for an hour on everybody's clock that is the first moment of it on earth."""
    scheduled = session.execute(
        sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.state.in_(lifecycle.STARTABLE))
        .values(state="scheduled", send_at=at, time_zone=zone, in_recipients_zone=on_their_clock, held_why="")
        .execution_options(synchronize_session=False))
    session.refresh(campaign)
    return bool(scheduled.rowcount)  # type: ignore[attr-defined]


def start_due(house: House, session: Session, campaign: Campaign) -> bool:
    """Start a campaign whose time has come.

    Where that is too long ago it waits for its author; where something keeps it from going by now it is a draft again. Either way its
    author gets a mail.
    """
    if _is_late(house, campaign):
        _hold_late(house, session, campaign)
        return False
    if found := problems(house, session, campaign):
        if unschedule(house, session, campaign, by="schedule"):
            _tell_author(house, session, campaign, "campaign_not_sent", {"findings": found})
        return False
    sending = lifecycle.start_campaign_sending(house, session, campaign, only_if_due=True, on_their_clock=True)
    if sending is None:
        return False
    house.jobs.after_commit(session, FREEZE, sending=sending.id)
    return True


def _is_late(house: House, campaign: Campaign) -> bool:
    """Whether its time was over for too long when somebody looked: nothing ran then."""
    delay = timedelta(minutes=house.settings.load().get(SystemSettings).late_start_minutes)
    return campaign.send_at is not None and utcnow() - campaign.send_at > delay


def _hold_late(house: House, session: Session, campaign: Campaign) -> None:
    """Let it wait for its author, and say so once."""
    held = session.execute(sa.update(Campaign).where(
        Campaign.id == campaign.id, Campaign.state == "scheduled", Campaign.held_why == "", Campaign.send_at == campaign.send_at)
        .values(held_why=LATE).execution_options(synchronize_session=False))
    if held.rowcount:  # type: ignore[attr-defined]
        _tell_author(house, session, campaign, "campaign_late", {"send_at": campaign.send_at})


def _tell_author(house: House, session: Session, campaign: Campaign, mail: str, more: dict[str, Any]) -> None:
    owner = session.get_one(User, campaign.user_id)
    queue_notice(session, owner.email, *house.write_mail(mail, owner, {"campaign": campaign.name} | more))


def lines_of(house: House) -> canary.Lines:
    """Return under which shares a canary must stay."""
    system = house.settings.load().get(SystemSettings)
    return canary.Lines(system.canary_bounces, system.canary_complaints)


def watch_canary(house: House, session: Session, sending_id: int) -> None:
    """Let everybody follow a canary that is over and well; hold a campaign whose canary is not, and tell its author."""
    lines = lines_of(house)
    judged = canary.step(session.connection(), sending_id, lines)
    if judged.outcome == canary.OPENED:
        house.jobs.after_commit(session, SEND, sending=sending_id)
    elif judged.outcome == canary.STOPPED:
        campaign = session.get_one(Campaign, judged.campaign_id)
        _tell_author(house, session, campaign, "campaign_held", {"standing": judged.standing, "lines": lines})


def unschedule(_house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Make a draft of a campaign whose time has not come; False where it began meanwhile."""
    back = session.execute(sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.state == "scheduled")
                           .values(state="draft", send_at=None, held_why="").execution_options(synchronize_session=False))
    session.refresh(campaign)
    _note(session, by, "campaign.unscheduled", campaign)
    return bool(back.rowcount)  # type: ignore[attr-defined]


def pause(_house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Let no further mail begin."""
    _note(session, by, "campaign.paused", campaign)
    return lifecycle.pause(session, campaign) is not None


def pause_account(session: Session, user: User, *, by: str) -> None:
    """Pause everything that the account is sending, what its programs asked for included."""
    set_paused(session.connection(), user.id, is_paused=True)
    under_way = sa.select(Campaign).where(Campaign.user_id == user.id, Campaign.state == "sending")
    for campaign in session.scalars(under_way).unique():
        if lifecycle.pause(session, campaign) is not None:
            _note(session, by, "campaign.paused", campaign)


def resume_streams(session: Session, user: User) -> None:
    """Let what the account's programs asked for go on. Its campaigns stay paused: their owner decides what is still worth sending."""
    set_paused(session.connection(), user.id, is_paused=False)


def resume(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Go on where it was paused, unless the account is switched off or kept back by complaints. A campaign that its canary held goes on with everybody."""
    is_held = campaign.held_why == canary.HELD
    run = None if _switched_off(session, campaign) or _complained(session, campaign) else lifecycle.resume(session, campaign)
    if run is None:
        return False
    if is_held:
        canary.open_next(session.connection(), run.id)
    _note(session, by, "campaign.resumed", campaign)
    house.jobs.after_commit(session, FREEZE if run.state == "freezing" else SEND, sending=run.id)
    return True


def go_on_with_everybody(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """Wait for the canary no longer; a campaign that is paused or held goes on, too. False where everybody else is on their way already."""
    run = lifecycle.running(session, campaign)
    if run is None or not plan_of(run.content).has_canary or not canary.open_next(session.connection(), run.id):
        return False
    _note(session, by, "campaign.opened", campaign)
    if run.state == "paused":
        return resume(house, session, campaign, by=by)
    house.jobs.after_commit(session, SEND, sending=run.id)
    return True


def cancel(house: House, session: Session, campaign: Campaign, *, by: str) -> bool:
    """End it for good; who was not reached is skipped."""
    run = lifecycle.cancel(session, campaign)
    if run is None:
        return False
    _note(session, by, "campaign.cancelled", campaign)
    house.jobs.after_commit(session, SEND, sending=run.id)
    return True


def retry_missed(house: House, session: Session, campaign: Campaign, reasons: list[str], positions: list[int], *, by: str, address: str) -> int | None:
    """Try people again who missed it: these, or all of these reasons; return how many of the former, None where nothing can be done.

    In a transaction of its own: the session's is committed first.
    """
    run, is_off = lifecycle.running(session, campaign), bool(_switched_off(session, campaign))
    session.commit()
    if run is None or is_off:
        return None
    done = write_again(house.engine, lambda connection: _put_back(connection, campaign, run.id, reasons, positions, by, address))
    if done is not None:
        house.jobs.ring(SEND if positions else PUT_BACK, sending=run.id)
    return done


def _put_back(connection: Connection, campaign: Campaign, sending_id: int, reasons: list[str], positions: list[int], by: str, address: str) -> int | None:
    if positions:
        done = put_back.put_back_people(connection, sending_id, positions) or None
    else:
        done = 0 if put_back.begin(connection, sending_id, reasons) else None
    if done is not None:
        record_on(connection, by, address, "campaign.missed_retried", campaign.name, {"campaign": campaign.id, "reasons": reasons, "people": positions})
    return done


def send_test(house: House, session: Session, campaign: Campaign, addresses: list[str], *, by: str) -> None:
    """Send the campaign as it is saved to a few addresses, with the values of somebody made up in it."""
    people = [TestRecipient(email=address, first_name="Anna", last_name="Karlsson") for address in addresses]
    sending = lifecycle.start_test_sending(house, session, campaign, people)
    _note(session, by, "campaign.tested", campaign)
    house.jobs.after_commit(session, SEND_TEST, sending=sending.id)


def _note(session: Session, by: str, act: str, campaign: Campaign) -> None:
    record(session, by, "", act, campaign.name, {"campaign": campaign.id})
