"""The house as one value: what the features are given instead of looking it up.

Built once by ``create_app``. Nothing below the web asks Flask for it: it is handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from sqlalchemy.engine import Engine

from app.config import Config
from app.jobs import Jobs
from app.mail.tokens import TokenKeys
from app.plugins.manager import Plugins
from app.processes.heartbeats import HeartbeatThread
from app.settings.secrets import SecretBox
from app.settings.store import SettingsStore

VERSION = "0.1.0"


# Subject, plain text, HTML.
MailText = tuple[str, str, str]
# (name of the templates, who gets it, their values) -> the mail
WriteMail = Callable[[str, Any, Mapping[str, Any]], MailText]


def no_templates(name: str, _person: Any, _values: Mapping[str, Any]) -> MailText:
    """Refuse to write: this house was built without its pages."""
    raise RuntimeError(f"the mail {name} needs templates, and this house was built without them")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that outlives a unit of work: the deployment, the connections, the keys, the settings, the plug-ins."""

    config: Config
    engine: Engine
    redis: Redis
    jobs: Jobs
    secrets: SecretBox
    tokens: TokenKeys
    settings: SettingsStore
    plugins: Plugins
    key: bytes = field(repr=False)
    # Writes a mail of the platform from its template, in the language of the person who gets it.
    write_mail: WriteMail = field(default=no_templates, repr=False)

    @contextmanager
    def alive(self, kind: str) -> Iterator[None]:
        """Speak for this process while the block runs: its heartbeat tells the revision it reads and the plug-ins it has loaded."""
        beat = HeartbeatThread(self.redis, kind, VERSION, self.settings.revision, self.plugins.fingerprint)
        beat.beat()
        beat.start()
        try:
            yield
        finally:
            beat.end()
