"""The field in which delivery servers are chosen: a table with a weight each, that any browser can fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Field, ValidationError

from app.accounts.models import User
from app.db import db
from app.delivery import choices
from app.delivery.models import DeliveryServer
from app.web.i18n import translated


@dataclass(frozen=True, slots=True)
class WeightLine:
    """One server of the table: the name of its input, and what is typed there."""

    server: DeliveryServer
    name: str
    typed: str


class WeightsField(Field):
    """Weights by server, empty for a server that is not chosen; ``data`` is {server id: weight}.

    Its inputs are called ``<name>-<server id>``; whoever leaves all of them empty chooses nothing, and the next owner decides.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(_l("Delivery servers"), *args, **options)
        self.typed: dict[int, str] = {}
        self.was_sent = False
        self.inherited: choices.Inherited | None = None

    def show(self, kind: str, owner_id: int | None, user: User | None = None) -> None:
        """Show the choice of an owner, unless the form was sent, and whose choice holds where there is none."""
        self.inherited = choices.inherited(db.session(), user, kind)
        if not self.was_sent:
            self.data = choices.chosen_by(db.session(), kind, owner_id) if owner_id else {}
            self.typed = {server_id: str(weight) for server_id, weight in self.data.items()}

    def process(self, formdata: Any, *_more: Any, **_named: Any) -> None:
        """Read the inputs; what is stored is shown by ``show``."""
        self.process_errors: list[str] = []
        self.was_sent = bool(formdata)
        for server in servers() if formdata else ():
            self.typed[server.id] = str(formdata.get(f"{self.name}-{server.id}", "")).strip()
        self.typed = {key: text for key, text in self.typed.items() if text}
        self.data = {key: int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1 for key, text in self.typed.items()}

    def pre_validate(self, _form: Any) -> None:
        """Weights are small whole numbers, and one of them is no zero."""
        if problem := choices.problem_with(self.data):
            raise ValidationError(translated(problem))

    @property
    def lines(self) -> Sequence[WeightLine]:
        """The table: every server, those that are switched off only where they are chosen."""
        return [WeightLine(server, f"{self.name}-{server.id}", self.typed.get(server.id, "")) for server in servers()
                if server.enabled or server.id in self.typed]

    @property
    def share(self) -> Mapping[int, float]:
        """How much of the mail each server gets, from 0 to 1, while all of them are well."""
        whole = sum(weight for weight in self.data.values() if weight > 0)
        return {key: weight / whole for key, weight in self.data.items() if weight > 0} if whole else {}

    @property
    def says_who(self) -> str:
        """Whose choice holds where all stays empty."""
        if self.inherited is None:
            return ""
        said = ", ".join(self.inherited.servers) or _("none that is enabled")
        if self.inherited.kind == "user":
            return _("Empty: as the user %(name)s has it (%(servers)s).", name=self.inherited.name, servers=said)
        if self.inherited.kind == "group":
            return _("Empty: as the user group %(name)s has it (%(servers)s).", name=self.inherited.name, servers=said)
        return _("Empty: the default server (%(servers)s).", servers=said)


def servers() -> Sequence[DeliveryServer]:
    """Return every server by name."""
    return db.session.scalars(sa.select(DeliveryServer).order_by(DeliveryServer.name)).all()
