"""An import, step by step: the file, the columns, what will happen, the run, and what became of each line."""

from __future__ import annotations

from flask import Response as Streamed
from flask import abort, redirect, request, stream_with_context, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.audience.imports import asking
from app.audience.imports.intake import FileRefused, take_in
from app.audience.models import Import, SubscriberList
from app.db import db
from app.jobs import RUN_IMPORT
from app.web.audience_forms import UploadForm
from app.web.fragments import page_or_panel, refresh_when_moved
from app.web.house import house
from app.web.i18n import translated
from app.web.import_pages import mapping_context, read_mapping
from app.web.policy import ACCOUNT, Room, policy

room = Room("imports", __name__, url_prefix="/user")


@room.route("/lists/<int:list_id>/imports", methods=["GET", "POST"])
@policy(ACCOUNT, "imports", list=SubscriberList)
def index(list: SubscriberList) -> Response:
    """Show past imports, and take a file in."""
    form = UploadForm()
    if form.validate_on_submit():
        try:
            found = take_in(db.session(), house().config.uploads, list, form.file.data.stream, form.file.data.filename or "file.csv")
            db.session.commit()
            return redirect(url_for("imports.columns", found_id=found.id))
        except FileRefused as refused:
            form.file.errors = [translated(refused)]
    return page_or_panel("weefive/audience/imports.html", status=422 if request.method == "POST" else 200, form=form, found=list,
                         imports=asking.of_list(db.session(), list))


@room.route("/imports/<int:found_id>/columns", methods=["GET", "POST"])
@policy(ACCOUNT, "imports", found=Import)
def columns(found: Import) -> Response:
    """Say which column is what; then look at what will happen."""
    if found.state != "uploaded":
        return redirect(url_for("imports.show", found_id=found.id))
    form, problem = read_mapping(found)
    if request.method == "POST" and not problem and form.validate():
        db.session.commit()
        return redirect(url_for("imports.preview", found_id=found.id))
    return page_or_panel("weefive/audience/import_columns.html", status=422 if request.method == "POST" else 200, problem=problem,
                         **mapping_context(found, form))


@room.get("/imports/<int:found_id>/preview")
@policy(ACCOUNT, "imports", found=Import)
def preview(found: Import) -> Response:
    """Say what will happen, before anything is written."""
    if found.state != "uploaded":
        return redirect(url_for("imports.show", found_id=found.id))
    return page_or_panel("weefive/audience/import_preview.html", found=found, forecast=asking.look_ahead(db.session(), found, house().config.uploads))


@room.post("/imports/<int:found_id>/start")
@policy(ACCOUNT, "imports", found=Import)
def start(found: Import) -> Response:
    """Begin; a second click begins nothing twice."""
    if asking.begin(db.session(), found):
        house().jobs.after_commit(db.session(), RUN_IMPORT, import_id=found.id)
    db.session.commit()
    return redirect(url_for("imports.show", found_id=found.id))


@room.get("/imports/<int:found_id>")
@policy(ACCOUNT, "imports", found=Import)
def show(found: Import) -> Response:
    """Show how far it is, or what came of it; it can be left and come back to."""
    if found.state == "uploaded":
        return redirect(url_for("imports.columns", found_id=found.id))
    page = page_or_panel("weefive/audience/import.html", found=found, list=db.session.get(SubscriberList, found.list_id),
                         rejected=asking.first_rejections(db.session(), found), reason_of=asking.reason_reader(db.session(), found))
    return refresh_when_moved(page, found.state)


@room.post("/imports/<int:found_id>/stop")
@policy(ACCOUNT, "imports", found=Import)
def stop(found: Import) -> Response:
    """Stop at the next border of a chunk; what was written stays."""
    if not asking.stop(db.session(), found):
        abort(409, _("This import is over already."))
    db.session.commit()
    house().jobs.ring(RUN_IMPORT, import_id=found.id)
    return redirect(url_for("imports.show", found_id=found.id))


@room.get("/imports/<int:found_id>/rejected.csv")
@policy(ACCOUNT, "imports", found=Import)
def rejected(found: Import) -> Streamed:
    """Give the lines that were not taken, with the reasons, as a file."""
    headers = {"Content-Disposition": f'attachment; filename="import-{found.id}-rejected.csv"'}
    return Streamed(stream_with_context(asking.rejected_lines(house().engine, found.id)), content_type="text/csv; charset=utf-8", headers=headers)
