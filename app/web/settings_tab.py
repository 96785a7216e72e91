"""The blueprint of a settings tab, made from its section: show, save, prove that it is in force, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.settings.kinds import as_text
from app.settings.schema import name_of, specs
from app.settings.store import Invalid, Saved, Stale
from app.web import actor
from app.web.forms import SectionForm, form_for
from app.web.fragments import page_or_panel, wants_panel
from app.web.house import forget_settings, house, settings
from app.web.i18n import translated
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.setting_words import endpoint_of, said, said_of_stored
from app.web.settings_navigation import settings_context
from app.web.settings_proof import proof_of

TEMPLATE = "weefive/settings/tab.html"
# (the form, its values) -> what the template shows of the trial; None, with the messages beside their fields, where nothing could be tried
Trial = Callable[[SectionForm, Any], Any]


def settings_tab(section_type: Any, *, template: str = TEMPLATE, more: Callable[[], dict[str, Any]] = dict, trial: Trial | None = None) -> Room:
    """Return the room of a section under ``/admin/settings/<section>``; a tab with acts of its own adds routes to it.

    ``more`` gives what a template of its own shows besides; ``trial`` tries what was typed, before or without saving it.
    """
    room = Room(endpoint_of(section_type), __name__, url_prefix=f"/admin/settings/{name_of(section_type)}")
    tab = Tab(section_type, template, more)

    @room.get("/")
    @policy(ADMINISTRATOR, section_type.permission)
    def show() -> Response:
        """Show the section as it is in force; after a save, with the proof."""
        return tab.show()

    @room.post("/")
    @policy(ADMINISTRATOR, section_type.permission)
    def save() -> Response:
        """Save what was typed, or show it again with what is wrong beside it."""
        return tab.save()

    @room.post("/undo/<int:revision>")
    @policy(ADMINISTRATOR, section_type.permission)
    def undo(revision: int) -> Response:
        """Put back what a save changed."""
        return tab.undo(revision)

    if trial is not None:
        _add_trial(room, tab, trial)
    return room


def _add_trial(room: Room, tab: Tab, trial: Trial) -> None:
    @room.post("/test")
    @policy(ADMINISTRATOR, tab.section_type.permission)
    def test() -> Response:
        """Try what was typed for real, and show how it went; nothing is saved."""
        return tab.test(trial)


class Tab:
    """What a tab does with its section."""

    def __init__(self, section_type: Any, template: str, more: Callable[[], dict[str, Any]]) -> None:
        self.section_type, self.template, self._more = section_type, template, more
        self.form_type = form_for(section_type)

    def show(self) -> Response:
        """Draw what is in force; for htmx asking whether a save has arrived everywhere, only the proof."""
        proof = proof_of(self.section_type, request.args.get("saved", ""))
        block = "proof" if request.headers.get("HX-Target", "").endswith("#proof") else "panel"
        return self.draw(self.fresh_form(), proof=proof, block=block)

    def fresh_form(self) -> SectionForm:
        """Return the form with what is in force; a secret's field stays empty."""
        return self.form_type(formdata=None, data={**self._shown(), "revision": str(settings().revision)})

    def _shown(self) -> dict[str, Any]:
        values = settings().get(self.section_type)
        return {name: "" if spec.secret else getattr(values, name) if spec.kind == "switch" else as_text(spec, getattr(values, name))
                for name, spec in specs(self.section_type).items()}

    def save(self) -> Response:
        """Store the form's values; 422 with the messages beside the fields, 409 where somebody else saved meanwhile."""
        form = self.form_type()
        if form.fill_in_default():
            return self.draw(form)
        values = form.accept(settings().get(self.section_type), kept=house().settings.locked(self.section_type))
        if values is None:
            return self.draw(form, 422)
        try:
            return self._saved(house().settings.save(self.section_type, values, based_on=form.based_on, **_editor()))
        except Invalid as invalid:
            for problem in invalid.problems:
                form.complain(problem.name, problem.message)
            return self.draw(form, 422)
        except Stale as stale:
            return self.draw(form, 409, conflict=self._conflict(form, stale))

    def test(self, trial: Trial) -> Response:
        """Try the form's values; 422 with the messages where they cannot be tried. For htmx, only the block of the trial is drawn."""
        form = self.form_type()
        values = form.accept(settings().get(self.section_type), kept=house().settings.locked(self.section_type))
        tried = trial(form, values) if values is not None else None
        return self.draw(form, 422 if tried is None else 200, block="trial", tried=tried, is_trial=True)

    def undo(self, revision: int) -> Response:
        """Put back what a save changed, unless somebody has changed it since; 404 for a save of another section."""
        try:
            return self._saved(house().settings.roll_back(self.section_type, revision, unless_changed=True, **_editor()))
        except LookupError:
            abort(404)
        except Stale as stale:
            return self.draw(self.fresh_form(), 409, overtaken=stale.theirs)

    def _saved(self, saved: Saved) -> Response:
        forget_settings()
        if wants_panel():
            return self.draw(self.fresh_form(), proof=proof_of(self.section_type, str(saved.revision)) if saved.changed else None)
        return redirect(url_for(f"{request.blueprint}.show", saved=saved.revision if saved.changed else None), 303)

    def draw(self, form: SectionForm, status: int = 200, block: str = "panel", **more: Any) -> Response:
        """Return the tab's page or a block of it."""
        store, now = house().settings, settings()
        values, known = now.get(self.section_type), specs(self.section_type)
        is_set = {name: bool(getattr(values, name)) for name, spec in known.items() if spec.secret}
        broken = [translated(known[name].label) for name in now.broken_in(self.section_type)]
        context = {"section": self.section_type, "form": form, "in_force": self._shown(), "in_force_said": self._said_of(values), "is_set": is_set,
                   "locked": store.locked(self.section_type), "broken": broken, "tab_endpoint": request.blueprint,
                   "defaults": self._said_of(self.section_type()), "conflict": None, "overtaken": None, "proof": None, "section_specs": known, **self._more()}
        return page_or_panel(self.template, status=status, block=block, **settings_context(self.section_type) | context | more)

    def _said_of(self, values: Any) -> dict[str, str]:
        return {name: said(spec, getattr(values, name)) for name, spec in specs(self.section_type).items()}

    def _conflict(self, form: SectionForm, stale: Stale) -> dict[str, Any]:
        # The next press of Save is meant: it is based on what this page now shows.
        form.revision.data = str(stale.revision)
        known = specs(self.section_type)
        rows = [(form[found.name], *(said_of_stored(known[found.name], value) for value in (found.opened, found.theirs, found.typed)))
                for found in stale.differences]
        return {"rows": rows, "theirs": stale.theirs}


def _editor() -> dict[str, str]:
    return {"by": actor.actor_name(), "via": "form", "address": actor.client_address()}
