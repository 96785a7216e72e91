"""A small app that shows every component: what the tests of the frame look at, and what designers may open beside picture 29."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, redirect, request
from flask_wtf import CSRFProtect, FlaskForm
from markupsafe import Markup
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms import BooleanField, IntegerField, PasswordField, RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import NumberRange

from app.config import Config
from app.web.errors import init_errors
from app.web.fragments import page_or_panel
from app.web.frame import Account, TabLink
from app.web.headers import init_headers
from app.web.i18n import init_i18n
from app.web.navigation import NavGroup, NavItem
from app.web.theme import init_theme

APP = Path(__file__).resolve().parents[3] / "app"
PAGES = Path(__file__).parent / "templates"


class GalleryForm(FlaskForm):
    """One field of each kind."""

    host = StringField("Host", description="Name or IP address of the server.", default="smtp.nordwind.example")
    port = IntegerField("Port", [NumberRange(1, 65535, "Type a port from 1 to 65535. 587 is usual.")], default=70000)
    timeout = IntegerField("Time-out", default=20)
    password = PasswordField("Password", description="The password of the mailbox.")
    seed = BooleanField("Seed copies", description="One copy of each campaign to every seed.", default=True)
    how = RadioField("How bounces reach us", default="mailbox", choices=[
        SelectChoice("built", "Built-in server"), SelectChoice("mailbox", "Mailbox"), SelectChoice("pipe", "Pipe")])
    who = SelectField("Group", choices=[SelectChoice("a", "Everybody"), SelectChoice("b", "Nobody")], default="a", validate_choice=False)
    note = TextAreaField("Note")
    agree = BooleanField("I agree to get the letter once a week")


def make_gallery(*themes: Path, plugin_dirs: Callable[[], Mapping[str, Path]] = dict, config: Config | None = None,
                 shell: Callable[[], dict[str, Any]] | None = None) -> Flask:
    """Return the app; ``themes`` stand before its own pages, as a reseller's do before the shipped ones."""
    app = Flask("gallery", root_path=str(APP))
    app.config.update(SECRET_KEY="for tests only", WTF_CSRF_TIME_LIMIT=None)
    CSRFProtect(app)
    init_i18n(app, lambda: request.args.get("lang", "en"), lambda: "Europe/Oslo")
    init_theme(app, [*themes, PAGES], plugin_dirs)
    init_headers(app, config or Config())
    init_errors(app)
    app.context_processor(shell or frame)
    _add_pages(app)
    _add_faults(app)
    return app


def frame() -> dict[str, Any]:
    """Return what the layouts read."""
    names: Sequence[tuple[str, str, int]] = (("Dashboard", "layout-dashboard", 0), ("Campaigns", "send", 4), ("Settings", "settings", 0))
    items = [NavItem(name, f"/{name.lower()}", icon, request.path == f"/{name.lower()}", count) for name, icon, count in names]
    section = NavItem("Email delivery", "/settings", "", True)
    return {
        "navigation": [NavGroup("", items)], "settings_navigation": [NavGroup("Sending", [section])], "settings_url": "/settings",
        "find_setting_url": "/find", "goto_url": "/goto",
        "account": Account("Maya Lindqvist", "Administrator", "/act", [NavItem("Your account", "/me", "user")]),
    }


def _add_pages(app: Flask) -> None:
    @app.get("/")
    def components() -> Response:
        form = GalleryForm()
        form.port.errors = ["Type a port from 1 to 65535. 587 is usual."]
        return page_or_panel("weefive/gallery/components.html", form=form, now=datetime.now(UTC), td=timedelta, TabLink=TabLink,
                             markup=Markup)

    @app.route("/settings", methods=["GET", "POST"])
    def settings() -> Response:
        form = GalleryForm()
        wrong = request.method == "POST" and not form.validate()
        return page_or_panel("weefive/gallery/settings.html", status=422 if wrong else 200, form=form, TabLink=TabLink,
                             saved=request.method == "POST" and not wrong, markup=Markup)

    @app.route("/public", methods=["GET", "POST"])
    def public() -> Response:
        return page_or_panel("weefive/gallery/public.html", form=GalleryForm())

    @app.post("/act")
    def act() -> str:
        return "done"

    counted = count(1)

    @app.get("/live")
    def live() -> Response:
        return page_or_panel("weefive/gallery/live.html", count=next(counted))

    @app.post("/upload")
    def upload() -> WerkzeugResponse:
        return redirect(f"/settings?size={len(request.files['file'].read())}")


def _add_faults(app: Flask) -> None:
    @app.route("/broken", methods=["GET", "POST"])
    def broken() -> str:
        raise RuntimeError("a mistake of ours")

    @app.route("/no-database")
    def no_database() -> str:
        raise OperationalError("SELECT 1", {}, Exception("gone away"))

    @app.route("/refused/<int:status>")
    def refused(status: int) -> str:
        abort(status)

    @app.route("/explained")
    def explained() -> str:
        abort(409, "Jonas Weber saved revision 128 at 08:51.")
