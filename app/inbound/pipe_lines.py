"""The lines by which mail servers hand mail over to ``flask inbound pipe``: ready to paste, with the paths of this installation.

Addresses are never a part of a command that a shell reads: Postfix hands them over as arguments, or both do in the environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path


def pipe_command(python: str, application: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the command without its addresses: it finds the installation from any folder."""
    return ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), python, "-m", "flask", "--app", str(application), "inbound", "pipe"]


# Postfix hands over as many recipients as it has, and the command takes one.
POSTFIX_MAIN = "lettermill_destination_recipient_limit = 1"


def postfix_master(command: list[str], user: str) -> str:
    """Return a service for ``master.cf`` (pipe(8)); ``transport_maps`` names it."""
    words = [f"{{ {word} }}" if " " in word else word for word in command]
    return f"lettermill unix - n n - 4 pipe user={user} null_sender= argv={' '.join(words)} --recipient ${{original_recipient}} --sender ${{sender}}"


def postfix_alias(command: list[str]) -> str:
    """Return an entry for ``aliases`` (local(8) sets the environment); the name before the colon is for whoever pastes it to choose."""
    return f'bounces: "|{_escaped(shlex.join(command))} --recipient \\"$ORIGINAL_RECIPIENT\\" --sender \\"$SENDER\\""'


def exim_line(command: list[str]) -> str:
    """Return the option of a ``pipe`` transport. Arguments from outside are refused by newer versions, the environment is not."""
    whole = f'{shlex.join(command)} --recipient "$RECIPIENT" --sender "$SENDER"'
    # Exim takes the quotation marks off, then puts values in, and only then the shell reads it.
    unexpanded = whole.replace("\\", "\\\\").replace("$", "\\$")
    return f'command = /bin/sh -c "{_escaped(unexpanded)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
