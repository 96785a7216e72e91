"""The form of a settings section, made from its declaration alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import request
from wtforms import BooleanField, ColorField, Field, HiddenField, PasswordField, SelectField, StringField, TextAreaField

from app.settings.kinds import Spec, as_text, parse
from app.settings.schema import problems, specs
from app.web.choices import translated_choices
from app.web.form_words import Form
from app.web.house import house
from app.web.i18n import translated, translated_later

# What is posted beside a field: remove the secret, put the default into the field, take what somebody else saved.
REMOVE, DEFAULT, THEIRS = "__remove", "__default", "__theirs"

WIDGETS: dict[str, type[Field]] = {
    "text": StringField, "integer": StringField, "number": StringField, "email": StringField, "url": StringField, "domain": StringField,
    "host": StringField, "switch": BooleanField, "long_text": TextAreaField, "lines": TextAreaField, "secret": PasswordField,
    "choice": SelectField, "colour": ColorField}
# What the browser is told of a kind, so that a phone shows the right keys.
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "integer": {"inputmode": "numeric"}, "number": {"inputmode": "decimal"}, "email": {"type": "email"}, "url": {"type": "url"},
    "long_text": {"rows": 6}, "lines": {"rows": 6}}


class SectionForm(Form):
    """A section's values as they are typed. ``revision`` is the one that the form was drawn from."""

    section_type: type
    revision = HiddenField()

    @property
    def rows(self) -> list[tuple[Field, Spec]]:
        """The fields in order, each with what is declared of it."""
        return [(self[name], spec) for name, spec in specs(self.section_type).items()]

    @property
    def based_on(self) -> int | None:
        """The revision that the form was drawn from; None where it says none."""
        text = self.revision.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def fill_in_default(self) -> bool:
        """Put a setting's default into its field, where that button was pressed; nothing is saved."""
        name = request.form.get(self._prefix + DEFAULT, "")
        if name not in specs(self.section_type):
            return False
        spec, default = specs(self.section_type)[name], getattr(self.section_type(), name)
        self[name].data = default if spec.kind == "switch" else as_text(spec, default)
        return True

    def accept(self, current: Any, kept: Iterable[str] = ()) -> Any | None:
        """Return the posted values, or None with the messages set beside their fields. ``kept``: settings that are not the form's to say."""
        if not self.validate_on_submit():
            return None
        typed = {name: getattr(current, name) if name in kept else self._posted(name, spec, current)
                 for name, spec in specs(self.section_type).items()}
        if any(self[name].errors for name in typed):
            return None
        values = self.section_type(**typed)
        for problem in (found := problems(values)):
            self.complain(problem.name, problem.message)
        return None if found else values

    def complain(self, name: str, message: str) -> None:
        """Put a message beside a field."""
        self[name].errors = [*self[name].errors, translated(message)]

    def _posted(self, name: str, spec: Spec, current: Any) -> Any:
        if self._pressed(name, THEIRS):
            return getattr(current, name)
        if spec.secret:
            return self._secret(name, current)
        try:
            return parse(spec, self[name].data if self[name].data is not None else "")
        except ValueError as error:
            self.complain(name, translated(error))
            return getattr(current, name)

    def _secret(self, name: str, current: Any) -> str:
        # A browser is never given a secret back, so an empty field means "as it was"; removing it is said aloud.
        if self._pressed(name, REMOVE):
            return ""
        return self[name].data or getattr(current, name)

    def _pressed(self, name: str, what: str) -> bool:
        return bool(request.form.get(self[name].name + what))


def form_for(section_type: type) -> type[SectionForm]:
    """Return the form class of a section."""
    fields: dict[str, Any] = {name: _field(spec) for name, spec in specs(section_type).items()}
    return type(f"{section_type.__name__}Form", (SectionForm,), {"section_type": section_type, **fields})


def _field(spec: Spec) -> Field:
    shown = {"description": translated_later(spec.help), "render_kw": ATTRIBUTES.get(spec.kind)}
    if spec.kind == "choice":
        # Asked at each drawing: which choices there are changes when a plug-in is enabled.
        return SelectField(translated_later(spec.label), choices=lambda: translated_choices(house().settings.registry.options(spec)),
                           validate_choice=False, **shown)
    return WIDGETS[spec.kind](translated_later(spec.label), **shown)
