"""``./run --demo``: the main job in one command. An administrator, 1,000 generated subscribers, and the sample campaign sent to them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import sqlalchemy as sa

from app.accounts import first_run, links
from app.accounts.keys import new_secret
from app.accounts.models import Administrator, User
from app.audience.sample import generate_subscribers, make_sample_list
from app.campaigning import send_now
from app.campaigns.models import Campaign
from app.campaigns.sample import make_sample_campaign, sample_campaign
from app.db import db, reading
from app.delivery.models import Sending, TestMail
from app.house import House
from app.reports.campaign import Figures, figures_of
from app.settings.sections.product import ProductSettings
from app.settings.sections.system import SystemSettings

SUBSCRIBERS = 1000
PATIENCE_S = 120


def run_demo(house: House) -> Iterator[str]:
    """Do it all through the same doors as a person; yield what happened, line by line. A second run only shows the way in."""
    yield from _people(house)
    campaign = sample_campaign(db.session())
    if campaign is not None and campaign.state == "draft":
        yield from _send(house, campaign)
    yield f"Look around: {_sign_in_link(house)}  (works once, for twelve hours)"


def _people(house: House) -> Iterator[str]:
    if first_run.is_set_up(db.session()):
        return
    secret = first_run.set_up_secret(db.session())
    first_run.set_up(db.session(), secret, first_name="Demo", last_name="Administrator", email="demo@lettermill.test", username="demo",
                     password=new_secret(), time_zone="UTC")
    owner = db.session.scalars(sa.select(User).where(User.is_house)).one()
    people = make_sample_list(db.session(), owner, house.settings.load().get(ProductSettings).name, count=0)
    make_sample_campaign(db.session(), owner, people)
    db.session.commit()
    generate_subscribers(house.engine, people, SUBSCRIBERS)
    yield f"Made an administrator and a list of {SUBSCRIBERS:,} generated subscribers."


def _send(house: House, campaign: Campaign) -> Iterator[str]:
    began = time.monotonic()
    send_now(house, db.session(), campaign, by="./run --demo")
    db.session.commit()
    yield f"Sending “{campaign.name}” to {SUBSCRIBERS:,} people, into the test mailbox …"
    figures = _wait(campaign.id, began)
    took = time.monotonic() - began
    arrived = db.session.scalar(sa.select(sa.func.count()).select_from(TestMail)) or 0
    yield f"{figures.sent:,} sent in {took:.1f} s ({figures.sent / took:,.0f} a second), {figures.failed} failed, {figures.in_doubt} in doubt."
    yield f"{arrived:,} mails arrived in the test mailbox: {_base(house)}/admin/test-mailbox"


def _wait(campaign_id: int, began: float) -> Figures:
    """Look at the sending until it is over; each look is a transaction that only reads, so that nobody waits for the one who looks."""
    query = sa.select(Sending).where(Sending.campaign_id == campaign_id).execution_options(populate_existing=True)
    while True:
        with reading():
            sending = db.session.scalars(query).one()
            figures = figures_of(db.session(), sending)
            db.session.rollback()
        if figures.state == "finished" or time.monotonic() - began > PATIENCE_S:
            return figures
        time.sleep(0.1)


def _sign_in_link(house: House) -> str:
    administrator = db.session.scalars(sa.select(Administrator).order_by(Administrator.id)).first()
    secret = links.make(db.session(), links.SIGN_IN, administrator)
    db.session.commit()
    return f"{_base(house)}/sign-in/{secret}"


def _base(house: House) -> str:
    return house.settings.load().get(SystemSettings).base_url or house.config.base_url
