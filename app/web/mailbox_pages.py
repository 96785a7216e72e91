"""What the tabs of bounces and complaints show beside their settings: how the mailbox does, its test, and the lines for a pipe."""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import current_app
from flask_babel import gettext as _

from app.db import db, utcnow
from app.inbound.mailboxes.account import SECTIONS, account_of, source_of
from app.inbound.mailboxes.check import test_mailbox
from app.inbound.mailboxes.state import row_of, said_again
from app.inbound.mailboxes.steps import Step
from app.inbound.pipe_lines import POSTFIX_MAIN, exim_line, pipe_command, postfix_alias, postfix_master
from app.settings.audit import record
from app.settings.monitoring import MAILBOX, Monitored
from app.settings.schema import name_of, problems, specs
from app.web import actor
from app.web.forms import SectionForm
from app.web.house import house, settings
from app.words import Words, marked

Groups = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """How the last look into a mailbox went, so many seconds ago. ``error`` is None where all is well."""

    ago_s: int
    mails: int
    total: int
    too_large: int
    error: Words | None


def monitored_context(number: int, groups: Groups) -> dict[str, Any]:
    """Return what the template of a monitored section reads. ``groups``: the titles above its own settings, with their names."""
    config = house().config
    return {"groups": _whole(number, groups), "looked": looked(number), "pipes": pipes(), "tried": None, "is_trial": False,
            "inbound_port": config.inbound_port, "inbound_host": config.inbound_host}


def _whole(number: int, groups: Groups) -> Groups:
    """Return the groups, with what stands in none of them in one of its own: no setting is left off the page."""
    known = {name for _title, names in groups for name in names} | set(specs(Monitored))
    rest = tuple(name for name in specs(SECTIONS[number]) if name not in known)
    return (*groups, (marked("More"), rest)) if rest else groups


def looked(number: int) -> Looked | None:
    """Return how the last look into a mailbox went; None where there was none into the one that is set."""
    account, row = account_of(settings(), number), row_of(house().engine, number)
    if account is None or row is None or row.looked_at is None or row.source != source_of(account):
        return None
    ago_s = max(int((utcnow() - row.looked_at).total_seconds()), 1)
    return Looked(ago_s, row.mails, row.total, row.too_large, said_again(row.error))


def pipes() -> list[tuple[str, str]]:
    """Return the lines that hand mail over to this installation, each with where it belongs."""
    config = house().config
    environment = {"LETTERMILL_DATA": str(config.data.absolute())}
    command = pipe_command(sys.executable, Path(current_app.root_path).parent / "wsgi.py", environment)
    user = pwd.getpwuid(os.getuid()).pw_name
    return [(_("Postfix: a line of master.cf; transport_maps names it as lettermill:"), postfix_master(command, user)),
            (_("Postfix: the line of main.cf that belongs to it"), POSTFIX_MAIN), (_("Or Postfix: a line of the aliases"), postfix_alias(command)),
            (_("Exim: the command of a pipe transport"), exim_line(command))]


def try_mailbox(form: SectionForm, values: Monitored) -> list[Step] | None:
    """Test the mailbox that was typed, whatever way is chosen; None, with the messages beside their fields, where something is missing."""
    wanted = replace(values, method=MAILBOX)
    if found := problems(wanted):
        for problem in found:
            form.complain(problem.name, problem.message)
        return None
    record(db.session(), actor.actor_name(), actor.client_address(), "mailbox.tested", name_of(type(wanted)), {"host": wanted.mailbox_host})
    # What the policy has read is let go before somebody else's server is waited for.
    db.session.commit()
    return test_mailbox(wanted)
