"""What happens around the front door: where somebody lands, what is opened for them, what is mailed."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from flask import session, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.accounts import first_run, signing_in
from app.accounts.models import Administrator, User
from app.audience.sample import make_sample_list
from app.campaigns.sample import make_sample_campaign
from app.db import EVERY_TENANT, db, scoped_to
from app.settings.sections.product import ProductSettings
from app.web import actor
from app.web.emails import queue_email
from app.web.house import absolute_url, forget_settings, house

# One slash, and no sign that a browser drops or turns around: "/<tab>/host" would lead to another house.
_OF_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def landing(wanted: str = "") -> str:
    """Return where somebody goes after signing in: where they wanted to be, if that is a path of ours, else their dashboard."""
    if _OF_OURS.fullmatch(wanted):
        return wanted
    return url_for("admin.dashboard" if isinstance(actor.person(), Administrator) else "user.dashboard")


def begin_set_up(secret: str, form: Any) -> Administrator | None:
    """Make the administrator, the house's account with its sample list and campaign, and name the product; all or nothing."""
    with scoped_to(EVERY_TENANT):
        administrator = first_run.set_up(
            db.session(), secret, first_name=form.first_name.data, last_name=form.last_name.data or "", email=form.email.data,
            username=form.username.data, password=form.password.data, time_zone=form.time_zone.data)
        if administrator is None:
            return None
        make_samples(form.product_name.data)
        db.session.commit()
    name_product(form.product_name.data, administrator)
    return administrator


def make_samples(product_name: str) -> None:
    """Put a sample list and a sample campaign into the house's account, so that the first campaign can be sent at once."""
    owner = db.session.scalars(sa.select(User).where(User.is_house)).one()
    people = make_sample_list(db.session(), owner, product_name)
    make_sample_campaign(db.session(), owner, people)


def name_product(name: str, administrator: Administrator) -> None:
    """Keep what the product is called."""
    house().settings.save(ProductSettings, {"name": name}, based_on=None, by=f"{administrator.name} ({administrator.email})",
                          via="form", address=actor.client_address())
    forget_settings()


def open_house_account() -> None:
    """Let an administrator work in the house's own account from the start."""
    session[actor.ACCOUNT] = db.session.scalar(sa.select(User.id).where(User.is_house))


def why_refused(refused: signing_in.Refused) -> str:
    """Say why nobody was let in, without saying whether the name exists."""
    if refused.wait_s:
        minutes = -(-refused.wait_s // 60)
        return ngettext("Too many tries. Wait %(num)d minute, then try again.", "Too many tries. Wait %(num)d minutes, then try again.", minutes)
    return _("This name and password do not belong together. Check both, or set a new password.")


def send_reset_mail(name: str) -> signing_in.Refused | None:
    """Mail a reset link to whoever has this name, or return the refusal; nobody learns whether there is such a one."""
    found = signing_in.reset_link(db.session(), db.engine, name, actor.client_address())
    if isinstance(found, signing_in.Refused):
        return found
    if found is not None:
        person, secret = found
        queue_email("password_reset", person, link=absolute_url("auth.reset", secret=secret), minutes=30)
        db.session.commit()
    return None
