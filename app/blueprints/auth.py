"""Coming in and going out: set-up, sign-in, sign-out, a forgotten password, a link that signs in once."""

from __future__ import annotations

from flask import Response, abort, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_login import login_user, logout_user
from werkzeug.wrappers import Response as Answer

from app.accounts import first_run, links, profile, signing_in
from app.accounts.models import Administrator, User
from app.db import db
from app.web import actor
from app.web.account_forms import NewPasswordForm, ResetForm, SetUpForm, SignInForm
from app.web.entrance import begin_set_up, landing, open_house_account, send_reset_mail, why_refused
from app.web.policy import ANYONE, SIGNED_IN, Room, policy

room = Room("auth", __name__)


@room.get("/")
@policy(ANYONE)
def front_door() -> Answer | str:
    """Lead somebody in; before set-up, say where the link is."""
    if actor.person() is not None:
        return redirect(landing())
    if not first_run.is_set_up(db.session()):
        return render_template("weefive/auth/before_set_up.html")
    return redirect(url_for("auth.sign_in"))


@room.route("/set-up/<secret>", methods=["GET", "POST"])
@policy(ANYONE)
def set_up(secret: str) -> Answer | str | tuple[str, int]:
    """Make the first administrator and name the product; the link works once."""
    if links.look(db.session(), links.SET_UP, secret) is None or first_run.is_set_up(db.session()):
        abort(404)
    form = SetUpForm()
    if not form.validate_on_submit():
        return render_template("weefive/auth/set_up.html", form=form), 422 if request.method == "POST" else 200
    administrator = begin_set_up(secret, form)
    if administrator is None:
        abort(404)
    login_user(administrator)
    open_house_account()
    return redirect(url_for("admin.dashboard"))


@room.route("/sign-in", methods=["GET", "POST"])
@policy(ANYONE)
def sign_in() -> Answer | str | tuple[str, int]:
    """Let somebody in by name and password."""
    form = SignInForm()
    if not form.validate_on_submit():
        return render_template("weefive/auth/sign_in.html", form=form), 422 if request.method == "POST" else 200
    found = signing_in.sign_in(db.session(), db.engine, form.name.data, form.password.data, actor.client_address())
    if isinstance(found, signing_in.Refused):
        form.password.errors = [why_refused(found)]
        return render_template("weefive/auth/sign_in.html", form=form), 429 if found.wait_s else 422
    return _let_in(found)


@room.route("/sign-in/<secret>", methods=["GET", "POST"])
@policy(ANYONE)
def sign_in_once(secret: str) -> Answer | str:
    """Let in whoever holds a link that signs in once; a look at it changes nothing, the button does."""
    link = links.look(db.session(), links.SIGN_IN, secret)
    if link is None:
        abort(404)
    if request.method == "GET":
        return render_template("weefive/auth/sign_in_once.html")
    person = links.person_of(db.session(), link) if links.use(db.session(), links.SIGN_IN, secret) else None
    if person is None:
        abort(404)
    return _let_in(person)


def _let_in(person: Administrator | User) -> Answer:
    db.session.commit()
    login_user(person)
    if isinstance(person, Administrator):
        open_house_account()
    return redirect(landing(request.args.get("next", "")))


@room.post("/sign-out")
@policy(SIGNED_IN)
def sign_out() -> Answer:
    """End this session."""
    logout_user()
    session.clear()
    response = redirect(url_for("auth.sign_in"))
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@room.route("/forgotten", methods=["GET", "POST"])
@policy(ANYONE)
def forgotten() -> Answer | str | tuple[str, int]:
    """Mail a reset link; the answer is the same whether the name exists or not."""
    form = ResetForm()
    if not form.validate_on_submit():
        return render_template("weefive/auth/forgotten.html", form=form), 422 if request.method == "POST" else 200
    if refused := send_reset_mail(form.name.data):
        form.name.errors = [why_refused(refused)]
        return render_template("weefive/auth/forgotten.html", form=form), 429
    return render_template("weefive/auth/forgotten.html", form=form, sent=True)


@room.route("/reset/<secret>", methods=["GET", "POST"])
@policy(ANYONE)
def reset(secret: str) -> Answer | str | tuple[str, int] | Response:
    """Set a new password with a reset link; it signs nobody in and ends every session of that person."""
    link = links.look(db.session(), links.RESET, secret)
    if link is None or (person := links.person_of(db.session(), link)) is None:
        return Response(render_template("weefive/auth/reset_over.html"), 404)
    form = NewPasswordForm(about=(person.username, person.email, person.first_name, person.last_name))
    if not form.validate_on_submit():
        return render_template("weefive/auth/reset.html", form=form), 422 if request.method == "POST" else 200
    if links.use(db.session(), links.RESET, secret) is None:
        return Response(render_template("weefive/auth/reset_over.html"), 404)
    signing_in.set_password(db.session(), person, form.password.data)
    db.session.commit()
    flash(_("Your new password is set. Sign in with it."), "ok")
    return redirect(url_for("auth.sign_in"))


@room.route("/confirm-email/<secret>", methods=["GET", "POST"])
@policy(ANYONE)
def confirm_email(secret: str) -> str:
    """Confirm a change of address from one of its two mails; a look changes nothing, the button does."""
    result = ""
    if request.method == "POST":
        result = profile.confirm_email(db.session(), secret) or "over"
        db.session.commit()
    elif links.look(db.session(), links.CONFIRM_EMAIL, secret) is None:
        result = "over"
    return render_template("weefive/auth/confirm_email.html", result=result)
