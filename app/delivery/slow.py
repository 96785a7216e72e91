"""The slow path: an enabled plug-in looks at each single mail. Only then is the second half of the road walked once more for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.campaigns.personalisation import Person, fill, reader_of
from app.delivery.compile import CompiledSending, walk
from app.delivery.road import Mail, Stop
from app.delivery.steps import ADDRESSING
from app.delivery.transports.wire import WireMessage
from app.mail.message import compile_message
from app.mail.mfrom import mfrom_address
from app.plugins.calling import PluginFailed
from app.plugins.calls import RETRY_MINUTES, filter_message, transform_message
from app.plugins.manager import EnabledPlugins
from app.plugins.views import Defer, MessageView, SendingView, Skip

PLUGIN = "plugin"


def render_slowly(compiled: CompiledSending, enabled: EnabledPlugins, sending: SendingView, row: Any, person: Person) -> WireMessage | Stop:
    """Return one mail as plug-ins want it, or their word that it does not go (now)."""
    view = _view(compiled, row, person)
    verdict = filter_message(enabled, sending, view)
    if verdict is not None:
        return stop_of(verdict)
    try:
        changed = transform_message(enabled, sending, view)
    except PluginFailed as failed:
        return Stop(PLUGIN, str(failed), RETRY_MINUTES)
    mail = walk(_concrete(changed, compiled.written), compiled.trip, ADDRESSING)
    message = compile_message(mail.draft())
    return compiled.finish(row, person, message.render([reader_of(name)(person) for name in message.slots]))


def stop_of(verdict: Skip | Defer) -> Stop:
    """Return a plug-in's verdict as the road's own word."""
    words = f"{verdict.by}: {verdict.reason}" if verdict.reason else verdict.by
    return Stop(PLUGIN, words, verdict.minutes if isinstance(verdict, Defer) else None)


def _view(compiled: CompiledSending, row: Any, person: Person) -> MessageView:
    mail = compiled.written
    mfrom = compiled.addressed.mfrom_fixed or mfrom_address(person.more["@mfrom"], compiled.addressed.mfrom_domain)
    return MessageView(position=row.position, email=row.email, mfrom=mfrom, subject=fill(mail.subject, person),
                       html="" if mail.html is None else fill(mail.html, person), plain=fill(mail.plain, person))


def _concrete(view: MessageView, written: Mail) -> Mail:
    blank = Mail(subject=(view.subject,), html=(view.html,) if view.html else None, plain=(view.plain,))
    return replace(blank, further=(*written.further, *view.headers))
