"""``docs/settings.md``, made from the declarations; a test compares it."""

from __future__ import annotations

from typing import Any

from app.settings.schema import Spec, specs
from app.settings.sections import CORE

HEAD = """# Settings

Made from the declarations in `app/settings/sections/` (`python -m app.settings.documentation > docs/settings.md`). Every setting is in
force with the next message or request; nothing restarts. The key is the name in the API (`PATCH /api/v1/settings/<section>`) and at the
terminal (`flask settings set <section>.<name> <value>`).
"""


def document() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(section) for section in CORE)


def _section(section: Any) -> str:
    rows = "".join(_row(section, name, spec) for name, spec in specs(section).items())
    intro = " ".join((section.__doc__ or "").split())
    head = "| Setting | Key | Kind | Default | What it does |\n|---|---|---|---|---|\n"
    return f"\n## {section.group} › {section.title} (`{section.section_name}`)\n\n{intro}\n\n{head}{rows}"


def _row(section: Any, name: str, spec: Spec) -> str:
    default = "" if spec.secret else " ".join(str(getattr(section(), name)).split()).replace("|", "\\|")
    kind = spec.kind.replace("_", " ") + (f", {spec.minimum} to {spec.maximum}{' ' + spec.unit if spec.unit else ''}" if spec.kind == "integer" else "")
    return f"| {spec.label} | `{name}` | {kind} | {f'`{default}`' if default else 'empty'} | {spec.help.replace('|', chr(92) + '|')} |\n"


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - this is what the command is for
