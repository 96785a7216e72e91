"""The form of a settings section, made from its declaration alone."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, PasswordField, SelectField, StringField, TextAreaField

from app.settings.schema import Spec, parse, problems, specs

REMOVE = "__remove"


WIDGETS: dict[str, type[Field]] = {"text": StringField, "integer": StringField, "email": StringField, "url": StringField, "domain": StringField,
                                   "switch": BooleanField, "long_text": TextAreaField, "secret": PasswordField}
# What the browser is told of a kind, so that a phone shows the right keys.
ATTRIBUTES: dict[str, dict[str, Any]] = {"integer": {"inputmode": "numeric"}, "email": {"type": "email"}, "url": {"type": "url"}, "long_text": {"rows": 6}}


class SectionForm(FlaskForm):
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
        return int(text) if text.isdigit() else None

    def accept(self, current: Any) -> Any | None:
        """Return the posted values, or None with the messages set beside their fields."""
        if not self.validate_on_submit():
            return None
        typed = {name: self._posted(name, spec, current) for name, spec in specs(self.section_type).items()}
        if any(self[name].errors for name in typed):
            return None
        values = self.section_type(**typed)
        for problem in (found := problems(values)):
            self.complain(problem.name, problem.message)
        return None if found else values

    def complain(self, name: str, message: str) -> None:
        """Put a message beside a field."""
        self[name].errors = [*self[name].errors, _(message)]

    def _posted(self, name: str, spec: Spec, current: Any) -> Any:
        if spec.secret:
            return self._secret(name, current)
        try:
            return parse(spec, self[name].data if self[name].data is not None else "")
        except ValueError as error:
            self.complain(name, str(error))
            return getattr(current, name)

    def _secret(self, name: str, current: Any) -> str:
        # A browser is never given a secret back, so an empty field means "as it was"; removing it is said aloud.
        if self._formdata_says_remove(name):
            return ""
        return self[name].data or getattr(current, name)

    def _formdata_says_remove(self, name: str) -> bool:
        return bool(request.form.get(self[name].name + REMOVE))


def form_for(section_type: type) -> type[SectionForm]:
    """Return the form class of a section."""
    fields: dict[str, Any] = {name: _field(spec) for name, spec in specs(section_type).items()}
    return type(f"{section_type.__name__}Form", (SectionForm,), {"section_type": section_type, **fields})


def _field(spec: Spec) -> Field:
    help_text = spec.help
    if spec.kind == "choice":
        return SelectField(spec.label, choices=spec.options, validate_choice=False, description=help_text)
    return WIDGETS[spec.kind](spec.label, description=help_text, render_kw=ATTRIBUTES.get(spec.kind))
