"""The guest book's own pages."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from app.plugins.api import ADMINISTRATOR, ANYONE, current, policy

pages = Blueprint("plugin_guestbook", __name__, url_prefix="/plugins/guestbook")


@pages.get("/")
@policy(ADMINISTRATOR, "settings")
def index() -> str:
    """Show who came last."""
    return render_template("plugins/guestbook/book.html", last=current().data.get("last", "nobody"))


@pages.post("/")
@policy(ADMINISTRATOR, "settings")
def sign() -> str:
    """Write somebody into the book."""
    current().data.put("last", request.form["name"])
    return "written"


@pages.get("/open")
@policy(ANYONE)
def open_to_all() -> str:
    """Say the name of the plug-in."""
    return current().name


@pages.get("/torn")
@policy(ANYONE)
def torn() -> str:
    """Fail."""
    raise RuntimeError("this page is torn")
