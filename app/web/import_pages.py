"""The columns of an import: what can be chosen for each, and what was."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext as _

from app.audience import fields
from app.audience.imports.mapping import EMAIL, FIRST_NAME, LAST_NAME, TIME_ZONE, guess, problem_with
from app.audience.models import Import, SubscriberList
from app.db import db
from app.web import actor
from app.web.audience_forms import MappingForm
from app.web.i18n import translated

NEW_FIELD = "+"


def targets(found: Import) -> list[tuple[str, str]]:
    """Return what a column may be."""
    known = fields.all_fields(db.session(), db.session.get(SubscriberList, found.list_id))
    return [("", _("Leave it out")), (EMAIL, _("Email address")), (FIRST_NAME, _("First name")), (LAST_NAME, _("Last name")),
            (TIME_ZONE, _("Time zone")), *((field.alias, field.name) for field in known), (NEW_FIELD, _("A new custom field"))]


def mapping_context(found: Import, form: MappingForm) -> dict[str, Any]:
    """Return what the page shows: each column with its first values and what it seems to be."""
    known = fields.all_fields(db.session(), db.session.get(SubscriberList, found.list_id))
    chosen = {number: request.form.get(f"column-{number}", "") for number in range(len(found.header))} if request.method == "POST" \
        else {int(number): target for number, target in (found.mapping or guess(found, known)).items()}
    columns = [(number, _title(number, title), [row[number] for row in found.sample if number < len(row)][:3], chosen.get(number, ""))
               for number, title in enumerate(found.header)]
    return {"found": found, "list": db.session.get(SubscriberList, found.list_id), "form": form, "columns": columns, "targets": targets(found)}


def _title(number: int, title: str) -> str:
    """Return what a column is called; a file without a header names none, and what was stored for it is ours to say."""
    return _("Column %(number)s", number=number + 1) if title == f"Column {number + 1}" else title


def read_mapping(found: Import) -> tuple[MappingForm, str]:
    """Take what was chosen into the import (a chosen new field is made); return the form and what is wrong, if anything is."""
    form = MappingForm(obj=found)
    if request.method != "POST":
        return form, ""
    allowed = {value for value, _words in targets(found)}
    chosen = {number: request.form.get(f"column-{number}", "") for number in range(len(found.header))}
    if not set(chosen.values()) <= allowed:
        return form, _("Choose what each column is from the list.")
    mapping = {str(number): target for number, target in chosen.items() if target and target != NEW_FIELD}
    if (problem := problem_with(mapping)) or not form.validate():
        return form, translated(problem)
    mapping |= {str(number): _new_field(found.header[number]) for number, target in chosen.items() if target == NEW_FIELD}
    found.mapping, found.update_existing, found.consent = mapping, form.update_existing.data, form.consent.data
    return form, ""


def _new_field(title: str) -> str:
    alias, number = fields.alias_of(title), 1
    while fields.problem_with_alias(db.session(), alias):
        number += 1
        alias = f"{fields.alias_of(title)[:36]}{number}"
    fields.create(db.session(), actor.account_id() or 0, name=title[:120] or alias, alias=alias)
    return alias
