"""Settings › Delivery servers: the list, one with its tabs, its test, and what can be done with it."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.db import db
from app.delivery import servers
from app.delivery.models import DeliveryServer
from app.delivery.pacing import group_title
from app.delivery.server_test import test_server
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.i18n import translated
from app.web.pacing_pages import server_live
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.server_forms import ConnectionForm, DkimForm, DomainsForm, TestForm, note, save_server, typed_key
from app.web.server_pages import context, server_rows, test_mail_text

room = Room("settings_delivery_servers", __name__, url_prefix="/admin/settings/delivery-servers")
EDIT = "weefive/settings/server.html"


@room.get("/")
@policy(ADMINISTRATOR, "delivery")
def index() -> Response:
    """Show every server with its state and what it sent today."""
    return page_or_panel("weefive/settings/servers.html", servers=server_rows(), group_title=group_title, **context())


@room.route("/new", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "delivery")
def new() -> Response:
    """Add a server."""
    form, server = ConnectionForm(), DeliveryServer()
    if form.validate_on_submit() and save_server(form, server, password=form.password.data or ""):
        return redirect(url_for("settings_delivery_servers.test", server_id=server.id))
    return page_or_panel(EDIT, status=422 if request.method == "POST" else 200, form=form, server=None, tab="connection", **context())


@room.route("/<int:server_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def show(server: DeliveryServer) -> Response:
    """Show and change how a server is reached."""
    form = ConnectionForm(obj=server)
    removed = bool(request.form.get("password__remove"))
    password = "" if removed else form.password.data or None
    return _edit(server, form, "connection", password=password)


@room.route("/<int:server_id>/domains", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def domains(server: DeliveryServer) -> Response:
    """Show and change the domains of its mails."""
    return _edit(server, DomainsForm(obj=server), "domains")


@room.route("/<int:server_id>/dkim", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def dkim(server: DeliveryServer) -> Response:
    """Show and change how its mail is signed, with the record to publish."""
    form = DkimForm(obj=server)
    key, problem = typed_key(form) if request.method == "POST" else (None, "")
    if problem and form.validate_on_submit():
        form.pasted.errors = [translated(problem)]
        return page_or_panel(EDIT, status=422, form=form, server=server, tab="dkim", **context(server))
    return _edit(server, form, "dkim", dkim_key=key)


def _edit(server: DeliveryServer, form: ConnectionForm | DomainsForm | DkimForm, tab: str, **secrets: str | None) -> Response:
    if form.validate_on_submit() and save_server(form, server, **secrets):
        flash(_("Saved. The next mail through %(name)s uses it.", name=server.name), "ok")
        return redirect(request.path, 303)
    db.session.refresh(server)
    return page_or_panel(EDIT, status=422 if request.method == "POST" else 200, form=form, server=server, tab=tab, **context(server))


@room.route("/<int:server_id>/test", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def test(server: DeliveryServer) -> Response:
    """Test the server for real, and show each step."""
    person = actor.administrator()
    form, tested = TestForm(address=person.email if person else ""), None
    if form.validate_on_submit():
        db.session.commit()
        tested = test_server(house(), server, form.address.data, test_mail_text(server))
        servers.note_test(db.session(), server, tested.passed)
        note("delivery_server.tested", server, {"passed": tested.passed})
    return page_or_panel("weefive/settings/server_test.html", status=422 if request.method == "POST" and tested is None else 200, form=form,
                         server=server, tested=tested, tab="test", **context(server))


@room.get("/<int:server_id>/live")
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def live(server: DeliveryServer) -> Response:
    """Show how fast mail goes through it now, who holds it back, and when the rest will be done; the page renews itself."""
    return page_or_panel("weefive/settings/server_live.html", server=server, tab="live", **server_live(server), **context(server))


@room.post("/<int:server_id>/copy")
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def copy(server: DeliveryServer) -> Response:
    """Make a disabled copy to change."""
    twin = servers.copy(db.session(), server)
    note("delivery_server.copied", twin)
    return redirect(url_for("settings_delivery_servers.show", server_id=twin.id))


@room.post("/<int:server_id>/default")
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def default(server: DeliveryServer) -> Response:
    """Let everything go through this server that names no other."""
    servers.make_default(db.session(), server)
    note("delivery_server.made_default", server)
    return redirect(url_for("settings_delivery_servers.index"))


@room.post("/<int:server_id>/enabled")
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def enabled(server: DeliveryServer) -> Response:
    """Switch a server on or off."""
    if not servers.set_enabled(server, request.form.get("to") == "on"):
        flash(_("The default server stays on. Make another one the default first."), "bad")
    note("delivery_server.switched", server, {"enabled": server.enabled})
    return redirect(url_for("settings_delivery_servers.index"))


@room.post("/<int:server_id>/delete")
@policy(ADMINISTRATOR, "delivery", server=DeliveryServer)
def delete(server: DeliveryServer) -> Response:
    """Delete a server that nothing uses."""
    if why := servers.delete(db.session(), server):
        db.session.rollback()
        flash(translated(why), "bad")
        return redirect(url_for("settings_delivery_servers.show", server_id=server.id))
    note("delivery_server.deleted", server)
    return redirect(url_for("settings_delivery_servers.index"))
